//! The one loop that repeats requests.
//!
//! It owns every repetition: after refusals, lost connections, lost replies, and answers that need a correction. All of
//! them come out of one budget of attempts, so the worst case for one call is known. While it waits it holds no
//! permit.

use super::account::Account;
use super::dialect::{Extra, Meter, Shape};
use super::fault::{Class, Fault, Pressure, RunStop, StopKind};
use super::governor::{Ending, Governor, Need, NotAdmitted, Stopped, Ticket};
use super::hedge::{UnderWay, straggles};
use super::judge::judge;
use super::lessons::Lessons;
use super::preflight::Preflight;
use super::pricing::Tier;
use super::settings::{LlmSettings, RetrySettings};
use super::transport::{Exchange, Live, Transport};
use crate::model::{Call, Failure, FailureCode, Money, Reply, Spent, Usage};
use serde_json::Value;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Watches attempts from outside: counters, bars, logs.
pub trait Observer: Send + Sync {
    /// A request leaves.
    fn sent(&self);
    /// Its reply came, or will not come. `spent` is what this attempt came to.
    fn ended(&self, spent: &Spent);
    /// More of an answer has come.
    fn said(&self, call: &Call, text: &str);
    /// Something that a person should know.
    fn note(&self, message: &str);
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
    governor: Arc<Governor>,
    transport: Transport,
    retry: RetrySettings,
    thinking_tokens: u32,
    /// How requests look, and how often that was changed.
    shape: RwLock<(u32, Shape)>,
    stream: bool,
    hedge: bool,
    tier: Tier,
    fallback: Option<String>,
    /// The model is not there: everybody asks the fallback.
    gone: AtomicBool,
    preflight: Preflight,
    observer: Arc<dyn Observer>,
}

/// A call, and what matters for sending it.
#[derive(Debug, Clone, Copy)]
pub struct Question<'q> {
    /// The call.
    pub call: &'q Call,
    /// The document that it is about. Earlier ones go first.
    pub document: i64,
    /// Whether the beginning of its prompt is to be kept for other calls, or was kept by one.
    pub cache: bool,
    /// Cancelled as soon as the answer begins, for those who wait for that.
    pub begun: Option<&'q CancellationToken>,
}

/// One request, as it was sent.
struct Sent {
    result: Result<Reply, Fault>,
    attempt: Attempt,
    /// How often the form of requests had been changed before.
    shape: u32,
}

/// Passes on what is seen of an answer while it comes.
struct Watch<'w> {
    begun: Option<&'w CancellationToken>,
    observer: &'w dyn Observer,
    call: &'w Call,
}

impl Live for Watch<'_> {
    fn begun(&self) {
        if let Some(begun) = self.begun {
            begun.cancel();
        }
    }

    fn said(&self, text: &str) {
        self.observer.said(self.call, text);
    }
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

impl Asker {
    /// Everything that a call needs on its way.
    pub fn new(
        account: Account,
        governor: Arc<Governor>,
        transport: Transport,
        settings: &LlmSettings,
        observer: Arc<dyn Observer>,
    ) -> Self {
        let thinking_tokens = if settings.thinking_tokens > 0 { settings.thinking_tokens } else { account.dialect.thinking_tokens() };
        let mut body: serde_json::Map<String, Value> =
            settings.body.iter().map(|(field, value)| (field.clone(), serde_json::to_value(value).unwrap_or_default())).collect();
        if !settings.service_tier.is_empty() {
            let (field, tier) = account.dialect.service_tier(&settings.service_tier);
            body.insert(field.to_owned(), tier.into());
        }
        let shape = Shape::new(account.dialect, &account.model, body);
        Self {
            account,
            governor,
            transport,
            retry: settings.retry.clone(),
            thinking_tokens,
            shape: RwLock::new((0, shape)),
            stream: settings.stream,
            hedge: settings.hedge,
            tier: Tier::parse(&settings.service_tier),
            fallback: Some(settings.fallback.clone()).filter(|model| !model.is_empty()),
            gone: AtomicBool::new(false),
            preflight: Preflight::new(settings.preflight),
            observer,
        }
    }

