//! Repairs JSON as programs write it, so that reading loses nothing.
//!
//! | written | read as | written by |
//! |---|---|---|
//! | `NaN`, `Infinity`, `-Infinity` | a string with these letters | Python, JavaScript libraries |
//! | a number with more digits than a double holds, or beyond its range | a string with these digits | ids, amounts of money |
//! | `"\ud83d"`, one half of a surrogate pair | U+FFFD | Python, programs that cut texts |
//! | a control character inside a string | its escape | programs that concatenate JSON |

use std::borrow::Cow;
use std::fmt::Write as _;

/// Replaces tokens that the JSON reader would reject or round.
pub(super) fn repaired(json: &str) -> Cow<'_, str> {
    let bytes = json.as_bytes();
    let (mut out, mut copied, mut at) = (String::new(), 0, 0);
    let mut replace = |range: std::ops::Range<usize>, by: &str| {
        out.push_str(&json[copied..range.start]);
        out.push_str(by);
        copied = range.end;
    };
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at = string(json, at, &mut replace),
            b'-' | b'0'..=b'9' | b'N' | b'I' => {
                let length = bytes[at..].iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte)).count();
                let token = &json[at..at + length];
                if ["NaN", "Infinity", "-Infinity"].contains(&token) || (is_number(token) && !is_exact(token)) {
                    replace(at..at + length, &format!("\"{token}\""));
                }
                at += length;
            }
            _ => at += 1,
        }
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    out.push_str(&json[copied..]);
    Cow::Owned(out)
}

/// Whether the text is an array of objects. CSV may begin with a column `[id]`, which is no array.
pub(super) fn is_array(beginning: &str) -> bool {
    beginning.strip_prefix('[').is_some_and(|rest| matches!(rest.trim_start().chars().next(), Some('{' | ']')))
}

/// Whether the first object is complete and spans several lines.
pub(super) fn is_over_lines(beginning: &str) -> bool {
    let Some(first_line) = beginning.lines().next().filter(|_| beginning.starts_with('{')) else { return false };
    let is_whole = |json: &str| {
        let repaired = repaired(json);
        let mut objects = serde_json::Deserializer::from_str(&repaired).into_iter::<serde_json::Map<_, serde_json::Value>>();
        matches!(objects.next(), Some(Ok(_)))
    };
    is_whole(beginning) && !is_whole(first_line)
}

/// Scans the string that begins at `start`; returns its end.
fn string(json: &str, start: usize, replace: &mut impl FnMut(std::ops::Range<usize>, &str)) -> usize {
    let (bytes, mut at) = (json.as_bytes(), start + 1);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => match unit(bytes, at) {
                Some(0xD800..=0xDBFF) if matches!(unit(bytes, at + 6), Some(0xDC00..=0xDFFF)) => at += 12,
                Some(0xD800..=0xDFFF) => {
                    replace(at..at + 6, "\\ufffd");
                    at += 6;
                }
                _ => at += 2,
            },
            control @ 0..0x20 => {
                let mut escape = String::new();
                // Writing to a String cannot fail.
                let _infallible = write!(escape, "\\u{control:04x}");
                replace(at..at + 1, &escape);
                at += 1;
            }
            _ => at += 1,
        }
    }
    at
}

/// The code unit of the escape `\uXXXX` at `at`.
fn unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Whether this is a number in JSON syntax.
fn is_number(token: &str) -> bool {
    let unsigned = token.strip_prefix('-').unwrap_or(token);
    let whole = unsigned.split(['.', 'e', 'E']).next().unwrap_or_default();
    let leading_zero = whole.len() > 1 && whole.starts_with('0');
    !leading_zero && whole.bytes().all(|byte| byte.is_ascii_digit()) && !unsigned.ends_with('.') && token.parse::<f64>().is_ok()
}

/// Whether the JSON reader keeps all digits of this number.
fn is_exact(number: &str) -> bool {
    // A double holds any 15 digits.
    let is_short = number.len() <= 15 && !number.contains(['e', 'E']);
    if is_short || number.parse::<i64>().is_ok() || number.parse::<u64>().is_ok() {
        return true;
    }
    serde_json::from_str::<f64>(number).is_ok_and(|read| digits(number) == digits(&format!("{read:e}")))
}

