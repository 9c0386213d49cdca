//! The loop that repeats a relayed request.

use super::exchange::Exchanged;
use super::{Relay, RelayAttempt, RelayEnd, RelayFailure, RelayLedger, RelayReply, RelayRequest, Unanswered};
use crate::ask::attempt::{after, refusal};
use crate::ask::billing::{Billed, Bound, Reported};
use crate::ask::dialect::{Relayed, may_blame_one_item, pack_refusal};
use crate::ask::fault::{Class, Fault, StopKind};
use crate::ask::governor::{Ending, Need, Ticket};
use crate::ask::outcome::CallOutcome;
use crate::ask::relay_endpoint::RelayEndpoint;
use crate::ask::retry::wait;
use crate::ask::retry_state::RetryState;
use crate::ask::servers::{Ended, moves_freely};
use crate::model::{FailureCode, Moments, Money, Usage};
use bytes::Bytes;
use jiff::Timestamp;
use std::sync::atomic::Ordering::Relaxed;
use tokio::time::Instant;

/// Whether a failure of a request may have a cause in its content, though nothing says so.
pub(in crate::ask) fn is_broken(fault: &Fault) -> bool {
    matches!(fault.class, Class::Ambiguous | Class::BadReply) || fault.code == FailureCode::ServerError
}

/// The option that makes a stream of Chat Completions report its usage.
const USAGE: &[u8] = b"\"stream_options\":{\"include_usage\":true},";

/// Sums over the attempts of a request.
pub(in crate::ask) struct Sum {
    pub attempts: u32,
    lost: u32,
    /// Attempts that failed because of one of several servers, and were not billed.
    moved: u32,
    cost: Option<Money>,
    usage: Usage,
}

impl Default for Sum {
    fn default() -> Self {
        Self { attempts: 0, lost: 0, moved: 0, cost: Some(Money::ZERO), usage: Usage::default() }
    }
}

/// An attempt that was sent.
struct Tried {
    exchanged: Exchanged,
    /// Whether docmill added [`USAGE`].
    asks_usage: bool,
    /// The number of its server.
    server: usize,
    /// Whether it failed because of its server, and another server can take the request.
    can_move: bool,
}

impl Relay {
    /// Relays a request until it has a response, or fails.
    pub async fn send(&self, request: &RelayRequest, ledger: &impl RelayLedger) -> RelayReply {
        let mut sum = Sum::default();
        let end = if self.has(request.endpoint) {
            let as_it_came = |_: Relayed, response: &Response| {
                let Response { status, body, begun } = response;
                Ok(if *begun {
                    RelayEnd::Streamed(None)
                } else {
                    RelayEnd::Response { status: *status, body: body.clone(), retry_after: None }
                })
            };
            self.request(request, ledger, &mut sum, as_it_came).await.unwrap_or_else(RelayEnd::from)
        } else {
            let message = format!("provider {} has no endpoint {}", self.account.provider.as_str(), request.endpoint.path());
            RelayEnd::Failed(RelayFailure::NoEndpoint, message)
        };
        RelayReply { end, attempts: sum.attempts, cost: sum.cost, usage: sum.usage }
    }

    /// Sends a request until `read` accepts a response, or the request fails.
    pub(in crate::ask) async fn request<T>(
        &self,
        request: &RelayRequest,
        ledger: &impl RelayLedger,
        sum: &mut Sum,
        read: impl Fn(Relayed, &Response) -> Result<T, Fault>,
    ) -> Result<T, Unanswered> {
        let mut state = RetryState::default();
        loop {
            let Tried { exchanged, asks_usage, server, can_move } = self.attempt(request, ledger, sum, state.avoid).await?;
            let Exchanged { result, status, body, begun, .. } = exchanged;
            let response = Response { status: status.unwrap_or(200), body, begun };
            let fault = match result.and_then(|relayed| read(relayed, &response)) {
                Ok(read) => return Ok(read),
                Err(fault) => Fault { message: self.account.secrets().scrub(fault.message.into()).into_owned(), ..fault },
            };
            let body = response.body;
            if begun {
                return Err(Unanswered::Broken(fault.message));
            }
            if asks_usage && refuses_usage(&fault) && !self.no_stream_usage.swap(true, Relaxed) {
                continue;
            }
            if matches!(fault.status, Some(404 | 405)) && self.account.go_below_v1(server) == Some(true) {
                continue;
            }
            state.avoid = Some(server).filter(|_| can_move);
            if can_move && moves_freely(&fault) && sum.moved < self.account.servers().count() {
                sum.moved += 1;
                ledger.retrying(&fault, sum.attempts);
                continue;
            }
            let is_final = is_about_items(request.endpoint, status, &body) || (request.is_trial && is_broken(&fault));
            if is_final || !state.learn(&fault, sum.attempts - sum.moved, &self.retry, false) {
                return Err(Unanswered::Failed { fault: Box::new(fault), status, body, stop: None });
            }
            ledger.retrying(&fault, sum.attempts);
            if can_move && sum.attempts < self.account.servers().count() {
                continue;
            }
            tokio::select! {
                biased;
                () = request.cancelled.cancelled() => return Err(Unanswered::Cancelled),
                waited = wait(&self.governor, &self.retry, &fault, sum.attempts) => match waited {
                    Err(CallOutcome::RunStops(stop)) => {
                        return Err(Unanswered::Failed { fault: Box::new(fault), status, body, stop: Some(stop) });
                    }
                    Err(_) => return Err(Unanswered::Stopped),
                    Ok(()) => {}
                },
            }
        }
    }

