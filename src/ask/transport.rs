//! One HTTP request and its reply. Never repeats anything: that is `retry`'s business alone.

use super::account::Account;
use super::dialect::{Body, HttpReply, RateLimitHeader};
use super::fault::{Class, Fault, StopKind};
use super::patience::within;
use super::settings::LlmSettings;
use crate::model::{FailureCode, Reply};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use reqwest::header::HeaderMap;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

/// The HTTP client of one account.
#[derive(Debug)]
pub struct Transport {
    account: Account,
    client: reqwest::Client,
    /// The same with a new connection for each request.
    unpooled: reqwest::Client,
    headers: HeaderMap,
    times: Times,
}

/// What came of a request.
#[derive(Debug)]
pub struct Exchange {
    /// The reply, or why there is none.
    pub result: Result<Reply, Fault>,
    /// What its headers say about limits.
    pub rate_limits: Vec<RateLimitHeader>,
    /// Its HTTP status, if it began.
    pub status: Option<u16>,
    /// How long it took until the reply began, if it did.
    pub first_byte: Option<Duration>,
}

/// What is seen of a reply before it is whole.
#[derive(Debug)]
struct Seen {
    rate_limits: Vec<RateLimitHeader>,
    status: Option<u16>,
    sent: Instant,
    first_byte: Option<Duration>,
}

/// Servers close idle connections after 5 s and more; the client must be the first, or a request meets a closed one.
const IDLE: Duration = Duration::from_secs(4);
/// No answer is larger; what is, is not one.
const MAX_REPLY: usize = 64 * 1024 * 1024;

impl Transport {
    /// A client for `account`.
    pub fn new(account: &Account, settings: &LlmSettings) -> Result<Self, ClientError> {
        let times = Times::new(settings);
        // As many as there are calls at a time: that can change while the run is at work.
        let client = client(account, settings, &times, usize::MAX)?;
        let unpooled = self::client(account, settings, &times, 0)?;
        Ok(Self { account: account.clone(), client, unpooled, headers: account.headers(), times })
    }

    /// Sends one request to `model` and reads its reply to the end. With `live` the reply comes piece by piece. With `fresh`
    /// it goes over a new connection: one that was kept may be closed just when the request leaves.
    pub async fn send(&self, model: &str, body: Body, live: Option<&dyn StreamObserver>, unpooled: bool) -> Exchange {
        let client = if unpooled { &self.unpooled } else { &self.client };
        let mut seen = Seen { rate_limits: Vec::new(), status: None, sent: Instant::now(), first_byte: None };
        // The clock starts here, with the permit in hand: waiting for a turn is not the server's delay.
        let exchange = Box::pin(self.exchange(client, (model, body), live, &mut seen));
        let result = in_time(exchange, self.times.total, "no complete reply", "llm.timeout_s").await.flatten();
        Exchange { result, rate_limits: seen.rate_limits, status: seen.status, first_byte: seen.first_byte }
    }

