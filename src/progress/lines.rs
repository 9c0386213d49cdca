//! Progress without a terminal: one plain line every few seconds.

use super::duration::duration;
use super::failures::Failures;
use super::fit::{fitted, terminal_width};
use super::recent::Recent;
use super::{Watcher, say, summary};
use crate::event::{RunEvent, Snapshot};
use crate::model::{WaitReason, counted};
use std::time::{Duration, Instant};

pub(super) struct Lines {
    interval: Duration,
    last: Instant,
    /// The last line without its time.
    shown: String,
    failures: Failures,
    recent: Recent,
}

impl Lines {
    pub fn new(interval: Duration) -> Self {
        Self { interval, last: Instant::now(), shown: String::new(), failures: Failures::default(), recent: Recent::default() }
    }
}

impl Watcher for Lines {
    fn see(&mut self, event: &RunEvent) {
        match event {
            RunEvent::Started { run, provider, model, jobs, output, .. } => {
                say(&format!("run {run}: {} with {provider} {model} -> {output}", jobs.join(", ")));
            }
            RunEvent::Progress(snapshot) => {
                self.recent.see(snapshot);
                if self.last.elapsed() >= self.interval {
                    self.last = Instant::now();
                    let line = line(snapshot, self.recent.left(snapshot));
                    let shown = line.split_once(": ").map_or(line.as_str(), |(_, shown)| shown);
                    // An idle watch needs no sign of life.
                    if snapshot.in_flight > 0 || self.shown != shown {
                        shown.clone_into(&mut self.shown);
                        say(&line);
                    }
                }
            }
            RunEvent::UpToDate(tally) => say(&summary::up_to_date(tally, terminal_width())),
            // If everything was up to date, `UpToDate` has printed the summary.
            RunEvent::Finished { jobs, .. } if jobs.is_empty() => {}
            RunEvent::Finished { jobs, results, .. } => say(&summary::text(jobs, results, terminal_width())),
            other => {
                if let Some(line) = self.failures.line(other) {
                    say(&line);
                }
            }
        }
    }
}

/// Maximum width of a progress line.
const WIDTH: usize = 80;

/// Formats the counters as one line, the most important first. Leaves out what does not fit. Adds
/// the time left if it is known.
pub fn line(s: &Snapshot, left: Option<String>) -> String {
    let total = s.documents.map_or_else(String::new, |n| format!("/{n}"));
    let head = format!("{:.0} s: {}{total} done", s.elapsed_s, s.answered + s.up_to_date);
    let some = |n: u64, text: String| if n > 0 { text } else { String::new() };
    let failed = some(s.failed, format!("{} failed", s.failed));
    let (left, waiting) = (left.unwrap_or_default(), waiting(s).unwrap_or_default());
    // The reason of a wait has no room beside large numbers.
    let fits = fitted(&[head.clone(), failed.clone(), left.clone(), waiting.clone()], WIDTH).ends_with(&waiting);
    let parts = [
        head,
        failed,
        left,
        waiting.clone(),
        if fits { String::new() } else { waiting.split(" for ").next().unwrap_or_default().to_owned() },
        format!("{} in flight", s.in_flight),
        servers_missing(s).unwrap_or_default(),
        s.cost.to_string(),
        some(s.retries, counted(s.retries, "retry")),
        counted(s.requests, "request"),
    ];
    fitted(&parts, WIDTH)
}

/// How many of several servers take no requests.
fn servers_missing(s: &Snapshot) -> Option<String> {
    let missing = s.servers.iter().filter(|server| !server.state.takes_requests()).count();
    (missing > 0).then(|| format!("{missing} of {} servers away", s.servers.len()))
}

/// Why the next request waits, other than for a permit.
pub(super) fn waiting(s: &Snapshot) -> Option<String> {
    if s.paused {
        return Some("paused".to_owned());
    }
    if s.publishing {
        return Some("writing result files".to_owned());
    }
    let limit = match s.holding {
        Some(why @ (WaitReason::Requests | WaitReason::InputTokens | WaitReason::OutputTokens | WaitReason::Tokens)) => why.to_string(),
        // Only the budget of a day names a time.
        Some(WaitReason::Budget) => "the next day's budget".to_owned(),
        _ => "the provider's limit".to_owned(),
    };
    if s.waiting_s > 0.0 {
        return Some(format!("waiting {} for {limit}", duration(s.waiting_s)));
    }
    s.holding.map(WaitReason::waiting)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_the_reason_why_requests_wait() {
        let shown = |s: Snapshot| line(&s, None);
        for (why, says) in [
            (WaitReason::Budget, ", held back by the remaining budget"),
            (WaitReason::BudgetService, ", waiting for the budget service"),
            (WaitReason::InputTokens, ", held back by the limit of input tokens a minute"),
            (WaitReason::SlowStart, ", held back by slow start"),
        ] {
            assert!(shown(Snapshot { holding: Some(why), ..Snapshot::default() }).contains(says), "{why:?}");
        }
        let waiting = Snapshot { waiting_s: 3.0, holding: Some(WaitReason::InputTokens), ..Snapshot::default() };
        assert!(shown(waiting.clone()).contains(", waiting 3.0 s for the limit of input tokens a minute"));
        assert!(shown(Snapshot { holding: Some(WaitReason::Refusal), ..waiting.clone() }).contains("3.0 s for the provider's limit"));
        assert!(shown(Snapshot { holding: Some(WaitReason::Budget), ..waiting.clone() }).contains("3.0 s for the next day's budget"));
        assert!(shown(Snapshot { publishing: true, ..waiting.clone() }).contains(", writing result files"));
        assert_eq!(shown(Snapshot { paused: true, requests: 1, ..waiting }), "0 s: 0 done, paused, 0 in flight, $0, 1 request");
    }

    #[test]
    fn a_line_fits_the_screen() {
        let busy = Snapshot {
            elapsed_s: 86_400.0,
            documents: Some(1_000_000),
            answered: 999_999,
            failed: 123_456,
            in_flight: 1000,
            requests: 7_000_000,
            retries: 12_345,
            waiting_s: 59.0,
            holding: Some(WaitReason::InputTokens),
            ..Snapshot::default()
        };
        let line = line(&busy, Some("about 23 h 59 min left".into()));
        assert!(line.len() <= WIDTH && line.starts_with("86400 s: 999999/1000000 done, 123456 failed, about 23 h 59 min left"), "{line}");
    }
}
