//! Reads the body of an error: codes, fields, statuses and messages.
//!
//! Servers put the same facts in different places: in `error`, at the top level, in lists of
//! validation errors, or in JSON inside a message. The reader collects all of them, the most
//! precise first. It ignores text that a server quotes from the request.

use serde_json::Value;

/// The facts in the body of an error.
#[derive(Debug, Default)]
pub(super) struct ErrorText {
    /// The status that decides.
    ///
    /// If a gateway wraps a failure of its provider, this is the inner status.
    pub status: u16,
    /// The status of the reply.
    pub outer: u16,
    /// Codes, types and exception names, the most precise first.
    pub codes: Vec<String>,
    /// Fields of the request that the error names.
    pub fields: Vec<String>,
    /// The message for the user.
    pub message: String,
    /// All messages in lower case, without quotation marks and long quotations.
    pub wording: String,
    /// Whether the body is an HTML page.
    pub page: bool,
    /// Whether the server says that a retry may work.
    pub retryable: Option<bool>,
    messages: Vec<String>,
    inner: Option<u16>,
}

/// Maximum bytes of a body that are read.
const LOOKED_AT: usize = 16 * 1024;
/// Maximum length of a quotation that is kept, in bytes.
///
/// Longer quotations probably come from the request.
const QUOTATION: usize = 60;
/// Maximum nesting of objects and messages.
const DEPTH: usize = 5;

impl ErrorText {
    /// Reads the body of an error.
    pub fn read(outer: u16, json: Option<&Value>, body: &[u8]) -> Self {
        let mut error = Self { outer, ..Self::default() };
        let text = || String::from_utf8_lossy(&body[..body.len().min(LOOKED_AT)]).into_owned();
        match json {
            Some(json) => error.value(json, 0),
            None if body.trim_ascii_start().starts_with(b"<") => {
                error.page = true;
                error.wording = plain(&without_tags(&text()));
            }
            None => {
                let _before = error.embedded(&text(), 0);
            }
        }
        if json.is_none() || error.messages.is_empty() {
            error.message = excerpt(body);
            if !error.page && error.messages.is_empty() {
                error.wording = plain(&text());
            }
        } else {
            error.message = shortened(error.messages.join("; "));
        }
        let wording: Vec<String> = error.messages.iter().map(|message| plain(&without_echo(message))).collect();
        if !wording.is_empty() {
            error.wording = wording.join(". ");
        }
        error.codes.retain(|code| !code.is_empty());
        // A gateway reports the status of the server behind it in the body.
        let inner = error.inner.filter(|inner| *inner != outer).or_else(|| status_in(&error.wording)).or(error.inner);
        error.status = inner.filter(|_| matches!(outer, 200 | 400 | 422 | 424 | 500)).unwrap_or(outer);
        error
    }

    /// Whether the error is about a limit per day.
    pub fn is_daily(&self) -> bool {
        self.codes.iter().any(|code| code.contains("PerDay")) || has(&self.wording, "per day")
    }

    fn value(&mut self, value: &Value, depth: usize) {
        match value {
            Value::String(text) => self.text(text, depth),
            Value::Array(items) => items.iter().take(8).for_each(|item| self.value(item, depth)),
            Value::Object(_) if depth < DEPTH => self.object(value, depth + 1),
            _ => {}
        }
    }

