//! Decodes the body of a reply by its content.
//!
//! The content type is ignored, because it may be wrong.

use super::sse::Events;
use crate::model::Repair;
use crate::repair;
use serde_json::Value;
use std::collections::BTreeSet;

/// A decoded body.
#[derive(Debug, PartialEq)]
pub(super) enum Decoded {
    /// One value, and the repairs needed to read it.
    Json(Value, BTreeSet<Repair>),
    /// Several values, as some servers stream them.
    Values(Vec<Value>),
    /// Server-sent events.
    Events,
    /// Any other body.
    Unreadable,
}

/// Prefixes of the lines of server-sent events.
const FIELDS: [&[u8]; 5] = [b"data:", b"event:", b"id:", b"retry:", b":"];

/// Strips a byte order mark and keep-alive blanks at the start.
pub(super) fn beginning(body: &[u8]) -> &[u8] {
    let mut body = body;
    loop {
        let rest = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        let rest = &rest[rest.iter().take_while(|byte| byte.is_ascii_whitespace() || **byte == 0).count()..];
        if rest.len() == body.len() {
            return body;
        }
        body = rest;
    }
}

/// Whether the body is a stream of events.
///
/// `None` if `body` is too short to decide.
pub(super) fn is_events(body: &[u8]) -> Option<bool> {
    let body = beginning(body);
    if FIELDS.iter().any(|field| body.starts_with(field)) {
        return Some(true);
    }
    let may_become = |field: &[u8]| field.starts_with(body);
    (!FIELDS.iter().any(|field| may_become(field)) && !may_become(b"\xef\xbb\xbf")).then_some(false)
}

/// Reads the JSON objects and lists at the start of a text.
///
/// It stops at other text.
pub(super) fn values(text: &str, repaired: &mut BTreeSet<Repair>) -> Vec<Value> {
    let mut values = Vec::new();
    let mut rest = text.trim_start();
    // A bare word or number counts as prose.
    while rest.starts_with(['{', '[']) {
        let Ok(parsed) = repair::parse(rest) else { break };
        let is_done = parsed.value.as_array().is_some_and(Vec::is_empty);
        repaired.extend(parsed.repaired.iter().filter(|repair| **repair == Repair::LoneSurrogate));
        rest = rest[parsed.end..].trim_start_matches(|c: char| c.is_whitespace() || c == ',' || c == '\0');
        if !is_done {
            values.push(parsed.value);
        }
    }
    if !rest.is_empty() {
        repaired.insert(Repair::ReplyForm);
    }
    values
}

pub(super) fn decode(body: &[u8]) -> Decoded {
    match serde_json::from_slice(body) {
        Ok(Value::Array(values)) if !values.is_empty() => return Decoded::Values(values),
        Ok(json) => return Decoded::Json(json, BTreeSet::new()),
        Err(_) => {}
    }
    if is_events(body) == Some(true) {
        return Decoded::Events;
    }
    let mut repaired = BTreeSet::new();
    let mut values = values(&String::from_utf8_lossy(beginning(body)), &mut repaired);
    match values.len() {
        0 => Decoded::Unreadable,
        1 if values[0].is_object() => {
            if repaired.is_empty() {
                repaired.insert(Repair::ReplyForm);
            }
            Decoded::Json(values.swap_remove(0), repaired)
        }
        _ => Decoded::Values(
            values.into_iter().flat_map(|value| if let Value::Array(values) = value { values } else { vec![value] }).collect(),
        ),
    }
}

/// The first value of a body in any form. Only this one matters in an error.
pub(super) fn first_value(body: &[u8]) -> Option<Value> {
    match decode(body) {
        Decoded::Json(value, _) => Some(value),
        Decoded::Values(values) => values.into_iter().next(),
        Decoded::Events => {
            let (mut events, mut first) = (Events::default(), None);
            let mut take = |data: &str| first = first.take().or_else(|| values(data, &mut BTreeSet::new()).into_iter().next());
            events.push(body, &mut take);
            events.finish(&mut take);
            first
        }
        Decoded::Unreadable => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_body_is_decoded_by_its_content() {
        let repaired = |names: &[Repair]| names.iter().copied().collect::<BTreeSet<_>>();
        let one = |names: &[Repair]| Decoded::Json(json!({"a": 1}), repaired(names));
        for (body, expected) in [
            ("{\"a\":1}", one(&[])),
            (" \n\n{\"a\":1}\r\n", one(&[])),
            ("\u{feff}{\"a\":1}", one(&[Repair::ReplyForm])),
            ("\0\n{\"a\":1}", one(&[Repair::ReplyForm])),
            ("{\"a\":1}\n\ndata: [DONE]\n\n", one(&[Repair::ReplyForm])),
            ("{\"a\":1}[DONE]", one(&[Repair::ReplyForm])),
            ("{\"a\":1}\0\0", one(&[Repair::ReplyForm])),
            ("{\"a\":\"\\ud83d\"}", Decoded::Json(json!({"a": "\u{fffd}"}), repaired(&[Repair::LoneSurrogate]))),
            ("{\"a\":1}\n{\"a\":2}\n", Decoded::Values(vec![json!({"a": 1}), json!({"a": 2})])),
            ("[{\"a\":1},\r\n{\"a\":2}]", Decoded::Values(vec![json!({"a": 1}), json!({"a": 2})])),
            ("data: {}\n\n", Decoded::Events),
            ("\u{feff}\n: hi\n\ndata: {}\n\n", Decoded::Events),
            ("event: x\ndata: {}\n\n", Decoded::Events),
            ("<html>{}</html>", Decoded::Unreadable),
            ("7 errors", Decoded::Unreadable),
            ("{\"a\":", Decoded::Unreadable),
            ("", Decoded::Unreadable),
        ] {
            assert_eq!(decode(body.as_bytes()), expected, "{body:?}");
        }
    }

    #[test]
    fn events_are_recognised_as_early_as_possible() {
        assert_eq!([b"".as_slice(), b"\xef", b" da", b"even"].map(is_events), [None; 4]);
        assert_eq!([b"{".as_slice(), b"<", b"dat:", b"x"].map(is_events), [Some(false); 4]);
        assert_eq!([b"data:".as_slice(), b"\xef\xbb\xbf\n:", b"\0retry: 3"].map(is_events), [Some(true); 3]);
    }

    #[test]
    fn an_error_is_found_in_every_form_of_body() {
        for body in ["{\"e\":1}", "[{\"e\":1}]", "data: {\"e\":1}\n\ndata: [DONE]\n\n", "\u{feff}{\"e\":1}"] {
            assert_eq!(first_value(body.as_bytes()), Some(json!({"e": 1})), "{body}");
        }
    }
}
