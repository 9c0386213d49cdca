//! The one loop that repeats requests.
//!
//! It owns every repetition: after refusals, lost connections, lost replies, and answers that need a correction. All of
//! them come out of one budget of attempts, so the worst case for one call is known. While it waits it holds no
//! permit.

use super::account::Account;
use super::dialect::Extra;
use super::fault::{Class, Fault, RunStop, StopKind};
use super::governor::{Governor, Stopped};
use super::settings::{LlmSettings, RetrySettings};
use super::transport::Transport;
use crate::model::{Call, Failure, FailureCode, Money, Reply, Spent, Stop, Usage};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Watches attempts from outside: counters, bars, logs.
pub trait Observer: Send + Sync {
    /// A request leaves.
    fn sent(&self);
    /// Its reply came, or will not come. `spent` is what this attempt came to.
    fn ended(&self, spent: &Spent);
    /// The call will be tried again.
    fn retrying(&self, call: &Call, attempt: u32, fault: &Fault);
}

/// Keeps account of the attempts of one call, from before their bytes leave.
pub trait Ledger: Sync {
    /// Records that attempt `number` is about to be sent and costs `at_most`. Returns once that is durable, with the
    /// attempt's number in the ledger.
    fn sending(&self, number: u32, at_most: Option<Money>) -> impl Future<Output = Result<i64, LedgerClosed>> + Send;

    /// Records how an attempt ended that was not the last of its call.
    fn ended(&self, attempt: Attempt) -> impl Future<Output = Result<(), LedgerClosed>> + Send;
}

/// The ledger cannot be written any more: nothing may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerClosed;

/// An attempt that has ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attempt {
    /// Its number in the ledger.
    pub id: i64,
    /// Why it brought no answer; `None` if it did.
    pub failure: Option<FailureCode>,
    /// What it used.
    pub usage: Usage,
    /// What it cost; `None` if the price is not known.
    pub cost: Option<Money>,
}

/// Asks one account.
pub struct Asker {
    account: Account,
    governor: Governor,
    transport: Transport,
    retry: RetrySettings,
    thinking_tokens: u32,
    observer: Arc<dyn Observer>,
}

/// A complete, validated answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    /// The answer.
    pub value: Value,
    /// The model that gave it.
    pub model: String,
    /// The provider's name for the request.
    pub request_id: Option<String>,
}

/// How a call ended. The last attempt is left to the caller to settle, together with what it brought.
#[derive(Debug)]
pub enum Ended {
    /// With an answer.
    Answered(Answered, Spent, Attempt),
    /// Without one, for good.
    Failed(Failure, Spent, Attempt),
    /// Not at all: the whole run has to stop, for this reason.
    RunStops(RunStop),
    /// Not at all: the run is stopping already.
    Stopped,
}

/// The longest wait that we choose ourselves.
const LONGEST_BACKOFF: Duration = Duration::from_mins(1);

/// What the last attempts have taught the next one.
#[derive(Default)]
struct Lessons {
    more_room: bool,
    note: Option<String>,
    lost: u32,
}

impl Asker {
    /// Everything that a call needs on its way.
    pub fn new(account: Account, governor: Governor, transport: Transport, settings: &LlmSettings, observer: Arc<dyn Observer>) -> Self {
        let thinking_tokens = if settings.thinking_tokens > 0 { settings.thinking_tokens } else { account.dialect.thinking_tokens() };
        Self { account, governor, transport, retry: settings.retry.clone(), thinking_tokens, observer }
    }

    /// The account that is asked.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Asks until there is an answer that `check` accepts, or no hope for one. `check` turns the text of a reply into
    /// the answer, or says what is wrong with it.
    pub async fn ask(&self, call: &Call, ledger: &impl Ledger, check: impl Fn(&str) -> Result<Value, String>) -> Ended {
        self.ask_until_it_ends(call, ledger, check).await.unwrap_or_else(|ended| ended)
    }

