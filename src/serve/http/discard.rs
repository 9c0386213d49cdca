//! Reads the rest of requests that are refused.
//!
//! Many clients send the whole body before they look at the response. If the server closed the
//! connection before, they would see only that it broke.

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use parking_lot::Mutex;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::timeout;

/// Maximum number of bytes that are read and discarded.
const MOST: usize = 64_000_000;
/// Maximum time for all of it.
const ALL: Duration = Duration::from_secs(10);
/// Maximum time between two pieces of a body.
const PAUSE: Duration = Duration::from_secs(2);

/// Discards the rest of the body before an error is sent, within limits.
pub async fn discard_rest(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let body = Arc::new(Mutex::new(body));
    let response = next.run(Request::from_parts(parts, Body::new(Shared(Arc::clone(&body))))).await;
    if response.status().is_client_error() || response.status().is_server_error() {
        let discard = async {
            let (mut rest, mut length) = (Shared(body), 0);
            while let Ok(Some(Ok(frame))) = timeout(PAUSE, rest.frame()).await {
                length += frame.data_ref().map_or(0, Bytes::len);
                if length > MOST {
                    break;
                }
            }
        };
        let _late = timeout(ALL, discard).await;
    }
    response
}

/// A body of which the server keeps a handle.
struct Shared(Arc<Mutex<Body>>);

impl HttpBody for Shared {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut *self.0.lock()).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.0.lock().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().size_hint()
    }
}
