//! Sends one HTTP request and reads its reply. Only `retry` repeats requests.

use super::account::Account;
use super::dialect::{Body, HttpReply, RateLimitHeader};
use super::fault::{Class, Fault, StopKind};
use super::reply_size::{ReplyMemory, SMALL, check_stream};
use super::servers::Prober;
use super::settings::LlmSettings;
use super::timeouts::within;
use crate::model::{FailureCode, Reply, with_causes};
use crate::system::{is_loopback, root_certificates};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use reqwest::header::HeaderMap;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

/// The HTTP client of one account.
#[derive(Debug)]
pub struct Transport {
    account: Account,
    /// The clients by server.
    clients: Vec<Clients>,
    headers: HeaderMap,
    pub(super) times: Times,
    replies: ReplyMemory,
}

/// The HTTP clients of one server.
#[derive(Debug, Clone)]
struct Clients {
    pooled: reqwest::Client,
    /// A client that opens a new connection for each request.
    unpooled: reqwest::Client,
}

/// The result of a request, and facts about its reply.
#[derive(Debug)]
pub struct Exchange {
    /// The reply, or the failure.
    pub result: Result<Reply, Fault>,
    /// The rate limits in the reply's headers.
    pub rate_limits: Vec<RateLimitHeader>,
    /// The HTTP status, if the reply began.
    pub status: Option<u16>,
    /// Time from sending until the reply began, if it began.
    pub first_byte: Option<Duration>,
}

/// Facts about a reply that is still being read.
#[derive(Debug)]
struct Seen {
    rate_limits: Vec<RateLimitHeader>,
    status: Option<u16>,
    sent: Instant,
    first_byte: Option<Duration>,
}

/// Time after which docmill closes idle connections.
///
/// Servers close them after 5 s or more, so docmill closes them first.
const IDLE: Duration = Duration::from_secs(4);

impl Transport {
    /// Creates a client for `account`.
    pub fn new(account: &Account, settings: &LlmSettings) -> Result<Self, ClientError> {
        let times = Times::new(settings);
        let mut known: Vec<(ClientKind, Clients)> = Vec::new();
        for server in account.servers().endpoints() {
            let kind = ClientKind::of(&server.url);
            if !known.iter().any(|(other, _)| *other == kind) {
                // The number of idle connections has no limit, because the concurrency can change
                // during the run.
                let pooled = client(account, settings, kind, &times, usize::MAX)?;
                known.push((kind, Clients { pooled, unpooled: client(account, settings, kind, &times, 0)? }));
            }
        }
        let of = |kind: ClientKind| known.iter().find(|(other, _)| *other == kind).map(|(_, clients)| clients.clone());
        let clients: Vec<Clients> = account.servers().endpoints().filter_map(|server| of(ClientKind::of(&server.url))).collect();
        let headers = account.headers();
        account.servers().set_prober(|| {
            let (path, query) = account.calls_at();
            let clients = clients.iter().map(|clients| clients.unpooled.clone()).collect();
            Prober { clients, headers: headers.clone(), path, query }
        });
        Ok(Self { account: account.clone(), clients, headers, times, replies: ReplyMemory::default() })
    }

    /// Sends one request to `model` at a server and reads its whole reply.
    ///
    /// With `live`, the reply is streamed. With `unpooled`, the request uses a new connection,
    /// because the server may close a pooled one at any moment.
    pub async fn send(&self, server: usize, model: &str, body: Body, live: Option<&dyn StreamObserver>, unpooled: bool) -> Exchange {
        let client = self.client(server, unpooled);
        let to = self.account.endpoint(server, model, live.is_some());
        let mut seen = Seen { rate_limits: Vec::new(), status: None, sent: Instant::now(), first_byte: None };
        // The timeout starts after admission, so the wait for a permit does not count.
        let exchange = Box::pin(self.exchange(client, (to, body), live, &mut seen));
        let result = in_time(exchange, self.times.total, "no complete response", "llm.timeout_s").await.flatten();
        Exchange { result, rate_limits: seen.rate_limits, status: seen.status, first_byte: seen.first_byte }
    }

    /// The HTTP client of a server. With `unpooled`, each request uses a new connection.
    pub(super) fn client(&self, server: usize, unpooled: bool) -> &reqwest::Client {
        let clients = &self.clients[server];
        if unpooled { &clients.unpooled } else { &clients.pooled }
    }

    /// Sends a GET request to a server, with the headers of the account.
    pub(super) async fn get(&self, server: usize, address: reqwest::Url) -> Result<reqwest::Response, reqwest::Error> {
        self.clients[server].pooled.get(address).headers(self.headers.clone()).send().await
    }

