//! The only loop that repeats requests.
//!
//! It retries after refusals, lost connections, lost replies and invalid answers. All retries of a
//! call share one budget of attempts, so the worst case is known. The loop holds no permit while it
//! waits.

use super::attempt::Sent;
use super::client::{Ledger, LlmClient, Question};
use super::fault::{Class, Fault, Pressure, RunStop, StopKind, is_turned_away};
use super::governor::Governor;
use super::judge::judge;
use super::outcome::{CallOutcome, clock_time};
use super::request_forms::{Correction, SentAs};
use super::retry_state::RetryState;
use super::servers::moves_freely;
use super::settings::RetrySettings;
use crate::model::{Attempt, Call, Checked, Failure, FailureCode, Money, Spent, Unfit};
use std::time::Duration;
use tokio::time::Instant;

/// How long calls start with the fallback model if theirs is unavailable.
const FOR_GOOD: Duration = Duration::from_hours(24 * 365);
/// How long calls start with the fallback model if theirs is overloaded.
const FOR_A_WHILE: Duration = Duration::from_mins(1);
/// Maximum form changes for one call. A form has fewer features to drop.
const MOST_FORMS: u32 = 16;
/// Longest wait before a retry, unless the provider requests a longer one.
const LONGEST_BACKOFF: Duration = Duration::from_mins(1);

impl LlmClient {
    /// Sends a call until `check` accepts an answer, or the call fails.
    ///
    /// `check` turns the text of a reply into the answer, or returns the reason why it is invalid.
    pub async fn ask(&self, question: Question<'_>, ledger: &impl Ledger, check: impl Fn(&str) -> Result<Checked, Unfit>) -> CallOutcome {
        let alone = self.preflight.enter(&question.call.task).await;
        let ended = self.ask_until_it_ends(question, ledger, check).await.unwrap_or_else(|ended| ended);
        match (alone, &ended) {
            (Some(alone), CallOutcome::Answered(..)) => alone.ended(None),
            // An access denial shows nothing about the form of requests.
            (Some(alone), CallOutcome::Failed(failure, _, last)) if !last.status.is_some_and(is_turned_away) => {
                alone.ended(Some(failure.code));
            }
            _ => {}
        }
        ended
    }

    /// Runs the loop. `Err` ends the call early.
    async fn ask_until_it_ends(
        &self,
        question: Question<'_>,
        ledger: &impl Ledger,
        check: impl Fn(&str) -> Result<Checked, Unfit>,
    ) -> Result<CallOutcome, CallOutcome> {
        let call = question.call;
        let mut spent = Spent { cost: Some(Money::ZERO), ..Spent::default() };
        let mut retry_state = RetryState::default();
        let mut last = None;
        loop {
            let Sent { result, mut attempt, form: sent_as, server, can_move, .. } =
                *match self.attempt_hedged(question, ledger, &retry_state, &mut spent).await {
                    Err(CallOutcome::Cancelled) => return Ok(cancelled(call, spent, last)),
                    sent => sent?,
                };
            if let Some(note) = result.is_ok().then(|| self.forms.worked(&sent_as)).flatten() {
                self.observer.note(&note);
            }
            let fault = match result.and_then(|reply| judge(reply, Some(call).filter(|_| self.check_prompt_cut), &check)) {
                Ok(mut answered) => {
                    self.account.secrets().scrub_value(&mut answered.value);
                    return Ok(CallOutcome::Answered(answered, spent, attempt));
                }
                Err(fault) => {
                    self.blamed(Fault { message: self.account.secrets().scrub(fault.message.into()).into_owned(), ..fault }, &sent_as)
                }
            };
            attempt.failure = Some(fault.code);
            last = Some(attempt);
            let other_model = self.fallback.as_ref().is_some_and(|model| *model != call.model);
            let before = retry_state.fallback;
            // Attempts that only corrected the form, or that one of several servers did not take, do
            // not count towards the maximum.
            let counted = spent.attempts - retry_state.reshaped - retry_state.moved;
            retry_state.avoid = Some(server).filter(|_| can_move);
            let over = if retry_state.reshaped < MOST_FORMS && self.reshape(&fault, &sent_as, server) {
                retry_state.reshaped += 1;
                retry_state.avoid = None;
                ledger.ended(attempt).await?;
                continue;
            } else if can_move && moves_freely(&fault) && retry_state.moved < self.account.servers().count() {
                retry_state.moved += 1;
                ledger.ended(attempt).await?;
                self.observer.retrying(&call.label(), spent.attempts, &fault);
                continue;
            } else if retry_state.learn(&fault, counted, &self.retry, other_model) {
                None
            } else if let Class::RunFatal(kind) = fault.class {
                Some(CallOutcome::RunStops(RunStop { kind, message: self.explain(call, &fault) }))
            } else {
                Some(self.fail_call(call, &fault, spent, attempt))
            };
            if let Some(failed @ CallOutcome::Failed(..)) = over {
                return Ok(failed);
            }
            ledger.ended(attempt).await?;
            if let Some(ended) = over {
                return Ok(ended);
            }
            if retry_state.fallback && !before {
                self.fall_back(call, &fault);
                continue;
            }
            self.observer.retrying(&call.label(), spent.attempts, &fault);
            if can_move && spent.attempts < self.account.servers().count() {
                continue;
            }
            tokio::select! {
                biased;
                () = question.cancelled() => {}
                waited = wait(&self.governor, &self.retry, &fault, spent.attempts) => waited?,
            }
        }
    }

