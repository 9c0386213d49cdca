//! Checks all lines of a batch before any is sent.

use super::create::endpoint;
use crate::ask::RelayEndpoint;
use crate::gateway::request::parse_value;
use crate::model::from_object;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;

/// Maximum number of requests in a batch.
const REQUESTS: u64 = 250_000;
/// Maximum length of a line in bytes.
const LINE: u64 = 32_000_000;
/// Maximum number of errors that are reported.
const ERRORS: usize = 50;
/// Maximum length of a custom id in bytes.
const CUSTOM_ID: usize = 512;

/// An error in a file, in OpenAI's form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LineError {
    code: &'static str,
    line: Option<u64>,
    message: String,
    param: Option<String>,
}

/// A line of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Its number in the file, from 1.
    pub number: u64,
    /// The client's name for it.
    pub custom_id: String,
    /// The body of the request.
    pub body: Bytes,
}

#[derive(Deserialize)]
struct Written<'l> {
    custom_id: Option<String>,
    method: Option<String>,
    url: Option<String>,
    #[serde(borrow)]
    body: Option<&'l RawValue>,
}

/// Reads the lines of a batch that is valid, one by one.
pub struct Lines {
    from: BufReader<File>,
    number: u64,
}

impl Lines {
    /// Opens a file.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { from: BufReader::with_capacity(1 << 16, File::open(path)?), number: 0 })
    }

    /// The text of the next line that is not empty, with its number.
    fn next_text(&mut self) -> io::Result<Option<(u64, Vec<u8>)>> {
        loop {
            let mut text = Vec::new();
            if (&mut self.from).take(LINE + 1).read_until(b'\n', &mut text)? == 0 {
                return Ok(None);
            }
            self.number += 1;
            if text.len() as u64 > LINE {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "line too long"));
            }
            let blank = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text).iter().all(u8::is_ascii_whitespace);
            if !blank {
                if text.starts_with(b"\xef\xbb\xbf") {
                    text.drain(..3);
                }
                return Ok(Some((self.number, text)));
            }
        }
    }

    /// The next line. A line that cannot be read is left out: the file was checked.
    pub fn next(&mut self) -> io::Result<Option<Line>> {
        while let Some((number, text)) = self.next_text()? {
            if let Ok(Written { custom_id: Some(custom_id), body: Some(body), .. }) = from_object(&text) {
                return Ok(Some(Line { number, custom_id, body: Bytes::copy_from_slice(body.get().as_bytes()) }));
            }
        }
        Ok(None)
    }
}

/// Checks a file whose requests all go to `path`. Returns the number of requests.
///
/// `may_ask` says whether clients may ask for a model.
pub fn validate(file: &Path, path: &str, may_ask: impl Fn(&str) -> bool) -> io::Result<Result<u64, Vec<LineError>>> {
    let mut lines = Lines::open(file)?;
    let (mut errors, mut count, mut ids) = (Vec::new(), 0, HashSet::new());
    let whole = |code, message: String| LineError { code, line: None, message, param: None };
    let Some(endpoint) = endpoint(path) else { return Ok(Err(vec![whole("invalid_url", format!("no such endpoint: {path}"))])) };
    loop {
        let (number, text) = match lines.next_text() {
            Ok(Some(next)) => next,
            Ok(None) => break,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                errors.push(LineError { line: Some(lines.number), ..whole("line_too_long", "a line has more than 32 MB".to_owned()) });
                break;
            }
            Err(error) => return Err(error),
        };
        count += 1;
        if count > REQUESTS {
            errors.push(whole("too_many_requests", format!("a batch has at most {REQUESTS} requests. Split the file")));
            break;
        }
        if let Err((code, param, message)) = check(&text, (endpoint, path), &mut ids, &may_ask) {
            errors.push(LineError { code, line: Some(number), message, param });
            if errors.len() >= ERRORS {
                break;
            }
        }
    }
    if count == 0 && errors.is_empty() {
        errors.push(whole("empty_file", "the file has no requests".to_owned()));
    }
    Ok(if errors.is_empty() { Ok(count) } else { Err(errors) })
}

