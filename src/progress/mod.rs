//! Watchers of a run: they show its progress and final summary.
//!
//! A watcher sees only events. During a run only the screen watcher writes to the terminal. It
//! writes to stderr, so progress never shares a stream with results. Further watchers, such as an
//! event log, run beside it. They never delay the run.

mod alarm;
mod alert;
mod bars;
mod duration;
mod event_log;
mod exposition;
mod failures;
mod fit;
mod lines;
mod metrics;
mod pace;
mod recent;
mod screen;
mod spans;
mod summary;
mod traces;

use crate::event::{self, RunEvent};
use crate::model::Tally;
pub use alarm::Alarm;
pub use alert::AlertSettings;
pub use duration::duration;
pub use event_log::EventLog;
pub use fit::{wrapped_for_stderr, wrapped_for_stdout};
pub use lines::line;
pub use metrics::MetricsServer;
pub use recent::Recent;
pub use screen::{complain, say};
pub(crate) use screen::{plain, plain_lines};
pub use traces::Traces;

use bars::Bars;
use failures::Failures;
use jiff::Timestamp;
use lines::Lines;
use pace::Pace;
use serde::Deserialize;
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, WeakSender};

/// The `[report]` section.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportSettings {
    /// Seconds between progress lines without a terminal.
    pub interval_s: u64,
    /// File for events as lines of JSON; `-` is stdout. Empty for none.
    pub events: String,
    /// Address at which metrics are served; empty for none.
    pub metrics: String,
    /// Address of the collector of traces; empty for none.
    pub traces: String,
}

/// How progress is shown on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Moving bars.
    Bars,
    /// A plain line at a fixed interval.
    Lines,
    /// Every event as a line of JSON.
    Json,
    /// Only failures, warnings and notes.
    Quiet,
    /// Bars for the run of another process, with stage loads.
    Watch,
}

/// The watchers of a run: one on the screen, and others beside it.
pub struct Watching {
    screen: Box<dyn Watcher>,
    beside: Vec<Box<dyn Watcher>>,
}

impl Style {
    /// Shows what must change before failed documents can succeed, and commands that may come next.
    pub fn advise(self, to_mend: &[String], commands: &[(String, String)]) {
        if matches!(self, Self::Bars | Self::Lines) {
            say(&summary::next(to_mend, commands, fit::terminal_width()));
        }
    }
}

impl Watching {
    /// Watches on the screen only.
    pub fn new(style: Style, settings: &ReportSettings) -> Self {
        let screen: Box<dyn Watcher> = match style {
            Style::Bars => Box::new(Bars::new(false)),
            Style::Watch => Box::new(Bars::new(true)),
            Style::Lines => Box::new(Lines::new(Duration::from_secs(settings.interval_s))),
            Style::Json => Box::new(Json(Pace::default())),
            Style::Quiet => Box::new(Quiet(Failures::default())),
        };
        Self { screen, beside: Vec::new() }
    }

    /// Adds an event log.
    pub fn log(&mut self, log: EventLog) {
        self.beside.push(Box::new(log));
    }

    /// Adds a metrics server.
    pub fn serve(&mut self, server: &MetricsServer) {
        self.beside.push(Box::new(server.board()));
    }

    /// Adds traces for the collector at `url`. Returns the task that sends them.
    pub fn trace(&mut self, url: &str) -> Result<Traces, String> {
        let (tracer, traces) = traces::traces(url)?;
        self.beside.push(Box::new(tracer));
        Ok(traces)
    }

    /// Adds alert rules. Returns the tasks that send the alerts.
    ///
    /// Commands do not get the environment variables named in `secrets`.
    pub fn alert(&mut self, alerts: &[AlertSettings], secrets: Vec<String>, events: &WeakSender<RunEvent>) -> Result<Alarm, String> {
        let (alerts, alarm) = alarm::alarm(alerts, secrets, events)?;
        self.beside.push(Box::new(alerts));
        Ok(alarm)
    }

    /// Passes an event to all watchers, and their warnings to the screen.
    pub fn see(&mut self, event: &RunEvent) {
        self.screen.see(event);
        for watcher in &mut self.beside {
            watcher.see(event);
        }
        let troubles: Vec<String> = self.beside.iter_mut().filter_map(|watcher| watcher.trouble()).collect();
        for message in troubles {
            self.screen.see(&RunEvent::Warning { message });
        }
    }

    /// Watches a run until its events end. Blocks the thread.
    pub fn watch(mut self, mut events: Receiver<RunEvent>) {
        while let Some(event) = events.blocking_recv() {
            self.see(&event);
        }
        // The last event is out, so these messages go straight to stderr.
        self.beside.iter_mut().filter_map(|watcher| watcher.end()).for_each(|message| complain(&message));
    }
}

trait Watcher: Send {
    fn see(&mut self, event: &RunEvent);

    /// Takes the message of a new fault of the watcher.
    fn trouble(&mut self) -> Option<String> {
        None
    }

    /// Ends watching after the last event. Returns the message of a fault like `trouble`.
    fn end(&mut self) -> Option<String> {
        self.trouble()
    }
}

struct Json(Pace);

impl Watcher for Json {
    fn see(&mut self, event: &RunEvent) {
        self.0.pass(event, |event| {
            if let Some(line) = event::line(event, Timestamp::now()) {
                say(&line);
            }
        });
    }
}

struct Quiet(Failures);

impl Watcher for Quiet {
    fn see(&mut self, event: &RunEvent) {
        let line = match event {
            RunEvent::UpToDate(tally) => self.0.earlier(tally),
            RunEvent::Finished { jobs, .. } => {
                let mut tally = Tally::default();
                for summary in jobs {
                    tally += &summary.totals.tally;
                }
                self.0.earlier(&tally)
            }
            other => self.0.line(other),
        };
        if let Some(line) = line {
            say(&line);
        }
    }
}