    async fn exchange(
        &self,
        client: &reqwest::Client,
        (to, body): (reqwest::Url, Body),
        live: Option<&dyn StreamObserver>,
        seen: &mut Seen,
    ) -> Result<Reply, Fault> {
        let account = &self.account;
        let request = client.post(to).headers(self.headers.clone());
        let asked = body.clone();
        let sending = request.body(into_reqwest(body)).send();
        let fault = |error| fault(&error, account);
        let mut response = match live {
            // Only a stream sends its first byte long before its last one.
            Some(_) => in_time(sending, self.times.first_byte, "no response", "llm.first_byte_s").await?.map_err(fault)?,
            None => sending.await.map_err(fault)?,
        };
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).map(|v| account.secrets().scrub(v.into()).into_owned());
        seen.first_byte = Some(seen.sent.elapsed());
        seen.status = Some(status);
        seen.rate_limits = (account.dialect.limits.headers)(&HttpReply { status, header: &header, body: b"" });
        if let Some(live) = live.filter(|_| (200..=299).contains(&status)) {
            return self.follow(response, (live, &asked), &header, seen).await;
        }
        let (mut body, mut held) = (Vec::new(), self.replies.reply());
        while let Some(chunk) = response.chunk().await.map_err(fault)? {
            body.extend_from_slice(&chunk);
            held.bytes(body.len()).await?;
        }
        held.tree(&body).await?;
        self.meaning(&HttpReply { status, header: &header, body: &body }, &asked)
    }

    /// Interprets a complete reply and removes secrets.
    fn meaning(&self, http: &HttpReply<'_>, asked: &Body) -> Result<Reply, Fault> {
        let account = &self.account;
        match account.dialect.reply(http) {
            Ok(reply) => Ok(scrubbed(reply, account)),
            // Some servers echo the key, so the body is scrubbed before the error text is cut.
            // Answers are parsed first, because they may contain the key by chance.
            Err(_) => {
                let body = asked.without_echo(account.secrets().scrub(String::from_utf8_lossy(http.body)));
                let reply = account.dialect.reply(&HttpReply { body: body.as_bytes(), ..*http });
                reply.map_err(|fault| Fault { message: account.secrets().scrub(fault.message.into()).into_owned(), ..fault })
            }
        }
    }

    /// Reads a streamed reply.
    async fn follow(
        &self,
        mut response: reqwest::Response,
        (live, asked): (&dyn StreamObserver, &Body),
        header: &(dyn Fn(&str) -> Option<String> + Sync),
        seen: &mut Seen,
    ) -> Result<Reply, Fault> {
        let account = &self.account;
        let (mut reader, mut held) = (account.dialect.stream(), self.replies.reply());
        let mut scrubbed_text = account.secrets().stream();
        let mut read = 0;
        let broken = loop {
            let (limit, setting) =
                if reader.started() { (self.times.silence, "llm.silence_s") } else { (self.times.first_byte, "llm.first_byte_s") };
            let next = async {
                while let Some(chunk) = response.chunk().await? {
                    read += chunk.len();
                    let text = reader.push(&chunk);
                    if reader.started() || reader.held() > SMALL {
                        return Ok(Some(text));
                    }
                    // Headers and keep-alive comments do not count as the first byte.
                    seen.first_byte = Some(seen.sent.elapsed());
                }
                Ok(None)
            };
            match in_time(next, limit, "no further data", setting).await {
                Ok(Ok(Some(text))) => {
                    check_stream(read)?;
                    held.bytes(reader.held()).await?;
                    if reader.started() {
                        live.begun();
                    }
                    let text = scrubbed_text.push(&text);
                    if !text.is_empty() {
                        live.said(&text);
                    }
                }
                Ok(Ok(None)) => break None,
                Ok(Err(error)) => break Some(fault(&error, account)),
                Err(silence) => break Some(silence),
            }
        };
        live.said(&scrubbed_text.finish());
        if let Some(body) = reader.body() {
            held.tree(body).await?;
            let status = seen.status.unwrap_or(200);
            return match (self.meaning(&HttpReply { status, header, body }, asked), broken) {
                (Err(cut), Some(fault)) if cut.class == Class::Ambiguous => {
                    Err(Fault { usage: cut.usage, request_id: cut.request_id, ..fault })
                }
                (result, _) => result,
            };
        }
        // If the model has finished, the reply is complete even if the connection broke.
        let complete = reader.done();
        let request_id = header("request-id").or_else(|| header("x-request-id"));
        match (reader.finish(header, Some(asked)), broken) {
            (Err(cut), Some(fault)) if cut.class == Class::Ambiguous && !complete => Err(Fault { usage: cut.usage, request_id, ..fault }),
            (Ok(reply), _) => Ok(Reply { request_id, ..scrubbed(reply, account) }),
            (Err(fault), _) => Err(Fault { message: account.secrets().scrub(fault.message.into()).into_owned(), request_id, ..fault }),
        }
    }
}

/// Removes secrets from a reply that the server has echoed.
///
/// The model's name is scrubbed too, because it goes into results and traces.
fn scrubbed(reply: Reply, account: &Account) -> Reply {
    let [text, model] = [reply.text, reply.model].map(|value| account.secrets().scrub(value.into()).into_owned());
    Reply { text, model, ..reply }
}

