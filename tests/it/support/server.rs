//! A scriptable model provider on loopback. It runs in the process of the test, on separate
//! threads.
//!
//! It speaks Anthropic's Messages and OpenAI's Chat Completions as their references describe them.
//! Functions of the test decide its faults, latency and answers.

use super::ledger::{Billed, Ledger};
use super::wire::{self, Dialect};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, DefaultBodyLimit, State, connect_info::Connected};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::Response;
use axum::serve::{IncomingStream, Listener};
use serde_json::Value;
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// A request, as a provider understands it.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The wire format of the request.
    pub dialect: Dialect,
    /// Path of the request.
    pub path: String,
    /// Headers of the request.
    pub headers: HeaderMap,
    /// The body.
    pub body: Value,
    /// System text.
    pub system: String,
    /// All text of the user message, with an empty line between parts.
    pub text: String,
    /// All images of the user message.
    pub images: Vec<SentImage>,
    /// Schema of the answer.
    pub schema: Value,
    /// The document: the text after `docid:`, or `image-N`. N is the number painted on the image.
    pub docid: Option<String>,
    /// Number of requests for this call so far, including this one.
    pub attempt: u32,
    /// Arrival time.
    pub arrived: Instant,
}

impl Ask {
    /// The value of a header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// An image in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentImage {
    /// The media type that the client states.
    pub media_type: String,
    /// The decoded file.
    pub bytes: Vec<u8>,
}

/// The server's reply to a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// The answer of the server's answer function.
    Ok,
    /// This status with a JSON body and headers.
    Status(u16, Value, Vec<(&'static str, String)>),
    /// This status with a body that is not JSON.
    StatusText(u16, String),
    /// No reply. The connection stays open.
    Hang,
    /// The connection ends before a reply.
    Reset,
    /// Status 200 with a body that is not JSON.
    Garbage,
    /// Status 200 with half a body; then the connection ends.
    CutBody,
    /// Status 200: the model declines.
    Refusal,
    /// Status 200: a complete answer that is not JSON.
    InvalidJson,
    /// Status 200: a JSON answer without the fields of the schema.
    WrongShape,
    /// Status 200: an answer cut at the token limit.
    Truncated,
    /// Status 200 without text: the model spent all tokens on thinking.
    NoText,
}

impl Reply {
    /// An error in the form of this dialect.
    pub fn error(ask: &Ask, status: u16, kind: &str, message: &str) -> Self {
        Self::Status(status, ask.dialect.error(kind, message), Vec::new())
    }
}

type Faults = dyn Fn(&Ask) -> Reply + Send + Sync;
type Answer = dyn Fn(&Ask) -> Value + Send + Sync;
type Latency = dyn Fn(&Ask) -> Duration + Send + Sync;
type Hold = dyn Fn(&Ask, &Ledger) -> bool + Send + Sync;

struct Shared {
    faults: Box<Faults>,
    answer: Box<Answer>,
    latency: Box<Latency>,
    hold: Box<Hold>,
    ledger: Mutex<Ledger>,
    in_flight: AtomicUsize,
}

impl Shared {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap()
    }
}

/// The functions of a server, before it starts.
pub struct Script {
    faults: Box<Faults>,
    answer: Box<Answer>,
    latency: Box<Latency>,
    hold: Box<Hold>,
}

impl Script {
    /// Decides the reply to each request.
    pub fn faults(mut self, faults: impl Fn(&Ask) -> Reply + Send + Sync + 'static) -> Self {
        self.faults = Box::new(faults);
        self
    }

    /// Decides the answer of the model.
    pub fn answer(mut self, answer: impl Fn(&Ask) -> Value + Send + Sync + 'static) -> Self {
        self.answer = Box::new(answer);
        self
    }

    /// Decides the time until a reply begins.
    pub fn latency(mut self, latency: impl Fn(&Ask) -> Duration + Send + Sync + 'static) -> Self {
        self.latency = Box::new(latency);
        self
    }

    /// Holds a request back while this function returns true.
    pub fn hold(mut self, hold: impl Fn(&Ask, &Ledger) -> bool + Send + Sync + 'static) -> Self {
        self.hold = Box::new(hold);
        self
    }

    /// Starts the server on a free port.
    pub fn start(self) -> ModelServer {
        let shared = Arc::new(Shared {
            faults: self.faults,
            answer: self.answer,
            latency: self.latency,
            hold: self.hold,
            ledger: Mutex::default(),
            in_flight: AtomicUsize::new(0),
        });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().fallback(serve).layer(DefaultBodyLimit::disable()).with_state(Arc::clone(&shared));
        let service = app.into_make_service_with_connect_info::<Link>();
        runtime.spawn(async move { axum::serve(Port(listener), service).await.unwrap() });
        ModelServer { address, shared, runtime: Some(runtime) }
    }
}

/// A running provider. Dropping it stops the server.
pub struct ModelServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

impl ModelServer {
    /// A script for a server that answers everything correctly at once.
    pub fn script() -> Script {
        Script {
            faults: Box::new(|_| Reply::Ok),
            answer: Box::new(super::filled),
            latency: Box::new(|_| Duration::ZERO),
            hold: Box::new(|_, _| false),
        }
    }