    fn object(&mut self, object: &Value, depth: usize) {
        for inside in ["error", "errors", "detail", "base_resp", "response"] {
            if object[inside].is_object() || object[inside].is_array() {
                self.value(&object[inside], depth);
            }
        }
        self.code(&object["details"]["error_code"]);
        self.number(&object["details"]["status_code"]);
        for detail in object["details"].as_array().into_iter().flatten() {
            self.code(&detail["reason"]);
            detail["violations"].as_array().into_iter().flatten().for_each(|violation| self.code(&violation["quotaId"]));
            let violations = detail["fieldViolations"].as_array().into_iter().flatten();
            self.fields.extend(violations.filter_map(|violation| violation["field"].as_str()).map(str::to_lowercase));
        }
        self.code(&object["innererror"]["code"]);
        for name in ["code", "error_code", "errorCode", "error_type", "type", "__type", "status", "status_code", "statusCode", "http_code"]
        {
            self.code(&object[name]);
        }
        for name in ["param", "parameter"] {
            self.fields.extend(object[name].as_str().map(str::to_lowercase));
        }
        let place: Vec<String> = object["loc"].as_array().into_iter().flatten().map(|part| part.to_string().replace('"', "")).collect();
        if !place.is_empty() {
            self.fields.push(place.join(".").to_lowercase());
        }
        let message =
            ["message", "msg", "Message", "error_message", "errorMessage", "error_msg", "status_msg", "error_description", "title"];
        let texts: Vec<&Value> = message.iter().map(|name| &object[*name]).filter(|text| !text.is_null()).collect();
        match (object["error"].as_str(), texts.is_empty()) {
            // A single word next to a message is a code.
            (Some(word), false) if !word.contains(char::is_whitespace) => self.codes.push(word.to_owned()),
            (Some(text), _) => self.text(text, depth),
            _ => {}
        }
        for text in texts {
            match text.as_str().filter(|_| !place.is_empty()) {
                Some(text) => self.text(&format!("{}: {text}", place.join(".")), depth),
                None => self.value(text, depth),
            }
        }
        if object["detail"].is_string() {
            self.value(&object["detail"], depth);
        }
        self.value(&object["metadata"]["raw"], depth);
        for name in ["retryable", "retriable", "is_retryable", "isRetryable", "should_retry", "shouldRetry"] {
            let error = [&object[name], &object["metadata"][name]].into_iter().find_map(Value::as_bool);
            self.retryable = self.retryable.or(error);
        }
    }

    /// Adds a code or a status.
    fn code(&mut self, value: &Value) {
        match value {
            Value::String(text) if text.parse::<u16>().is_ok() => self.status_or_code(text),
            // Removes the prefix from names such as "com.amazon...#ThrottlingException".
            Value::String(text) if text != "error" => self.codes.push(text.rsplit('#').next().unwrap_or_default().to_owned()),
            Value::Number(number) => self.status_or_code(&number.to_string()),
            _ => {}
        }
    }

    fn number(&mut self, value: &Value) {
        if value.is_number() {
            self.status_or_code(&value.to_string());
        }
    }

    fn status_or_code(&mut self, number: &str) {
        match number.parse::<u16>() {
            Ok(status @ 400..=599) => self.inner = self.inner.or(Some(status)),
            Ok(0 | 200) => {}
            _ => self.codes.push(number.to_owned()),
        }
    }

    fn text(&mut self, text: &str, depth: usize) {
        let text = &text[..text.floor_char_boundary(LOOKED_AT)];
        let own = self.embedded(text, depth).trim();
        if !own.is_empty() && !self.messages.iter().any(|message| message.contains(own)) {
            self.messages.push(own.to_owned());
        }
    }

    /// Reads JSON inside a message. Returns the text before it.
    fn embedded<'t>(&mut self, text: &'t str, depth: usize) -> &'t str {
        self.codes.extend(exceptions(&without_echo(text)));
        if let Some(at) = text.find('{').filter(|_| depth < DEPTH) {
            let first = |json: &str| serde_json::Deserializer::from_str(json).into_iter::<Value>().next().and_then(Result::ok);
            let escaped = || first(&text[at..].replace("\\\"", "\"").replace("\\n", " "));
            let json = first(&text[at..]).or_else(escaped);
            let is_error = |json: &Value| ["error", "errors", "message", "detail", "code"].iter().any(|name| json.get(name).is_some());
            if let Some(json) = json.filter(is_error) {
                self.value(&json, depth + 1);
                return text[..at].trim_end_matches(['\'', '"', 'b', ' ', '-', ':', '[']);
            }
        }
        text
    }
}

/// Finds names of exceptions in a message, such as `litellm.RateLimitError: ...`.
fn exceptions(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric());
    let is_name = |word: &&str| word.starts_with(char::is_uppercase) && (word.ends_with("Error") || word.ends_with("Exception"));
    words.filter(|word| word.len() > 9).filter(is_name).map(ToOwned::to_owned).collect()
}