    /// Sends one attempt, from its reservation to its settlement.
    async fn attempt(
        &self,
        request: &RelayRequest,
        ledger: &impl RelayLedger,
        sum: &mut Sum,
        avoid: Option<usize>,
    ) -> Result<Tried, Unanswered> {
        let tokens = request.tokens;
        let bound = Bound { model: &request.model, input: tokens.most_input, output: tokens.most_output, tier: request.tier };
        let at_most = self.billing.bound(&self.account.prices, &bound);
        tokio::select! {
            biased;
            () = request.cancelled.cancelled() => return Err(Unanswered::Cancelled),
            reserved = ledger.reserve(at_most) => reserved.map_err(Unanswered::NotSent)?,
        }
        let ticket = Ticket { document: request.place, need: self.need(request), at_most };
        let queued = Timestamp::now();
        let place = tokio::select! {
            biased;
            () = request.cancelled.cancelled() => Err(Unanswered::Cancelled),
            _ = self.governor.stopped() => Err(Unanswered::Stopped),
            place = self.account.servers().place(request.place, avoid) => Ok(place),
        };
        let mut place = place.inspect_err(|_| ledger.release(at_most))?;
        let permit = tokio::select! {
            biased;
            () = request.cancelled.cancelled() => Err(Unanswered::Cancelled),
            permit = self.governor.admit(&ticket) => permit.map_err(|refused| match CallOutcome::from(refused) {
                CallOutcome::RunStops(stop) => Unanswered::OverBudget(stop),
                _ => Unanswered::Stopped,
            }),
        };
        let permit = permit.inspect_err(|_| ledger.release(at_most))?;
        let number = sum.attempts + 1;
        let id = match ledger.sending(number, at_most, queued).await {
            Ok(id) => id,
            Err(why) => {
                permit.end(&Ending { cost: Some(Money::ZERO), ..Ending::default() });
                ledger.release(at_most);
                return Err(Unanswered::NotSent(why));
            }
        };
        sum.attempts = number;
        let hides_usage = request.events.as_ref().is_some_and(|events| events.hides_usage);
        let asks_usage = hides_usage && !self.no_stream_usage.load(Relaxed);
        let body = if asks_usage { with_usage(&request.body) } else { request.body.clone() };
        let (started, sent) = (Instant::now(), Timestamp::now());
        place.sent();
        let exchange = self.exchange(place.server, request, body, asks_usage, sum.lost > 0);
        // An abandoned request stays in doubt.
        let Ok(mut exchanged) = self.governor.unless_abandoned(exchange).await else {
            sum.cost = None;
            return Err(Unanswered::Stopped);
        };
        let moments =
            Moments { sent, first_byte: exchanged.first_byte.map(|time| after(sent, time)), ended: after(sent, started.elapsed()) };
        let billed = self.bill(&bound, &exchanged);
        let ended = self.account.servers().ended(place, exchanged.result);
        permit.end(&Ending {
            usage: Some(billed.usage).filter(|usage| usage.input() > 0),
            cost: billed.cost,
            rate_limits: ended.rate_limits(&exchanged.rate_limits),
            refused: ended.fault().and_then(|fault| refusal(fault, self.account.dialect, &self.retry, number)),
        });
        let Ended { result, server, can_move, .. } = ended;
        exchanged.result = result;
        let fault = exchanged.result.as_ref().err();
        let lost = fault.is_some_and(|fault| fault.class == Class::Ambiguous);
        sum.lost += u32::from(lost);
        sum.cost = sum.cost.zip(billed.cost).map(|(sum, cost)| sum + cost);
        sum.usage += billed.usage;
        let attempt = RelayAttempt {
            status: exchanged.status,
            usage: billed.usage,
            cost: billed.cost,
            failure: fault.map(|fault| fault.code),
            maybe_billed: lost,
            queued,
            moments,
        };
        ledger.ended(id, at_most, attempt).await;
        Ok(Tried { exchanged, asks_usage, server, can_move })
    }

