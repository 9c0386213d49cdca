//! Reads bounds from descriptions, for providers without keywords for them.
//!
//! A real model reads "Exactly 3 items" and returns three, and so does the simulator. It
//! understands `Exactly N`, `From A to B`, `At least A` and `At most B` at the start of a sentence.

use serde_json::Value;

/// Lower and upper bound in a description.
pub(super) fn bounds(schema: &Value) -> (Option<f64>, Option<f64>) {
    let description = schema["description"].as_str().unwrap_or_default();
    description.split(". ").map(sentence).find(|(low, high)| low.is_some() || high.is_some()).unwrap_or_default()
}

fn sentence(text: &str) -> (Option<f64>, Option<f64>) {
    let words: Vec<&str> = text.split_whitespace().map(|word| word.trim_end_matches([',', '.'])).collect();
    let number = |at: usize| words.get(at).and_then(|word| word.parse::<f64>().ok());
    match words.as_slice() {
        ["Exactly", ..] => (number(1), number(1)),
        ["From", _, "to", ..] => (number(1), number(3)),
        ["At", "least", ..] => (number(2), None),
        ["At", "most", ..] => (None, number(2)),
        _ => (None, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn bounds_are_read_from_descriptions() {
        let read = |text: &str| bounds(&json!({"description": text}));
        assert_eq!(read("Exactly 3 items"), (Some(3.0), Some(3.0)));
        assert_eq!(read("how good. From -1 to 1"), (Some(-1.0), Some(1.0)));
        assert_eq!(read("At least 5 items"), (Some(5.0), None));
        assert_eq!(read("from 1 to 10 as a rule"), (None, None));
        assert_eq!(bounds(&json!({})), (None, None));
    }
}
