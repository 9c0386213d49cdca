//! Sends one relayed request and reads its response.

use super::{Relay, RelayEvents, RelayRequest};
use crate::ask::dialect::{HttpReply, RateLimitHeader, Relayed, RelayedStream, openai_rate_limits, relayed};
use crate::ask::fault::{Class, Fault};
use crate::ask::packing::without_nan;
use crate::ask::relay_endpoint::RelayEndpoint;
use crate::ask::reply_size::{ReplyMemory, check_stream};
use crate::ask::transport::{fault, in_time};
use crate::model::FailureCode;
use bytes::Bytes;
use reqwest::header::CONTENT_TYPE;
use std::time::{Duration, Instant};

/// The result of an attempt.
pub(super) struct Exchanged {
    pub result: Result<Relayed, Fault>,
    pub status: Option<u16>,
    /// The whole body of a response that is not a stream.
    pub body: Bytes,
    pub rate_limits: Vec<RateLimitHeader>,
    /// Time until the response began, if it began.
    pub first_byte: Option<Duration>,
    /// Whether the client has got a part of a stream.
    pub begun: bool,
}

impl Relay {
    /// Sends an attempt. `unpooled` uses a new connection.
    pub(super) async fn exchange(
        &self,
        server: usize,
        request: &RelayRequest,
        body: Bytes,
        hides_usage: bool,
        unpooled: bool,
    ) -> Exchanged {
        let mut seen = Exchanged {
            result: Ok(Relayed::default()),
            status: None,
            body: Bytes::new(),
            rate_limits: Vec::new(),
            first_byte: None,
            begun: false,
        };
        let exchange = Box::pin(self.receive((server, unpooled), request, body, hides_usage, &mut seen));
        let result = in_time(exchange, self.transport.times.total, "no complete response", "llm.timeout_s").await.flatten();
        Exchanged { result, ..seen }
    }

    async fn receive(
        &self,
        (server, unpooled): (usize, bool),
        request: &RelayRequest,
        body: Bytes,
        hides_usage: bool,
        seen: &mut Exchanged,
    ) -> Result<Relayed, Fault> {
        let (account, times) = (&self.account, self.transport.times);
        let address = account
            .relay_address(server, request.endpoint)
            .ok_or_else(|| Fault::new(Class::Permanent, FailureCode::Internal, "no endpoint"))?;
        let fault = |error| fault(&error, account);
        let sent = Instant::now();
        let sending = self.transport.client(server, unpooled).post(address).headers(account.relay_headers()).body(body).send();
        let mut response = match &request.events {
            Some(_) => in_time(sending, times.first_byte, "no response", "llm.first_byte_s").await?.map_err(fault)?,
            None => sending.await.map_err(fault)?,
        };
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).map(|v| account.secrets().scrub(v.into()).into_owned());
        (seen.status, seen.first_byte) = (Some(status), Some(sent.elapsed()));
        seen.rate_limits = self.rate_limits(&HttpReply { status, header: &header, body: b"" });
        let is_stream = headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        if let Some(events) = request.events.as_ref().filter(|_| is_stream && (200..=299).contains(&status)) {
            return self.follow(response, events, hides_usage, seen).await;
        }
        let memory = ReplyMemory::default();
        let (mut body, mut held) = (Vec::new(), memory.reply());
        while let Some(chunk) = response.chunk().await.map_err(fault)? {
            body.extend_from_slice(&chunk);
            held.bytes(body.len()).await?;
        }
        seen.body = self.scrubbed(body);
        let read = relayed(&HttpReply { status, header: &header, body: &seen.body });
        // A single vector may make the response unreadable.
        let mended = if read.is_err() && request.endpoint == RelayEndpoint::Embeddings { without_nan(&seen.body) } else { None };
        let Some(mended) = mended else { return read };
        seen.body = mended.into();
        relayed(&HttpReply { status, header: &header, body: &seen.body })
    }

    /// Passes the events of a stream on.
    async fn follow(
        &self,
        mut response: reqwest::Response,
        events: &RelayEvents,
        hides_usage: bool,
        seen: &mut Exchanged,
    ) -> Result<Relayed, Fault> {
        let (times, mut stream, mut read) = (self.transport.times, RelayedStream::new(hides_usage), 0);
        loop {
            let (limit, setting) = if seen.begun { (times.silence, "llm.silence_s") } else { (times.first_byte, "llm.first_byte_s") };
            let chunk =
                in_time(response.chunk(), limit, "no further data", setting).await?.map_err(|error| fault(&error, &self.account))?;
            let is_last = chunk.is_none();
            let bytes = chunk.unwrap_or_default();
            read += bytes.len();
            check_stream(read)?;
            // The last, empty piece reports an error that waits behind other events.
            let forward = stream.push(&bytes)?;
            if !forward.is_empty() {
                seen.begun = true;
                let forward = self.scrubbed(forward.into());
                // A client that has gone, or that reads nothing for long, gets nothing more.
                let _gone = in_time(events.to.send(forward), times.silence, "", "").await;
            }
            if is_last {
                return stream.finish();
            }
        }
    }

    /// The limits in the headers of a response, in OpenAI's form or that of the account's provider.
    fn rate_limits(&self, head: &HttpReply<'_>) -> Vec<RateLimitHeader> {
        let limits = openai_rate_limits(head);
        if limits.is_empty() { (self.account.dialect.limits.headers)(head) } else { limits }
    }

    /// Removes the secrets of the account from what the client gets.
    fn scrubbed(&self, body: Vec<u8>) -> Bytes {
        match std::str::from_utf8(&body) {
            Ok(text) => match self.account.secrets().scrub(text.into()) {
                std::borrow::Cow::Owned(scrubbed) => scrubbed.into(),
                std::borrow::Cow::Borrowed(_) => body.into(),
            },
            Err(_) => body.into(),
        }
    }
}
