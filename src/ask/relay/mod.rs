//! Relays requests that clients wrote themselves, in OpenAI's format.
//!
//! A relayed request is sent as it came: docmill adds no prompt and does not judge the answer. It
//! goes through the governor, retries, bills and secrets like a call. The loop in `send` is for
//! requests what `retry` is for calls. Both use the same faults, waits and retry decisions.
//!
//! Promise: the ledger knows an attempt before its first byte is sent.

mod exchange;
mod send;

pub(super) use send::{Response, Sum, is_about_items, is_broken};

use super::account::Account;
use super::billing::{Billing, Bound};
use super::fault::{Fault, RunStop};
use super::governor::Governor;
use super::relay_endpoint::RelayEndpoint;
use super::settings::{LlmSettings, RetrySettings};
use super::tier::Tier;
use super::transport::Transport;
use crate::model::{FailureCode, Moments, Money, Usage};
use bytes::Bytes;
use jiff::Timestamp;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// A request to relay.
#[derive(Debug)]
pub struct RelayRequest {
    /// The endpoint.
    pub endpoint: RelayEndpoint,
    /// The model that the body names.
    pub model: String,
    /// The body for the provider.
    pub body: Bytes,
    /// The bounds of its tokens.
    pub tokens: RelayTokens,
    /// The service tier that the body asks for.
    pub tier: Tier,
    /// Requests with a lower number are admitted first.
    pub place: u64,
    /// Receives the events of a stream; `None` if the response comes in one piece.
    pub events: Option<RelayEvents>,
    /// Whether a failure of the server or a lost response is not retried, because other requests will
    /// show its cause.
    pub is_trial: bool,
    /// Cancelled when the client has gone. A request that was sent goes on to its end.
    pub cancelled: CancellationToken,
}

/// Estimates and bounds of the tokens of a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RelayTokens {
    /// Estimated input tokens.
    pub input: u64,
    /// Estimated image tokens; part of `input`.
    pub images: u64,
    /// Maximum input tokens.
    pub most_input: u64,
    /// Maximum output tokens.
    pub most_output: u64,
}

/// The client's end of a stream.
#[derive(Debug)]
pub struct RelayEvents {
    /// Takes complete events. If it is closed, the rest of the stream is read for its usage.
    pub to: mpsc::Sender<Bytes>,
    /// Whether the event with the usage is not for the client.
    pub hides_usage: bool,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub struct RelayAttempt {
    /// The HTTP status, if a response began.
    pub status: Option<u16>,
    /// Billed tokens; all zero if unknown.
    pub usage: Usage,
    /// The cost; `None` if it is unknown.
    pub cost: Option<Money>,
    /// Why there is no response; `None` if there is one.
    pub failure: Option<FailureCode>,
    /// Whether the request may have been billed without a response.
    pub maybe_billed: bool,
    /// When it began to wait for admission.
    pub queued: Timestamp,
    /// When it was sent, and when its response came.
    pub moments: Moments,
}

/// Reserves money and records attempts.
pub trait RelayLedger: Sync {
    /// Reserves the maximum cost of an attempt before it waits for admission.
    ///
    /// `None` is an unknown price.
    fn reserve(&self, at_most: Option<Money>) -> impl Future<Output = Result<(), NoRoom>> + Send;

    /// Releases the reservation of an attempt that was not recorded.
    fn release(&self, at_most: Option<Money>);

    /// Records attempt `number`, which began to wait at `queued`. Returns its id when the record is
    /// durable.
    fn sending(&self, number: u32, at_most: Option<Money>, queued: Timestamp) -> impl Future<Output = Result<i64, NoRoom>> + Send;

    /// Records the end of an attempt and settles its reservation.
    fn ended(&self, id: i64, at_most: Option<Money>, attempt: RelayAttempt) -> impl Future<Output = ()> + Send;

    /// The request will be repeated after a failed attempt.
    fn retrying(&self, _fault: &Fault, _attempts: u32) {}
}

/// Why a request has no response that can be used.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// The last attempt failed.
    Failed {
        fault: Box<Fault>,
        /// The HTTP status and the body of its response, if there was one.
        status: Option<u16>,
        body: Bytes,
        /// Why the whole run must stop, if the provider asks for a long wait.
        stop: Option<RunStop>,
    },
    /// The stream broke after the client had got a part of it.
    Broken(String),
    /// A cap, or the ledger, forbids the request.
    NotSent(NoRoom),
    /// The budget has no room for the request.
    OverBudget(RunStop),
    /// The client has gone.
    Cancelled,
    /// The run or the server stops.
    Stopped,
}

/// An attempt may not be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoRoom {
    /// A cap on money has no room for it.
    Cap(String),
    /// A cap on money applies, but the price of the model is unknown.
    Price(String),
    /// The ledger cannot be written.
    Closed,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq)]
