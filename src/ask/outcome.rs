//! The outcome of a call, and the messages about it.

use super::budget_service::NoLease;
use super::client::{Answered, LedgerClosed, LlmClient};
use super::exposure::cannot_connect;
use super::fault::{Class, Fault, RunStop, StopKind};
use super::governor::{NotAdmitted, Stopped};
use crate::model::{Attempt, Call, Failure, Spent};
use std::time::Duration;

/// The outcome of a call. The caller settles the last attempt with its answer or failure.
#[derive(Debug)]
pub enum CallOutcome {
    /// With an answer.
    Answered(Answered, Spent, Attempt),
    /// With a final failure.
    Failed(Failure, Spent, Attempt),
    /// With a final failure that the call has caused itself: others of the same request were answered.
    FailedAlone(Failure, Spent, Attempt),
    /// The whole run must stop for this reason. The call has no outcome.
    RunStops(RunStop),
    /// The call was cancelled before a request was sent. It has no outcome.
    Cancelled,
    /// The run is already stopping. The call has no outcome.
    Stopped,
}

impl From<NotAdmitted> for CallOutcome {
    fn from(refused: NotAdmitted) -> Self {
        match refused {
            NotAdmitted::Stopped => Self::Stopped,
            NotAdmitted::OverPurse(message) => Self::RunStops(RunStop { kind: StopKind::OverBudget, message }),
            NotAdmitted::NoLease(NoLease::Away(message)) => Self::RunStops(RunStop { kind: StopKind::Parked, message }),
            NotAdmitted::NoLease(NoLease::Refused(message)) => Self::RunStops(RunStop { kind: StopKind::Refused, message }),
            NotAdmitted::OverDay(day) => Self::RunStops(RunStop { kind: StopKind::OverBudget, message: day.to_string() }),
            NotAdmitted::OverBudget(budget) => {
                // The engine knows what the rest costs.
                Self::RunStops(RunStop { kind: StopKind::OverBudget, message: budget.message(None) })
            }
        }
    }
}

impl From<Stopped> for CallOutcome {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

impl From<LedgerClosed> for CallOutcome {
    fn from(_: LedgerClosed) -> Self {
        Self::Stopped
    }
}

impl LlmClient {
    /// Builds the outcome of a call that failed and is not retried.
    pub(super) fn fail_call(&self, call: &Call, fault: &Fault, spent: Spent, attempt: Attempt) -> CallOutcome {
        if fault.class == Class::NotSent {
            // No attempt reached the server, so the document is not the cause.
            let message = cannot_connect(&self.account.base_url, &format!("{} ({} attempts)", fault.message, spent.attempts));
            return CallOutcome::RunStops(RunStop { kind: StopKind::Parked, message });
        }
        let request = fault.request_id.as_ref().map_or_else(String::new, |id| format!(" [request {id}]"));
        // Some kinds of failures have fewer attempts, so only the last attempt of all names the limit.
        let most = if spent.attempts == self.retry.max_attempts { format!(" of {}", self.retry.max_attempts) } else { String::new() };
        let message = format!("{}, attempt {}{most}: {}{request}", call.label(), spent.attempts, fault.message);
        CallOutcome::Failed(Failure::new(fault.code, message), spent, attempt)
    }

    /// Describes why the whole run stops, and what to do.
    pub(super) fn explain(&self, call: &Call, fault: &Fault) -> String {
        let about_key = matches!(fault.status, Some(401 | 403)) || fault.message.to_ascii_lowercase().contains("api key");
        let hint = if fault.status.is_some_and(|status| (300..400).contains(&status)) {
            String::from("Check llm.base_url.")
        } else if about_key && self.forms.another_has_answered(&call.model) {
            format!("Other models answer with this key. Check that the key may use \"{}\".", call.model)
        } else if about_key {
            self.account.key_hint()
        } else if fault.status == Some(404) {
            let near = self.account.prices.near(&call.model);
            let near = match near.as_slice() {
                [] => String::new(),
                [same, ..] if *same == call.model => String::new(),
                near => format!(" (close ids: {})", near.join(", ")),
            };
            format!("Check that the provider has a model \"{}\"{near} (llm.model), and check llm.base_url.", call.model)
        } else {
            String::from("Fix the cause and run the same command again.")
        };
        let reason = fault.message.trim_end_matches('.');
        format!("{} refuses the request: {reason}. {hint} Documents without a result stay pending.", self.account.base_url)
    }
}

/// Formats the time after `wait` from now, in UTC.
pub fn clock_time(wait: Duration) -> String {
    let at = jiff::Timestamp::now().saturating_add(wait).unwrap_or(jiff::Timestamp::MAX);
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}
