//! Sends one request of a call, from admission to settlement.

use super::billing::Billed;
use super::client::{Ledger, LlmClient, Observer, Question};
use super::dialect::{Dialect, Extra, LimitKind};
use super::fault::{Class, Fault, Pressure};
use super::governor::{Ending, Need, Permit, Refusal, Ticket};
use super::hedge::{InFlight, Left, wait_for_straggler};
use super::outcome::CallOutcome;
use super::request_forms::SentAs;
use super::retry_state::RetryState;
use super::servers::{Ended, Place};
use super::settings::RetrySettings;
use super::transport::{Exchange, StreamObserver};
use crate::model::{Attempt, Call, FailureCode, Moments, Money, Reply, Spent, Usage};
use jiff::{SignedDuration, Timestamp};
use std::pin::pin;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A request that was sent, and its result.
pub(super) struct Sent {
    pub result: Result<Reply, Fault>,
    pub attempt: Attempt,
    /// Usage, cost and time of this request.
    pub spent: Spent,
    /// The form in which it was sent.
    pub form: SentAs,
    /// The number of its server.
    pub server: usize,
    /// Whether it failed because of its server, and another server can take the call.
    pub can_move: bool,
}

/// An admitted request.
struct Admitted<'a> {
    permit: Permit<'a>,
    /// Its place at one of the servers.
    place: Place<'a>,
    /// The call, addressed to the chosen model.
    call: &'a Call,
    /// Maximum cost of the request; `None` if a price is unknown.
    at_most: Option<Money>,
    /// Output tokens reserved beyond `max_output_tokens`, for thinking or a longer answer.
    room: u32,
    /// Maximum output tokens.
    output: u64,
    /// When the request began to wait for admission.
    queued: Timestamp,
}

/// Reports a streamed answer to the call's observers.
struct Watch<'w> {
    begun: Option<&'w CancellationToken>,
    observer: &'w dyn Observer,
    call: &'w Call,
}

impl StreamObserver for Watch<'_> {
    fn begun(&self) {
        if let Some(begun) = self.begun {
            begun.cancel();
        }
    }

    fn said(&self, text: &str) {
        self.observer.said(self.call, text);
    }
}

impl LlmClient {
    /// Sends one request, or two if hedging applies. The first reply counts.
    pub(super) async fn attempt_hedged(
        &self,
        question: Question<'_>,
        ledger: &impl Ledger,
        retry_state: &RetryState,
        spent: &mut Spent,
    ) -> Result<Box<Sent>, CallOutcome> {
        let in_flight = InFlight::default();
        let before = *spent;
        let (sent, failed) = self.race(question, ledger, retry_state, &before, &in_flight).await?;
        *spent = spent.and(sent.spent);
        if let Some(failed) = failed {
            let Sent { result, attempt, spent: other, .. } = *failed;
            let failure = result.err().map_or(FailureCode::LostReply, |fault| fault.code);
            ledger.ended(Attempt { failure: Some(failure), ..attempt }).await?;
            *spent = spent.and(other);
        }
        for Left { id, number, queued, sent: left } in in_flight.take_all() {
            let moments = Moments { sent: left, first_byte: None, ended: Timestamp::now() };
            let (failure, cost) = (Some(FailureCode::LostReply), Some(Money::ZERO));
            let usage = Usage::default();
            ledger.ended(Attempt { id, number, queued, failure, status: None, usage, cost, moments }).await?;
            let lost = Spent { attempts: 1, maybe_billed: 1, cost: Some(Money::ZERO), ..Spent::default() };
            *spent = spent.and(lost);
            self.observer.ended(&lost);
        }
        Ok(sent)
    }

