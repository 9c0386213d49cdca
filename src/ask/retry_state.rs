//! Decides after a failed attempt whether to retry, and what to change.

use super::fault::{Class, Fault, Pressure, StopKind};
use super::settings::RetrySettings;
use crate::model::FailureCode;

/// Changes to the next attempt that earlier failures of the call require.
#[derive(Debug, Default)]
pub(super) struct RetryState {
    /// Whether the next request allows more output.
    ///
    /// This is set after a truncated or empty answer.
    pub more_room: bool,
    /// Message to the model about the error in its last answer.
    pub note: Option<String>,
    /// Whether the next request goes to the fallback model.
    pub fallback: bool,
    /// Number of attempts that the server refused because of the request form.
    pub reshaped: u32,
    /// Number of attempts that failed because of one of several servers, and were not billed.
    pub moved: u32,
    /// The server of the last attempt, if it failed because of that server.
    pub avoid: Option<usize>,
    /// Number of attempts with a lost reply.
    lost: u32,
    /// Whether a billed reply had no answer because of the provider.
    bad: bool,
}

impl RetryState {
    /// Decides whether to retry after `fault`. Records changes for the next attempt.
    ///
    /// `attempts` is the number of attempts so far. `fallback` means that a fallback model is
    /// configured and differs from the call's model.
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
            // The same request would be truncated again, so one retry allows more output.
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
            // The reply is billed and the failure may repeat, so docmill retries once.
            (Class::BadReply, _) => !std::mem::replace(&mut self.bad, true),
        }
    }
}
