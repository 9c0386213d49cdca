//! Serves connections.

use crate::serve::proxies::Peer;
use crate::serve::tls::Tls;
use crate::system::accept;
use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower::Service as _;

/// Maximum time for the head of a request, and for the handshake of HTTPS.
const HEAD: Duration = Duration::from_secs(10);

/// Serves at most `most` connections at a time until `stop` is cancelled.
pub async fn listen(listener: &TcpListener, router: &Router, tls: Option<&Arc<Tls>>, most: usize, stop: &CancellationToken) {
    accept(listener, most, stop, |stream| {
        let peer = stream.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip());
        let router = router.clone();
        let acceptor = tls.map(|tls| tls.acceptor());
        async move {
            let _small_responses_go_at_once = stream.set_nodelay(true);
            match acceptor {
                None => serve(stream, peer, router).await,
                Some(acceptor) => {
                    if let Ok(Ok(stream)) = timeout(HEAD, acceptor.accept(stream)).await {
                        serve(stream, peer, router).await;
                    }
                }
            }
        }
    })
    .await;
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, peer: IpAddr, router: Router) {
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        router.clone().call(request)
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD);
    // A client that disconnects needs no answer.
    drop(server.serve_connection(TokioIo::new(stream), service).await);
}