    /// Returns the request that counts, and the other if it ended.
    ///
    /// A request that is still in flight stays in `in_flight`.
    async fn race(
        &self,
        question: Question<'_>,
        ledger: &impl Ledger,
        retry_state: &RetryState,
        spent: &Spent,
        in_flight: &InFlight,
    ) -> Result<(Box<Sent>, Option<Box<Sent>>), CallOutcome> {
        let mut first = pin!(self.attempt(question, ledger, retry_state, spent, in_flight));
        let may_hedge = self.hedge && spent.attempts + 1 < self.retry.max_attempts;
        tokio::select! {
            biased;
            sent = &mut first => return Ok((sent?, None)),
            () = wait_for_straggler(&self.governor, Some(self.account.servers()), in_flight), if may_hedge => {}
        }
        // Hedging is rare: boxing keeps the future of each call small.
        let mut second = Box::pin(self.attempt(Question { cancelled: None, ..question }, ledger, retry_state, spent, in_flight));
        let (sent, mut other) = tokio::select! {
            biased;
            sent = &mut first => (sent?, second.as_mut()),
            sent = &mut second => match sent {
                Ok(sent) => (sent, first),
                // The run is stopping, or the budget has no room for a second request. The first
                // request continues.
                Err(_) => return Ok((first.await?, None)),
            },
        };
        let ended = match in_flight.recorded(other.as_mut()).await {
            // This request failed. The other one may still return an answer.
            None if sent.result.is_err() && in_flight.count() > 0 => Some(other.await),
            ended => ended,
        };
        Ok(match ended {
            Some(Ok(other)) if sent.result.is_err() => (other, Some(sent)),
            Some(Ok(other)) => (sent, Some(other)),
            _ => (sent, None),
        })
    }

    /// Waits for admission and sends one request.
    ///
    /// `spent` is the total of the call's earlier attempts.
    async fn attempt(
        &self,
        question: Question<'_>,
        ledger: &impl Ledger,
        retry_state: &RetryState,
        spent: &Spent,
        in_flight: &InFlight,
    ) -> Result<Box<Sent>, CallOutcome> {
        let call = question.call;
        let (_, max_output_tokens) = call.want.answer();
        let room = if retry_state.more_room { 2 * self.thinking_tokens + max_output_tokens } else { self.thinking_tokens };
        let output = u64::from(room) + u64::from(max_output_tokens);
        let other = self.fallback.as_ref().map(|model| self.account.asked_of(model, call));
        let calls = [Some(call), other.as_ref()].into_iter().flatten();
        let prices = calls.map(|call| self.billing.at_most(&self.account.prices, &call.model, call.most_input_tokens(), output));
        // The bound covers both models, because the choice may still change. It is unknown if
        // either price is unknown.
        let at_most = prices.reduce(|one, other| one.zip(other).map(|(one, other)| one.max(other))).flatten();
        let asked = || other.as_ref().filter(|_| retry_state.fallback || self.is_away()).unwrap_or(call);
        let queued = Timestamp::now();
        let place = tokio::select! {
            biased;
            () = question.cancelled() => return Err(CallOutcome::Cancelled),
            stopped = self.governor.stopped() => return Err(stopped.into()),
            place = self.account.servers().place(question.document, retry_state.avoid) => place,
        };
        let ticket = Ticket { document: question.document, need: self.need(asked(), output), at_most };
        let permit = tokio::select! {
            biased;
            () = question.cancelled() => return Err(CallOutcome::Cancelled),
            permit = self.governor.admit(&ticket) => permit?,
        };
        // While this call waited, another call may have found that the model is unavailable.
        let admitted = Admitted { permit, place, call: asked(), at_most, room, output, queued };
        // Boxed: calls that wait for admission must stay small.
        Box::pin(self.send(question, admitted, ledger, retry_state, spent, in_flight)).await
    }

