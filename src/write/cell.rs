//! From a JSON value to a CSV cell that no spreadsheet takes for a formula.

use serde_json::Value;
use std::borrow::Cow;

/// A value as a cell. Numbers and truth values stand as they are, lists of plain values are joined with `; `, anything
/// deeper is JSON.
pub fn cell(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => Cow::Borrowed(""),
        Value::Bool(_) | Value::Number(_) => Cow::Owned(value.to_string()),
        Value::String(text) => guarded(text),
        Value::Array(items) if items.iter().all(|i| !i.is_array() && !i.is_object()) => {
            let items: Vec<String> = items.iter().map(|i| i.as_str().map_or_else(|| i.to_string(), ToOwned::to_owned)).collect();
            Cow::Owned(guarded(&items.join("; ")).into_owned())
        }
        Value::Array(_) | Value::Object(_) => Cow::Owned(value.to_string()),
    }
}

/// Text with a `'` in front if a spreadsheet would take it for a formula. Text that is a plain number, or a word for one, is left
/// alone: it can refer to nothing and call nothing.
/// Text that begins with `'` gets one too, so the rule can be undone: take one `'` away from the front.
/// NUL characters, which no reader of CSV takes, are dropped.
pub fn guarded(text: &str) -> Cow<'_, str> {
    let text = if text.contains('\0') { Cow::Owned(text.replace('\0', "")) } else { Cow::Borrowed(text) };
    let risky = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\'', '＝', '＋', '－', '＠']);
    if risky && !is_number(&text) { Cow::Owned(format!("'{text}")) } else { text }
}

fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_word = ["inf", "infinity", "nan"].iter().any(|word| unsigned.eq_ignore_ascii_case(word));
    let is_plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'));
    is_word || (is_plain && text.parse::<f64>().is_ok())
}
