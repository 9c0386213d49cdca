//! What an error means: a table, not code, because the vocabulary of providers grows.
//!
//! The provider's own code decides before the HTTP status, and the wording of a message only where nothing else can.

use super::{HttpReply, excerpt, wait};
use crate::ask::fault::{Class, Fault, Pressure, StopKind};
use crate::model::FailureCode;
use serde::Deserialize;
use serde_json::Value;
use std::sync::LazyLock;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    error: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    means: Meaning,
    #[serde(default)]
    codes: Vec<String>,
    #[serde(default)]
    statuses: Vec<u16>,
    #[serde(default)]
    phrases: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Meaning {
    Credit,
    Key,
    Model,
    Later,
    Limit,
    Ramp,
    Overload,
    Capacity,
    Server,
    TooLong,
    Filtered,
    Refused,
    Rejected,
    InvalidAnswer,
}

static TABLE: LazyLock<Vec<Row>> =
    LazyLock::new(|| toml::from_str::<Table>(include_str!("errors.toml")).map(|table| table.error).unwrap_or_default());

impl Row {
    fn fits(&self, said: &Said) -> bool {
        let message = || said.message.to_ascii_lowercase();
        (self.codes.is_empty() || self.codes.iter().any(|code| said.codes.contains(code)))
            && (self.statuses.is_empty() || self.statuses.contains(&said.status))
            && (self.phrases.is_empty() || self.phrases.iter().any(|phrase| message().contains(phrase.as_str())))
    }
}

/// An error as it was told.
struct Said {
    status: u16,
    /// Codes, types and states, the most precise one first.
    codes: Vec<String>,
    message: String,
}

impl Said {
    fn read(status: u16, json: Option<&Value>, body: &[u8]) -> Self {
        // Google wraps errors of streams in a list of one.
        let json = json.map(|json| json.get(0).unwrap_or(json));
        let error = json.and_then(|json| json.get("error")).filter(|error| !error.is_null());
        // Old vLLM has the fields at the top.
        let error = error.or_else(|| json.filter(|json| json["object"] == "error"));
        let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
        let field = |name: &str| error.and_then(|error| text(error.get(name)?));
        let mut codes = Vec::new();
        codes.extend(error.and_then(|error| text(error.pointer("/details/error_code")?)));
        let details = error.and_then(|error| error["details"].as_array()).into_iter().flatten();
        for detail in details {
            codes.extend(text(&detail["reason"]));
            codes.extend(detail["violations"].as_array().into_iter().flatten().filter_map(|violation| text(&violation["quotaId"])));
        }
        codes.extend(error.and_then(|error| text(error.pointer("/innererror/code")?)));
        codes.extend(["code", "type", "status"].iter().filter_map(|name| field(name)));
        let message = field("message").or_else(|| error.and_then(text)).map_or_else(|| excerpt(body), shortened);
        // Some gateways report a failure inside a 200; the inner code then stands for the status.
        let inner = error.and_then(|error| error.get("code")).and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
        let status = inner.filter(|_| status == 200).unwrap_or(status);
        codes.retain(|code| !code.is_empty());
        Self { status, codes, message }
    }

    /// Whether a limit for a day is meant. Without a wait there is nothing to wait for.
    fn is_daily(&self) -> bool {
        self.codes.iter().any(|code| code.contains("PerDay")) || self.message.to_ascii_lowercase().contains("per day")
    }
}

/// Nobody reads more, and it is kept with every row.
fn shortened(mut message: String) -> String {
    const LIMIT: usize = 1000;
    if message.len() > LIMIT {
        message.truncate(message.floor_char_boundary(LIMIT));
        message.push('…');
    }
    message
}

/// Sorts an error.
pub(super) fn sort(http: &HttpReply<'_>, json: Option<&Value>) -> Fault {
    let mut said = Said::read(http.status, json, http.body);
    let retry_after = wait::asked(http.header, json.map(|json| json.get(0).unwrap_or(json)), &said.message);
    let meaning = TABLE.iter().find(|row| row.fits(&said)).map_or(Meaning::Rejected, |row| row.means);
    let meaning = match meaning {
        Meaning::Limit if said.is_daily() && retry_after.is_none() => Meaning::Later,
        // A failure inside a 200 that nothing is known about came after work was begun.
        Meaning::Rejected if http.status == 200 && said.status == 200 => Meaning::Server,
        other => other,
    };
    if let Some(target) = (http.header)("location").filter(|_| (300..400).contains(&http.status)) {
        said.message = format!("the server sends us on to {target}; {}", said.message);
    }
    let (mut class, code, pressure) = explain(meaning, retry_after);
    // The provider's own word counts more than our table, except where a person must act.
    match ((http.header)("x-should-retry").as_deref(), &class) {
        (Some("false"), Class::Refused { .. } | Class::BadReply) => class = Class::Permanent,
        (Some("true"), Class::Permanent) => class = Class::Refused { retry_after },
        _ => {}
    }
    let message = match said.codes.first() {
        Some(reason) => format!("HTTP {} {reason}: {}", said.status, said.message),
        None => format!("HTTP {}: {}", said.status, said.message),
    };
    Fault { status: Some(said.status), pressure, ..Fault::new(class, code, message) }
}

fn explain(meaning: Meaning, retry_after: Option<std::time::Duration>) -> (Class, FailureCode, Pressure) {
    let refused = Class::Refused { retry_after };
    match meaning {
        Meaning::Credit | Meaning::Key | Meaning::Model => (Class::RunFatal(StopKind::Refused), FailureCode::Rejected, Pressure::None),
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