    /// The account that is asked.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Who may send.
    pub fn governor(&self) -> &Governor {
        &self.governor
    }

    /// Asks until there is an answer that `check` accepts, or no hope for one. `check` turns the text of a reply into
    /// the answer, or says what is wrong with it.
    pub async fn ask(&self, question: Question<'_>, ledger: &impl Ledger, check: impl Fn(&str) -> Result<Value, String>) -> Ended {
        let alone = self.preflight.enter(&question.call.task).await;
        let ended = self.ask_until_it_ends(question, ledger, check).await.unwrap_or_else(|ended| ended);
        match (alone, &ended) {
            (Some(alone), Ended::Answered(..)) => alone.landed(None),
            (Some(alone), Ended::Failed(failure, ..)) => alone.landed(Some(failure.code)),
            _ => {}
        }
        ended
    }

    /// `Err` is an end too: one that comes early.
    async fn ask_until_it_ends(
        &self,
        question: Question<'_>,
        ledger: &impl Ledger,
        check: impl Fn(&str) -> Result<Value, String>,
    ) -> Result<Ended, Ended> {
        let call = question.call;
        let mut spent = Spent { cost: Some(Money::ZERO), ..Spent::default() };
        let mut lessons = Lessons::default();
        loop {
            let Sent { result, mut attempt, shape } = self.attempt_hedged(question, ledger, &lessons, &mut spent).await?;
            let fault = match result.and_then(|reply| judge(reply, &check)) {
                Ok(answered) => return Ok(Ended::Answered(answered, spent, attempt)),
                Err(fault) => fault,
            };
            attempt.failure = Some(fault.code);
            let other_model = self.fallback.as_ref().is_some_and(|model| *model != call.model);
            let before = lessons.fallback;
            let over = if spent.attempts < self.retry.max_attempts && self.reshape(&fault, shape) {
                ledger.ended(attempt).await?;
                continue;
            } else if lessons.learn(&fault, spent.attempts, &self.retry, other_model) {
                None
            } else if let Class::RunFatal(kind) = fault.class {
                Some(Ended::RunStops(RunStop { kind, message: self.explain(call, &fault) }))
            } else {
                Some(self.give_up(call, &fault, spent, attempt))
            };
            if let Some(failed @ Ended::Failed(..)) = over {
                return Ok(failed);
            }
            ledger.ended(attempt).await?;
            if let Some(ended) = over {
                return Ok(ended);
            }
            if lessons.fallback && !before {
                self.fall_back(call, &fault);
                continue;
            }
            self.observer.retrying(call, spent.attempts, &fault);
            self.wait(&fault, spent.attempts).await?;
        }
    }

    /// One request, or two at the end of a run, of which the first to end counts.
    async fn attempt_hedged(
        &self,
        question: Question<'_>,
        ledger: &impl Ledger,
        lessons: &Lessons,
        spent: &mut Spent,
    ) -> Result<Sent, Ended> {
        let under_way = UnderWay::default();
        let may_hedge = self.hedge && spent.attempts + 1 < self.retry.max_attempts;
        let (mut first_spent, mut second_spent) = (*spent, *spent);
        let sent = {
            let first = self.attempt(question, ledger, lessons, &mut first_spent, &under_way);
            tokio::pin!(first);
            tokio::select! {
                biased;
                sent = &mut first => sent?,
                () = straggles(&self.governor), if may_hedge => {
                    self.observer.note(&format!("{} takes long and is asked for once more (llm.hedge)", question.call.label()));
                    tokio::select! {
                        biased;
                        sent = &mut first => sent?,
                        sent = self.attempt(question, ledger, lessons, &mut second_spent, &under_way) => sent?,
                    }
                }
            }
        };
        // Whichever of the two has ended has counted itself.
        *spent = if first_spent.attempts > spent.attempts { first_spent } else { second_spent };
        for id in under_way.others(sent.attempt.id) {
            ledger.ended(Attempt { id, failure: Some(FailureCode::LostReply), usage: Usage::default(), cost: Some(Money::ZERO) }).await?;
            spent.attempts += 1;
            spent.maybe_billed += 1;
            self.observer.ended(&Spent { attempts: 1, maybe_billed: 1, cost: Some(Money::ZERO), ..Spent::default() });
        }
        Ok(sent)
    }

