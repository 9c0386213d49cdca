//! Writes the events of a run as lines of JSON.
//!
//! The target is a file, a FIFO or stdout.
//!
//! A separate thread writes the lines, so a slow reader never delays the run. If the channel to the
//! thread is full, events are dropped. A later `missed` event carries their number. If writing
//! fails, the log reports it once and the run goes on.

use super::Watcher;
use super::pace::Pace;
use crate::event::{RunEvent, line};
use jiff::Timestamp;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, channel, sync_channel};
use std::time::Duration;

/// A watcher that writes events to a file, a FIFO or stdout.
#[derive(Debug)]
pub struct EventLog {
    lines: Option<SyncSender<String>>,
    /// Receives the result of the thread. `None` after the result has been reported.
    ended: Option<Receiver<io::Result<()>>>,
    name: String,
    missed: u64,
    pace: Pace,
}

/// Maximum number of lines that wait for a slow reader. They take a megabyte or two.
const WAITING: usize = 4096;
/// Time limit for writing the remaining lines after a run.
const PATIENCE: Duration = Duration::from_secs(5);

impl EventLog {
    /// Opens `path` for appending, or stdout if it is `-`.
    pub fn open(path: &str) -> Result<Self, String> {
        let wrong = |e: io::Error| format!("cannot write events to {path}: {e}");
        let target = Target::of(path).map_err(wrong)?;
        let (lines, waiting) = sync_channel(WAITING);
        let (say, ended) = channel();
        let write = move || {
            let result = target.open().and_then(|out| write_all(out, &waiting));
            // The channel closes before the result is sent, so the watcher sends no more lines.
            drop(waiting);
            let _log_is_gone = say.send(result);
        };
        std::thread::Builder::new().name("docmill-events".into()).spawn(write).map_err(wrong)?;
        let name = if path == "-" { "stdout".to_owned() } else { path.to_owned() };
        Ok(Self { lines: Some(lines), ended: Some(ended), name, missed: 0, pace: Pace::default() })
    }

    fn write(&mut self, event: &RunEvent) {
        if self.missed > 0 && self.send(&RunEvent::Missed { events: self.missed }) {
            self.missed = 0;
        }
        self.missed += u64::from(self.missed > 0 || !self.send(event));
    }

    /// Queues an event. Returns `false` if the channel is full.
    fn send(&mut self, event: &RunEvent) -> bool {
        let (Some(lines), Some(line)) = (&self.lines, line(event, Timestamp::now())) else { return true };
        match lines.try_send(line) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => false,
            Err(TrySendError::Disconnected(_)) => {
                self.lines = None;
                true
            }
        }
    }
}

impl Watcher for EventLog {
    fn see(&mut self, event: &RunEvent) {
        let mut pace = std::mem::take(&mut self.pace);
        pace.pass(event, |event| self.write(event));
        self.pace = pace;
    }

    fn trouble(&mut self) -> Option<String> {
        let error = self.ended.as_ref()?.try_recv().ok()?.err()?;
        self.ended = None;
        Some(format!("cannot write further events to {}: {error}. The run continues", self.name))
    }

    fn end(&mut self) -> Option<String> {
        // Closing the channel lets the thread write the remaining lines and end.
        self.lines = None;
        let (name, missed) = (&self.name, self.missed);
        match self.ended.take()?.recv_timeout(PATIENCE) {
            Ok(Ok(())) if missed > 0 => Some(format!("the last {missed} events are not in {name}: its reader is too slow")),
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(format!("the last events are not in {name}: {error}")),
            Err(_) => Some(format!("the last events are not in {name}: its reader stopped reading")),
        }
    }
}

enum Target {
    Stdout,
    File(File),
    /// The thread opens a FIFO, because opening blocks without a reader.
    Fifo(PathBuf),
}

impl Target {
    fn of(path: &str) -> io::Result<Self> {
        if path == "-" {
            return Ok(Self::Stdout);
        }
        if is_fifo(Path::new(path)) {
            return Ok(Self::Fifo(path.into()));
        }
        File::options().create(true).append(true).open(path).map(Self::File)
    }

    fn open(self) -> io::Result<Box<dyn Write>> {
        Ok(match self {
            Self::Stdout => Box::new(io::stdout()),
            Self::File(file) => Box::new(file),
            Self::Fifo(path) => Box::new(File::options().write(true).open(path)?),
        })
    }
}

#[cfg(unix)]
fn is_fifo(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    std::fs::metadata(path).is_ok_and(|file| file.file_type().is_fifo())
}

#[cfg(not(unix))]
fn is_fifo(_path: &Path) -> bool {
    false
}

/// Writes lines until the channel closes. Flushes after each batch of waiting lines.
fn write_all(out: Box<dyn Write>, lines: &Receiver<String>) -> io::Result<()> {
    let mut out = BufWriter::new(out);
    while let Ok(line) = lines.recv() {
        writeln!(out, "{line}")?;
        for line in lines.try_iter().take(WAITING) {
            writeln!(out, "{line}")?;
        }
        out.flush()?;
    }
    Ok(())
}
