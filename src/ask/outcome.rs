//! How a call ends, and what is said about it.

use super::fault::{Class, Fault, RunStop, StopKind};
use super::governor::{NotAdmitted, Stopped};
use super::retry::{Answered, LedgerClosed, LlmClient};
use crate::model::{Attempt, Call, Failure, Spent};
use std::time::Duration;

/// How a call ended. The last attempt is left to the caller to settle, together with what it brought.
#[derive(Debug)]
pub enum CallOutcome {
    /// With an answer.
    Answered(Answered, Spent, Attempt),
    /// Without one, for good.
    Failed(Failure, Spent, Attempt),
    /// Not at all: the whole run has to stop, for this reason.
    RunStops(RunStop),
    /// Not at all: nothing was sent, and nothing is to be.
    Cancelled,
    /// Not at all: the run is stopping already.
    Stopped,
}

impl From<NotAdmitted> for CallOutcome {
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
    /// The end of a call that is not tried again.
    pub(super) fn give_up(&self, call: &Call, fault: &Fault, spent: Spent, attempt: Attempt) -> CallOutcome {
        if fault.class == Class::NotSent {
            // Nobody answers, and has not for a while: that is no fault of this document, nor of the next one.
            let message = format!(
                "nobody answers at {}: {} ({} attempts). Is the server running, and is llm.base_url right?",
                self.account.base_url, fault.message, spent.attempts
            );
            return CallOutcome::RunStops(RunStop { kind: StopKind::Parked, message });
        }
        let request = fault.request_id.as_ref().map_or_else(String::new, |id| format!(" [request {id}]"));
        let most = self.retry.max_attempts.max(spent.attempts);
        let message = format!("{}, attempt {} of {most}: {}{request}", call.label(), spent.attempts, fault.message);
        CallOutcome::Failed(Failure::new(fault.code, message), spent, attempt)
    }

    /// Why the whole run stops.
    pub(super) fn explain(&self, call: &Call, fault: &Fault) -> String {
        let about_key = matches!(fault.status, Some(401 | 403)) || fault.message.to_ascii_lowercase().contains("api key");
        let hint = if fault.status.is_some_and(|status| (300..400).contains(&status)) {
            String::from("Is llm.base_url right?")
        } else if about_key && self.forms.another_has_answered(&call.model) {
            format!("Other models answer with this key: may it use \"{}\"?", call.model)
        } else if about_key {
            self.account.key_hint()
        } else if fault.status == Some(404) {
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

/// The time of day that comes after `wait`.
pub fn clock_time(wait: Duration) -> String {
    let at = jiff::Timestamp::now().saturating_add(wait).unwrap_or(jiff::Timestamp::MAX);
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}