    /// One request. The permit is given back as soon as the reply is there.
    async fn attempt(
        &self,
        question: Question<'_>,
        ledger: &impl Ledger,
        lessons: &Lessons,
        spent: &mut Spent,
        under_way: &UnderWay,
    ) -> Result<Sent, Ended> {
        let call = question.call;
        let room = if lessons.more_room { 2 * self.thinking_tokens + call.max_output_tokens } else { self.thinking_tokens };
        let output = u64::from(room) + u64::from(call.max_output_tokens);
        let models = [Some(&call.model), self.fallback.as_ref()];
        let prices =
            models.into_iter().flatten().map(|model| self.account.prices.at_most(model, self.tier, call.most_input_tokens(), output));
        // Whichever of them is asked in the end; unknown if one is.
        let at_most = prices.reduce(|one, other| one.zip(other).map(|(one, other)| one.max(other))).flatten();
        let ticket = Ticket { document: question.document, need: self.need(call, output), at_most };
        let permit = self.governor.admit(&ticket).await?;
        // Another call may have found out meanwhile that the model is gone.
        let other = self.fallback.as_ref().filter(|_| lessons.fallback || self.gone.load(Relaxed));
        let other = other.map(|model| Call { model: model.clone(), ..call.clone() });
        let call = other.as_ref().unwrap_or(call);
        // Under the permit, so that the ledger names exactly the calls that were in flight.
        let id = ledger.sending(spent.attempts + 1, at_most).await?;
        under_way.sent(id);
        let stream = self.stream || question.begun.is_some();
        let (body, shape) = {
            let shape = self.shape.read().unwrap_or_else(PoisonError::into_inner);
            let extra = Extra { room, note: lessons.note.as_deref(), stream, cache: question.cache, shape: &shape.1 };
            (self.account.dialect.request(call, &extra), shape.0)
        };
        self.observer.sent();
        let started = Instant::now();
        let watch = Watch { begun: question.begun, observer: &*self.observer, call };
        let live = stream.then_some(&watch as &dyn Live);
        let Exchange { result, standings } = self.governor.unless_abandoned(self.transport.send(&call.model, body, live)).await?;
        let seconds = started.elapsed().as_secs_f64();

        let (usage, lost, tier) = match &result {
            Ok(reply) => (reply.usage, false, reply.tier.as_deref()),
            Err(fault) => (fault.usage, fault.class == Class::Ambiguous, None),
        };
        // What the provider says that it billed counts: a tier may be refused and the request served on another.
        let cost = self.account.prices.cost(&call.model, tier.map_or(self.tier, Tier::parse), usage);
        permit.end(&Ending {
            usage: Some(usage).filter(|usage| usage.input() > 0),
            // A reply that was lost may have been billed like any other.
            cost: cost.filter(|_| !lost || usage.input() > 0),
            standings: &standings,
            refused: result.as_ref().err().and_then(|fault| self.refused(fault, spent.attempts + 1)),
            meter: result.as_ref().err().and_then(named_meter),
        });
        let this = Spent { attempts: 1, maybe_billed: u32::from(lost), usage, cost, seconds };
        self.observer.ended(&this);
        spent.attempts += 1;
        spent.maybe_billed += this.maybe_billed;
        spent.usage += usage;
        spent.seconds += seconds;
        spent.cost = spent.cost.zip(cost).map(|(sum, cost)| sum + cost);
        Ok(Sent { result, attempt: Attempt { id, failure: None, usage, cost }, shape })
    }