    fn need(&self, request: &RelayRequest) -> Need {
        let tokens = request.tokens;
        Need {
            input: tokens.input as f64,
            images: tokens.images as f64,
            // An answer is rarely as long as it may be.
            output: tokens.most_output.min(1000) as f64,
            max_output: tokens.most_output as f64,
            dialect: self.account.dialect,
        }
    }

    fn bill(&self, bound: &Bound<'_>, exchanged: &Exchanged) -> Billed {
        let reported = match &exchanged.result {
            Err(fault) if fault.class == Class::NotSent => return Billed::NOTHING,
            Ok(relayed) => Reported { usage: relayed.usage, tier: relayed.tier.as_deref(), complete: true, has_text: false },
            Err(fault) => Reported { usage: fault.usage, tier: None, complete: fault.class == Class::BadReply, has_text: false },
        };
        let billed = self.billing.bill_reported(&self.account.prices, bound, &reported);
        let lost =
            matches!(&exchanged.result, Err(fault) if fault.class == Class::Ambiguous) || (exchanged.begun && exchanged.result.is_err());
        Billed { cost: billed.cost.filter(|_| !lost), ..billed }
    }
}

/// A response as it came.
pub(in crate::ask) struct Response {
    pub status: u16,
    pub body: Bytes,
    /// Whether the client has got it as a stream.
    begun: bool,
}

/// Whether a refusal is about the items of a pack. Smaller packs help then, and repetitions do not.
pub(in crate::ask) fn is_about_items(endpoint: RelayEndpoint, status: Option<u16>, body: &[u8]) -> bool {
    let is_about = |status| pack_refusal(status, body).is_some() || may_blame_one_item(status, body);
    endpoint == RelayEndpoint::Embeddings && status.is_some_and(is_about)
}

impl From<Unanswered> for RelayEnd {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Failed { fault, status, body, .. } => fail(&fault, status, body),
            Unanswered::Broken(why) => Self::Streamed(Some(why)),
            Unanswered::NotSent(why) => Self::NotSent(why),
            Unanswered::Cancelled => Self::Cancelled,
            Unanswered::OverBudget(_) | Unanswered::Stopped => Self::Stopped,
        }
    }
}

/// What the client gets after the last failure.
fn fail(fault: &Fault, status: Option<u16>, body: Bytes) -> RelayEnd {
    // A client must not learn about the account of the server.
    let refuses_account = matches!(fault.class, Class::Denied | Class::RunFatal(StopKind::Refused)) && fault.status != Some(404);
    let failure = match (&fault.class, status) {
        (Class::NotSent, _) | (_, None) if fault.class != Class::Ambiguous => RelayFailure::Unreachable,
        (Class::Ambiguous, _) => RelayFailure::Lost,
        _ if refuses_account => RelayFailure::Account,
        (_, status) => return RelayEnd::Response { status: status.unwrap_or(502), body, retry_after: fault.wait() },
    };
    RelayEnd::Failed(failure, fault.message.clone())
}

/// Whether a server complains about the option [`USAGE`].
fn refuses_usage(fault: &Fault) -> bool {
    matches!(fault.status, Some(400 | 422)) && fault.message.contains("stream_options")
}

/// A body with the option [`USAGE`] as its first field.
fn with_usage(body: &Bytes) -> Bytes {
    let Some(open) = body.iter().position(|byte| *byte == b'{') else { return body.clone() };
    [&body[..=open], USAGE, &body[open + 1..]].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_to_report_usage_is_added_to_the_bytes_of_the_client() {
        let body = with_usage(&Bytes::from_static(b" {\"seed\":12345678901234567890123}"));
        assert_eq!(body, &b" {\"stream_options\":{\"include_usage\":true},\"seed\":12345678901234567890123}"[..]);
    }
}