    async fn exchange(
        &self,
        client: &reqwest::Client,
        (model, body): (&str, Body),
        live: Option<&dyn StreamObserver>,
        seen: &mut Seen,
    ) -> Result<Reply, Fault> {
        let account = &self.account;
        let request = client.post(account.endpoint(model, live.is_some())).headers(self.headers.clone());
        let asked = body.clone();
        let sending = request.body(into_reqwest(body)).send();
        let fault = |error| fault(&error, account);
        let mut response = match live {
            // Only a stream has a first byte long before its last one.
            Some(_) => in_time(sending, self.times.first_byte, "no reply", "llm.first_byte_s").await?.map_err(fault)?,
            None => sending.await.map_err(fault)?,
        };
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).map(|v| account.scrub(v.into()).into_owned());
        seen.first_byte = Some(seen.sent.elapsed());
        seen.status = Some(status);
        seen.rate_limits = account.dialect.rate_limits(&HttpReply { status, header: &header, body: b"" });
        if let Some(live) = live.filter(|_| (200..=299).contains(&status)) {
            return self.follow(response, (live, &asked), &header, seen).await;
        }
        let mut body = Vec::with_capacity(response.content_length().and_then(|n| usize::try_from(n).ok()).unwrap_or(0).min(MAX_REPLY));
        while let Some(chunk) = response.chunk().await.map_err(fault)? {
            if body.len() + chunk.len() > MAX_REPLY {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        self.meaning(&HttpReply { status, header: &header, body: &body }, &asked)
    }

    /// The meaning of a reply that is there whole, without secrets.
    fn meaning(&self, http: &HttpReply<'_>, asked: &Body) -> Result<Reply, Fault> {
        let account = &self.account;
        match account.dialect.reply(http) {
            Ok(reply) => Ok(scrubbed(reply, account)),
            // Some servers send the key back. It is taken out before the reply is cut anywhere, but not before it is read:
            // a short one may stand in any reply.
            Err(_) => {
                let body = asked.without_echo(account.scrub(String::from_utf8_lossy(http.body)));
                let reply = account.dialect.reply(&HttpReply { body: body.as_bytes(), ..*http });
                reply.map_err(|fault| Fault { message: account.scrub(fault.message.into()).into_owned(), ..fault })
            }
        }
    }

    /// Reads a reply that comes piece by piece.
    async fn follow(
        &self,
        mut response: reqwest::Response,
        (live, asked): (&dyn StreamObserver, &Body),
        header: &(dyn Fn(&str) -> Option<String> + Sync),
        seen: &mut Seen,
    ) -> Result<Reply, Fault> {
        let account = &self.account;
        let mut reader = account.dialect.stream();
        let mut read = 0;
        let broken = loop {
            let (limit, setting) =
                if reader.started() { (self.times.silence, "llm.silence_s") } else { (self.times.first_byte, "llm.first_byte_s") };
            let next = async {
                while let Some(chunk) = response.chunk().await? {
                    read += chunk.len();
                    let text = reader.push(&chunk);
                    if read > MAX_REPLY {
                        break;
                    }
                    if reader.started() {
                        return Ok(Some(text));
                    }
                    // Headers and comments that keep the connection alive are no beginning.
                    seen.first_byte = Some(seen.sent.elapsed());
                }
                Ok(None)
            };
            match in_time(next, limit, "the reply stopped coming", setting).await {
                Ok(Ok(Some(text))) => {
                    live.begun();
                    if !text.is_empty() {
                        live.said(&account.scrub(text.into()));
                    }
                }
                Ok(Ok(None)) => break None,
                Ok(Err(error)) => break Some(fault(&error, account)),
                Err(silence) => break Some(silence),
            }
        };
        if read > MAX_REPLY {
            return Err(too_large());
        }
        if let Some(body) = reader.body() {
            let status = seen.status.unwrap_or(200);
            return match (self.meaning(&HttpReply { status, header, body }, asked), broken) {
                (Err(cut), Some(fault)) if cut.class == Class::Ambiguous => {
                    Err(Fault { usage: cut.usage, request_id: cut.request_id, ..fault })
                }
                (result, _) => result,
            };
        }
        // What the model had finished is whole, however the connection ended.
        let complete = reader.done();
        let request_id = header("request-id").or_else(|| header("x-request-id"));
        match (reader.finish(header, Some(asked)), broken) {
            (Err(cut), Some(fault)) if cut.class == Class::Ambiguous && !complete => Err(Fault { usage: cut.usage, request_id, ..fault }),
            (Ok(reply), _) => Ok(Reply { request_id, ..scrubbed(reply, account) }),
            (Err(fault), _) => Err(Fault { message: account.scrub(fault.message.into()).into_owned(), request_id, ..fault }),
        }
    }
}

/// A reply without secrets that the server has sent back. The model's name goes into results and traces as well.
fn scrubbed(reply: Reply, account: &Account) -> Reply {
    let [text, model] = [reply.text, reply.model].map(|said| account.scrub(said.into()).into_owned());
    Reply { text, model, ..reply }
}

/// A client that keeps so many idle connections.
fn client(account: &Account, settings: &LlmSettings, times: &Times, idle: usize) -> Result<reqwest::Client, ClientError> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("docmill/", env!("CARGO_PKG_VERSION")))
        .http1_only()
        .retry(reqwest::retry::never())
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(10).min(times.total))
        .pool_max_idle_per_host(idle)
        .pool_idle_timeout(IDLE)
        .tcp_nodelay(true)
        .tcp_keepalive(Duration::from_secs(30));
    if is_loopback(account.server()) {
        builder = builder.no_proxy();
    }
    if account.server().scheme() == "https" {
        // The system's roots come first; these are for containers that have none.
        let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
        let roots = roots.filter_map(|der| reqwest::Certificate::from_der(der).ok());
        builder = builder.tls_certs_merge(roots.chain(own_roots(&settings.ca_file)?));
    }
    Ok(builder.build()?)
}

