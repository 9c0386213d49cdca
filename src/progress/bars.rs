//! Bars on a terminal, one for each stage. Failures are printed above them.

use super::failures::{Failures, readable};
use super::fit::{cut, fitted, width, wrapped};
use super::lines::waiting;
use super::recent::Recent;
use super::screen::plain_lines;
use super::{Watcher, say, summary};
use crate::event::{RunEvent, Snapshot};
use crate::model::counted;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Columns of the names of lines.
const HEAD: usize = 9;
/// Columns in front of a bar's message.
const BAR: usize = 41;

pub(super) struct Bars {
    all: MultiProgress,
    read: ProgressBar,
    prepare: ProgressBar,
    ask: ProgressBar,
    write: ProgressBar,
    /// Time left, cost and tokens.
    totals: ProgressBar,
    /// What requests wait for, the answer in progress, or the limit that slows the run.
    now: ProgressBar,
    /// The load of each stage; only shown when watching another process.
    stages: Option<ProgressBar>,
    /// What each of several servers does.
    servers: Option<ProgressBar>,
    failures: Failures,
    recent: Recent,
}

impl Bars {
    pub fn new(with_stages: bool) -> Self {
        let all = MultiProgress::new();
        let bar = |name: &'static str| {
            let bar = all.add(ProgressBar::new(0));
            // The template is constant. If it were invalid, the default style would remain.
            if let Ok(style) = ProgressStyle::with_template("{prefix:>8} {bar:14} {pos:>7}/{len:7} {msg}") {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_prefix(name);
            bar
        };
        let text = |name| text_line(&all, name);
        let [read, prepare, ask, write] = ["read", "prepare", "ask", "write"].map(bar);
        let (totals, now, stages) = (text("so far"), text(""), with_stages.then(|| text("busy")));
        Self {
            all,
            read,
            prepare,
            ask,
            write,
            totals,
            now,
            stages,
            servers: None,
            failures: Failures::default(),
            recent: Recent::default(),
        }
    }

    /// Prints a line above the bars. If the terminal is gone, hides the bars instead of panicking.
    fn above(&self, text: &str) {
        let text: Vec<String> = text.lines().map(|line| wrapped(line, 2, width())).collect();
        let text = text.join("\n");
        if self.all.is_hidden() {
            say(&text);
        } else if self.all.println(plain_lines(&text)).is_err() {
            self.all.set_draw_target(ProgressDrawTarget::hidden());
        }
    }

    /// Removes the bars. The summary has all counts, also those of earlier runs.
    fn clear(&self) {
        let bars = [&self.read, &self.prepare, &self.ask, &self.write, &self.totals, &self.now];
        bars.into_iter().chain(&self.stages).chain(&self.servers).for_each(ProgressBar::finish_and_clear);
    }

    fn show(&mut self, s: &Snapshot) {
        let total = s.documents.unwrap_or(s.read + s.up_to_date);
        let [read, prepared, answered] = [s.read, s.prepared, s.answered].map(|done| done + s.up_to_date);
        for (bar, done) in [(&self.read, read), (&self.prepare, prepared), (&self.ask, answered), (&self.write, s.written)] {
            bar.set_length(total.max(done));
            bar.set_position(done);
        }
        let (beside_bar, whole) = (width().saturating_sub(BAR), width() - HEAD);
        let per_second = |n: u64| fitted(&[format!("{:.0}/s", n as f64 / s.elapsed_s.max(0.1))], beside_bar);
        self.read.set_message(per_second(s.read));
        self.prepare.set_message(per_second(s.prepared));
        let some = |n: u64, text: String| if n > 0 { text } else { String::new() };
        let asking = [
            format!("{:.1} calls/s", self.recent.requests_per_second()),
            format!("{} in flight", s.in_flight),
            some(s.retries, counted(s.retries, "retry")),
        ];
        self.ask.set_message(fitted(&asking, beside_bar));
        self.write.set_message(fitted(&[some(s.failed, format!("{} failed", s.failed))], beside_bar));
        let totals = [
            self.recent.left(s).unwrap_or_default(),
            s.cost.to_string(),
            format!("{} tokens in", s.input_tokens),
            format!("{} out", s.output_tokens),
        ];
        self.totals.set_message(fitted(&totals, whole));
        let now =
            waiting(s).or_else(|| s.answering.as_deref().map(readable)).or_else(|| Some(format!("limit: {}", s.limited_by.as_ref()?)));
        self.now.set_message(cut(&now.unwrap_or_default(), whole));
        if !s.servers.is_empty() {
            let line = self.servers.get_or_insert_with(|| text_line(&self.all, "servers"));
            let servers: Vec<String> = s.servers.iter().map(ToString::to_string).collect();
            line.set_message(cut(&servers.join(", "), whole));
        }
        if let Some(line) = &self.stages {
            let stages = s.stages.iter().map(|stage| format!("{} {:.0} %", stage.stage, 100.0 * stage.busy));
            let stages: Vec<String> = stages.chain([format!("at most {} in flight", s.concurrency)]).collect();
            line.set_message(fitted(&stages, whole));
        }
    }
}

/// A line of text among the bars.
fn text_line(all: &MultiProgress, name: &'static str) -> ProgressBar {
    let line = all.add(ProgressBar::new(0));
    if let Ok(style) = ProgressStyle::with_template("{prefix:>8} {msg}") {
        line.set_style(style);
    }
    line.set_prefix(name);
    line
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
                self.above(&summary::up_to_date(tally, Some(width())));
                self.clear();
            }
            RunEvent::Finished { jobs, .. } if jobs.is_empty() => {}
            RunEvent::Finished { jobs, results, .. } => {
                self.clear();
                say(&summary::text(jobs, results, Some(width())));
            }
            other => {
                if let Some(line) = self.failures.line(other) {
                    self.above(&line);
                }
            }
        }
    }
}
