//! Lines of standard input: JSON lines in, rows as JSON lines out.
//!
//! A line is written to stdout once its row is durable, and flushed. A limited number of lines is
//! in work, so memory is flat, and a reader of stdout that does not read stops the reading of stdin.

use super::emitter::Emitter;
use crate::engine::{Arrival, Arrivals, Ended, Fate};
use crate::model::{FailureCode, Place, RowStatus};
use crate::read::{Line, Lines};
use crate::store::ResultOrder;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Lines that were read and wait.
const READ: usize = 64;
/// Maximum number of lines in work, or finished and not written yet.
const IN_WORK: u64 = 10_000;
/// Maximum number of lines that wait for an equal one.
const HELD: usize = 256;
/// Documents that are offered at a time.
const BATCH: usize = 64;
/// Maximum time in which a stop is noticed.
const TICK: Duration = Duration::from_millis(100);

/// A line with its number, from 1. Empty lines count, and are no documents.
#[derive(Debug)]
struct Numbered {
    number: u64,
    line: Line,
}

/// A source of lines.
#[derive(Debug)]
pub struct LineSource {
    lines: Lines,
    read: Mutex<Receiver<io::Result<Numbered>>>,
    emitter: Arc<Emitter>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Number of lines so far.
    next: u64,
    ended: bool,
    /// Whether the run has left a line without a row.
    is_left: bool,
    /// Numbers of lines in work, by the name of their document.
    in_flight: HashMap<String, u64>,
    /// Lines that wait for the end of an equal one, and those that need not wait any more.
    held: HashMap<String, VecDeque<(u64, Arrival)>>,
    held_count: usize,
    free: VecDeque<(u64, Arrival)>,
    notes: Vec<String>,
    /// Failed rows by code.
    failed: HashMap<Option<FailureCode>, u64>,
}

impl LineSource {
    /// Reads standard input on a thread. `emitter` writes the rows.
    pub fn start(lines: Lines, emitter: Arc<Emitter>) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(READ);
        // A read of standard input cannot be interrupted, so the thread is left behind at the end.
        std::thread::Builder::new().name("docmill-stdin".to_owned()).spawn(move || read_lines(&sender))?;
        Ok(Self { lines, read: Mutex::new(receiver), emitter, state: Mutex::default() })
    }

    /// Whether standard input has ended.
    pub fn has_ended(&self) -> bool {
        self.state.lock().ended
    }

    /// Number of failed rows, without those with the accepted codes.
    pub fn failed_beyond(&self, accepted: &[FailureCode]) -> u64 {
        let state = self.state.lock();
        state.failed.iter().filter(|(code, _)| code.is_none_or(|code| !accepted.contains(&code))).map(|(_, count)| count).sum()
    }

    /// The next lines, without those that wait for an equal one.
    fn take(&self, stop: &CancellationToken) -> Option<Vec<Arrival>> {
        let read = self.read.lock();
        let mut arrivals = Vec::new();
        loop {
            let mut state = self.state.lock();
            while arrivals.len() < BATCH
                && let Some((number, arrival)) = state.free.pop_front()
            {
                state.in_flight.insert(arrival.name.clone(), number);
                arrivals.push(arrival);
            }
            if stop.is_cancelled() || self.emitter.is_closed() || (state.ended && state.in_flight.is_empty() && state.held_count == 0) {
                return (!arrivals.is_empty()).then_some(arrivals);
            }
            let is_full = state.ended || state.held_count >= HELD || self.emitter.outstanding() >= IN_WORK;
            if is_full || arrivals.len() >= BATCH {
                drop(state);
                if !arrivals.is_empty() {
                    return Some(arrivals);
                }
                self.emitter.wait(TICK);
                continue;
            }
            drop(state);
            let patience = if arrivals.is_empty() { TICK } else { Duration::ZERO };
            match read.recv_timeout(patience) {
                Ok(Ok(line)) => arrivals.extend(self.arrival(&line)),
                Ok(Err(error)) => {
                    let mut state = self.state.lock();
                    state.notes.push(format!("standard input: cannot read it: {error}. docmill treats this as its end"));
                    state.ended = true;
                }
                Err(RecvTimeoutError::Timeout) if arrivals.is_empty() => {}
                Err(RecvTimeoutError::Timeout) => return Some(arrivals),
                Err(RecvTimeoutError::Disconnected) => self.state.lock().ended = true,
            }
        }
    }

    /// The document of a line. `None` if an equal one is in work.
    fn arrival(&self, Numbered { number: line_no, line }: &Numbered) -> Option<Arrival> {
        let mut state = self.state.lock();
        let number = state.next;
        state.next += 1;
        drop(state);
        let (name, place, failure) = self.lines.document(line, *line_no);
        let mut state = self.state.lock();
        if number == 0 {
            let missing = self.lines.missing(line);
            let note = |column: String| format!("the first line has no column \"{column}\" (--text-column, --id-column, --keep-columns)");
            state.notes.extend(missing.into_iter().map(note));
        }
        self.emitter.begin();
        let stamp = match &place {
            Place::Row(row) => Some(row.stamp),
            _ => None,
        };
        let arrival = Arrival { name, place, failure, stamp, is_scanned: false };
        if state.in_flight.contains_key(&arrival.name) {
            state.held_count += 1;
            state.held.entry(arrival.name.clone()).or_default().push_back((number, arrival));
            return None;
        }
        state.in_flight.insert(arrival.name.clone(), number);
        Some(arrival)
    }
}

