//! Exit codes, and errors on their way to one.

use crate::ask::StopKind;
use crate::engine::Outcome;
use crate::setup::SetupError;
use crate::store::LockError;
use std::fmt::Display;
use std::process::ExitCode;

/// How a command ended, for scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything was done, and every row is ok (or skipped).
    Ok = 0,
    /// A fault of docmill or of this machine.
    Internal = 1,
    /// Arguments, settings, a job file or an input are wrong: nothing was sent.
    Usage = 2,
    /// Everything was done, and some rows failed with a code that `--accept-failed` does not name.
    FailedRows = 3,
    /// Stopped early; the same command goes on from there.
    StoppedEarly = 4,
    /// The provider will not have us: key, model, credit.
    Refused = 5,
    /// Another docmill is at work in the output directory.
    Busy = 6,
    /// A shard cannot run with these arguments, settings or this account. It would fail again.
    ShardUsage = 64,
    /// A shard stopped early; start it again.
    ShardStopped = 75,
    /// Another attempt has claimed the shard. Do not start it again.
    Fenced = 76,
}

impl Exit {
    /// The exit code of a shard, which an engine obeys: 0 done, 64 never again, 75 later, 76 superseded.
    /// After any other code the shard may be tried again.
    pub(super) fn of_shard(self) -> Self {
        match self {
            Self::Ok | Self::FailedRows => Self::Ok,
            Self::Usage | Self::Refused => Self::ShardUsage,
            Self::StoppedEarly => Self::ShardStopped,
            other => other,
        }
    }

    /// How a run ended.
    pub(super) fn of(outcome: &Outcome) -> Self {
        match &outcome.stop {
            _ if outcome.not_copied.is_some() => Self::StoppedEarly,
            Some(stop) if stop.kind != StopKind::Sampled => stop.kind.into(),
            _ if outcome.not_in_database.is_some() => Self::StoppedEarly,
            _ if outcome.unanswered > 0 => Self::FailedRows,
            _ => Self::Ok,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<StopKind> for Exit {
    fn from(kind: StopKind) -> Self {
        match kind {
            StopKind::Refused => Self::Refused,
            StopKind::Parked | StopKind::OverBudget | StopKind::Requested | StopKind::Deferred => Self::StoppedEarly,
            StopKind::Sampled => Self::Ok,
        }
    }
}

/// An error that ends a command.
#[derive(Debug)]
pub struct CliError {
    /// The exit code.
    pub exit: Exit,
    /// Who, what, why, and what next.
    pub message: String,
}

impl CliError {
    /// Arguments, settings, job file or input are wrong.
    pub fn usage(message: impl Display) -> Self {
        Self { exit: Exit::Usage, message: message.to_string() }
    }

    /// The lock of the output directory was not acquired.
    ///
    /// A second run only has to wait. A removed lock file, in contrast, needs a look.
    pub fn lock(error: &LockError) -> Self {
        let exit = if matches!(error, LockError::Held { .. }) { Exit::Busy } else { Exit::Usage };
        Self { exit, message: error.to_string() }
    }

    /// A fault of docmill or of this machine.
    pub fn internal(message: impl Display) -> Self {
        Self { exit: Exit::Internal, message: message.to_string() }
    }
}

impl From<SetupError> for CliError {
    fn from(error: SetupError) -> Self {
        match error {
            SetupError::Usage(message) => Self { exit: Exit::Usage, message },
            SetupError::Untrusted(_) => Self { exit: Exit::Usage, message: error.to_string() },
            SetupError::Internal(message) => Self { exit: Exit::Internal, message },
        }
    }
}
