//! Prepares the results of `docmill compare` for the page. Their file may come from another
//! version, so unexpected values are omitted.

use super::chart::picture;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Maximum number of distinct answers in a confusion table.
const MAX_ANSWERS: usize = 25;

/// Converts a list of pairs with counts to a table. Returns `None` if the list is malformed, or too
/// large to be readable.
pub fn confusion(counts: &Value, first: &str, second: &str) -> Option<Value> {
    let mut rows: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    for count in counts.as_array()? {
        let (one, other) = (count[first].as_str()?, count[second].as_str()?);
        rows.entry(one).or_default().insert(other, count["documents"].as_u64()?);
    }
    let mut heads: Vec<&str> = rows.values().flat_map(BTreeMap::keys).copied().collect();
    heads.sort_unstable();
    heads.dedup();
    let row = |(one, counts): (&&str, &BTreeMap<&str, u64>)| {
        let cells: Vec<_> = heads.iter().map(|other| json!([counts.get(other), one == other])).collect();
        json!([one, cells])
    };
    (!rows.is_empty() && rows.len() <= MAX_ANSWERS && heads.len() <= MAX_ANSWERS)
        .then(|| json!({"heads": heads, "rows": rows.iter().map(row).collect::<Vec<_>>()}))
}

/// Draws a share from 0 to 1 with its interval.
pub fn interval(share: &Value) -> String {
    let number = |value: &Value| value.as_f64().filter(|n| (0.0..=1.0).contains(n));
    let (Some(value), Some(from), Some(to)) = (number(&share["share"]), number(&share["interval"][0]), number(&share["interval"][1]))
    else {
        return String::new();
    };
    let [value, from, to] = [value, from, to].map(|share| 4.0 + 292.0 * share);
    let body = format!(
        "<line x1=\"4\" y1=\"12\" x2=\"296\" y2=\"12\" class=\"grid\"/><rect x=\"{from:.1}\" y=\"7\" width=\"{:.1}\" height=\"10\" class=\"c-past\"/>\
         <circle cx=\"{value:.1}\" cy=\"12\" r=\"5\" class=\"c-work\"/>",
        (to - from).max(1.0)
    );
    picture("from 0 to 100 %, with the 95 % interval", "", 24.0, &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_become_a_table_and_malformed_input_is_omitted() {
        let counts = json!([{"label": "a", "answer": "a", "documents": 3}, {"label": "b", "answer": "a", "documents": 1}]);
        let table = confusion(&counts, "label", "answer").expect("a table");
        assert_eq!(table, json!({"heads": ["a"], "rows": [["a", [[3, true]]], ["b", [[1, false]]]]}));
        for odd in [json!(null), json!([]), json!([{"label": 1}]), json!("x")] {
            assert_eq!(confusion(&odd, "label", "answer"), None);
            assert_eq!(interval(&odd), "");
        }
        assert!(interval(&json!({"share": 0.5, "interval": [0.25, 0.75]})).contains("cx=\"150.0\""));
    }
}
