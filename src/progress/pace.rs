//! Thins out counters for logs: a line only if they have changed, and at most one a second.

use crate::event::{RunEvent, Snapshot};
use std::time::{Duration, Instant};

/// Minimum time between two lines of counters.
const APART: Duration = Duration::from_secs(1);

/// Decides which events a log gets.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When counters were last written, and without what changes by itself.
    written: Option<(Instant, Snapshot)>,
    /// Newer counters that were not written yet.
    skipped: Option<Box<Snapshot>>,
}

impl Pace {
    /// Passes on an event, counters before it that the log lacks, or nothing.
    pub fn pass(&mut self, event: &RunEvent, mut write: impl FnMut(&RunEvent)) {
        let RunEvent::Progress(seen) = event else {
            // The last counters come before the end of a run.
            let is_end = matches!(event, RunEvent::UpToDate(_) | RunEvent::Finished { .. } | RunEvent::Failed { .. });
            if let Some(skipped) = self.skipped.take_if(|_| is_end) {
                write(&RunEvent::Progress(skipped));
            }
            return write(event);
        };
        let counts = counts(seen);
        if self.written.as_ref().is_some_and(|(_, before)| *before == counts) {
            self.skipped = None;
        } else if self.written.as_ref().is_some_and(|(at, _)| at.elapsed() < APART) {
            self.skipped = Some(seen.clone());
        } else {
            (self.written, self.skipped) = (Some((Instant::now(), counts)), None);
            write(event);
        }
    }
}

/// The counters without those that time alone changes.
fn counts(seen: &Snapshot) -> Snapshot {
    let empty = Snapshot::default();
    Snapshot {
        elapsed_s: empty.elapsed_s,
        waiting_s: if seen.waiting_s > 0.0 { 1.0 } else { 0.0 },
        limits: empty.limits,
        latency: empty.latency,
        limited_by: empty.limited_by,
        calls_left: empty.calls_left,
        stages: empty.stages,
        queues: empty.queues,
        ..seen.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_counters_are_passed_on_once_and_the_last_ones_come_before_the_end() {
        let mut pace = Pace::default();
        let mut passed = Vec::new();
        let progress = |answered, elapsed_s| RunEvent::Progress(Box::new(Snapshot { elapsed_s, answered, ..Snapshot::default() }));
        let end = RunEvent::Failed { message: String::new(), exit_code: 1 };
        for event in [progress(0, 0.1), progress(0, 0.2), progress(1, 0.3), progress(2, 0.4), end] {
            pace.pass(&event, |event| passed.push(if let RunEvent::Progress(seen) = event { Some(seen.answered) } else { None }));
        }
        assert!([vec![Some(0), Some(2), None], vec![Some(0), Some(1), Some(2), None]].contains(&passed), "{passed:?}");
    }
}