    /// Starts a server that answers everything correctly at once.
    pub fn start() -> Self {
        Self::script().start()
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The ledger so far.
    pub fn ledger(&self) -> Ledger {
        self.shared.ledger().clone()
    }

    /// Number of requests so far.
    pub fn requests(&self) -> usize {
        self.shared.ledger().requests()
    }

    /// Waits until `condition` holds. Panics after a minute.
    pub fn wait_until(&self, what: &str, condition: impl Fn(&Ledger) -> bool) {
        let deadline = Instant::now() + Duration::from_mins(1);
        while !condition(&self.shared.ledger()) {
            if Instant::now() > deadline {
                let ledger = self.ledger();
                let served: Vec<_> = ledger.calls.iter().map(|call| (&call.docid, call.requests, call.served)).collect();
                panic!("waited in vain until {what}; calls, requests and replies so far: {served:?}");
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A listener whose handlers can close the connection.
struct Port(TcpListener);

/// A second handle on a connection.
#[derive(Clone, Debug)]
struct Link(Arc<std::net::TcpStream>);

impl Listener for Port {
    type Io = TcpStream;
    type Addr = Link;

    async fn accept(&mut self) -> (TcpStream, Link) {
        loop {
            let Ok((stream, _)) = self.0.accept().await else {
                tokio::time::sleep(Duration::from_millis(1)).await;
                continue;
            };
            stream.set_nodelay(true).unwrap();
            let stream = stream.into_std().unwrap();
            let link = Link(Arc::new(stream.try_clone().unwrap()));
            return (TcpStream::from_std(stream).unwrap(), link);
        }
    }

    fn local_addr(&self) -> std::io::Result<Link> {
        Err(std::io::ErrorKind::Unsupported.into())
    }
}

impl Connected<IncomingStream<'_, Port>> for Link {
    fn connect_info(stream: IncomingStream<'_, Port>) -> Self {
        stream.remote_addr().clone()
    }
}

/// Counts a request in flight until dropped. This also works if its connection ends first.
struct InFlight(Arc<Shared>);

impl InFlight {
    fn enter(shared: &Arc<Shared>) -> Self {
        let now = shared.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        let mut ledger = shared.ledger();
        ledger.max_in_flight = ledger.max_in_flight.max(now);
        drop(ledger);
        Self(Arc::clone(shared))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn serve(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(link): ConnectInfo<Link>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let arrived = Instant::now();
    let in_flight = InFlight::enter(&shared);
    let mut ask = match wire::read(uri.path(), headers, &body, arrived) {
        Ok(ask) => ask,
        Err(problem) => return json_reply(StatusCode::NOT_FOUND, &problem, &[]),
    };
    let images: Vec<_> = ask.images.iter().map(|image| blake3::hash(&image.bytes).to_hex()).collect();
    let identity = format!("{} {} {images:?}", ask.system, ask.schema);
    let (ask, call) = {
        let mut ledger = shared.ledger();
        let (call, attempt) = ledger.arrived(&ask, &identity);
        ask.attempt = attempt;
        let ask = Arc::new(ask);
        ledger.asks.push(Arc::clone(&ask));
        (ask, call)
    };
    let latency = (shared.latency)(&ask);
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    while (shared.hold)(&ask, &shared.ledger()) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let reply = (shared.faults)(&ask);
    shared.ledger().settled(call, billing(&reply));
    match reply {
        Reply::Status(status, body, headers) => json_reply(StatusCode::from_u16(status).unwrap(), &body, &headers),
        Reply::StatusText(status, body) => Response::builder().status(status).body(Body::from(body)).unwrap(),
        Reply::Hang => std::future::pending().await,
        Reply::Reset => {
            // The client may send its next request before this task detects the closed connection.
            drop(in_flight);
            // An error means that the client has closed the connection already.
            link.0.shutdown(Shutdown::Both).ok();
            std::future::pending().await
        }
        Reply::Garbage => Response::new(Body::from("<html><body>502 Bad Gateway</body></html>")),
        Reply::CutBody => {
            let whole = ask.dialect.answered(&ask, &(shared.answer)(&ask).to_string()).to_string();
            let half = Bytes::from(whole.as_bytes()[..whole.len() / 2].to_vec());
            let pieces: [Result<Bytes, std::io::Error>; 2] = [Ok(half), Err(std::io::ErrorKind::ConnectionReset.into())];
            let body = Body::from_stream(futures::stream::iter(pieces));
            Response::builder()
                .header(header::CONTENT_TYPE, "application/json")
                .header(header::CONTENT_LENGTH, whole.len())
                .body(body)
                .unwrap()
        }
        Reply::Ok => ok(&ask.dialect.answered(&ask, &(shared.answer)(&ask).to_string())),
        Reply::Refusal => ok(&ask.dialect.refused(&ask)),
        Reply::InvalidJson => ok(&ask.dialect.answered(&ask, "Certainly! Here is what I think.")),
        Reply::WrongShape => ok(&ask.dialect.answered(&ask, r#"{"thoughts":"none"}"#)),
        Reply::Truncated => ok(&ask.dialect.truncated(&ask)),
        Reply::NoText => ok(&ask.dialect.answered(&ask, "")),
    }
}

fn billing(reply: &Reply) -> Billed {
    match reply {
        Reply::Ok => Billed::Served,
        Reply::Refusal | Reply::InvalidJson | Reply::WrongShape | Reply::Truncated | Reply::NoText => Billed::Yes,
        Reply::Status(..) | Reply::StatusText(..) => Billed::No,
        Reply::Hang | Reply::Reset | Reply::Garbage | Reply::CutBody => Billed::InDoubt,
    }
}

fn ok(body: &Value) -> Response {
    json_reply(StatusCode::OK, body, &[])
}

fn json_reply(status: StatusCode, body: &Value, headers: &[(&'static str, String)]) -> Response {
    let mut response = Response::builder().status(status).header(header::CONTENT_TYPE, "application/json");
    for (name, value) in headers {
        response = response.header(*name, value);
    }
    response.body(Body::from(body.to_string())).unwrap()
}