pub struct RelayReply {
    /// What the client gets.
    pub end: RelayEnd,
    /// Attempts that were sent.
    pub attempts: u32,
    /// The cost of all attempts; `None` if one is unknown.
    pub cost: Option<Money>,
    /// Tokens of all attempts.
    pub usage: Usage,
}

/// What the client of a request gets.
#[derive(Debug, Clone, PartialEq)]
pub enum RelayEnd {
    /// The response of the provider, or its final refusal.
    Response {
        /// The HTTP status.
        status: u16,
        /// The body, without secrets of the account.
        body: Bytes,
        /// The wait that a refusal asks for.
        retry_after: Option<Duration>,
    },
    /// All events went to the client. If the stream broke, the reason.
    Streamed(Option<String>),
    /// No response of the provider can be passed on.
    Failed(RelayFailure, String),
    /// A cap, or the ledger, forbids the request. The last attempt was not sent.
    NotSent(NoRoom),
    /// The client has gone before the request was sent.
    Cancelled,
    /// The server stops.
    Stopped,
}

/// Why no response of the provider can be passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelayFailure {
    /// The provider has no such endpoint.
    NoEndpoint,
    /// The provider cannot be reached.
    Unreachable,
    /// The response was lost, or came too late.
    Lost,
    /// The provider does not accept the server's account.
    Account,
}

/// Relays requests to one account.
#[derive(Debug)]
pub struct Relay {
    account: Account,
    governor: Arc<Governor>,
    transport: Arc<Transport>,
    retry: RetrySettings,
    billing: Billing,
    /// Whether the provider refuses the option to report usage in a stream.
    no_stream_usage: AtomicBool,
}

impl Relay {
    /// Creates a relay to `account`.
    pub fn new(account: Account, governor: Arc<Governor>, transport: Arc<Transport>, settings: &LlmSettings) -> Self {
        let (retry, billing) = (settings.retry.clone(), Billing::new(Tier::Standard));
        Self { account, governor, transport, retry, billing, no_stream_usage: AtomicBool::new(false) }
    }

    /// Whether the provider has the endpoint.
    pub fn has(&self, endpoint: RelayEndpoint) -> bool {
        self.account.relay_address(0, endpoint).is_some()
    }

    /// Maximum cost of a request to `model` in the standard tier; `None` if the price is unknown.
    pub fn at_most(&self, model: &str, most_input: u64, most_output: u64) -> Option<Money> {
        let bound = Bound { model, input: most_input, output: most_output, tier: Tier::Standard };
        self.billing.bound(&self.account.prices, &bound)
    }

    /// Maximum requests in flight by the settings.
    pub(super) fn places(&self) -> usize {
        self.governor.places()
    }

    /// What the cap has left, without what is spent and reserved; `None` without a cap.
    pub(super) fn left(&self) -> Option<Money> {
        self.governor.left()
    }

    /// The HTTP client.
    pub(super) fn transport(&self) -> &Transport {
        &self.transport
    }

    /// The account.
    pub fn account(&self) -> &Account {
        &self.account
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::ask::pricing::Prices;
    use crate::config::Config;

    #[test]
    fn each_provider_has_its_own_addresses_for_the_libraries_of_openai() {
        let address = |provider: &str, endpoint| {
            let llm = Config::from_layers(&[]).unwrap().section::<LlmSettings>("llm").unwrap();
            let settings = LlmSettings { provider: provider.to_owned(), model: "m".to_owned(), ..llm };
            let account =
                Account::resolve(&settings, Prices::embedded(), Some("http://127.0.0.1:9"), None, |_| Some("key".into())).unwrap();
            let key = account.relay_headers().get("authorization").map(|key| key.to_str().unwrap().to_owned());
            assert_eq!(key.as_deref(), (provider != "simulated").then_some("Bearer key"));
            account.relay_address(0, endpoint).map(|address| address.to_string())
        };
        for (provider, endpoint, expected) in [
            ("openai", RelayEndpoint::Chat, Some("https://api.openai.com/v1/chat/completions")),
            ("openai-responses", RelayEndpoint::Embeddings, Some("https://api.openai.com/v1/embeddings")),
            ("anthropic", RelayEndpoint::Chat, Some("https://api.anthropic.com/v1/chat/completions")),
            ("anthropic", RelayEndpoint::Embeddings, None),
            ("gemini", RelayEndpoint::Chat, Some("https://generativelanguage.googleapis.com/v1beta/openai/chat/completions")),
            ("gemini", RelayEndpoint::Responses, None),
            ("simulated", RelayEndpoint::Responses, Some("http://127.0.0.1:9/v1/responses")),
        ] {
            assert_eq!(address(provider, endpoint).as_deref(), expected, "{provider} {endpoint:?}");
        }
    }
}
