//! What failed attempts teach the next one, and whether there is a next one.

use super::fault::{Class, Fault, Pressure, StopKind};
use super::settings::RetrySettings;
use crate::model::FailureCode;

/// What the attempts of one call have taught so far.
#[derive(Debug, Default)]
pub(super) struct RetryState {
    /// More room for the answer: the last one was cut.
    pub more_room: bool,
    /// What was wrong with the last answer.
    pub note: Option<String>,
    /// The other model is asked.
    pub fallback: bool,
    /// Attempts that were refused for the form of the request alone.
    pub reshaped: u32,
    /// Replies that were lost.
    lost: u32,
    /// A paid reply was no answer for a reason that only the provider knows.
    bad: bool,
}

impl RetryState {
    /// Whether another attempt makes sense after `fault`, the last of `attempts`, and what it should do differently.
    /// `fallback` says whether there is another model that could be asked.
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
            // It was paid for, and may come again: once more, and not for ever.
            (Class::BadReply, _) => !std::mem::replace(&mut self.bad, true),
        }
    }
}
