//! Classifies errors by a table (`errors.toml`), because providers add new errors.
//!
//! The first row that fits decides. In general, rows with the provider's codes come before rows
//! with the HTTP status. Rows with phrases of messages are the last resort.

use super::complaint::Complaint;
use super::error_text::{ErrorText, excerpt, has};
use super::http::HttpReply;
use super::meaning::Meaning;
use super::wait;
use crate::ask::fault::{Class, Fault, Pressure, StopKind};
use crate::model::FailureCode;
use serde::Deserialize;
use serde_json::Value;
use std::sync::LazyLock;
use std::time::Duration;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    error: Vec<Row>,
    hint: Vec<Hint>,
}

/// Advice about an error.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hint {
    phrases: Vec<String>,
    says: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Row {
    means: Meaning,
    codes: Vec<String>,
    statuses: Vec<u16>,
    phrases: Vec<String>,
    /// Whether the row fits only HTML pages.
    page: bool,
    /// Whether the row does not fit if the server names a wait.
    unless_wait: bool,
}

impl Default for Row {
    fn default() -> Self {
        let (codes, statuses, phrases) = (Vec::new(), Vec::new(), Vec::new());
        Self { means: Meaning::Rejected, codes, statuses, phrases, page: false, unless_wait: false }
    }
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut table = toml::from_str(include_str!("errors.toml")).unwrap_or(Table { error: Vec::new(), hint: Vec::new() });
    for code in table.error.iter_mut().flat_map(|row| &mut row.codes) {
        *code = folded(code);
    }
    table
});