/// Finds a status in the wording.
///
/// Examples are "error code: 429", "upstream 502" and "503 Service Unavailable".
fn status_in(wording: &str) -> Option<u16> {
    const NAMED: [(u16, &str); 8] = [
        (401, "unauthorized"),
        (429, "too"),
        (500, "internal"),
        (502, "bad"),
        (503, "service"),
        (504, "gateway"),
        (529, "overloaded"),
        (408, "request"),
    ];
    let words: Vec<&str> = wording.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let word = |at: Option<usize>| at.and_then(|at| words.get(at)).copied().unwrap_or_default();
    words.iter().enumerate().find_map(|(at, number)| {
        let status = number.parse::<u16>().ok().filter(|status| (400..600).contains(status))?;
        let (before, earlier) = (word(at.checked_sub(1)), word(at.checked_sub(2)));
        let introduced = match before {
            "code" => ["error", "status", "http", "response"].contains(&earlier),
            "status" | "http" | "upstream" | "returned" | "error" => true,
            _ => before.ends_with("exception"),
        };
        (introduced || NAMED.contains(&(status, word(Some(at + 1))))).then_some(status)
    })
}

/// Removes input that a validation error repeats, and long quotations.
fn without_echo(text: &str) -> String {
    const INPUT: [&str; 4] = ["input_value=", "'input': ", "\"input\": ", "\"input\":"];
    const ENDS: [&str; 4] = [", input_type", "}, {'type'", "}, {\"type\"", "\n"];
    let mut left = text.to_owned();
    for mark in INPUT {
        while let Some(at) = left.find(mark) {
            let rest = &left[at + mark.len()..];
            let end = ENDS.iter().filter_map(|end| rest.find(end)).min().unwrap_or(rest.len());
            left.replace_range(at..at + mark.len() + end, "");
        }
    }
    without_quotations(&left)
}

fn without_quotations(text: &str) -> String {
    const MESSAGES: [&str; 5] = ["message", "msg", "error", "detail", "reason"];
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find(['\'', '"', '`']) {
        let (before, quoted) = rest.split_at(at);
        out.push_str(before);
        let mark = quoted.chars().next().unwrap_or('"');
        let inside = &quoted[1..];
        let opens = !out.ends_with(char::is_alphanumeric);
        let closes = |at: &usize| !inside[at + 1..].starts_with(char::is_alphanumeric);
        let end = inside.match_indices(mark).map(|(at, _)| at).find(closes).filter(|_| opens);
        // Quoted messages are kept, as in {'message': '...'}.
        let introduced = out.trim_end().strip_suffix(':').map(|name| name.trim_end_matches(['\'', '"']));
        let is_message = introduced.is_some_and(|name| MESSAGES.iter().any(|message| name.ends_with(message)));
        match end {
            Some(end) if end > QUOTATION && !is_message => rest = &inside[end + 1..],
            _ => {
                out.push(mark);
                rest = inside;
            }
        }
    }
    out + rest
}

fn without_tags(page: &str) -> String {
    let mut inside = false;
    let text = page.chars().map(|c| {
        let was_inside = inside;
        inside = c == '<' || (inside && c != '>');
        if inside || was_inside { ' ' } else { c }
    });
    text.collect()
}

