//! Vectors of texts: calls of several documents travel in one request.
//!
//! [`VectorClient`] gives each call to the packer, and waits for its vector. `sender` sends packs
//! through the relay: admission, retries and bills work on requests. `record` shares them out, so
//! each call has its own attempts, tokens and cost. `reply` checks what comes back: nothing that
//! deviates becomes a vector.
//!
//! The first request for a kind of vectors has one text. It shows whether the server accepts such
//! requests, and how many dimensions its vectors have. The second one tries base64.

mod cut;
mod group;
mod limits;
mod query;
mod record;
mod reply;
mod request;
mod sender;
mod shared;

pub use limits::{checks_cut, usual_pack_limits};
pub use query::query_vector;

use super::client::{Answered, LedgerClosed, Observer, Question};
use super::fault::{RunStop, StopKind};
use super::outcome::CallOutcome;
use super::packing::{Encoding, PackError, PackLimits, PackSettings, Packer};
use super::relay::Relay;
use super::settings::LlmSettings;
use crate::model::{Attempt, Call, Failure, FailureCode, Money, Spent, VectorForm};
use group::Group;
use jiff::Timestamp;
use parking_lot::Mutex;
use sender::{End, Output, Packs};
use serde_json::Value;
use shared::Shared;
use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

/// Records the attempts of packed calls.
pub trait VectorLedger: Send + Sync + 'static {
    /// Identifies a call.
    type Item: Send + Sync + 'static;

    /// Records a request, before it is sent, with an attempt for each of its calls. Returns the id of
    /// the first attempt once all are durable; the ids of the others follow.
    fn sending(
        &self,
        queued: Timestamp,
        attempts: Vec<PackedAttempt<Self::Item>>,
    ) -> impl Future<Output = Result<i64, LedgerClosed>> + Send;

    /// Records the ends of attempts other than the last ones of their calls.
    fn ended(&self, attempts: Vec<Attempt>) -> impl Future<Output = Result<(), LedgerClosed>> + Send;

    /// Limits of requests that servers have taught earlier runs, by endpoint.
    fn remembered(&self) -> Vec<(String, PackLimits)>;

    /// Dimensions of the vectors of this model and form that earlier runs have stored.
    fn dimensions(&self, model: &str, form: &VectorForm) -> Option<usize>;

    /// Remembers limits that a server has taught.
    fn learned(&self, endpoint: &str, limits: PackLimits);
}

/// The attempt of a call in a request.
#[derive(Debug)]
pub struct PackedAttempt<I> {
    /// The call.
    pub item: Arc<I>,
    /// Number within its call, from 1.
    pub number: u32,
    /// Maximum cost of its share of the request; `None` if the price is unknown.
    pub at_most: Option<Money>,
}

/// Sends calls for vectors to one account.
#[derive(Debug)]
pub struct VectorClient<L: VectorLedger> {
    shared: Arc<Shared<L>>,
    packer: Packer<Packs<L>>,
}

/// How long a text may wait while others arrive, and while other packs are on their way.
const FILLING: Duration = Duration::from_secs(1);
const FILLING_BESIDE_OTHERS: Duration = Duration::from_secs(10);

/// A call on its way.
#[derive(Debug)]
struct Payload<I> {
    /// Its text as JSON.
    input: String,
    /// Estimated and maximum tokens.
    tokens: u64,
    most_tokens: u64,
    /// Position of its document.
    place: u64,
    item: Arc<I>,
    progress: Arc<Mutex<Progress>>,
}

/// The requests of a call so far.
#[derive(Debug, Clone, Copy)]
struct Progress {
    spent: Spent,
    last: Option<Attempt>,
    /// Whether a request was recorded.
    sent: bool,
    /// Whether others of the same request have vectors.
    others_have_vectors: bool,
}