/// Normalises the spelling of a code.
///
/// `InsufficientBalance` equals `insufficient_balance`.
fn folded(code: &str) -> String {
    code.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

impl Row {
    fn fits(&self, error: &ErrorText, codes: &[String], waits: bool) -> bool {
        (self.codes.is_empty() || self.codes.iter().any(|code| codes.contains(code)))
            && (self.statuses.is_empty() || self.statuses.contains(&error.status))
            && (self.phrases.is_empty() || self.phrases.iter().any(|phrase| has(&error.wording, phrase)))
            && (!self.page || error.page)
            && !(self.unless_wait && waits)
    }
}

fn meaning(error: &ErrorText, retry_after: Option<Duration>) -> Meaning {
    let codes: Vec<String> = error.codes.iter().map(|code| folded(code)).collect();
    let row = TABLE.error.iter().find(|row| row.fits(error, &codes, retry_after.is_some()));
    match row.map_or(Meaning::Rejected, |row| row.means) {
        Meaning::Limit if error.is_daily() && retry_after.is_none() => Meaning::Later,
        // An unknown error in a 200 response occurred after the provider had started to work.
        Meaning::Rejected if error.status == 200 => Meaning::Server,
        // An unknown 5xx status is transient, except for 501 (not implemented) and 505 (version not
        // supported).
        Meaning::Rejected if error.status >= 500 && !matches!(error.status, 501 | 505) => Meaning::Server,
        other => other,
    }
}

/// Whether a response with a success status contains an error.
pub(super) fn is_error(json: &Value) -> bool {
    let has_error = match &json["error"] {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => true,
    };
    let answers = ["choices", "content", "output", "candidates", "promptFeedback", "usage", "usageMetadata"];
    let answered = json.is_array() || answers.iter().any(|name| !json[*name].is_null());
    let failed = ["detail", "errors", "message", "base_resp"].iter().any(|name| !json[*name].is_null());
    has_error || json["object"] == "error" || json["type"] == "error" || (!answered && failed)
}

/// Returns the fault of a success response that is not JSON.
pub(super) fn unreadable(http: &HttpReply<'_>) -> Fault {
    // Some firewalls deny access with a success status.
    let mut error = ErrorText::read(http.status, None, http.body);
    error.status = 400;
    if error.page && meaning(&error, None) == Meaning::Filtered {
        return classify(http, None);
    }
    let message = format!("the response is not JSON: {}", excerpt(http.body));
    // The cost of an unreadable reply is unknown.
    Fault::new(Class::Ambiguous, FailureCode::BadReply, message)
}

/// Turns an error response into a fault.
pub(super) fn classify(http: &HttpReply<'_>, json: Option<&Value>) -> Fault {
    // Google wraps errors of streams in a list with one element.
    let json = json.map(|json| json.get(0).unwrap_or(json));
    let mut error = ErrorText::read(http.status, json, http.body);
    if let Some(kind) = (http.header)("x-amzn-errortype") {
        error.codes.push(kind.split(':').next().unwrap_or_default().to_owned());
    }
    if error.page && (200..300).contains(&error.status) {
        error.status = 400;
    }
    let retry_after = wait::asked(http.header, json, &error.message);
    let meaning = meaning(&error, retry_after);
    if let Some(target) = (http.header)("location").filter(|_| (300..400).contains(&http.status)) {
        error.message = format!("the server redirects to {target}; {}", error.message);
    }
    let (mut class, code, pressure) = explain(meaning, retry_after);
    let complaint = Complaint::of(&error, meaning).map(Box::new);
    // The provider's statement about retries overrides the table, except for errors that stop the
    // run.
    let retry = (http.header)("x-should-retry").and_then(|word| word.parse().ok()).or(error.retryable);
    match (retry, &class, meaning) {
        (Some(false), Class::Refused { .. } | Class::BadReply, _) => class = Class::Permanent,
        (Some(true), Class::Permanent, Meaning::Rejected) => class = Class::Refused { retry_after },
        _ => {}
    }
    let code = if meaning == Meaning::Rejected && class != Class::Permanent { FailureCode::ServerError } else { code };
    let status = if error.status == error.outer { error.status.to_string() } else { format!("{} ({} inside)", error.outer, error.status) };
    let hint = TABLE.hint.iter().find(|hint| hint.phrases.iter().any(|phrase| has(&error.wording, phrase)));
    let hint = hint.map_or_else(String::new, |hint| format!(". {}", hint.says));
    let message = match error.codes.iter().find(|code| !code.contains(' ')) {
        Some(reason) => format!("HTTP {status} {reason}: {}{hint}", error.message),
        None => format!("HTTP {status}: {}{hint}", error.message),
    };
    Fault { status: Some(error.status), pressure, complaint, ..Fault::new(class, code, message) }
}

fn explain(meaning: Meaning, retry_after: Option<Duration>) -> (Class, FailureCode, Pressure) {
    let refused = Class::Refused { retry_after };
    match meaning {
        Meaning::Credit | Meaning::Key | Meaning::Model => (Class::RunFatal(StopKind::Refused), FailureCode::Rejected, Pressure::None),
        Meaning::Denied => (Class::Denied, FailureCode::Rejected, Pressure::None),
        Meaning::Later => (Class::RunFatal(StopKind::Parked), FailureCode::RateLimited, Pressure::None),
        Meaning::Limit => (refused, FailureCode::RateLimited, Pressure::Rate),
        Meaning::Ramp => (refused, FailureCode::RateLimited, Pressure::Ramp),
        Meaning::Overload => (refused, FailureCode::Overloaded, Pressure::Overload),
        Meaning::Capacity => (refused, FailureCode::Overloaded, Pressure::Capacity),
        Meaning::Server => (refused, FailureCode::ServerError, Pressure::None),
        Meaning::TooLong => (Class::Permanent, FailureCode::TooLong, Pressure::None),
        Meaning::Filtered => (Class::Permanent, FailureCode::Filtered, Pressure::None),
        Meaning::Refused => (Class::Permanent, FailureCode::Refused, Pressure::None),
        Meaning::Rejected => (Class::Permanent, FailureCode::Rejected, Pressure::None),
        Meaning::InvalidAnswer => (Class::BadReply, FailureCode::InvalidAnswer, Pressure::None),
    }
}