type Wrong = (&'static str, Option<String>, String);

fn check(
    text: &[u8],
    (endpoint, path): (RelayEndpoint, &str),
    ids: &mut HashSet<[u8; 16]>,
    may_ask: &impl Fn(&str) -> bool,
) -> Result<(), Wrong> {
    let wrong = |code, param: &str, message: String| Err((code, Some(param.to_owned()), message));
    let Written { custom_id, method, url, body } =
        from_object(text).map_err(|error| ("invalid_json_line", None, format!("This line is not parseable as valid JSON: {error}")))?;
    let Some(custom_id) = custom_id.filter(|id| !id.is_empty() && id.len() <= CUSTOM_ID) else {
        return wrong("missing_required_parameter", "custom_id", format!("custom_id must be a text of 1 to {CUSTOM_ID} bytes."));
    };
    // Half of a hash is enough to tell ids apart, and takes little memory.
    let (id, _) = blake3::hash(custom_id.as_bytes()).as_bytes().split_first_chunk::<16>().map_or(([0; 16], 0), |(id, _)| (*id, 0));
    if !ids.insert(id) {
        return wrong("duplicate_custom_id", "custom_id", format!("The custom_id '{custom_id}' is used more than once in this file."));
    }
    if method.as_deref() != Some("POST") {
        return wrong("invalid_method", "method", "method must be POST.".to_owned());
    }
    if url.as_deref() != Some(path) {
        let given = url.as_deref().unwrap_or_default();
        return wrong("mismatched_endpoint", "url", format!("The url '{given}' differs from the endpoint of the batch, '{path}'."));
    }
    let Some(Ok(body)) = body.map(|body| serde_json::from_str::<Value>(body.get())) else {
        return wrong("missing_required_parameter", "body", "body must be an object.".to_owned());
    };
    let invalid = |error: crate::gateway::ApiError| {
        ("invalid_request", Some(error.param.map_or_else(|| "body".to_owned(), |param| format!("body.{param}"))), error.message)
    };
    let parsed = parse_value(endpoint, &body).map_err(invalid)?;
    if parsed.stream {
        return wrong("unsupported_value", "body.stream", "stream is not supported in a batch.".to_owned());
    }
    if !may_ask(&parsed.model) {
        return wrong(
            "model_not_found",
            "body.model",
            format!("The model '{}' does not exist or you do not have access to it.", parsed.model),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const CHAT: &str = "/v1/chat/completions";

    fn validated(text: &str) -> Result<u64, Vec<(&'static str, Option<u64>)>> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        std::fs::write(&file, text).unwrap();
        let result = validate(&file, CHAT, |model| model != "secret").unwrap();
        result.map_err(|errors| errors.into_iter().map(|error| (error.code, error.line)).collect())
    }

    fn line(id: &str, change: impl Fn(&mut Value)) -> String {
        let mut line =
            json!({"custom_id": id, "method": "POST", "url": CHAT, "body": {"model": "m", "messages": [{"role": "user", "content": "x"}]}});
        change(&mut line);
        format!("{line}\n")
    }

    #[test]
    fn all_lines_are_checked_and_all_errors_are_reported_with_their_lines() {
        let good = line("a", |_| {});
        assert_eq!(validated(&format!("\u{feff}{good}\r\n\n{}", line("b", |_| {}))), Ok(2));
        let text = [
            good.clone(),
            good,
            "{\n".to_owned(),
            line("c", |line| line["url"] = "/v1/embeddings".into()),
            line("d", |line| line["method"] = "GET".into()),
            line("e", |line| line["body"]["stream"] = true.into()),
            line("f", |line| line["body"]["model"] = "secret".into()),
            line("", |_| {}),
            line("g", |line| line["body"] = Value::Null),
            line("h", |line| line["body"]["messages"] = Value::Null),
        ];
        let expected = [
            ("duplicate_custom_id", 2),
            ("invalid_json_line", 3),
            ("mismatched_endpoint", 4),
            ("invalid_method", 5),
            ("unsupported_value", 6),
            ("model_not_found", 7),
            ("missing_required_parameter", 8),
            ("missing_required_parameter", 9),
            ("invalid_request", 10),
        ];
        assert_eq!(validated(&text.concat()), Err(expected.map(|(code, line)| (code, Some(line))).to_vec()));
        assert_eq!(validated("\n\n"), Err(vec![("empty_file", None)]));
    }
}
