//! One HTTP request and its reply. Never repeats anything: that is `retry`'s business alone.

use super::account::Account;
use super::dialect::{Body, HttpReply, Standing};
use super::fault::{Class, Fault};
use crate::model::{FailureCode, Reply};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// The HTTP client of one account.
#[derive(Debug)]
pub struct Transport {
    account: Account,
    client: reqwest::Client,
    headers: HeaderMap,
    timeout: Duration,
}

/// What came of a request.
#[derive(Debug)]
pub struct Exchange {
    /// The reply, or why there is none.
    pub result: Result<Reply, Fault>,
    /// What its headers say about limits.
    pub standings: Vec<Standing>,
}

/// Servers close idle connections after 5 s and more; the client must be the first, or a request meets a closed one.
const IDLE: Duration = Duration::from_secs(4);
/// No answer is larger; what is, is not one.
const MAX_REPLY: usize = 64 * 1024 * 1024;

impl Transport {
    /// A client for `account` with room for `concurrency` connections. Each attempt may take `timeout`.
    pub fn new(account: &Account, concurrency: usize, timeout: Duration) -> Result<Self, reqwest::Error> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("docmill/", env!("CARGO_PKG_VERSION")))
            .http1_only()
            .retry(reqwest::retry::never())
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(10).min(timeout))
            .pool_max_idle_per_host(concurrency)
            .pool_idle_timeout(IDLE)
            .tcp_nodelay(true)
            .tcp_keepalive(Duration::from_secs(30));
        if is_loopback(&account.endpoint) {
            builder = builder.no_proxy();
        }
        if account.endpoint.scheme() == "https" {
            // The system's roots come first; these are for containers that have none.
            let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
            builder = builder.tls_certs_merge(roots.filter_map(|der| reqwest::Certificate::from_der(der).ok()));
        }
        Ok(Self { account: account.clone(), client: builder.build()?, headers: headers(account), timeout })
    }

    /// Sends one request and reads its reply to the end.
    pub async fn send(&self, body: Body) -> Exchange {
        let mut standings = Vec::new();
        // The clock starts here, with the permit in hand: waiting for a turn is not the server's delay.
        let result = match tokio::time::timeout(self.timeout, self.exchange(body, &mut standings)).await {
            Ok(result) => result,
            Err(_) => {
                let message = format!("no complete reply within {} s (llm.timeout_s)", self.timeout.as_secs_f64());
                Err(Fault::new(Class::Ambiguous, FailureCode::TimedOut, message))
            }
        };
        Exchange { result, standings }
    }

    async fn exchange(&self, body: Body, standings: &mut Vec<Standing>) -> Result<Reply, Fault> {
        let account = &self.account;
        let request = self.client.post(account.endpoint.clone()).headers(self.headers.clone());
        let sent = request.body(into_reqwest(body)).send().await;
        let fault = |error| fault(&error, account);
        let mut response = sent.map_err(fault)?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut body = Vec::with_capacity(response.content_length().and_then(|n| usize::try_from(n).ok()).unwrap_or(0).min(MAX_REPLY));
        while let Some(chunk) = response.chunk().await.map_err(fault)? {
            if body.len() + chunk.len() > MAX_REPLY {
                return Err(Fault::new(Class::BadReply, FailureCode::BadReply, format!("the reply is larger than {MAX_REPLY} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        // Some servers send the key back. It is taken out here, before anybody reads, cuts or keeps the reply.
        let body = account.scrub(String::from_utf8_lossy(&body));
        let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).map(|v| account.scrub(v.into()).into_owned());
        let http = HttpReply { status, header: &header, body: body.as_bytes() };
        *standings = account.dialect.standings(&http);
        account.dialect.reply(&http)
    }
}

pub(super) fn is_loopback(url: &reqwest::Url) -> bool {
    url.host_str().is_some_and(|host| {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    })
}

fn headers(account: &Account) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in account.dialect.headers() {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let (name, prefix) = account.dialect.key_header();
    // A key that is no header value is refused when the account is made.
    if let Some(mut value) = account.key().and_then(|key| HeaderValue::from_str(&format!("{prefix}{key}")).ok()) {
        value.set_sensitive(true);
        headers.insert(HeaderName::from_static(name), value);
    }
    headers
}

fn fault(error: &reqwest::Error, account: &Account) -> Fault {
    let message = account.scrub(chain(error).into()).into_owned();
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
