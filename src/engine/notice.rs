//! The notice that other processes read during a run.

use crate::ask::{Governor, clock_time};
use crate::model::{WaitReason, command_in};
use crate::store::RunLock;
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How often watchers get the counters, and the note is updated.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// The state of sending in the notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    Nothing,
    Waiting,
    Held(WaitReason),
    /// Waiting for the budget of the next day.
    OverDay,
    Paused,
}

/// The notice beside the lock, which other processes read during a run.
pub(super) struct Notice {
    governor: Arc<Governor>,
    lock: Arc<RunLock>,
    /// The command that resumes the run.
    resume: String,
    /// The command that changes a setting.
    set: String,
    shown: Mutex<Doing>,
}

impl Notice {
    pub fn new(governor: &Arc<Governor>, lock: &Arc<RunLock>, directory: &Path) -> Self {
        let [resume, set] = ["resume", "set"].map(|name| command_elsewhere(directory, name));
        Self { governor: Arc::clone(governor), lock: Arc::clone(lock), resume, set, shown: Mutex::new(Doing::Nothing) }
    }

    /// Updates the note for `docmill status`, which explains why nothing is sent. Returns what the user
    /// of the run should know too.
    pub fn update(&self) -> Option<String> {
        let mut shown = self.shown.lock();
        let status = self.governor.status();
        // Waiting at the usual pace of a limit is not worth a note.
        let is_worth_it =
            |why: &WaitReason| matches!(why, WaitReason::Budget | WaitReason::BudgetService | WaitReason::Overload | WaitReason::Suspicion);
        let held = status.why.filter(is_worth_it);
        let over_day = status.over_day.map(|reached| {
            let raise = format!("`{} budget.max_usd_per_day=USD` raises it", self.set);
            (Doing::OverDay, format!("{} ({raise})", reached.waiting()))
        });
        let (doing, note) = match self.governor.closed_for() {
            _ if status.paused => (Doing::Paused, format!("paused; `{}` goes on", self.resume)),
            _ if over_day.is_some() => over_day.unwrap_or((Doing::Nothing, String::new())),
            Some(wait) if wait > TICK => (Doing::Waiting, format!("waiting until {} for the provider's limit", clock_time(wait))),
            Some(_) => return None,
            None => held.map_or((Doing::Nothing, String::new()), |why| (Doing::Held(why), why.waiting())),
        };
        // If writing fails, the run goes on without a note.
        let is_new = doing != *shown && self.lock.say(&note).is_ok();
        if is_new {
            *shown = doing;
        }
        (is_new && doing == Doing::OverDay).then_some(note)
    }
}

/// A command for another terminal, which may have another working directory.
pub(super) fn command_elsewhere(directory: &Path, name: &str) -> String {
    command_in(&std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned()), name)
}