/// What a client needs for its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ClientKind {
    is_loopback: bool,
    is_https: bool,
}

impl ClientKind {
    fn of(server: &reqwest::Url) -> Self {
        Self { is_loopback: is_loopback(server), is_https: server.scheme() == "https" }
    }
}

/// Builds an HTTP client that keeps at most `idle` idle connections.
fn client(account: &Account, settings: &LlmSettings, kind: ClientKind, times: &Times, idle: usize) -> Result<reqwest::Client, ClientError> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("docmill/", env!("CARGO_PKG_VERSION")))
        .http1_only()
        .retry(reqwest::retry::never())
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(10).min(times.total))
        .pool_max_idle_per_host(idle)
        .pool_idle_timeout(IDLE)
        .tcp_nodelay(true)
        // Without any root certificate, the client cannot be set up, even for plain HTTP.
        .tls_certs_merge(root_certificates())
        .tcp_keepalive(Duration::from_secs(30));
    if kind.is_loopback {
        builder = builder.no_proxy();
    }
    if kind.is_https {
        builder = builder.tls_certs_merge(root_certificates().chain(own_roots(&settings.ca_file, account.local.certificates.as_deref())?));
    }
    Ok(builder.build()?)
}

/// Receives the parts of a streamed reply.
pub trait StreamObserver: Send + Sync {
    /// The answer has begun. This is called for each part.
    fn begun(&self);
    /// The next part of the answer has arrived.
    fn said(&self, text: &str);
}

/// Timeouts of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub total: Duration,
    pub first_byte: Duration,
    pub silence: Duration,
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
    /// The certificate file cannot be used.
    #[error("llm.ca_file: {file}: {reason}")]
    CaFile {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Another reason.
    #[error("cannot set up the HTTP client: {0}")]
    Client(#[from] reqwest::Error),
}

/// Loads the user's certificates, such as those of a company proxy.
///
/// Without `llm.ca_file`, it reads the file named by `SSL_CERT_FILE` and ignores errors in it.
pub fn own_roots(file: &str, of_environment: Option<&str>) -> Result<Vec<reqwest::Certificate>, ClientError> {
    let (file, named) = match file {
        "" => (of_environment.unwrap_or_default().to_owned(), false),
        file => (file.to_owned(), true),
    };
    let error = |reason: String| ClientError::CaFile { file: file.clone(), reason };
    if file.is_empty() {
        return Ok(Vec::new());
    }
    let pem = std::fs::read(&file).map_err(|e| error(e.to_string()));
    let roots = pem.and_then(|pem| reqwest::Certificate::from_pem_bundle(&pem).map_err(|e| error(e.to_string())));
    match roots {
        Ok(roots) if roots.is_empty() && named => Err(error("the file has no certificate in PEM format".into())),
        Err(error) if named => Err(error),
        roots => Ok(roots.unwrap_or_default()),
    }
}

pub(super) async fn in_time<T>(step: impl Future<Output = T>, limit: Duration, what: &str, setting: &str) -> Result<T, Fault> {
    within(limit, step).await.ok_or_else(|| {
        let message = format!("{what} within {} s ({setting})", limit.as_secs_f64());
        Fault::new(Class::Ambiguous, FailureCode::TimedOut, message)
    })
}

/// The message of an error without the address, whose parameters may hold secrets.
pub(super) fn fault_text(error: &reqwest::Error, account: &Account) -> String {
    let message = with_causes(error).replace(&format!(" for url ({})", error.url().map_or("", reqwest::Url::as_str)), "");
    account.secrets().scrub(message.into()).into_owned()
}

pub(super) fn fault(error: &reqwest::Error, account: &Account) -> Fault {
    let message = fault_text(error, account);
    if error.is_connect() && message.contains("certificate") {
        let hint = "If the server or proxy uses a private certificate authority, set llm.ca_file to its certificate in PEM format";
        return Fault::new(Class::RunFatal(StopKind::Refused), FailureCode::Unreachable, format!("{message}. {hint}"));
    }
    if error.is_connect() {
        Fault::new(Class::NotSent, FailureCode::Unreachable, message)
    } else if error.is_builder() {
        Fault::new(Class::Permanent, FailureCode::Internal, message)
    } else {
        // The request was sent, so the provider may have done the work.
        Fault::new(Class::Ambiguous, FailureCode::LostReply, message)
    }
}

fn into_reqwest(body: Body) -> reqwest::Body {
    let remaining = body.len() as u64;
    let pieces = body.into_pieces();
    match <[Bytes; 1]>::try_from(pieces) {
        Ok([only]) => only.into(),
        Err(pieces) => reqwest::Body::wrap(Pieces { pieces: pieces.into(), remaining }),
    }
}

/// A body in several buffers of known length, sent with `content-length`.
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
