//! Watchers of a run: bars on a terminal, plain lines elsewhere, JSON lines for programs, and the final summary.
//!
//! A watcher sees events and nothing else, and is the only one that writes to the terminal while a run goes on. It
//! writes to stderr: results never share a stream with progress. Others may look on beside it: a log of events, a page of
//! metrics, traces, alerts. None of them holds up the run.

mod alarm;
mod alert;
mod bars;
mod event_log;
mod exposition;
mod failures;
mod lines;
mod metrics;
mod recent;
mod spans;
mod summary;
mod traces;

use crate::event::{self, RunEvent};
pub use alarm::Alarm;
pub use alert::AlertSettings;
pub use event_log::EventLog;
pub(crate) use failures::plain;
pub use lines::{duration, line};
pub use metrics::MetricsServer;
pub use recent::Recent;
pub use traces::Traces;

use bars::Bars;
use failures::Failures;
use jiff::Timestamp;
use lines::Lines;
use serde::Deserialize;
use std::io::Write;
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, WeakSender};

/// The `[report]` section.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportSettings {
    /// Seconds between progress lines without a terminal.
    pub interval_s: u64,
    /// File for the events as lines of JSON, or `-`; empty for none.
    pub events: String,
    /// Address at which metrics are served; empty for none.
    pub metrics: String,
    /// Collector that traces are sent to; empty for none.
    pub traces: String,
}

/// How a run is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Moving bars.
    Bars,
    /// A line now and then.
    Lines,
    /// Every event as a line of JSON.
    Json,
    /// Nothing but failures.
    Quiet,
    /// Bars for a run of another process.
    Watch,
}

/// Who watches a run.
pub struct Watching {
    screen: Box<dyn Watcher>,
    beside: Vec<Box<dyn Watcher>>,
}

impl Watching {
    /// Shows it on the screen.
    pub fn new(style: Style, settings: &ReportSettings) -> Self {
        let screen: Box<dyn Watcher> = match style {
            Style::Bars => Box::new(Bars::new(false)),
            Style::Watch => Box::new(Bars::new(true)),
            Style::Lines => Box::new(Lines::new(Duration::from_secs(settings.interval_s))),
            Style::Json => Box::new(Json),
            Style::Quiet => Box::new(Quiet(Failures::default())),
        };
        Self { screen, beside: Vec::new() }
    }

    /// Logs events as well.
    pub fn log(&mut self, log: EventLog) {
        self.beside.push(Box::new(log));
    }

    /// Serves metrics as well.
    pub fn serve(&mut self, server: &MetricsServer) {
        self.beside.push(Box::new(server.board()));
    }

    /// Sends traces to the collector at `url` as well; gives those on their way.
    pub fn trace(&mut self, url: &str) -> Result<Traces, String> {
        let (tracer, traces) = traces::traces(url)?;
        self.beside.push(Box::new(tracer));
        Ok(traces)
    }

    /// Looks for what somebody wants to be alerted of, as well; gives the alerts on their way.
    pub fn alert(&mut self, alerts: &[AlertSettings], events: &WeakSender<RunEvent>) -> Result<Alarm, String> {
        let (alerts, alarm) = alarm::alarm(alerts, events)?;
        self.beside.push(Box::new(alerts));
        Ok(alarm)
    }

    /// Sees one event.
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

    /// Watches a run until it is over. Blocks.
    pub fn watch(mut self, mut events: Receiver<RunEvent>) {
        while let Some(event) = events.blocking_recv() {
            self.see(&event);
        }
        // Nothing follows the last event, in no form.
        self.beside.iter_mut().filter_map(|watcher| watcher.end()).for_each(|message| complain(&message));
    }
}

trait Watcher: Send {
    fn see(&mut self, event: &RunEvent);

    /// What has gone wrong with watching since it was asked last.
    fn trouble(&mut self) -> Option<String> {
        None
    }

    /// The same, when the run is over and nothing more comes.
    fn end(&mut self) -> Option<String> {
        self.trouble()
    }
}

struct Json;

impl Watcher for Json {
    fn see(&mut self, event: &RunEvent) {
        if let Some(line) = event::line(event, Timestamp::now()) {
            say(&line);
        }
    }
}

struct Quiet(Failures);

impl Watcher for Quiet {
    fn see(&mut self, event: &RunEvent) {
        if let Some(line) = self.0.line(event) {
            say(&line);
        }
    }
}

/// Writes an error that ends the program, which may quote a server, to stderr.
pub fn complain(message: &str) {
    let lines: Vec<_> = message.lines().map(failures::plain).collect();
    say(&format!("docmill: {}", lines.join("\n")));
}

/// Writes a line to stderr. A closed stderr is no reason to stop a run that costs money.
pub fn say(line: &str) {
    let _closed = writeln!(std::io::stderr().lock(), "{line}");
}
