//! Watchers of a run: bars on a terminal, plain lines elsewhere, JSON lines for programs, and the final summary.
//!
//! A watcher sees events and nothing else, and is the only one that writes to the terminal while a run goes on. It
//! writes to stderr: results never share a stream with progress.

mod bars;
mod failures;
mod lines;
mod summary;

use crate::event::RunEvent;
use bars::Bars;
use failures::Failures;
use lines::Lines;
use serde::Deserialize;
use std::io::Write;
use std::time::Duration;
use tokio::sync::mpsc::Receiver;

/// The `[report]` section.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportSettings {
    /// Seconds between progress lines without a terminal.
    pub interval_s: u64,
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
}

/// Watches a run until it is over. Blocks.
pub fn watch(mut events: Receiver<RunEvent>, style: Style, settings: &ReportSettings) {
    let interval = Duration::from_secs(settings.interval_s);
    let mut watcher: Box<dyn Watcher> = match style {
        Style::Bars => Box::new(Bars::new()),
        Style::Lines => Box::new(Lines::new(interval)),
        Style::Json => Box::new(Json),
        Style::Quiet => Box::new(Quiet(Failures::default())),
    };
    while let Some(event) = events.blocking_recv() {
        watcher.see(&event);
    }
}

trait Watcher {
    fn see(&mut self, event: &RunEvent);
}

struct Json;

impl Watcher for Json {
    fn see(&mut self, event: &RunEvent) {
        if let Ok(line) = serde_json::to_string(event) {
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
