//! The body of a request, which shares the bytes of images.

use crate::model::{MessagePart, Picture};
use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// A JSON body in several buffers.
///
/// Calls on the same image share its base64 bytes. Each call has its own JSON around them.
#[derive(Debug, Clone)]
pub struct Body {
    pieces: Vec<Bytes>,
}

impl Body {
    /// Serialises `json` and replaces its placeholders by images.
    pub fn new(json: &impl Serialize, parts: &[MessagePart]) -> Self {
        // Serialising cannot fail: requests have only strings, numbers, lists and maps with string
        // keys.
        let frame = serde_json::to_vec(json).unwrap_or_default();
        // A body lives as long as its request, so it keeps no spare room.
        let frame = Bytes::from(frame.into_boxed_slice());
        let mut pieces = Vec::new();
        let mut rest = frame;
        for picture in pictures(parts) {
            let mark = placeholder(picture);
            let Some(at) = find(&rest, mark.as_bytes()) else { continue };
            pieces.push(rest.split_to(at));
            pieces.push(picture.base64.clone());
            let _mark = rest.split_to(mark.len());
        }
        pieces.push(rest);
        Self { pieces }
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }

    /// Whether the body is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Removes text from `error` that repeats the request.
    ///
    /// The words of a document must not decide how its failure is classified.
    pub fn without_echo<'e>(&self, error: Cow<'e, str>) -> Cow<'e, str> {
        // Even buffers are JSON. Odd buffers are images.
        let frame: Vec<&str> = self.pieces.iter().step_by(2).filter_map(|piece| std::str::from_utf8(piece).ok()).collect();
        let mut out = String::new();
        let (mut from, mut at) = (0, 0);
        while at + SAMPLE <= error.len().min(LOOKED_AT) {
            let sample = error.get(at..at + SAMPLE);
            let run =
                sample.and_then(|sample| frame.iter().find_map(|text| text.find(sample).map(|found| common(&error, at, text, found))));
            match run.filter(|run| run.len() >= ECHO && run.start >= from) {
                Some(run) => {
                    out.push_str(&error[from..run.start]);
                    out.push_str("[...]");
                    (from, at) = (run.end, run.end);
                }
                None => at += SAMPLE,
            }
        }
        out.push_str(&error[from..]);
        let is_json = |text: &str| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
        if from == 0 || (is_json(&error) && !is_json(&out)) { error } else { Cow::Owned(out) }
    }

    /// The body with the size of each image in its place, for people.
    pub fn without_images(&self) -> String {
        let shown = self.pieces.iter().enumerate().map(|(n, piece)| match n % 2 {
            0 => String::from_utf8_lossy(piece).into_owned(),
            _ => format!("({} bytes in base64)", piece.len()),
        });
        shown.collect()
    }

    /// The buffers in order.
    pub fn into_pieces(self) -> Vec<Bytes> {
        self.pieces
    }
}

/// Minimum length of a repetition, in bytes. Shorter ones may be coincidence.
const ECHO: usize = 24;
/// Length of the samples of an error, in bytes.
///
/// Each sample is searched in the request. Every repetition contains a whole sample.
const SAMPLE: usize = ECHO / 2;
/// Maximum bytes of an error that are checked.
const LOOKED_AT: usize = 2048;

/// The text that `one` and `other` share around two positions.
///
/// Returns a range in `one`. The range stays within one JSON string, so the text without it is
/// still JSON.
fn common(one: &str, at: usize, other: &str, found: usize) -> Range<usize> {
    let (first, second) = (one.as_bytes(), other.as_bytes());
    let same = |(a, b): &(usize, usize)| first[*a] == second[*b] && !is_end_of_string(first, *a);
    let before = (0..at).rev().zip((0..found).rev()).take_while(same).count();
    let after = (at..first.len()).zip(found..second.len()).take_while(same).count();
    let (mut start, mut end) = (one.ceil_char_boundary(at - before), one.floor_char_boundary(at + after));
    // Escape sequences must not be split.
    if one[..start].ends_with('\\') {
        start += one[start..].chars().next().map_or(0, char::len_utf8);
    }
    if one[start..end].ends_with('\\') {
        end -= 1;
    }
    start..end
}

/// Whether the byte is an unescaped quote, which delimits strings.
fn is_end_of_string(text: &[u8], at: usize) -> bool {
    text[at] == b'"' && text[..at].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 0
}

/// The placeholder for an image's data until the body is assembled.
///
/// It contains the hash of the image, so no prompt can contain it by accident or on purpose.
pub(super) fn placeholder(picture: &Picture) -> String {
    format!("docmill-image-{}", picture.digest)
}

/// Joins text blocks into one text, unless blocks may stand.
pub(super) fn one_text(blocks: Vec<Value>, may_stand: bool) -> Value {
    let texts: Option<Vec<&str>> = blocks.iter().map(|block| block["text"].as_str()).collect();
    match texts.filter(|_| !may_stand) {
        Some(texts) => Value::String(texts.join("\n\n")),
        None => Value::Array(blocks),
    }
}

fn pictures(parts: &[MessagePart]) -> impl Iterator<Item = &Arc<Picture>> {
    parts.iter().filter_map(|part| if let MessagePart::Picture(picture) = part { Some(picture) } else { None })
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn text_that_an_error_repeats_from_the_request_is_removed() {
        let document = "We met the rate limit, and \"our account\" is suspended.\nThe prompt is too long für alle.";
        let body = Body::new(&json!({"messages": [{"role": "user", "content": document}]}), &[]);
        for error in [
            json!({"error": {"message": format!("cannot read: {document} (400)"), "code": 400}}).to_string(),
            json!({"error": {"message": format!("cannot read: {} ...", &document[3..60])}}).to_string(),
            json!({"error": {"message": format!("cannot read: {document}")}}).to_string(),
            json!({"error": {"why": "cannot read", "message": document}}).to_string(),
            format!("cannot read {}", &document[..26]),
        ] {
            let left = body.without_echo(Cow::Borrowed(&error));
            assert!(!left.contains("rate limit") && !left.contains("suspended") && left.contains("cannot read"), "{left}");
            assert_eq!(serde_json::from_str::<Value>(&error).is_ok(), serde_json::from_str::<Value>(&left).is_ok(), "{left}");
        }
        let own = r#"{"error":{"message":"the prompt is too long","type":"invalid_request_error"}}"#;
        assert_eq!(body.without_echo(Cow::Borrowed(own)), own);
    }
}
