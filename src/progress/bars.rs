//! Bars on a terminal, one for each stage. Failures are printed above them.

use super::failures::{Failures, plain};
use super::lines::waiting;
use super::recent::Recent;
use super::{Watcher, say, summary};
use crate::event::{RunEvent, Snapshot};
use crate::model::counted;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

pub(super) struct Bars {
    all: MultiProgress,
    read: ProgressBar,
    prepare: ProgressBar,
    ask: ProgressBar,
    write: ProgressBar,
    /// Latest text of an answer, or the limit that slows the run.
    live: ProgressBar,
    /// The load of each stage; only shown when watching another process.
    stages: Option<ProgressBar>,
    failures: Failures,
    recent: Recent,
}

impl Bars {
    pub fn new(with_stages: bool) -> Self {
        let all = MultiProgress::new();
        let bar = |name: &'static str| {
            let bar = all.add(ProgressBar::new(0));
            // The template is constant. If it were invalid, the default style would remain.
            if let Ok(style) = ProgressStyle::with_template("{prefix:>8} {bar:24} {pos:>7}/{len} {wide_msg}") {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_prefix(name);
            bar
        };
        let text = || {
            let line = all.add(ProgressBar::new(0));
            if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
                line.set_style(style);
            }
            line
        };
        let (live, stages) = (text(), with_stages.then(text));
        Self {
            stages,
            read: bar("read"),
            prepare: bar("prepare"),
            ask: bar("ask"),
            write: bar("write"),
            live,
            all,
            failures: Failures::default(),
            recent: Recent::default(),
        }
    }

    /// Prints a line above the bars. If the terminal is gone, hides the bars instead of panicking.
    fn above(&self, text: &str) {
        if self.all.is_hidden() {
            say(text);
        } else if self.all.println(text).is_err() {
            self.all.set_draw_target(ProgressDrawTarget::hidden());
        }
    }

    fn show(&self, s: &Snapshot) {
        let total = s.documents.unwrap_or(s.read + s.up_to_date);
        let [read, prepared, answered] = [s.read, s.prepared, s.answered].map(|done| done + s.up_to_date);
        for (bar, done) in [(&self.read, read), (&self.prepare, prepared), (&self.ask, answered), (&self.write, s.written)] {
            bar.set_length(total.max(done));
            bar.set_position(done);
        }
        let per_second = |n: u64| n as f64 / s.elapsed_s.max(0.1);
        self.read.set_message(format!("{:.0}/s", per_second(s.read)));
        self.prepare.set_message(format!("{:.0}/s", per_second(s.prepared)));
        let waiting = waiting(s).map_or_else(String::new, |text| format!("{text}, "));
        self.ask.set_message(format!(
            "{waiting}{:.1} calls/s, {} in flight, {}, {} failed",
            self.recent.requests_per_second(),
            s.in_flight,
            counted(s.retries, "retry"),
            s.failed
        ));
        let left = self.recent.left(s).map_or_else(String::new, |left| format!(", {left}"));
        self.write.set_message(format!("{} tokens in, {} out, {}{left}", s.input_tokens, s.output_tokens, s.cost));
        if let Some(line) = &self.stages {
            let stages: Vec<String> = s.stages.iter().map(|stage| format!("{} {:.0} %", stage.stage, 100.0 * stage.busy)).collect();
            let held = s.holding.and_then(|why| serde_json::to_value(why).ok());
            let held = held.as_ref().and_then(|why| why.as_str()).map_or_else(String::new, |why| format!("; held back: {why}"));
            line.set_message(format!("    busy  {}{held}; at most {} in flight", stages.join(", "), s.concurrency));
        }
        if let Some(answering) = &s.answering {
            self.live.set_message(plain(answering).into_owned());
        } else if let Some(limit) = s.limited_by.as_ref().filter(|_| !s.paused) {
            self.live.set_message(format!("{:>8} {limit}", "limit"));
        }
    }
}

impl Watcher for Bars {
    fn see(&mut self, event: &RunEvent) {
        match event {
            RunEvent::Progress(snapshot) => {
                self.recent.see(snapshot);
                self.show(snapshot);
            }
            RunEvent::Started { run, provider, model, jobs, output, .. } => {
                let line = format!("run {run}: {} with {provider} {model} -> {output}", jobs.join(", "));
                self.above(&line);
            }
            RunEvent::UpToDate(tally) => {
                self.above(&summary::up_to_date(tally));
                // Bars are useless if the run had nothing to do.
                if let Err(error) = self.all.clear() {
                    say(&format!("cannot write to the terminal: {error}"));
                }
            }
            RunEvent::Finished { jobs, .. } if jobs.is_empty() => {}
            RunEvent::Finished { jobs, results, .. } => {
                for bar in [&self.read, &self.prepare, &self.ask, &self.write] {
                    // The bars keep their positions, because the run may have stopped early.
                    bar.abandon();
                }
                self.live.finish_and_clear();
                say(&summary::text(jobs, results));
            }
            other => {
                if let Some(line) = self.failures.line(other) {
                    self.above(&line);
                }
            }
        }
    }
}
