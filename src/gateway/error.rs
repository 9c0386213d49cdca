//! Errors in OpenAI's form.

use super::ledger::Unwritten;
use crate::ask::NoRoom;
use serde_json::{Value, json};
use std::fmt::Display;
use std::time::Duration;

/// Why a request failed, for clients that expect OpenAI's errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// The HTTP status.
    pub status: u16,
    /// Class of the error: `error.type`.
    pub kind: &'static str,
    /// The code for programs: `error.code`.
    pub code: Option<&'static str>,
    /// The part of the request that is wrong: `error.param`.
    pub param: Option<String>,
    /// What failed, why, and what to do.
    pub message: String,
    /// When the client may try again.
    pub retry_after: Option<Duration>,
}

const INVALID: &str = "invalid_request_error";
const SERVER: &str = "server_error";

impl ApiError {
    /// An error with this status, class and code.
    pub fn new(status: u16, kind: &'static str, code: Option<&'static str>, message: impl Display) -> Self {
        Self { status, kind, code, param: None, message: message.to_string(), retry_after: None }
    }

    /// The request is malformed.
    pub fn invalid(message: impl Display) -> Self {
        Self::new(400, INVALID, None, message)
    }

    /// A part of the request is wrong.
    pub fn param(param: &str, code: &'static str, message: impl Display) -> Self {
        Self { param: Some(param.to_owned()), ..Self::new(400, INVALID, Some(code), message) }
    }

    /// The key does not allow the request.
    pub fn forbidden(message: impl Display) -> Self {
        Self::new(403, INVALID, Some("forbidden"), message)
    }

    /// The object does not exist, or belongs to another key.
    pub fn not_found(message: impl Display) -> Self {
        Self::new(404, INVALID, None, message)
    }

    /// Clients may not ask for the model.
    pub fn unknown_model(model: &str) -> Self {
        let message = format!("The model `{model}` does not exist or you do not have access to it.");
        Self { param: Some("model".to_owned()), ..Self::new(404, INVALID, Some("model_not_found"), message) }
    }

    /// The body is too large.
    pub fn too_large(message: impl Display) -> Self {
        Self::new(413, INVALID, Some("request_too_large"), message)
    }

    /// A cap on money is used up.
    pub fn over_cap(message: impl Display) -> Self {
        Self::new(429, "insufficient_quota", Some("insufficient_quota"), message)
    }

    /// The server stops, or is full.
    pub fn unavailable(message: impl Display) -> Self {
        Self { retry_after: Some(Duration::from_secs(5)), ..Self::new(503, SERVER, Some("server_unavailable"), message) }
    }

    /// The server stops.
    pub fn stopped() -> Self {
        Self::unavailable("the server stops. Send the request again when it has started")
    }

    /// No one waits for the answer any more.
    pub fn cancelled() -> Self {
        Self::new(499, INVALID, Some("cancelled"), "the request was cancelled")
    }

    /// The provider cannot answer.
    pub fn upstream(status: u16, code: &'static str, message: impl Display) -> Self {
        Self::new(status, SERVER, Some(code), message)
    }

    /// A fault of docmill or of its machine.
    pub fn internal(message: impl Display) -> Self {
        Self::new(500, SERVER, Some("internal"), message)
    }

    /// The body of the response.
    pub fn body(&self) -> Value {
        json!({"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}})
    }
}

impl From<NoRoom> for ApiError {
    fn from(why: NoRoom) -> Self {
        match why {
            NoRoom::Cap(why) => Self::over_cap(why),
            NoRoom::Price(why) => Self::new(400, INVALID, Some("price_unknown"), why),
            NoRoom::Closed => Self::unavailable("the ledger of requests cannot be written, so nothing is sent"),
        }
    }
}

impl From<Unwritten> for ApiError {
    fn from(error: Unwritten) -> Self {
        Self::unavailable(error)
    }
}

impl From<rusqlite::Error> for ApiError {
    fn from(error: rusqlite::Error) -> Self {
        Self::internal(format!("the ledger of requests cannot be read: {error}"))
    }
}

impl From<std::io::Error> for ApiError {
    fn from(error: std::io::Error) -> Self {
        Self::internal(format!("a file of the server cannot be read or written: {error}"))
    }
}
