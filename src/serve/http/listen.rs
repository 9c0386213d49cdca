//! Serves connections.

use crate::system::accept;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Maximum time for the head of a request.
const HEAD: Duration = Duration::from_secs(10);

/// Serves at most `most` connections at a time until `stop` is cancelled.
pub async fn listen(listener: &TcpListener, router: &Router, most: usize, stop: &CancellationToken) {
    accept(listener, most, stop, |stream| {
        let service = TowerToHyperService::new(router.clone());
        let mut server = http1::Builder::new();
        server.timer(TokioTimer::new()).header_read_timeout(HEAD);
        // A client that disconnects needs no answer.
        async move {
            let _small_responses_go_at_once = stream.set_nodelay(true);
            drop(server.serve_connection(TokioIo::new(stream), service).await);
        }
    })
    .await;
}