    /// `Err` is an end too: one that comes early.
    async fn ask_until_it_ends(
        &self,
        call: &Call,
        ledger: &impl Ledger,
        check: impl Fn(&str) -> Result<Value, String>,
    ) -> Result<Ended, Ended> {
        let mut spent = Spent { cost: Some(Money::ZERO), ..Spent::default() };
        let mut lessons = Lessons::default();
        loop {
            let (result, mut attempt) = self.attempt(call, ledger, &lessons, &mut spent).await?;
            let fault = match result.and_then(|reply| judge(reply, &check)) {
                Ok(answered) => return Ok(Ended::Answered(answered, spent, attempt)),
                Err(fault) => fault,
            };
            attempt.failure = Some(fault.code);
            let over = if let Class::RunFatal(kind) = fault.class {
                Some(Ended::RunStops(RunStop { kind, message: self.explain(call, &fault) }))
            } else {
                let again = spent.attempts < self.retry.max_attempts && lessons.learn(&fault, &self.retry);
                (!again).then(|| self.give_up(call, &fault, spent, attempt))
            };
            if let Some(failed @ Ended::Failed(..)) = over {
                return Ok(failed);
            }
            ledger.ended(attempt).await?;
            if let Some(ended) = over {
                return Ok(ended);
            }
            self.observer.retrying(call, spent.attempts, &fault);
            self.wait(&fault, spent.attempts).await?;
        }
    }

    /// One request. The permit is given back as soon as the reply is there.
    async fn attempt(
        &self,
        call: &Call,
        ledger: &impl Ledger,
        lessons: &Lessons,
        spent: &mut Spent,
    ) -> Result<(Result<Reply, Fault>, Attempt), Ended> {
        let room = if lessons.more_room { 2 * self.thinking_tokens + call.max_output_tokens } else { self.thinking_tokens };
        let output = u64::from(room) + u64::from(call.max_output_tokens);
        let need = super::governor::Need { input: 1000.0, cached: 0.0, output: 100.0, max_output: 100.0, dialect: self.account.dialect };
        let ticket = super::governor::Ticket { document: 0, need, at_most: None };
        let permit = self.governor.admit(&ticket).await.map_err(|_| Ended::Stopped)?;
        // Under the permit, so that the ledger names exactly the calls that were in flight.
        let at_most = self.account.prices.at_most(&call.model, call.most_input_tokens(), output);
        let id = ledger.sending(spent.attempts + 1, at_most).await?;
        let body = self.account.dialect.request(call, &Extra { room, note: lessons.note.as_deref() });
        self.observer.sent();
        let started = Instant::now();
        let result = self.governor.unless_abandoned(self.transport.send(body)).await?;
        let seconds = started.elapsed().as_secs_f64();
        drop(permit);

        let (usage, lost) = match &result {
            Ok(reply) => (reply.usage, false),
            Err(fault) => (fault.usage, fault.class == Class::Ambiguous),
        };
        let cost = self.account.prices.cost(&call.model, usage);
        let this = Spent { attempts: 1, maybe_billed: u32::from(lost), usage, cost, seconds };
        self.observer.ended(&this);
        spent.attempts += 1;
        spent.maybe_billed += this.maybe_billed;
        spent.usage += usage;
        spent.seconds += seconds;
        spent.cost = spent.cost.zip(cost).map(|(sum, cost)| sum + cost);
        Ok((result, Attempt { id, failure: None, usage, cost }))
    }

    async fn wait(&self, fault: &Fault, attempt: u32) -> Result<(), Ended> {
        let wait = match fault.class {
            Class::Refused { retry_after: Some(asked) } => {
                if asked > Duration::from_secs(self.retry.max_wait_s) {
                    let message = format!(
                        "the provider asks to wait {} s, longer than llm.retry.max_wait_s = {}: {}",
                        asked.as_secs(),
                        self.retry.max_wait_s,
                        fault.message
                    );
                    return Err(Ended::RunStops(RunStop { kind: StopKind::Parked, message }));
                }
                asked
            }
            Class::BadReply => return Ok(()),
            _ => self.backoff(attempt),
        };
        if fault.code == FailureCode::RateLimited {
            // A limit is the account's: everybody waits, at the gate and not here.
            
            return Ok(());
        }
        self.governor.pause(wait).await.map_err(|_| Ended::Stopped)
    }

    /// A random share of a bound that doubles each time, so that those who failed together do not return together.
    fn backoff(&self, attempt: u32) -> Duration {
        let bound = Duration::from_millis(self.retry.base_ms).saturating_mul(1 << (attempt - 1).min(16)).min(LONGEST_BACKOFF);
        bound.mul_f64(fastrand::f64())
    }

