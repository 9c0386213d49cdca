//! Progress without a terminal: one plain line every few seconds.

use super::duration::duration;
use super::failures::Failures;
use super::recent::Recent;
use super::{Watcher, say, summary};
use crate::event::{RunEvent, Snapshot};
use crate::model::{WaitReason, counted};
use std::time::{Duration, Instant};

pub(super) struct Lines {
    interval: Duration,
    last: Instant,
    failures: Failures,
    recent: Recent,
}

impl Lines {
    pub fn new(interval: Duration) -> Self {
        Self { interval, last: Instant::now(), failures: Failures::default(), recent: Recent::default() }
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
                    say(&line(snapshot, self.recent.left(snapshot)));
                }
            }
            RunEvent::UpToDate(tally) => say(&summary::up_to_date(tally)),
            // If everything was up to date, `UpToDate` has printed the summary.
            RunEvent::Finished { jobs, .. } if jobs.is_empty() => {}
            RunEvent::Finished { jobs, results, .. } => say(&summary::text(jobs, results)),
            other => {
                if let Some(line) = self.failures.line(other) {
                    say(&line);
                }
            }
        }
    }
}

/// Formats the counters as one line. Adds the time left if it is known.
pub fn line(s: &Snapshot, left: Option<String>) -> String {
    let total = s.documents.map_or_else(String::new, |n| format!("/{n}"));
    format!(
        "{:.0} s: {}{total} documents done, {} written, {} failed; {}, {} in flight, {}; {} tokens in, {} out; {}{}{}",
        s.elapsed_s,
        s.answered + s.up_to_date,
        s.written,
        s.failed,
        counted(s.requests, "request"),
        s.in_flight,
        counted(s.retries, "retry"),
        s.input_tokens,
        s.output_tokens,
        s.cost,
        waiting(s).map_or_else(String::new, |text| format!("; {text}")),
        left.map_or_else(String::new, |left| format!("; {left}")),
    )
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
        _ => "the provider's limit".to_owned(),
    };
    if s.waiting_s > 0.0 {
        return Some(format!("waiting {} for {limit}", duration(s.waiting_s)));
    }
    s.holding.map(|why| format!("held back by {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_the_reason_why_requests_wait() {
        let shown = |s: Snapshot| line(&s, None);
        for (why, says) in [
            (WaitReason::Budget, "; held back by the remaining budget"),
            (WaitReason::InputTokens, "; held back by the limit of input tokens a minute"),
            (WaitReason::SlowStart, "; held back by slow start"),
        ] {
            assert!(shown(Snapshot { holding: Some(why), ..Snapshot::default() }).contains(says), "{why:?}");
        }
        let waiting = Snapshot { waiting_s: 3.0, holding: Some(WaitReason::InputTokens), ..Snapshot::default() };
        assert!(shown(waiting.clone()).contains("; waiting 3.0 s for the limit of input tokens a minute"));
        assert!(shown(Snapshot { holding: Some(WaitReason::Refusal), ..waiting.clone() }).contains("3.0 s for the provider's limit"));
        assert!(shown(Snapshot { publishing: true, ..waiting.clone() }).contains("; writing result files"));
        assert!(
            shown(Snapshot { paused: true, requests: 1, ..waiting })
                .contains("1 request, 0 in flight, 0 retries; 0 tokens in, 0 out; $0; paused")
        );
    }
}
