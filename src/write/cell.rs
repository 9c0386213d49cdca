//! Converts JSON values to CSV cells that spreadsheets never run.

use serde_json::Value;
use std::borrow::Cow;

/// Converts a value to a cell of CSV: the text of `plain`, guarded where it is no formula.
pub fn cell(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => guarded(text),
        // Numbers alone call nothing.
        Value::Array(items) if is_joined(items) && !items.iter().all(Value::is_number) => Cow::Owned(guarded(&plain(value)).into_owned()),
        value => plain(value),
    }
}

/// The text of a value. Numbers and booleans stay unchanged. Lists of plain values are joined with
/// `; `. An empty list is `[]`, because an empty cell is null. Deeper values become JSON.
pub fn plain(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => Cow::Borrowed(""),
        Value::String(text) => Cow::Borrowed(text),
        Value::Array(items) if is_joined(items) => {
            let items: Vec<String> = items.iter().map(|i| i.as_str().map_or_else(|| i.to_string(), ToOwned::to_owned)).collect();
            Cow::Owned(items.join("; "))
        }
        value => Cow::Owned(value.to_string()),
    }
}

/// Whether a list is shown without brackets.
fn is_joined(items: &[Value]) -> bool {
    !items.is_empty() && items.iter().all(|item| !item.is_array() && !item.is_object())
}

/// Puts `'` before text that a spreadsheet would read as a formula.
///
/// Such text begins with `=`, `+`, `-`, `@` or a full-width form of them, also after blanks,
/// invisible characters and `;`, which separates cells in some languages. Text that begins with a
/// line break or a tab gets a `'` too.
///
/// Plain numbers and words such as `inf` stay unchanged, because they cannot call anything. Text
/// that begins with `'` gets another one. Readers undo the rule by removing one leading `'`. NUL
/// characters are dropped, because CSV readers reject them.
pub fn guarded(text: &str) -> Cow<'_, str> {
    let text = if text.contains('\0') { Cow::Owned(text.replace('\0', "")) } else { Cow::Borrowed(text) };
    let is_passed_over = |c: char| c.is_whitespace() || c.is_control() || ";,\u{ad}\u{200b}\u{200c}\u{200d}\u{2060}\u{feff}；".contains(c);
    let breaks = |c: char| c == '\'' || (c != ' ' && c.is_control()) || ['\u{2028}', '\u{2029}'].contains(&c);
    let formula =
        text.trim_start_matches(is_passed_over).starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠', '﹢', '﹣', '﹦', '﹫', '−']);
    let risky = formula || text.starts_with(breaks);
    if risky && !is_number(text.trim_matches(' ')) { Cow::Owned(format!("'{text}")) } else { text }
}

/// A text without the `'` of [`guarded`]; `None` if it has no such `'`.
pub fn unguarded(text: &str) -> Option<&str> {
    text.strip_prefix('\'').filter(|bare| guarded(bare) == text)
}

fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_word = ["inf", "infinity", "nan"].iter().any(|word| unsigned.eq_ignore_ascii_case(word));
    let is_plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'));
    is_word || (is_plain && text.parse::<f64>().is_ok())
}