/// Reads lines until the end of standard input, or until nobody takes them.
fn read_lines(lines: &SyncSender<io::Result<Numbered>>) {
    let mut stdin = io::stdin().lock();
    for number in 1.. {
        let read = match Line::read(&mut stdin) {
            Ok(None) => return,
            Ok(Some(line)) if number == 1 => Ok(Numbered { number, line: line.without_mark() }),
            Ok(Some(line)) => Ok(Numbered { number, line }),
            Err(error) => Err(error),
        };
        if read.as_ref().is_ok_and(|read| read.line.is_empty()) {
            continue;
        }
        // After an error the receiver ends.
        let is_over = read.is_err();
        if lines.send(read).is_err() || is_over {
            return;
        }
    }
}

impl Arrivals for LineSource {
    fn next(&self, stop: &CancellationToken) -> Option<Vec<Arrival>> {
        self.take(stop)
    }

    fn ended(&self, ended: Ended) {
        let mut state = self.state.lock();
        let Some(number) = state.in_flight.remove(&ended.name) else { return };
        if let Some(held) = state.held.get_mut(&ended.name) {
            let next = held.pop_front();
            if held.is_empty() {
                state.held.remove(&ended.name);
            }
            state.held_count -= usize::from(next.is_some());
            state.free.extend(next);
        }
        let document = match ended.fate {
            Fate::Done { document, status, .. } => {
                if let Some((status, code)) = status
                    && !matches!(status, RowStatus::Ok | RowStatus::Skipped)
                {
                    *state.failed.entry(code).or_default() += 1;
                }
                Some(document)
            }
            Fate::Changed => None,
            Fate::Pending => {
                state.is_left = true;
                None
            }
        };
        drop(state);
        self.emitter.finished(number, ended.name, document);
    }

    fn again(&self, _: &str) -> bool {
        false
    }

    fn has(&self, name: &str) -> bool {
        let state = self.state.lock();
        state.in_flight.contains_key(name) || state.held.contains_key(name)
    }

    fn notes(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().notes)
    }

    fn keeps(&self, _: &str) -> bool {
        true
    }

    fn removals(&self) -> u64 {
        0
    }

    fn order(&self) -> ResultOrder {
        ResultOrder::Arrival
    }

    fn renames(&self) -> bool {
        false
    }

    fn has_passed(&self) -> bool {
        let state = self.state.lock();
        state.ended && !state.is_left && state.in_flight.is_empty() && state.held_count == 0 && state.free.is_empty()
    }

    fn publish_every(&self) -> Option<Duration> {
        None
    }
}
