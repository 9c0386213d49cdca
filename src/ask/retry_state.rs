//! Decides after a failed attempt whether to retry, and what to change.

use super::fault::{Class, Fault, Pressure, StopKind};
use super::settings::RetrySettings;
use crate::model::FailureCode;

/// What the failed attempts of one call change about the next one.
#[derive(Debug, Default)]
pub(super) struct RetryState {
    /// The next request allows more output, because an answer was truncated or empty.
    pub more_room: bool,
    /// Text for the model about the mistake in its last answer.
    pub note: Option<String>,
    /// The next request goes to the fallback model.
    pub fallback: bool,
    /// Attempts that the server refused because of the form of the request.
    pub reshaped: u32,
    /// Attempts whose reply was lost.
    lost: u32,
    /// A billed reply had no answer, for a reason on the provider's side.
    bad: bool,
}

impl RetryState {
    /// Whether to retry after `fault`, the last of `attempts`. Notes what the next attempt changes.
    ///
    /// `fallback`: a fallback model is configured and differs from the call's model.
    pub fn learn(&mut self, fault: &Fault, attempts: u32, retry: &RetrySettings, fallback: bool) -> bool {
        if attempts >= retry.max_attempts {
            return false;
        }
        let gone = fault.class == Class::RunFatal(StopKind::Refused) && fault.status == Some(404);
        let busy = fault.pressure == Pressure::Overload && attempts + 1 == retry.max_attempts;
        if fallback && !self.fallback && (gone || busy) {
            self.fallback = true;
            return true;
        }
        match (&fault.class, fault.code) {
            (Class::Permanent | Class::Denied | Class::RunFatal(_), _) => false,
            (Class::NotSent | Class::Refused { .. }, _) => true,
            (Class::Ambiguous, _) => {
                self.lost += 1;
                self.lost <= retry.max_ambiguous
            }
            // The same request would be cut at the same place, so one retry allows more output.
            (Class::BadReply, FailureCode::Truncated | FailureCode::NoAnswer) => !std::mem::replace(&mut self.more_room, true),
            (Class::BadReply, FailureCode::InvalidAnswer) => {
                // One retry tells the model about its mistake. A second invalid answer ends the
                // call.
                let note = format!(
                    "Your previous answer to this was not accepted: {}. Answer again, exactly in the required format.",
                    fault.message
                );
                self.note.replace(note).is_none()
            }
            // The reply is billed and the failure may repeat, so there is one retry.
            (Class::BadReply, _) => !std::mem::replace(&mut self.bad, true),
        }
    }
}