    fn give_up(&self, call: &Call, fault: &Fault, spent: Spent, attempt: Attempt) -> Ended {
        if fault.class == Class::NotSent {
            // Nobody answers, and has not for a while: that is no fault of this document, nor of the next one.
            let message = format!(
                "nobody answers at {}: {} ({} attempts). Is the server running, and is llm.base_url right?",
                self.account.base_url, fault.message, spent.attempts
            );
            return Ended::RunStops(RunStop { kind: StopKind::Parked, message });
        }
        let request = fault.request_id.as_ref().map_or_else(String::new, |id| format!(" [request {id}]"));
        let message = format!("{}, attempt {} of {}: {}{request}", call.label(), spent.attempts, self.retry.max_attempts, fault.message);
        Ended::Failed(Failure::new(fault.code, message), spent, attempt)
    }

    fn explain(&self, call: &Call, fault: &Fault) -> String {
        let hint = if fault.message.starts_with("HTTP 401") || fault.message.starts_with("HTTP 403") {
            self.account.key_hint()
        } else if fault.message.starts_with("HTTP 404") {
            let near = self.account.prices.near(&call.model);
            let near = match near.as_slice() {
                [] => String::new(),
                [same, ..] if *same == call.model => String::new(),
                near => format!(" (close ids: {})", near.join(", ")),
            };
            format!("Does the provider have a model \"{}\"{near}, set as llm.model, and is llm.base_url right?", call.model)
        } else {
            String::from("Mend the cause and run the same command again.")
        };
        let said = fault.message.trim_end_matches('.');
        format!("{} refuses: {said}. {hint} Documents without a result stay pending.", self.account.endpoint)
    }
}

impl From<Stopped> for Ended {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

impl From<LedgerClosed> for Ended {
    fn from(_: LedgerClosed) -> Self {
        Self::Stopped
    }
}

impl Lessons {
    /// Whether another attempt makes sense after `fault`, and what it should do differently.
    fn learn(&mut self, fault: &Fault, retry: &RetrySettings) -> bool {
        match (&fault.class, fault.code) {
            (Class::Permanent | Class::RunFatal(_), _) => false,
            (Class::NotSent | Class::Refused { .. }, _) => true,
            (Class::Ambiguous, _) => {
                self.lost += 1;
                self.lost <= retry.max_ambiguous
            }
            // The same request would be cut at the same place: once more, with more room.
            (Class::BadReply, FailureCode::Truncated | FailureCode::NoAnswer) => !std::mem::replace(&mut self.more_room, true),
            (Class::BadReply, FailureCode::InvalidAnswer) => {
                // Only the last mistake is told, and only once: the request does not grow with each attempt.
                let note = format!(
                    "Your previous answer to this was not accepted: {}. Answer again, exactly in the required format.",
                    fault.message
                );
                self.note.replace(note).is_none()
            }
            (Class::BadReply, _) => true,
        }
    }
}

/// A reply is an answer only if the model finished, did not decline, and said what was asked for.
fn judge(reply: Reply, check: impl Fn(&str) -> Result<Value, String>) -> Result<Answered, Fault> {
    let fault = |class, code, message| Err(Fault { class, code, message, usage: reply.usage, request_id: reply.request_id.clone() });
    match &reply.stop {
        Stop::Refused(why) => return fault(Class::Permanent, FailureCode::Refused, format!("the model declined: {why}")),
        Stop::Filtered(why) => return fault(Class::Permanent, FailureCode::Filtered, format!("the answer was filtered: {why}")),
        Stop::Truncated => {
            return fault(
                Class::BadReply,
                FailureCode::Truncated,
                format!("the answer was cut after {} tokens; raise max_output_tokens or llm.thinking_tokens", reply.usage.output),
            );
        }
        Stop::Complete if reply.text.trim().is_empty() => {
            return fault(
                Class::BadReply,
                FailureCode::NoAnswer,
                format!("the model used {} tokens and answered nothing", reply.usage.output),
            );
        }
        Stop::Complete => {}
    }
    match check(&reply.text) {
        Ok(value) => Ok(Answered { value, model: reply.model, request_id: reply.request_id }),
        Err(why) => fault(Class::BadReply, FailureCode::InvalidAnswer, why),
    }
}
