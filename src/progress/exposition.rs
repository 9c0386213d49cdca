//! The counters in the text format of Prometheus, version 0.0.4.
//!
//! The values come from the last snapshot, so no metrics library keeps a second copy. Except for
//! `docmill_run_info` and the addresses of several servers, label values come from closed lists.

use crate::event::{RunEvent, Snapshot};
use crate::model::{Latency, ServerUse, StageUse, WaitReason};
use std::fmt::Write as _;

/// The labels and the last snapshot of a run.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Labels of the run.
    run: Vec<(&'static str, String)>,
    last: Snapshot,
}

impl Seen {
    pub fn see(&mut self, event: &RunEvent) {
        match event {
            RunEvent::Started { run, provider, model, jobs, .. } => {
                let version = env!("CARGO_PKG_VERSION").to_owned();
                self.run = vec![
                    ("run", run.to_string()),
                    ("provider", provider.clone()),
                    ("model", model.clone()),
                    ("jobs", jobs.join(",")),
                    ("version", version),
                ];
            }
            RunEvent::Progress(snapshot) => self.last = Snapshot::clone(snapshot),
            _ => {}
        }
    }

    /// Formats all metrics.
    pub fn text(&self) -> String {
        let s = &self.last;
        let mut out = Text(String::new());
        let info: Vec<(&str, &str)> = self.run.iter().map(|(name, value)| (*name, value.as_str())).collect();
        out.family("run_info", "gauge", "The run.", [(&info[..], 1.0)]);
        out.one("run_elapsed_seconds", "gauge", "Time since the run began.", s.elapsed_s);
        if let Some(documents) = s.documents {
            out.one("documents", "gauge", "All documents of the run, once they are counted.", count(documents));
        }
        out.one("documents_up_to_date", "gauge", "Documents that already had current rows.", count(s.up_to_date));
        out.one("documents_read_total", "counter", "Documents read.", count(s.read));
        out.one("documents_prepared_total", "counter", "Documents prepared.", count(s.prepared));
        let rows: Vec<_> = s.rows.iter().map(|(status, n)| ([("status", status.as_str())], count(*n))).collect();
        out.family("documents_done_total", "counter", "Documents with a row, by status.", rows.iter().map(|(l, n)| (&l[..], *n)));
        out.one("rows_written_total", "counter", "Rows in the result files.", count(s.written));
        out.one("requests_total", "counter", "Requests sent to the model.", count(s.requests));
        out.one("request_retries_total", "counter", "Retries of requests.", count(s.retries));
        out.one("request_refusals_total", "counter", "Requests refused because of a rate limit.", count(s.refusals));
        out.one("requests_in_flight", "gauge", "Requests in flight.", count(s.in_flight));
        out.one("requests_in_flight_limit", "gauge", "Maximum number of requests in flight.", s.concurrency as f64);
        out.histogram("request_duration_seconds", "Time from sending a request to its complete reply.", &s.latency);
        out.one("calls_reused_total", "counter", "Calls whose answer was taken from the run store.", count(s.reused));
        let tokens = [("input", s.input_tokens), ("output", s.output_tokens)].map(|(kind, n)| ([("kind", kind)], count(n)));
        out.family("tokens_total", "counter", "Tokens, as the provider counts them.", tokens.iter().map(|(l, n)| (&l[..], *n)));
        out.one("cost_usd_total", "counter", "US dollars spent by this run on requests of known price.", s.cost.usd.usd());
        out.one("requests_unpriced_total", "counter", "Requests whose price is not known.", count(s.cost.unpriced_calls));
        if let Some(budget) = s.budget {
            out.one("budget_usd", "gauge", "US dollars that may be spent in the output directory.", budget.max_usd);
            out.one("budget_spent_usd", "gauge", "US dollars spent in the output directory, including earlier runs.", budget.spent_usd);
        }
        of_servers(&mut out, &s.servers);
        out.one("waiting_seconds", "gauge", "Time until the provider allows the next request.", s.waiting_s);
        out.one("paused", "gauge", "1 while the run is paused.", f64::from(u8::from(s.paused)));
        let shares: Vec<_> = s.stages.iter().flat_map(shares).collect();
        let help = "Share of the run that the slots of a stage were in a state.";
        out.family("stage_state_ratio", "gauge", help, shares.iter().map(|(l, share)| (&l[..], *share)));
        let queues: Vec<_> = s.queues.iter().map(|q| ([("queue", q.queue.as_ref())], q.now as f64, q.capacity as f64)).collect();
        out.family("queue_length", "gauge", "Items that wait in a channel.", queues.iter().map(|(l, now, _)| (&l[..], *now)));
        out.family("queue_capacity", "gauge", "Items that a channel can hold.", queues.iter().map(|(l, _, most)| (&l[..], *most)));
        out.0
    }
}

