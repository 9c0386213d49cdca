//! The loop that repeats a relayed request.

use super::exchange::Exchanged;
use super::{Relay, RelayAttempt, RelayEnd, RelayFailure, RelayLedger, RelayReply, RelayRequest};
use crate::ask::attempt::refusal;
use crate::ask::billing::{Billed, Bound, Reported};
use crate::ask::fault::{Class, Fault, StopKind};
use crate::ask::governor::{Ending, Need, Ticket};
use crate::ask::outcome::CallOutcome;
use crate::ask::retry::wait;
use crate::ask::retry_state::RetryState;
use crate::model::{Money, Usage};
use bytes::Bytes;
use std::sync::atomic::Ordering::Relaxed;

/// The option that makes a stream of Chat Completions report its usage.
const USAGE: &[u8] = b"\"stream_options\":{\"include_usage\":true},";

/// Sums over the attempts of a request.
struct Sum {
    attempts: u32,
    lost: u32,
    cost: Option<Money>,
    usage: Usage,
}

/// An attempt that was sent.
struct Tried {
    exchanged: Exchanged,
    /// Whether docmill added [`USAGE`].
    asks_usage: bool,
}

impl Relay {
    /// Relays a request until it has a response, or fails.
    pub async fn send(&self, request: &RelayRequest, ledger: &impl RelayLedger) -> RelayReply {
        let mut sum = Sum { attempts: 0, lost: 0, cost: Some(Money::ZERO), usage: Usage::default() };
        let end = self.send_until_it_ends(request, ledger, &mut sum).await.unwrap_or_else(|end| end);
        RelayReply { end, attempts: sum.attempts, cost: sum.cost, usage: sum.usage }
    }

    async fn send_until_it_ends(&self, request: &RelayRequest, ledger: &impl RelayLedger, sum: &mut Sum) -> Result<RelayEnd, RelayEnd> {
        if !self.has(request.endpoint) {
            let message = format!("provider {} has no endpoint {}", self.account.provider.as_str(), request.endpoint.path());
            return Err(RelayEnd::Failed(RelayFailure::NoEndpoint, message));
        }
        let mut state = RetryState::default();
        loop {
            let Tried { exchanged, asks_usage } = self.attempt(request, ledger, sum).await?;
            let Exchanged { result, status, body, begun, .. } = exchanged;
            let fault = match result {
                Ok(_) if begun => return Ok(RelayEnd::Streamed(None)),
                Ok(_) => return Ok(RelayEnd::Response { status: status.unwrap_or(200), body, retry_after: None }),
                Err(fault) => Fault { message: self.account.secrets().scrub(fault.message.into()).into_owned(), ..fault },
            };
            if begun {
                return Ok(RelayEnd::Streamed(Some(fault.message)));
            }
            if asks_usage && refuses_usage(&fault) && !self.no_stream_usage.swap(true, Relaxed) {
                continue;
            }
            if matches!(fault.status, Some(404 | 405)) && self.account.go_below_v1() == Some(true) {
                continue;
            }
            if !state.learn(&fault, sum.attempts, &self.retry, false) {
                return Ok(fail(&fault, status, body));
            }
            tokio::select! {
                biased;
                () = request.cancelled.cancelled() => return Err(RelayEnd::Cancelled),
                waited = wait(&self.governor, &self.retry, &fault, sum.attempts) => match waited {
                    Err(CallOutcome::RunStops(_)) => return Ok(fail(&fault, status, body)),
                    Err(_) => return Err(RelayEnd::Stopped),
                    Ok(()) => {}
                },
            }
        }
    }

    /// Sends one attempt, from its reservation to its settlement.
    async fn attempt(&self, request: &RelayRequest, ledger: &impl RelayLedger, sum: &mut Sum) -> Result<Tried, RelayEnd> {
        let tokens = request.tokens;
        let bound = Bound { model: &request.model, input: tokens.most_input, output: tokens.most_output, tier: request.tier };
        let at_most = self.billing.bound(&self.account.prices, &bound);
        tokio::select! {
            biased;
            () = request.cancelled.cancelled() => return Err(RelayEnd::Cancelled),
            reserved = ledger.reserve(at_most) => reserved.map_err(RelayEnd::NotSent)?,
        }
        let ticket = Ticket { document: request.place, need: self.need(request), at_most: None };
        let permit = tokio::select! {
            biased;
            () = request.cancelled.cancelled() => Err(RelayEnd::Cancelled),
            permit = self.governor.admit(&ticket) => permit.map_err(|_| RelayEnd::Stopped),
        };
        let permit = permit.inspect_err(|_| ledger.release(at_most))?;
        let number = sum.attempts + 1;
        let id = match ledger.sending(number, at_most).await {
            Ok(id) => id,
            Err(why) => {
                permit.end(&Ending { cost: Some(Money::ZERO), ..Ending::default() });
                ledger.release(at_most);
                return Err(RelayEnd::NotSent(why));
            }
        };
        sum.attempts = number;
        let hides_usage = request.events.as_ref().is_some_and(|events| events.hides_usage);
        let asks_usage = hides_usage && !self.no_stream_usage.load(Relaxed);
        let body = if asks_usage { with_usage(&request.body) } else { request.body.clone() };
        let exchange = self.exchange(request, body, asks_usage, sum.lost > 0);
        // An abandoned request stays in doubt.
        let Ok(exchanged) = self.governor.unless_abandoned(exchange).await else {
            sum.cost = None;
            return Err(RelayEnd::Stopped);
        };
        let billed = self.bill(&bound, &exchanged);
        permit.end(&Ending {
            usage: Some(billed.usage).filter(|usage| usage.input() > 0),
            cost: billed.cost,
            rate_limits: &exchanged.rate_limits,
            refused: exchanged.result.as_ref().err().and_then(|fault| refusal(fault, self.account.dialect, &self.retry, number)),
        });
        sum.lost += u32::from(matches!(&exchanged.result, Err(fault) if fault.class == Class::Ambiguous));
        sum.cost = sum.cost.zip(billed.cost).map(|(sum, cost)| sum + cost);
        sum.usage += billed.usage;
        ledger.ended(id, at_most, RelayAttempt { status: exchanged.status, usage: billed.usage, cost: billed.cost }).await;
        Ok(Tried { exchanged, asks_usage })
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
