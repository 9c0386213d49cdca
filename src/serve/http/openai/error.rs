//! Errors under `/v1`, in OpenAI's form.

use crate::gateway::ApiError;
use crate::serve::http::LONGEST_ERROR;
use crate::serve::problem::Problem;
use axum::Json;
use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Marks a response whose error is in OpenAI's form.
#[derive(Debug, Clone, Copy)]
pub struct OpenAiError;

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self.body())).into_response();
        response.extensions_mut().insert(OpenAiError);
        let headers = response.headers_mut();
        if let Some(wait) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        } else {
            // docmill has retried already.
            headers.insert("x-should-retry", HeaderValue::from_static("false"));
        }
        response
    }
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        let Problem { code, status, detail } = problem;
        let kind = if status < 500 { "invalid_request_error" } else { "server_error" };
        Self::new(status, kind, Some(if status == 401 { "invalid_api_key" } else { code }), detail)
    }
}

/// Turns all errors under `/v1` into OpenAI's form.
pub async fn openai_errors(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let response = next.run(request).await;
    let status = response.status();
    let is_below = path == "/v1" || path.starts_with("/v1/");
    if !is_below || status.as_u16() < 400 || response.extensions().get::<OpenAiError>().is_some() {
        return response;
    }
    let (whole, body) = response.into_parts();
    let error = if let Some(problem) = whole.extensions.get::<Problem>() {
        problem.clone().into()
    } else {
        let kind = if status.as_u16() < 500 { "invalid_request_error" } else { "server_error" };
        // The framework says what is wrong with a query or a path.
        let text = axum::body::to_bytes(body, LONGEST_ERROR).await.unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let usual = status.canonical_reason().unwrap_or("the request failed");
        ApiError::new(status.as_u16(), kind, None, if text.is_empty() { usual } else { &text })
    };
    let mut response = error.into_response();
    for (name, value) in &whole.headers {
        if ![CONTENT_TYPE, CONTENT_LENGTH].contains(name) {
            response.headers_mut().entry(name).or_insert_with(|| value.clone());
        }
    }
    response
}
