//! A receiver of webhooks on loopback. It answers with the statuses that a test has given.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header::LOCATION};
use axum::response::IntoResponse as _;
use serde_json::Value;
use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// A message as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body as text.
    pub body: String,
}

#[derive(Debug, Default)]
struct Mailbox {
    received: Vec<Received>,
    /// Statuses of the next responses; 204 afterwards.
    statuses: VecDeque<u16>,
}

/// A running receiver. Dropping it stops the server.
pub struct Receiver {
    address: SocketAddr,
    mailbox: Arc<Mutex<Mailbox>>,
    _runtime: Runtime,
}

impl Receiver {
    /// Starts a receiver that answers with these statuses first.
    pub fn start(statuses: &[u16]) -> Self {
        let mailbox = Arc::new(Mutex::new(Mailbox { statuses: statuses.iter().copied().collect(), ..Mailbox::default() }));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let take = move |State(mailbox): State<Arc<Mutex<Mailbox>>>, headers: HeaderMap, body: Bytes| async move {
            let mut mailbox = mailbox.lock().unwrap();
            mailbox.received.push(Received { headers, body: String::from_utf8(body.to_vec()).unwrap() });
            let status = StatusCode::from_u16(mailbox.statuses.pop_front().unwrap_or(204)).unwrap();
            // Only a redirection uses it.
            (status, [(LOCATION, "/elsewhere")]).into_response()
        };
        let app = Router::new().fallback(take).with_state(Arc::clone(&mailbox));
        runtime.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, mailbox, _runtime: runtime }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Waits for this many messages. Returns all.
    pub fn wait_for(&self, n: usize) -> Vec<Received> {
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            let received = self.mailbox.lock().unwrap().received.clone();
            if received.len() >= n {
                return received;
            }
            assert!(Instant::now() < deadline, "{} of {n} messages: {received:?}", received.len());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Received {
    /// A header.
    pub fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}
