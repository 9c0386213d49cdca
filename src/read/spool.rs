//! Contents of containers, in temporary files.
//!
//! Members are read in any order and by several threads, but a compressed archive can be read only
//! from its beginning. So the first member that is read unpacks all of them into one temporary file.
//! A few such files are kept.

use super::progress::Progress;
use super::stamp::{stamp, too_large};
use super::unpacker::Unpacker;
use crate::model::{ContainerMember, Failure, FailureCode, Stamp};
use crate::prepare::Frame;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Maximum number of temporary files.
const KEPT: usize = 16;
/// Time after which a waiting thread looks again.
const PATIENCE: Duration = Duration::from_millis(200);

/// The unpacked containers.
#[derive(Debug, Default)]
pub(super) struct Spools(Mutex<VecDeque<Arc<Spool>>>);

/// A container that is unpacked, or being unpacked.
#[derive(Debug)]
struct Spool {
    container: PathBuf,
    stamp: Stamp,
    archives: bool,
    member_bytes: u64,
    /// Counts the frames that were read.
    steps: AtomicU64,
    unpacked: Mutex<Option<Result<Unpacked, Failure>>>,
}

#[derive(Debug)]
struct Unpacked {
    file: File,
    /// Where each member begins, and its length.
    pieces: Vec<Result<(u64, u64), Failure>>,
    /// Why members behind these are missing.
    rest: Option<Failure>,
}

impl Spools {
    /// Reads a member of the container that was opened as `file`. Blocks. Unpacks the container first, if
    /// that was not done.
    pub fn read(
        &self,
        unpacker: &Unpacker,
        member: &ContainerMember,
        file: File,
        max_bytes: u64,
        progress: &Progress,
    ) -> Result<Vec<u8>, Failure> {
        let changed = || {
            let what = "the file that contains it changed or disappeared after its members were listed. Run again";
            Failure::new(FailureCode::Vanished, what)
        };
        if file.metadata().ok().map(|metadata| stamp(&metadata)) != Some(member.container_stamp) {
            return Err(changed());
        }
        let spool = self.of(member, max_bytes);
        let mut seen = 0;
        let mut unpacked = loop {
            if let Some(unpacked) = spool.unpacked.try_lock_for(PATIENCE) {
                break unpacked;
            }
            // Another thread unpacks it, or has hung.
            let steps = spool.steps.load(Relaxed);
            if steps > seen {
                seen = steps;
                progress.step();
            }
        };
        let unpacked =
            unpacked.get_or_insert_with(|| spool.unpack(unpacker, file, progress)).as_mut().map_err(|failure| failure.clone())?;
        let number = usize::try_from(member.number).unwrap_or(usize::MAX);
        let (start, length) = unpacked.pieces.get(number).ok_or_else(|| unpacked.rest.clone().unwrap_or_else(changed))?.clone()?;
        if length == 0 {
            return Err(Failure::new(FailureCode::Empty, "the file is empty (0 bytes)"));
        }
        if length > max_bytes {
            return Err(too_large(length, max_bytes));
        }
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        let read = unpacked.file.seek(SeekFrom::Start(start)).and_then(|_| unpacked.file.read_exact(&mut bytes));
        progress.step();
        read.map(|()| bytes).map_err(|error| no_file(&error))
    }

    /// The spool of the container of a member.
    fn of(&self, member: &ContainerMember, member_bytes: u64) -> Arc<Spool> {
        let mut spools = self.0.lock();
        let is_it = |spool: &Arc<Spool>| {
            spool.container == member.container
                && spool.stamp == member.container_stamp
                && spool.archives == member.archives
                && spool.member_bytes == member_bytes
        };
        let found = spools.iter().position(is_it).and_then(|at| spools.remove(at));
        let spool = found.unwrap_or_else(|| {
            Arc::new(Spool {
                container: member.container.clone(),
                stamp: member.container_stamp,
                archives: member.archives,
                member_bytes,
                steps: AtomicU64::new(0),
                unpacked: Mutex::new(None),
            })
        });
        // The one that was used longest ago goes first.
        spools.push_back(Arc::clone(&spool));
        if spools.len() > KEPT {
            spools.pop_front();
        }
        spool
    }
}

impl Spool {
    fn unpack(&self, unpacker: &Unpacker, packed: File, progress: &Progress) -> Result<Unpacked, Failure> {
        let request = unpacker.request(&self.container, self.archives, Some(self.member_bytes));
        let mut file = BufWriter::new(tempfile::tempfile().map_err(|error| no_file(&error))?);
        let mut pieces: Vec<Result<(u64, u64), Failure>> = Vec::new();
        let (mut end, mut rest) = (0, None);
        let mut frames = unpacker.unpack(packed, &self.container, &request).map_err(|error| unreadable(&error))?;
        loop {
            self.steps.fetch_add(1, Relaxed);
            progress.step();
            match frames.next() {
                Ok(Frame::Member(member)) => pieces.push(member.failure.map_or(Ok((end, 0)), Err)),
                Ok(Frame::Content(bytes)) => {
                    file.write_all(&bytes).map_err(|error| no_file(&error))?;
                    end += bytes.len() as u64;
                    if let Some(Ok((_, length))) = pieces.last_mut() {
                        *length += bytes.len() as u64;
                    }
                }
                Ok(Frame::Failed(failure)) => {
                    if let Some(last) = pieces.last_mut() {
                        *last = Err(failure);
                    }
                }
                Ok(Frame::End(_)) => break,
                // The members before it are sound.
                Err(error) => {
                    if let Some(last) = pieces.last_mut() {
                        *last = Err(unreadable(&error));
                    }
                    rest = Some(unreadable(&error));
                    break;
                }
            }
        }
        let file = file.into_inner().map_err(|error| no_file(error.error()))?;
        Ok(Unpacked { file, pieces, rest })
    }
}

fn unreadable(error: &io::Error) -> Failure {
    Failure::new(FailureCode::PrepareLimit, format!("cannot unpack the file that contains it: {error}"))
}

fn no_file(error: &io::Error) -> Failure {
    let why = format!("cannot write the unpacked file to the temporary directory: {error}. Free space there, or set TMPDIR");
    Failure::new(FailureCode::Unreadable, why)
}
