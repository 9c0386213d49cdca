//! Joins surrogate pairs that a stream splits between two events.
//!
//! Half of a pair is not a valid character. A private-use character marks it until the other half
//! arrives.

use serde_json::Value;

/// First character of the marks for halves, in the last private-use plane.
const MARKS: u32 = 0x10_0000;
const HIGH: std::ops::RangeInclusive<u32> = 0xD800..=0xDBFF;
const LOW: std::ops::RangeInclusive<u32> = 0xDC00..=0xDFFF;

/// Replaces lone halves in `json` by marks; `None` without lone halves.
pub(super) fn marked(json: &str) -> Option<String> {
    let (mut out, mut from, mut at) = (String::new(), 0, 0);
    // In JSON, backslashes occur only in strings, and each escapes the next character.
    while let Some(found) = json[at..].find('\\') {
        let start = at + found;
        let after = |skip: usize| start + skip;
        match escaped(&json[start..]) {
            Some(high) if HIGH.contains(&high) && escaped(&json[after(6)..]).is_some_and(|low| LOW.contains(&low)) => at = after(12),
            Some(half) if HIGH.contains(&half) || LOW.contains(&half) => {
                out.push_str(&json[from..start]);
                out.extend(char::from_u32(MARKS + half));
                (from, at) = (after(6), after(6));
            }
            _ => at = json.ceil_char_boundary(after(2).min(json.len())),
        }
    }
    (from > 0).then(|| out + &json[from..])
}

/// Reads an escape `\uXXXX` at the start of a text.
fn escaped(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
}

/// Joins adjacent halves in a text.
///
/// Remaining lone halves become U+FFFD. The flag reports them.
pub(super) fn joined(text: &str) -> (String, bool) {
    let half = |c: char| u32::from(c).checked_sub(MARKS).filter(|half| HIGH.contains(half) || LOW.contains(half));
    let (mut out, mut alone) = (String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let Some(first) = half(c) else {
            out.push(c);
            continue;
        };
        let second = chars.peek().copied().and_then(half).filter(|second| HIGH.contains(&first) && LOW.contains(second));
        let whole = second.and_then(|second| char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00)));
        if whole.is_some() {
            chars.next();
        }
        alone |= whole.is_none();
        out.push(whole.unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    (out, alone)
}

/// Joins halves in all texts of a reply. Returns whether lone halves remain.
pub(super) fn join_all(value: &mut Value) -> bool {
    match value {
        Value::String(text) => {
            let (whole, alone) = joined(text);
            *text = whole;
            alone
        }
        Value::Array(items) => items.iter_mut().fold(false, |alone, item| join_all(item) | alone),
        Value::Object(fields) => fields.values_mut().fold(false, |alone, field| join_all(field) | alone),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lone_halves_are_marked() {
        for whole in [r#"{"a":"\ud83d\ude00"}"#, r#"{"a":"\\ud83d \u00e4 \" ä"}"#, "{}", r#"{"a":"\"#, r#""\u12"#] {
            assert_eq!(marked(whole), None, "{whole}");
        }
        let halves = [r#"{"a":"x\ud83d"}"#, r#"{"a":"\uDE00y"}"#].map(|half| marked(half).unwrap());
        let texts = halves.map(|half| serde_json::from_str::<Value>(&half).unwrap()["a"].as_str().unwrap().to_owned());
        assert_eq!(joined(&texts.concat()), ("x😀y".to_owned(), false));
        assert_eq!(joined(&texts[0]), ("x\u{fffd}".to_owned(), true));
        assert_eq!(joined(&format!("{}{}", texts[1], texts[0])), ("\u{fffd}yx\u{fffd}".to_owned(), true));
    }
}