/// Significant digits and decimal exponent.
fn digits(number: &str) -> (String, i64) {
    let number = number.trim_start_matches('-').to_ascii_lowercase();
    let (mantissa, exponent) = number.split_once('e').unwrap_or((&number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let significant = all.trim_start_matches('0');
    let leading = all.len() - significant.len();
    let point = |length: usize| i64::try_from(length).unwrap_or(i64::MAX);
    let exponent = exponent.parse::<i64>().unwrap_or(i64::MAX / 2) + point(whole.len()) - point(leading);
    let significant = significant.trim_end_matches('0').to_owned();
    let exponent = if significant.is_empty() { 0 } else { exponent };
    (significant, exponent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn an_object_on_the_first_line_is_a_row_even_if_it_needs_repair() {
        for first in
            [r#"{"v": NaN}"#, "{\"v\": \"a\tb\"}", r#"{"id": 12345678901234567890123}"#, r#"{"v": "\ud83d"}"#, "{}", r#"{"v": "cut"#]
        {
            assert!(!is_over_lines(&format!("{first}\n{{\"v\": 2}}\n{{\"v\": \"cut\n")), "{first}");
            assert!(!is_over_lines(&format!("{first}\r\n{{\"v\": 2}}\r\n")), "{first}");
        }
        for over_lines in ["{\n\"v\": 1}", "{\"v\": NaN,\n\"w\": 2}\n{", "{\"v\": \"two\nlines\"}"] {
            assert!(is_over_lines(over_lines), "{over_lines}");
        }
    }

    #[test]
    fn reading_loses_nothing_that_programs_write() {
        for (written, read) in [
            (r#"{"a": NaN, "b": [Infinity,-Infinity]}"#, r#"{"a": "NaN", "b": ["Infinity","-Infinity"]}"#),
            (r#"{"id": 12345678901234567890123}"#, r#"{"id": "12345678901234567890123"}"#),
            (r#"{"id":-12345678901234567890123,"n":3}"#, r#"{"id":"-12345678901234567890123","n":3}"#),
            ("[0.1234567890123456789, 1e400, 1E5, 2e-3]", r#"["0.1234567890123456789", "1e400", 1E5, 2e-3]"#),
            (r#"{"s": "a\ud83d b", "t": "\ud83d\ude00", "u": "\\ud83d"}"#, r#"{"s": "a\ufffd b", "t": "\ud83d\ude00", "u": "\\ud83d"}"#),
            (r#"["\udc00\ud800", "\ud83d\ud83d\ude00"]"#, r#"["\ufffd\ufffd", "\ufffd\ud83d\ude00"]"#),
            ("{\"s\": \"a\tb\u{1}\"}", r#"{"s": "a\u0009b\u0001"}"#),
        ] {
            assert_eq!(repaired(written), read);
            serde_json::from_str::<Value>(read).unwrap();
        }
        for sound in [
            r#"{"a": "NaN -Infinity 12345678901234567890123", "n": -9223372036854775808, "m": 18446744073709551615, "x": 0.1}"#,
            r#"{"t": true, "f": false, "z": null, "d": 1234567890.125, "e": 1.7976931348623157e308, "o": -0.0}"#,
            r#"{"broken": 01, "x": 1.}"#,
            "{\"unclosed\": \"a",
            "\\",
            "\"\\",
        ] {
            assert!(matches!(repaired(sound), Cow::Borrowed(_)), "{sound}: {}", repaired(sound));
        }
    }

    proptest::proptest! {
        /// The value has exactly the digits of the JSON number.
        #[test]
        fn a_number_is_kept_to_its_last_digit(number in "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,25})?(e-?[0-9]{1,2})?") {
            let value: Value = serde_json::from_str(&repaired(&number)).unwrap();
            let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            proptest::prop_assert_eq!(digits(&shown), digits(&number), "{}", shown);
        }

        #[test]
        fn sound_json_says_the_same(text in "\\PC{0,20}", number in proptest::num::i64::ANY) {
            let json = serde_json::json!({ "text": text, "number": number, "list": [text] }).to_string();
            proptest::prop_assert_eq!(&*repaired(&json), &*json);
        }
    }
}
