//! Refusals of the size of a request with several items.

use super::decode::first_value;
use super::error_text::ErrorText;

/// What a request has too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SizeKind {
    /// Items.
    Items,
    /// Tokens of all items.
    Tokens,
    /// Bytes.
    Bytes,
}

/// A refusal because of the size of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLarge {
    /// What there is too much of.
    pub kind: SizeKind,
    /// The limit, if the server stated it.
    pub limit: Option<u64>,
}

/// Words of such refusals: a sign, and what stands before the limit.
const WORDS: [(&str, &str, SizeKind); 12] = [
    ("array length must be", "array length must be ", SizeKind::Items),
    ("array with maximum length", "array with maximum length ", SizeKind::Items),
    ("batch size is invalid", "not be larger than ", SizeKind::Items),
    ("requests can be in one batch", "at most ", SizeKind::Items),
    ("maximum allowed batch size", "maximum allowed batch size ", SizeKind::Items),
    ("number of texts must be at most", "at most ", SizeKind::Items),
    ("batch size limit is", "batch size limit is ", SizeKind::Items),
    ("too many prompts", "max: ", SizeKind::Items),
    ("too many inputs", "max: ", SizeKind::Items),
    ("tokens per request", "max ", SizeKind::Tokens),
    ("too many tokens in batch", "max is ", SizeKind::Tokens),
    ("tokens per submitted batch", "tokens per submitted batch is ", SizeKind::Tokens),
];

/// The refusal in an error response, if it is about the size of the whole request. One input that
/// is too long is another matter, because smaller packs do not help it.
pub fn pack_refusal(status: u16, body: &[u8]) -> Option<TooLarge> {
    if !matches!(status, 400 | 413 | 422 | 500) {
        return None;
    }
    let error = ErrorText::read(status, first_value(body).as_ref(), body);
    if let Some((_, before, kind)) = WORDS.iter().find(|(sign, ..)| error.wording.contains(sign)) {
        let after = error.wording.split_once(before).map(|(_, after)| after);
        return Some(TooLarge { kind: *kind, limit: after.and_then(number) });
    }
    // Servers also use this status for a long input.
    let is_large = status == 413 && !error.wording.contains("token");
    is_large.then_some(TooLarge { kind: SizeKind::Bytes, limit: None })
}

/// Whether an error response may be about one of several items. Then a pack without it may pass.
pub fn may_blame_one_item(status: u16, body: &[u8]) -> bool {
    let error = ErrorText::read(status, first_value(body).as_ref(), body);
    match status {
        400 | 413 | 422 => error.fields.is_empty() || error.fields.iter().any(|field| field.contains("input") || field.contains("content")),
        // llama-server, about an input that is too long.
        500 => error.wording.contains("too large to process"),
        _ => false,
    }
}

/// The number at the start of a text.
fn number(text: &str) -> Option<u64> {
    let digits: String = text.chars().take_while(|c| c.is_ascii_digit() || *c == ',').filter(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_of_servers_state_their_limits() {
        for (status, body, expected) in [
            (
                400,
                r#"{"error":{"message":"'$.input' is invalid: array length must be 2048 or less.","type":"invalid_request_error"}}"#,
                Some((SizeKind::Items, Some(2048))),
            ),
            (
                400,
                r#"{"error":{"message":"Requested 453357 tokens, max 300000 tokens per request","type":"max_tokens_per_request","param":null,"code":"max_tokens_per_request"}}"#,
                Some((SizeKind::Tokens, Some(300_000))),
            ),
            (
                400,
                r#"{"error":{"message":"<400> InternalError.Algo.InvalidParameter: Value error, batch size is invalid, it should not be larger than 10.: input.contents","type":"InvalidParameter","code":"InvalidParameter"}}"#,
                Some((SizeKind::Items, Some(10))),
            ),
            (
                400,
                r#"[{"error":{"code":400,"message":"* BatchEmbedContentsRequest.requests: at most 100 requests can be in one batch\n","status":"INVALID_ARGUMENT"}}]"#,
                Some((SizeKind::Items, Some(100))),
            ),
            (
                422,
                r#"{"message":"batch size 33 > maximum allowed batch size 32","code":422,"type":"Validation"}"#,
                Some((SizeKind::Items, Some(32))),
            ),
            (
                413,
                r#"{"code":20042,"message":"input batch size 136 > maximum allowed batch size 64","data":null}"#,
                Some((SizeKind::Items, Some(64))),
            ),
            (
                400,
                r#"{"object":"error","message":"Too many tokens in batch. Max is 16384 got 17555","type":"invalid_request_error"}"#,
                Some((SizeKind::Tokens, Some(16_384))),
            ),
            (413, "<html><head><title>413 Request Entity Too Large</title></head></html>", Some((SizeKind::Bytes, None))),
            (413, "", Some((SizeKind::Bytes, None))),
            (429, "batch size limit is 3", None),
            (
                400,
                r#"{"error":{"message":"This model's maximum context length is 8192 tokens, however you requested 9000 tokens."}}"#,
                None,
            ),
            (413, r#"{"message":"`inputs` must have less than 512 tokens. Given: 600","code":413,"type":"Validation"}"#, None),
            (400, r#"{"error":{"message":"[simulated] rejected by the scenario"}}"#, None),
        ] {
            let read = pack_refusal(status, body.as_bytes()).map(|refusal| (refusal.kind, refusal.limit));
            assert_eq!(read, expected, "{body}");
        }
    }

    #[test]
    fn a_refused_parameter_is_no_reason_to_search() {
        for (status, body, expected) in [
            (400, r#"{"error":{"message":"Invalid 'dimensions'","param":"dimensions"}}"#, false),
            (400, r#"{"error":{"message":"Invalid 'input[3]'","param":"input[3]"}}"#, true),
            (400, r#"{"error":{"message":"rejected","param":null}}"#, true),
            (500, r#"{"error":{"message":"input (900 tokens) is too large to process. increase the physical batch size"}}"#, true),
            (500, r#"{"error":{"message":"internal error"}}"#, false),
            (401, "", false),
            (404, "", false),
        ] {
            assert_eq!(may_blame_one_item(status, body.as_bytes()), expected, "{body}");
        }
    }
}