/// Normalises text for the phrase search.
///
/// The result is in lower case, without quotation marks, and with single blanks.
fn plain(text: &str) -> String {
    let lower: String = text.chars().filter(|c| !"'\"`’‘“”\\".contains(*c)).flat_map(char::to_lowercase).collect();
    lower.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a normalised `text` contains a phrase as whole words.
///
/// A star at the end of a phrase matches any ending. `..` matches any words between.
pub(super) fn has(text: &str, phrase: &str) -> bool {
    let mut rest = text;
    phrase.split(" .. ").all(|part| {
        let (words, open) = part.strip_suffix('*').map_or((part, false), |words| (words, true));
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let ascii = |c: char| c.is_ascii() && is_word(c);
        let found = rest.match_indices(words).map(|(at, _)| (at, at + words.len())).find(|(start, end)| {
            let begins = !words.starts_with(ascii) || !rest[..*start].ends_with(is_word);
            let ends = open || !words.ends_with(ascii) || !rest[*end..].starts_with(is_word);
            begins && ends
        });
        found.map(|(_, end)| rest = &rest[end..]).is_some()
    })
}

/// Shortens a message, because every row stores it.
fn shortened(mut message: String) -> String {
    const LIMIT: usize = 1000;
    if message.len() > LIMIT {
        message.truncate(message.floor_char_boundary(LIMIT));
        message.push('…');
    }
    message
}

/// The start of an unreadable body, on one line.
pub(super) fn excerpt(body: &[u8]) -> String {
    const LIMIT: usize = 200;
    let text: String = String::from_utf8_lossy(body).chars().take(LIMIT).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.trim().is_empty() { "(empty body)".into() } else { text.trim().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn error(status: u16, json: &Value) -> ErrorText {
        ErrorText::read(status, Some(json), json.to_string().as_bytes())
    }

    #[test]
    fn phrases_match_whole_words() {
        for (text, phrase, found) in [
            ("rate limit reached", "rate limit", true),
            ("we cannot generate limited texts", "rate limit", false),
            ("throttlingexception: wait", "throttl*", true),
            ("your account org-1 <ak-2> is suspended", "account .. suspended", true),
            ("suspended is the account", "account .. suspended", false),
            ("prompt 超长了", "prompt 超长", true),
            ("max_tokens_per_day", "max_tokens", false),
        ] {
            assert_eq!(has(text, phrase), found, "{phrase} in {text}");
        }
    }

    #[test]
    fn the_status_inside_a_gateway_error_decides() {
        for (outer, json, status) in [
            (400, json!({"error": {"message": "x", "code": "503"}}), 503),
            (500, json!({"error": {"message": "Error code: 429 - {'error': {'message': 'slow'}}", "code": 500}}), 429),
            (400, json!({"message": "upstream 502"}), 502),
            (400, json!({"error": {"message": "VertexAIException - 503 Service Unavailable"}}), 503),
            (400, json!({"error": {"message": "the text has 500 words"}}), 400),
            (403, json!({"error": {"message": "x", "code": 503}}), 403),
            (200, json!({"error": {"code": 429, "message": "x"}}), 429),
            (500, json!({"error": {"message": r#"{"error":{"code":400,"message":"bad"}}"#}}), 400),
        ] {
            assert_eq!(error(outer, &json).status, status, "{json}");
        }
    }

    #[test]
    fn text_repeated_from_the_request_is_ignored() {
        let document = "we reached the rate limit, our account is suspended and the prompt is too long";
        for json in [
            json!({"detail": [{"loc": ["body", "messages"], "msg": "Input should be valid", "input": document}]}),
            json!({"error": {"message": format!("1 validation error\ncontent\n  bad [type=x, input_value='{document}', input_type=str]")}}),
            json!({"object": "error", "message": format!("[{{'type': 'x', 'loc': ('body', 'messages'), 'msg': 'bad', 'input': '{document}'}}]")}),
            json!({"error": {"message": format!("could not read \"{document}\"")}}),
        ] {
            let wording = error(400, &json).wording;
            assert!(!wording.contains("suspended") && !wording.contains("rate limit"), "{wording}");
        }
        let quoted = json!({"error": {"message": format!("OpenAIException - {{'error': {{'message': \"{document}\"}}}}")}});
        assert!(error(400, &quoted).wording.contains("too long"), "the message of an inner error counts");
    }

    #[test]
    fn codes_and_fields_are_found_in_all_known_places() {
        for (json, code, field) in [
            (json!({"code": "context_length_exceeded", "message": "x"}), "context_length_exceeded", ""),
            (json!({"error": "invalid_api_key", "message": "x"}), "invalid_api_key", ""),
            (json!({"errors": [{"code": 1261, "message": "x"}]}), "1261", ""),
            (json!({"__type": "com.amazon.coral#ThrottlingException", "message": "x"}), "ThrottlingException", ""),
            (json!({"error": {"message": "litellm.RateLimitError: slow"}}), "RateLimitError", ""),
            (json!({"detail": [{"type": "extra_forbidden", "loc": ["body", "store"], "msg": "m"}]}), "extra_forbidden", "body.store"),
            (json!({"error": {"message": "x", "param": "messages[0].role", "code": "c"}}), "c", "messages[0].role"),
            (json!({"message": {"detail": [{"type": "t", "loc": ["body", "stream_options"], "msg": "m"}]}}), "t", "body.stream_options"),
        ] {
            let error = error(400, &json);
            assert!(error.codes.iter().any(|found| found == code), "{json}: {:?}", error.codes);
            assert!(field.is_empty() || error.fields.iter().any(|found| found == field), "{json}: {:?}", error.fields);
        }
    }
}