    /// Sends an admitted request. Releases the permit as soon as the reply is complete.
    async fn send(
        &self,
        question: Question<'_>,
        Admitted { permit, mut place, call, at_most, room, output, queued }: Admitted<'_>,
        ledger: &impl Ledger,
        retry_state: &RetryState,
        spent: &Spent,
        in_flight: &InFlight,
    ) -> Result<Box<Sent>, CallOutcome> {
        // The permit is held while the request is recorded, so the ledger lists exactly the
        // requests in flight.
        let twin = in_flight.count();
        let number = spent.attempts + 1 + twin;
        let id = in_flight.record(number, queued, ledger.sending(number, at_most, queued)).await?;
        if twin > 0 {
            self.observer.note(&format!("{}: the answer is slow, so docmill sends a second request (llm.hedge)", question.call.label()));
        }
        let stream = self.stream || question.begun.is_some();
        let shape = self.forms.shape(call);
        let extra = Extra { room, note: retry_state.note.as_deref(), stream, cache: question.cache, shape: &shape };
        let body = self.account.dialect.request(call, &extra);
        let sent_as = SentAs {
            model: call.model.clone(),
            features: shape.features(call, &extra),
            below_v1: self.account.servers().endpoint(place.server).is_below_v1(),
        };
        self.observer.sent();
        let (started, sent) = (Instant::now(), Timestamp::now());
        let watch = Watch { begun: question.begun, observer: &*self.observer, call };
        let live = stream.then_some(&watch as &dyn StreamObserver);
        place.sent();
        let sending = self.transport.send(place.server, &call.model, body, live, spent.maybe_billed > 0);
        let Exchange { result, rate_limits, status, first_byte } = self.governor.unless_abandoned(sending).await?;
        let time = started.elapsed();
        let seconds = self.governor.passed(time).as_secs_f64();
        let moments = Moments { sent, first_byte: first_byte.map(|time| after(sent, time)), ended: after(sent, time) };

        let lost = matches!(&result, Err(fault) if fault.class == Class::Ambiguous);
        let Billed { usage, cost, cache_saved_pico } = self.billing.bill(&self.account.prices, call, output, &result);
        // A broken stream has not reported all of its usage.
        let partial = lost || (stream && result.is_err() && usage.input() > 0);
        let ended = self.account.servers().ended(place, result);
        permit.end(&Ending {
            usage: Some(usage).filter(|usage| usage.input() > 0),
            // The provider may have billed a lost reply.
            cost: cost.filter(|_| !partial),
            rate_limits: ended.rate_limits(&rate_limits),
            refused: ended.fault().and_then(|fault| refusal(fault, self.account.dialect, &self.retry, number)),
        });
        let Ended { result, server, can_move, .. } = ended;
        let this = Spent { attempts: 1, maybe_billed: u32::from(lost), usage, cost, cache_saved_pico, seconds };
        self.observer.ended(&this);
        in_flight.ended(id);
        let attempt = Attempt { id, number, queued, failure: None, status, usage, cost, moments };
        Ok(Box::new(Sent { result, attempt, spent: this, form: sent_as, server, can_move }))
    }

    fn need(&self, call: &Call, max_output: u64) -> Need {
        let (_, max_output_tokens) = call.want.answer();
        Need {
            input: call.tokens as f64,
            images: call.image_tokens().min(call.tokens) as f64,
            // Initial estimate, used until the governor has learned the usual answer length.
            output: f64::from(max_output_tokens) / 2.0,
            max_output: max_output as f64,
            dialect: self.account.dialect,
        }
    }
}

/// The refusal to report to the governor, if it concerns other requests.
pub(super) fn refusal(fault: &Fault, dialect: Dialect, retry: &RetrySettings, attempt: u32) -> Option<Refusal> {
    (fault.pressure != Pressure::None).then(|| Refusal {
        pressure: fault.pressure,
        meter: named_meter(&fault.message, dialect),
        wait: fault.wait().unwrap_or_else(|| retry.backoff(attempt)),
        named: fault.wait().is_some(),
    })
}

/// Finds the limit that the message of a refusal names.
fn named_meter(message: &str, dialect: Dialect) -> Option<LimitKind> {
    let message = message.to_ascii_lowercase();
    let names = |word| message.contains(word);
    if names("token") {
        return Some((dialect.limits.refused)(&message));
    }
    (names("requests per") || names("request limit")).then_some(LimitKind::Requests)
}

pub(super) fn after(moment: Timestamp, time: Duration) -> Timestamp {
    SignedDuration::try_from(time).map_or(moment, |time| moment.saturating_add(time).unwrap_or(moment))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_limit_that_its_provider_counts() {
        let cases = [
            (Dialect::ANTHROPIC, "exceed the rate limit of 30,000 input tokens per minute", Some(LimitKind::InputTokens)),
            (Dialect::ANTHROPIC, "exceed the rate limit of 8,000 output tokens per minute", Some(LimitKind::OutputTokens)),
            (Dialect::ANTHROPIC, "This request would exceed your organization's rate limit.", None),
            (Dialect::OPENAI, "Rate limit reached for m on tokens per min (TPM): Limit 200000", Some(LimitKind::Tokens)),
            (Dialect::OPENAI, "Rate limit reached for m on requests per min (RPM): Limit 3", Some(LimitKind::Requests)),
            (Dialect::GEMINI, "Quota exceeded: GenerateContentInputTokensPerModelPerMinute", Some(LimitKind::InputTokens)),
            (Dialect::COMPATIBLE, "slow down", None),
        ];
        for (dialect, message, meter) in cases {
            assert_eq!(named_meter(message, dialect), meter, "{message}");
        }
    }
}
