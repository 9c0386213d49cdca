//! The client of an account, with the types that its callers use.

use super::account::Account;
use super::billing::Billing;
use super::fault::Fault;
use super::governor::Governor;
use super::preflight::Preflight;
use super::provider::Provider;
use super::request_forms::Forms;
use super::settings::{LlmSettings, RetrySettings};
use super::tier::Tier;
use super::transport::Transport;
use crate::model::{Attempt, Call, Money, Repair, Spent};
use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Receives events about attempts, for counters, progress bars and logs.
pub trait Observer: Send + Sync {
    /// A request is about to be sent.
    fn sent(&self);
    /// An attempt has ended, with or without a reply. `spent` is its usage, cost and time.
    fn ended(&self, spent: &Spent);
    /// The next part of a streamed answer has arrived.
    fn said(&self, call: &Call, text: &str);
    /// A message for the user.
    fn note(&self, message: &str);
    /// The call with this label will be retried after `fault`.
    fn retrying(&self, label: &str, attempt: u32, fault: &Fault);
}

/// Records the attempts of one call before their requests are sent.
///
/// A request may carry several calls. Each call gets its share of the request's usage and cost, so
/// the sum over all attempts equals the bill.
pub trait Ledger: Sync {
    /// Records attempt `number`, with maximum cost `at_most`, before it is sent.
    ///
    /// `queued` is when it began to wait for admission. Returns the attempt's id once the record is
    /// durable.
    fn sending(&self, number: u32, at_most: Option<Money>, queued: Timestamp) -> impl Future<Output = Result<i64, LedgerClosed>> + Send;

    /// Records the end of an attempt other than the call's last.
    fn ended(&self, attempt: Attempt) -> impl Future<Output = Result<(), LedgerClosed>> + Send;
}

/// The ledger cannot be written, so no request may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerClosed;

/// Sends calls to one account and retries them.
pub struct LlmClient {
    pub(super) account: Account,
    pub(super) governor: Arc<Governor>,
    pub(super) transport: Transport,
    pub(super) retry: RetrySettings,
    pub(super) thinking_tokens: u32,
    /// The form of requests, by model.
    pub(super) forms: Forms,
    pub(super) stream: bool,
    pub(super) hedge: bool,
    pub(super) billing: Billing,
    pub(super) fallback: Option<String>,
    /// Until this time, all calls start with the fallback model.
    pub(super) away_until: Mutex<Option<Instant>>,
    pub(super) preflight: Preflight,
    pub(super) check_prompt_cut: bool,
    pub(super) observer: Arc<dyn Observer>,
}

/// A call, with the context needed to send it.
#[derive(Debug, Clone, Copy)]
pub struct Question<'q> {
    /// The call.
    pub call: &'q Call,
    /// Position of its document in input order. Calls for earlier documents are sent first.
    pub document: u64,
    /// Whether the start of its prompt is or should be cached.
    pub cache: bool,
    /// The client cancels this token as soon as the answer begins.
    pub begun: Option<&'q CancellationToken>,
    /// The caller cancels this token to prevent further requests.
    pub cancelled: Option<&'q CancellationToken>,
}

impl Question<'_> {
    /// Waits until the call is cancelled.
    pub(super) async fn cancelled(&self) {
        match self.cancelled {
            Some(token) => token.cancelled().await,
            None => std::future::pending().await,
        }
    }
}

/// A complete, validated answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    /// The answer.
    pub value: Value,
    /// The vector, if the call wants one.
    pub vector: Option<Vec<f32>>,
    /// The repairs that were made to the reply.
    pub repaired: BTreeSet<Repair>,
    /// The model that gave the answer.
    pub model: String,
    /// The provider's request id.
    pub request_id: Option<String>,
}

impl LlmClient {
    /// Creates a client for `account`.
    pub fn new(
        account: Account,
        governor: Arc<Governor>,
        transport: Transport,
        settings: &LlmSettings,
        observer: Arc<dyn Observer>,
    ) -> Self {
        let thinking_tokens = settings.room_to_think(account.dialect);
        let forms = Forms::new(account.dialect, settings.body_fields(account.dialect));
        // The simulator counts characters instead of tokens, so the check would fail.
        let check_prompt_cut = settings.check_prompt_cut && account.provider != Provider::Simulated;
        Self {
            account,
            governor,
            transport,
            retry: settings.retry.clone(),
            thinking_tokens,
            forms,
            stream: settings.stream,
            hedge: settings.hedge,
            billing: Billing::new(Tier::asked(&settings.service_tier)),
            fallback: Some(settings.fallback.clone()).filter(|model| !model.is_empty()),
            away_until: Mutex::new(None),
            preflight: Preflight::new(settings.preflight),
            check_prompt_cut,
            observer,
        }
    }

    /// The account.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The governor that admits requests.
    pub fn governor(&self) -> &Governor {
        &self.governor
    }
}