/// What each of several servers does.
fn of_servers(out: &mut Text, servers: &[ServerUse]) {
    if servers.is_empty() {
        return;
    }
    let mut family = |name, kind, help, value: fn(&ServerUse) -> f64| {
        let samples: Vec<_> = servers.iter().map(|server| ([("server", server.server.as_str())], value(server))).collect();
        out.family(name, kind, help, samples.iter().map(|(labels, value)| (&labels[..], *value)));
    };
    family("server_up", "gauge", "1 while a server takes requests.", |server| f64::from(u8::from(server.state.takes_requests())));
    family("server_requests_in_flight", "gauge", "Requests in flight at a server.", |server| server.in_flight as f64);
    family("server_requests_in_flight_limit", "gauge", "Maximum number of requests in flight at a server.", |server| server.places as f64);
    family("server_requests_total", "counter", "Requests to a server that have ended.", |server| count(server.requests));
    family("server_failures_total", "counter", "Requests that a server did not answer.", |server| count(server.failures));
    family("server_moved_requests_total", "counter", "Requests about documents of another server.", |server| count(server.moved));
}

fn count(n: u64) -> f64 {
    n as f64
}

fn shares(stage: &StageUse) -> Vec<([(&str, &str); 2], f64)> {
    let of = |state: &'static str, share: f64| ([("stage", stage.stage.as_ref()), ("state", state)], share);
    let mut shares = vec![of("busy", stage.busy), of("waiting", stage.waiting), of("blocked", stage.blocked)];
    shares.extend(stage.held.iter().map(|(why, share)| of(held(*why), *share)));
    shares
}

fn held(why: WaitReason) -> &'static str {
    match why {
        WaitReason::Ledger => "held_ledger",
        WaitReason::Requests => "held_requests",
        WaitReason::InputTokens => "held_input_tokens",
        WaitReason::OutputTokens => "held_output_tokens",
        WaitReason::Tokens => "held_tokens",
        WaitReason::Refusal => "held_refusal",
        WaitReason::Overload => "held_overload",
        WaitReason::SlowStart => "held_slow_start",
        WaitReason::Suspicion => "held_suspicion",
        WaitReason::Budget => "held_budget",
        WaitReason::BudgetService => "held_budget_service",
        WaitReason::Pause => "held_pause",
    }
}

/// The lines of an exposition. Writing to a `String` cannot fail.
struct Text(String);

impl Text {
    fn one(&mut self, name: &str, kind: &str, help: &str, value: f64) {
        self.family(name, kind, help, [(&[][..], value)]);
    }

    fn family<'l>(&mut self, name: &str, kind: &str, help: &str, samples: impl IntoIterator<Item = (&'l [(&'l str, &'l str)], f64)>) {
        let _infallible = writeln!(self.0, "# HELP docmill_{name} {help}\n# TYPE docmill_{name} {kind}");
        for (labels, value) in samples {
            self.sample(name, labels, value);
        }
    }

    fn histogram(&mut self, name: &str, help: &str, latency: &Latency) {
        self.family(name, "histogram", help, []);
        let mut sum = 0;
        for (at, end) in Latency::UP_TO_S.iter().map(f64::to_string).chain(["+Inf".to_owned()]).enumerate() {
            sum += latency.counts.get(at).copied().unwrap_or(0);
            self.sample(&format!("{name}_bucket"), &[("le", &end)], count(sum));
        }
        self.sample(&format!("{name}_sum"), &[], latency.sum_s);
        self.sample(&format!("{name}_count"), &[], count(sum));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _infallible = writeln!(self.0, "docmill_{name}{labels} {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_values_are_escaped() {
        let mut seen = Seen::default();
        let model = "a\"b\\c\nd".to_owned();
        seen.see(&RunEvent::Started { version: 1, run: 3, provider: "p".into(), model, jobs: vec![], output: String::new() });
        assert!(seen.text().contains(r#"model="a\"b\\c\nd","#), "{}", seen.text());
    }

    #[test]
    fn histogram_buckets_are_cumulative() {
        let mut out = Text(String::new());
        let mut counts = vec![0; 13];
        (counts[Latency::step(0.05)], counts[Latency::step(0.3)], counts[Latency::step(1e9)]) = (1, 2, 4);
        out.histogram("d", "h", &Latency { counts, sum_s: 1.5 });
        for line in [
            "d_bucket{le=\"0.05\"} 1",
            "d_bucket{le=\"0.25\"} 1",
            "d_bucket{le=\"0.5\"} 3",
            "d_bucket{le=\"+Inf\"} 7",
            "d_count 7",
            "d_sum 1.5",
        ] {
            assert!(out.0.contains(&format!("docmill_{line}\n")), "{line} is not in\n{}", out.0);
        }
    }
}