impl<L: VectorLedger> VectorClient<L> {
    /// Creates a client. Must be called inside a tokio runtime.
    pub fn new(relay: Relay, settings: &LlmSettings, ledger: L, observer: Arc<dyn Observer>) -> Self {
        let shared = Arc::new(Shared::new(relay, settings, ledger, observer));
        // Documents arrive one after the other. While they do, a pack waits until it is full.
        let pause = Duration::from_millis(settings.pack.wait_ms);
        let (max_wait, max_busy_wait, window) = (FILLING.max(pause), FILLING_BESIDE_OTHERS.max(pause), shared.window());
        let pack = PackSettings { max_wait, max_pause: pause, max_busy_wait, window, ..PackSettings::default() };
        Self { packer: Packer::new(Packs(Arc::clone(&shared)), pack), shared }
    }

    /// Asks for the vector of a call, whose form is `form`.
    pub async fn ask(&self, question: Question<'_>, form: &Arc<VectorForm>, item: L::Item) -> CallOutcome {
        let call = question.call;
        self.shared.learn_limits().await;
        let spent = Spent { cost: Some(Money::ZERO), ..Spent::default() };
        let progress = Arc::new(Mutex::new(Progress { spent, last: None, sent: false, others_have_vectors: false }));
        let payload = Payload {
            input: input(call, form),
            tokens: call.tokens.max(1),
            most_tokens: call.most_input_tokens(),
            place: question.document,
            item: Arc::new(item),
            progress: Arc::clone(&progress),
        };
        let group = Group { model: call.model.clone(), form: Arc::clone(form) };
        // The limit for what is left of a cap counts the most tokens that a text can have, as bytes.
        let bytes = (payload.input.len() as u64 + 1).max(payload.most_tokens);
        let mut submitted = pin!(self.packer.submit(group, payload.tokens, bytes, payload));
        tokio::select! {
            biased;
            output = &mut submitted => return outcome(&call.label(), output, &progress),
            () = question.cancelled() => {}
        }
        // A request in flight may be billed, so its vector is kept.
        if !progress.lock().sent {
            return CallOutcome::Cancelled;
        }
        outcome(&call.label(), submitted.await, &progress)
    }
}

/// The body of a request for this call alone. In a run, its text travels with others.
pub(super) fn preview(call: &Call, form: &Arc<VectorForm>) -> String {
    let group = Group { model: call.model.clone(), form: Arc::clone(form) };
    let body = request::body(&group, Encoding::Float, [input(call, form).as_str()].into_iter());
    String::from_utf8_lossy(&body).into_owned()
}

/// The text of a call with its prefix, as JSON.
fn input(call: &Call, form: &VectorForm) -> String {
    Value::from(format!("{}{}", form.prefix, call.text())).to_string()
}

/// The outcome of the call `label`.
fn outcome(label: &str, output: Result<Output, PackError<End>>, progress: &Mutex<Progress>) -> CallOutcome {
    let Progress { spent, last, others_have_vectors, .. } = *progress.lock();
    let failed = |code, message: &str| match last {
        Some(last) => {
            let message = format!("{label}, attempt {}: {message}", spent.attempts);
            let (failure, last) = (Failure::new(code, message), Attempt { failure: Some(code), ..last });
            if others_have_vectors { CallOutcome::FailedAlone(failure, spent, last) } else { CallOutcome::Failed(failure, spent, last) }
        }
        None => CallOutcome::RunStops(RunStop { kind: StopKind::Refused, message: message.to_owned() }),
    };
    match (output, last) {
        (Ok(Output { vector: Ok(vector), model }), Some(last)) => {
            let answered = Answered {
                value: Value::Null,
                vector: Some(vector),
                repaired: BTreeSet::new(),
                model: model.to_string(),
                request_id: None,
            };
            CallOutcome::Answered(answered, spent, last)
        }
        (Ok(Output { vector: Err(why), .. }), _) => failed(FailureCode::InvalidAnswer, &why),
        (Err(PackError::Failed(End::Failed(Failure { code, message }))), _) => failed(code, &message),
        (Err(PackError::Failed(End::Stops(stop))), _) => CallOutcome::RunStops(stop),
        (Err(error @ PackError::Count { .. }), _) => failed(FailureCode::InvalidAnswer, &error.to_string()),
        (Ok(_) | Err(PackError::Stopped | PackError::Failed(End::Stopped)), _) => CallOutcome::Stopped,
    }
}
