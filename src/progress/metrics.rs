//! `GET /metrics`, for Prometheus, during a run.

use super::Watcher;
use super::exposition::Seen;
use crate::event::RunEvent;
use crate::system::accept;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The shared state that the server shows.
#[derive(Debug, Clone, Default)]
pub(super) struct Board(Arc<Mutex<Seen>>);

/// Serves metrics until it is dropped.
#[derive(Debug)]
pub struct MetricsServer {
    listener: TcpListener,
    board: Board,
}

/// Maximum number of connections; further ones wait.
const CONNECTIONS: usize = 16;
/// Time limit for receiving the headers of a request.
const PATIENCE: Duration = Duration::from_secs(10);

impl MetricsServer {
    /// Binds a host and port, or a port on 127.0.0.1.
    pub fn bind(address: &str) -> Result<Self, String> {
        let address: SocketAddr = match address.trim_start_matches(':').parse::<u16>() {
            Ok(port) => (Ipv4Addr::LOCALHOST, port).into(),
            Err(_) => {
                let form = |why: &str| format!("invalid address {address}: {why}; expected a port, such as 9464, or HOST:PORT");
                let mut found = address.to_socket_addrs().map_err(|e| form(&e.to_string()))?;
                found.next().ok_or_else(|| form("the host has no address"))?
            }
        };
        let in_use = |e: std::io::Error| format!("cannot serve metrics on {address}: {e}. Choose another port, or 0 for any free port");
        let listener = TcpListener::bind(address).map_err(in_use)?;
        listener.set_nonblocking(true).map_err(in_use)?;
        Ok(Self { listener, board: Board::default() })
    }

    /// The URL of the metrics.
    pub fn url(&self) -> String {
        self.listener.local_addr().map_or_else(|e| e.to_string(), |address| format!("http://{address}/metrics"))
    }

    pub(super) fn board(&self) -> Board {
        self.board.clone()
    }

    /// Serves requests until the future is dropped.
    pub async fn serve(self) {
        let Ok(listener) = tokio::net::TcpListener::from_std(self.listener) else { return };
        let serve = |stream| {
            let board = self.board.clone();
            let service = service_fn(move |request| std::future::ready(Ok::<_, Infallible>(board.answer(&request))));
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
            // A scraper that disconnects needs no answer.
            async move { drop(server.serve_connection(TokioIo::new(stream), service).await) }
        };
        accept(&listener, CONNECTIONS, &CancellationToken::new(), serve).await;
    }
}

impl Board {
    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let (status, text) = match (request.method(), request.uri().path()) {
            (&Method::GET | &Method::HEAD, "/metrics") => (StatusCode::OK, self.0.lock().text()),
            (_, "/metrics") => (StatusCode::METHOD_NOT_ALLOWED, "use GET\n".to_owned()),
            _ => (StatusCode::NOT_FOUND, "metrics are at /metrics\n".to_owned()),
        };
        let mut response = Response::new(Full::from(text));
        *response.status_mut() = status;
        let kind = hyper::header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    }
}

impl Watcher for Board {
    fn see(&mut self, event: &RunEvent) {
        self.0.lock().see(event);
    }
}