    /// Changes the form of requests if that is what was refused. Whether it has changed since.
    fn reshape(&self, fault: &Fault, sent_with: u32) -> bool {
        if fault.class != Class::Permanent || fault.code != FailureCode::Rejected {
            return false;
        }
        let mut shape = self.shape.write().unwrap_or_else(PoisonError::into_inner);
        if shape.0 > sent_with {
            return true;
        }
        let Some(said) = shape.1.correct(fault) else { return false };
        shape.0 += 1;
        self.observer.note(&format!("{said}, because the server says: {}", fault.message));
        true
    }

    fn need(&self, call: &Call, max_output: u64) -> Need {
        Need {
            input: call.tokens as f64,
            cached: 0.0,
            // Until answers have shown how long they are.
            output: f64::from(call.max_output_tokens) / 2.0,
            max_output: max_output as f64,
            dialect: self.account.dialect,
        }
    }

    /// What a refusal means for everybody, and for how long.
    fn refused(&self, fault: &Fault, attempt: u32) -> Option<(Pressure, Duration)> {
        (fault.pressure != Pressure::None).then(|| (fault.pressure, fault.wait().unwrap_or_else(|| self.backoff(attempt))))
    }

    async fn wait(&self, fault: &Fault, attempt: u32) -> Result<(), Ended> {
        let asked = fault.wait();
        if let Some(asked) = asked.filter(|asked| *asked > Duration::from_secs(self.retry.max_wait_s)) {
            let message = format!(
                "the provider asks to wait {} s, until {}, longer than llm.retry.max_wait_s = {}: {}",
                asked.as_secs(),
                clock_time(asked),
                self.retry.max_wait_s,
                fault.message
            );
            return Err(Ended::RunStops(RunStop { kind: StopKind::Parked, message }));
        }
        // A limit is the account's: everybody waits, at the gate and not here.
        if matches!(fault.pressure, Pressure::Rate | Pressure::Ramp) || fault.class == Class::BadReply {
            return Ok(());
        }
        let wait = asked.unwrap_or_else(|| self.backoff(attempt));
        self.governor.pause(wait).await.map_err(Ended::from)
    }

    /// A random share of a bound that doubles each time, so that those who failed together do not return together.
    fn backoff(&self, attempt: u32) -> Duration {
        let bound = Duration::from_millis(self.retry.base_ms).saturating_mul(1 << (attempt - 1).min(16)).min(LONGEST_BACKOFF);
        bound.mul_f64(fastrand::f64())
    }

    fn fall_back(&self, call: &Call, fault: &Fault) {
        let gone = fault.status == Some(404);
        // Said once: from now on all calls begin with the other model.
        if !gone || !self.gone.swap(true, Relaxed) {
            let model = self.fallback.as_deref().unwrap_or_default();
            self.observer.note(&format!("{} is asked instead of {} (llm.fallback): {}", model, call.model, fault.message));
        }
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
        format!("{} refuses: {said}. {hint} Documents without a result stay pending.", self.account.base_url)
    }
}

/// The limit that a refusal names.
fn named_meter(fault: &Fault) -> Option<Meter> {
    fault.message.to_ascii_lowercase().contains("token").then_some(Meter::InputTokens)
}

/// The time of day that comes after `wait`.
pub fn clock_time(wait: Duration) -> String {
    let at = jiff::Timestamp::now().saturating_add(wait).unwrap_or(jiff::Timestamp::MAX);
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

impl From<NotAdmitted> for Ended {
    fn from(refused: NotAdmitted) -> Self {
        match refused {
            NotAdmitted::Stopped => Self::Stopped,
            NotAdmitted::OverBudget(budget) => {
                let message = format!("{budget}; with a larger one the same command goes on");
                Self::RunStops(RunStop { kind: StopKind::Parked, message })
            }
        }
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
