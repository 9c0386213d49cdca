//! Errors of the API, as problem details (RFC 9457).

use crate::setup::SetupError;
use crate::store::StoreError;
use axum::http::{HeaderValue, StatusCode, header::CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::fmt::Display;
use utoipa::ToSchema;

/// Why a request failed. The body of the response has this shape.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// Class of the error, for programs.
    #[schema(value_type = String)]
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What failed, why, and what to do.
    pub detail: String,
}

macro_rules! problems {
    ($($(#[doc = $doc:literal])+ $name:ident = $status:ident, $code:literal;)+) => {
        impl Problem {
            $($(#[doc = $doc])+ pub fn $name(detail: impl Display) -> Self {
                Self { code: $code, status: StatusCode::$status.as_u16(), detail: detail.to_string() }
            })+
        }
    };
}

problems! {
    /// The request is malformed.
    bad_request = BAD_REQUEST, "bad_request";
    /// The request carries no valid key.
    unauthorized = UNAUTHORIZED, "unauthorized";
    /// The key or the server does not allow the request.
    forbidden = FORBIDDEN, "forbidden";
    /// The run or document does not exist, or belongs to another key.
    not_found = NOT_FOUND, "not_found";
    /// The run is in a state that does not allow the request.
    conflict = CONFLICT, "conflict";
    /// The submission is too large.
    too_large = PAYLOAD_TOO_LARGE, "too_large";
    /// The request is well formed, but a setting, job or input in it is wrong.
    invalid = UNPROCESSABLE_ENTITY, "invalid";
    /// The queue or the disk is full.
    full = SERVICE_UNAVAILABLE, "full";
    /// A fault of docmill or of its machine.
    internal = INTERNAL_SERVER_ERROR, "internal";
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_string(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert("www-authenticate", HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<SetupError> for Problem {
    fn from(error: SetupError) -> Self {
        match error {
            SetupError::Usage(message) => Self::invalid(message),
            other => Self::internal(other),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::internal(error)
    }
}

impl From<rusqlite::Error> for Problem {
    fn from(error: rusqlite::Error) -> Self {
        Self::internal(format!("the queue cannot be read or written: {error}"))
    }
}

impl From<std::io::Error> for Problem {
    fn from(error: std::io::Error) -> Self {
        let advice =
            if crate::system::is_no_room(&error) { crate::system::disk_advice(&error) } else { "Check the directory of the server" };
        Self::internal(format!("cannot write: {error}. {advice}"))
    }
}