    /// Changes the form of requests if the server complained about it.
    ///
    /// Returns whether to repeat the call.
    fn reshape(&self, fault: &Fault, sent_as: &SentAs, server: usize) -> bool {
        let servers = self.account.servers();
        let has_answered = servers.has_answered(server).unwrap_or_else(|| self.forms.has_answered(&sent_as.model));
        if matches!(fault.status, Some(404 | 405)) && !sent_as.below_v1 && !has_answered {
            match self.account.go_below_v1(server) {
                Some(true) => {
                    self.observer.note(&format!(
                        "docmill sends requests to {0}/v1 from now on, because {0} says: {1}",
                        servers.endpoint(server).base_url,
                        fault.message.trim_start_matches(&format!("{}: ", servers.endpoint(server).base_url))
                    ));
                }
                Some(false) => {}
                None => return self.correct_form(fault, sent_as),
            }
            return true;
        }
        self.correct_form(fault, sent_as)
    }

    fn correct_form(&self, fault: &Fault, sent_as: &SentAs) -> bool {
        let correction = fault.complaint.as_ref().map(|complaint| self.forms.correct(sent_as, complaint));
        if let Some(Correction::Now(change)) = &correction {
            self.observer.note(&format!("{}: {change}, because the server says: {}", sent_as.model, fault.message));
        }
        !matches!(correction, None | Some(Correction::None))
    }

    /// Decides whether a denied request fails its document or the whole run.
    ///
    /// If the model has answered before in this run, the key is valid, so the denial concerns the
    /// document.
    fn blamed(&self, fault: Fault, sent_as: &SentAs) -> Fault {
        let class = match fault.class {
            Class::Denied if self.forms.has_answered(&sent_as.model) => Class::Permanent,
            Class::Denied => Class::RunFatal(StopKind::Refused),
            class => class,
        };
        Fault { class, ..fault }
    }

    /// Whether calls start with the fallback model.
    pub(super) fn is_away(&self) -> bool {
        let away_until = self.away_until.lock();
        away_until.is_some_and(|until| until > Instant::now())
    }

    fn fall_back(&self, call: &Call, fault: &Fault) {
        let time = if fault.status == Some(404) { FOR_GOOD } else { FOR_A_WHILE };
        // Each period with the fallback model gets only one note.
        if !self.is_away() {
            let model = self.fallback.as_deref().unwrap_or_default();
            self.observer.note(&format!("docmill asks {} instead of {} (llm.fallback): {}", model, call.model, fault.message));
        }
        *self.away_until.lock() = Some(Instant::now() + time);
    }
}

/// Waits before a retry.
///
/// Fails if the provider asks for a longer wait than the settings allow, or if the run stops.
pub(super) async fn wait(governor: &Governor, retry: &RetrySettings, fault: &Fault, attempt: u32) -> Result<(), CallOutcome> {
    let asked = fault.wait();
    if let Some(asked) = asked.filter(|asked| *asked > Duration::from_secs(retry.max_wait_s)) {
        let message = format!(
            "the provider asks to wait {} s, until {}, longer than llm.retry.max_wait_s = {}: {}",
            asked.as_secs(),
            clock_time(asked),
            retry.max_wait_s,
            fault.message
        );
        return Err(CallOutcome::RunStops(RunStop { kind: StopKind::Parked, message }));
    }
    // A rate limit affects the whole account, so the governor delays all requests by the named
    // time.
    let at_the_gate = asked.is_some() && matches!(fault.pressure, Pressure::Rate | Pressure::Ramp);
    if at_the_gate || (fault.class == Class::BadReply && fault.code != FailureCode::ServerError) {
        return Ok(());
    }
    let wait = asked.unwrap_or_else(|| retry.backoff(attempt));
    governor.pause(wait).await.map_err(CallOutcome::from)
}

impl RetrySettings {
    /// Returns a random wait between half of a bound and the bound, which doubles with each attempt.
    ///
    /// The randomness spreads the retries of calls that failed together. When a server is away, the
    /// first of many calls that has no attempts left stops the run, so no call may use them up early.
    pub(super) fn backoff(&self, attempt: u32) -> Duration {
        let bound = Duration::from_millis(self.base_ms).saturating_mul(1 << (attempt - 1).min(16)).min(LONGEST_BACKOFF);
        bound.mul_f64(0.5 + 0.5 * fastrand::f64())
    }
}

/// Builds the outcome of a cancelled call. It is a failure if requests were sent.
fn cancelled(call: &Call, spent: Spent, last: Option<Attempt>) -> CallOutcome {
    let Some(last) = last else { return CallOutcome::Cancelled };
    let message = format!("{}: cancelled after {} attempts", call.label(), spent.attempts);
    CallOutcome::Failed(Failure::new(FailureCode::Cancelled, message), spent, last)
}
