//! Writes finished rows to a stream, in the order of their lines or as they finish.

use crate::engine::StopToken;
use crate::model::{DocumentId, Row};
use crate::store::{Archive, StoreError};
use parking_lot::{Condvar, Mutex};
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// Time between looks at whether the reader has gone.
const LOOK: Duration = Duration::from_millis(100);

/// Hands finished rows to the thread that writes them.
#[derive(Debug, Default)]
pub struct Emitter {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Finished lines by number, with the name of the document and its number in the store.
    finished: BTreeMap<u64, (String, Option<DocumentId>)>,
    /// Lines that were read and not written yet.
    outstanding: u64,
    /// Whether the source has ended, and whether the stream takes no more.
    ended: bool,
    closed: bool,
}

/// A finished line: its number, and the name of its document with the number in the store.
type Finished = (u64, (String, Option<DocumentId>));

/// Where rows come from, and where they go.
pub struct Emission {
    /// The output directory, with the run store.
    pub directory: PathBuf,
    /// The recipe of the rows.
    pub recipe: i64,
    /// Whether rows have the order of their lines.
    pub ordered: bool,
    /// The stream.
    pub out: Box<dyn Write + Send>,
    /// Whether the reader of the stream has gone.
    pub is_gone: fn() -> bool,
    /// Cancelled when the stream takes no more rows.
    pub stop: StopToken,
}

impl fmt::Debug for Emission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emission").field("directory", &self.directory).field("ordered", &self.ordered).finish_non_exhaustive()
    }
}

/// Why rows could not be written.
#[derive(Debug, thiserror::Error)]
pub enum EmitError {
    /// The stream failed.
    #[error("stdout: cannot write to it: {0}")]
    Stream(#[from] io::Error),
    /// The run store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Emitter {
    /// Counts a line that was read.
    pub(super) fn begin(&self) {
        self.state.lock().outstanding += 1;
    }

    /// A line has its row, or gets none.
    pub(super) fn finished(&self, number: u64, name: String, document: Option<DocumentId>) {
        self.state.lock().finished.insert(number, (name, document));
        self.changed.notify_all();
    }

    /// Lines that were read and not written yet.
    pub(super) fn outstanding(&self) -> u64 {
        self.state.lock().outstanding
    }

    /// Whether the stream takes no more rows.
    pub(super) fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    /// Waits for a change, at most for `time`.
    pub(super) fn wait(&self, time: Duration) {
        self.changed.wait_for(&mut self.state.lock(), time);
    }

    /// The run has ended: finished rows are written, and then the thread ends.
    pub fn end(&self) {
        self.state.lock().ended = true;
        self.changed.notify_all();
    }

    /// Starts the thread that writes.
    pub fn start(self: &Arc<Self>, emission: Emission) -> io::Result<JoinHandle<Result<(), EmitError>>> {
        let (emitter, stop) = (Arc::clone(self), emission.stop.clone());
        std::thread::Builder::new().name("docmill-stdout".to_owned()).spawn(move || {
            let written = emitter.write(emission);
            emitter.state.lock().closed = true;
            // Rows without a reader are not worth another request.
            if written.is_err() {
                stop.stop("stdout has no reader");
            }
            emitter.changed.notify_all();
            written
        })
    }

    fn write(&self, Emission { directory, recipe, ordered, mut out, is_gone, stop: _ }: Emission) -> Result<(), EmitError> {
        let mut archive = None;
        let mut next = 0;
        loop {
            let rows = self.next_rows(&mut next, ordered, is_gone)?;
            if rows.is_empty() {
                return Ok(());
            }
            let mut written = 0;
            for (number, (name, document)) in rows {
                if let Some(document) = document {
                    let archive = open(&mut archive, &directory)?;
                    if let Some((_, text)) = archive.row_text(document, recipe)? {
                        writeln!(out, "{}", Row::line(number, &name, &text))?;
                    }
                }
                written += 1;
            }
            out.flush()?;
            self.state.lock().outstanding -= written;
            self.changed.notify_all();
        }
    }

    /// Waits for the next rows to write. Empty at the end. Fails if the reader has gone.
    fn next_rows(&self, next: &mut u64, ordered: bool, is_gone: fn() -> bool) -> Result<Vec<Finished>, EmitError> {
        const MOST: usize = 64;
        let mut state = self.state.lock();
        loop {
            let (mut rows, ended) = (Vec::new(), state.ended);
            while rows.len() < MOST
                && let Some(first) = state.finished.first_entry()
                // Lines that never finish, because the run stopped, hold up no others at the end.
                && (!ordered || *first.key() == *next || ended)
            {
                let (number, row) = first.remove_entry();
                *next = number + 1;
                rows.push((number, row));
            }
            if !rows.is_empty() || (state.ended && state.finished.is_empty()) {
                return Ok(rows);
            }
            if self.changed.wait_for(&mut state, LOOK).timed_out() && is_gone() {
                return Err(io::Error::from(io::ErrorKind::BrokenPipe).into());
            }
        }
    }
}

fn open<'a>(archive: &'a mut Option<Archive>, directory: &Path) -> Result<&'a Archive, EmitError> {
    if archive.is_none() {
        *archive = Archive::open(directory)?;
    }
    archive.as_ref().ok_or_else(|| io::Error::other("the run store was removed").into())
}