/// Watches a reply that comes piece by piece.
pub trait StreamObserver: Send + Sync {
    /// The answer has begun.
    fn begun(&self);
    /// More of it has come.
    fn said(&self, text: &str);
}

/// How long things may take.
#[derive(Debug, Clone, Copy)]
struct Times {
    total: Duration,
    first_byte: Duration,
    silence: Duration,
}

impl Times {
    fn new(settings: &LlmSettings) -> Self {
        let [total, first_byte, silence] = [settings.timeout_s, settings.first_byte_s, settings.silence_s].map(Duration::from_secs);
        Self { total, first_byte, silence }
    }
}

/// The HTTP client cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The file of certificates is of no use.
    #[error("llm.ca_file: {file}: {reason}")]
    CaFile {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Another reason.
    #[error("the HTTP client cannot be set up: {0}")]
    Client(#[from] reqwest::Error),
}

/// Certificates of one's own: of a company's proxy, say. `SSL_CERT_FILE` is what other programs look at as well.
fn own_roots(file: &str) -> Result<Vec<reqwest::Certificate>, ClientError> {
    let from_environment = || std::env::var("SSL_CERT_FILE").ok().filter(|file| std::path::Path::new(file).is_file());
    let (file, named) = match file {
        "" => (from_environment().unwrap_or_default(), false),
        file => (file.to_owned(), true),
    };
    let error = |reason: String| ClientError::CaFile { file: file.clone(), reason };
    if file.is_empty() {
        return Ok(Vec::new());
    }
    let pem = std::fs::read(&file).map_err(|e| error(e.to_string()));
    let roots = pem.and_then(|pem| reqwest::Certificate::from_pem_bundle(&pem).map_err(|e| error(e.to_string())));
    match roots {
        Ok(roots) if roots.is_empty() && named => Err(error("no certificate in it; it should be in PEM format".into())),
        Err(error) if named => Err(error),
        roots => Ok(roots.unwrap_or_default()),
    }
}

async fn in_time<T>(step: impl Future<Output = T>, limit: Duration, what: &str, setting: &str) -> Result<T, Fault> {
    within(limit, step).await.ok_or_else(|| {
        let message = format!("{what} within {} s ({setting})", limit.as_secs_f64());
        Fault::new(Class::Ambiguous, FailureCode::TimedOut, message)
    })
}

fn too_large() -> Fault {
    Fault::new(Class::Ambiguous, FailureCode::BadReply, format!("the reply is larger than {MAX_REPLY} bytes"))
}

pub(super) fn is_loopback(url: &reqwest::Url) -> bool {
    url.host_str().is_some_and(|host| {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    })
}

fn fault(error: &reqwest::Error, account: &Account) -> Fault {
    // Without the address: its parameters may hold secrets in another notation.
    let message = account
        .scrub(chain(error).replace(&format!(" for url ({})", error.url().map_or("", reqwest::Url::as_str)), "").into())
        .into_owned();
    if error.is_connect() && message.contains("certificate") {
        let hint = "Is it the certificate of a company's proxy, or of a server of your own? llm.ca_file names a file with those to trust";
        return Fault::new(Class::RunFatal(StopKind::Refused), FailureCode::Unreachable, format!("{message}. {hint}"));
    }
    if error.is_connect() {
        Fault::new(Class::NotSent, FailureCode::Unreachable, message)
    } else if error.is_builder() {
        Fault::new(Class::Permanent, FailureCode::Internal, message)
    } else {
        // From the moment of sending on, the provider may have done the work.
        Fault::new(Class::Ambiguous, FailureCode::LostReply, message)
    }
}

/// An error with all its causes: the last one is mostly the one that tells.
fn chain(error: &reqwest::Error) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !message.contains(&cause_text) {
            message.push_str(": ");
            message.push_str(&cause_text);
        }
        source = cause.source();
    }
    message
}

fn into_reqwest(body: Body) -> reqwest::Body {
    let remaining = body.len() as u64;
    let pieces = body.into_pieces();
    match <[Bytes; 1]>::try_from(pieces) {
        Ok([only]) => only.into(),
        Err(pieces) => reqwest::Body::wrap(Pieces { pieces: pieces.into(), remaining }),
    }
}

/// A body in pieces that knows its length, so that it is sent with `content-length` and not chunked.
struct Pieces {
    pieces: VecDeque<Bytes>,
    remaining: u64,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.pieces.pop_front();
        self.remaining -= next.as_ref().map_or(0, |piece| piece.len() as u64);
        Poll::Ready(next.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}
