//! Reading one document.

use super::remote::Remote;
use crate::model::{Failure, FailureCode, Stamp};
use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Files up to this size are read as soon as they are open; larger ones when there is memory for them.
const SMALL: u64 = 64 * 1024;

/// An opened document.
#[derive(Debug)]
pub enum Opened {
    /// A small one, read already.
    Read(Vec<u8>),
    /// A large one: reserve `size` bytes, then call [`Opened::read`].
    Waiting {
        /// The file.
        file: File,
        /// Its size in bytes.
        size: u64,
    },
    /// One that is elsewhere, of which only the listing was read: reserve `size` bytes, then call [`Opened::read`].
    Elsewhere {
        /// The input that it is in.
        input: Arc<Remote>,
        /// Its key.
        key: String,
        /// Its size in bytes, as listed.
        size: u64,
    },
}

/// Opens a file and reads it if it is small. The stamp is that of before reading, so that a later change shows; there
/// is none if the file was written so shortly before that a change could go unseen. Blocks.
pub(super) fn open(path: &Path, max_bytes: u64) -> (Result<Opened, Failure>, Option<Stamp>) {
    // A pipe would be waited for before it could be seen what it is.
    let is_file = std::fs::metadata(path).map(|metadata| metadata.is_file());
    if let Ok(false) = is_file {
        return (Err(Failure::new(FailureCode::Unreadable, "this is no file")), None);
    }
    let opened = File::open(path).and_then(|file| Ok((file.metadata()?, file)));
    let (metadata, file) = match opened {
        Ok(opened) => opened,
        Err(error) => return (Err(failure(&error)), None),
    };
    let stamp = stamp(&metadata);
    (open_file(file, &metadata, max_bytes), Some(stamp).filter(is_settled))
}

fn open_file(file: File, metadata: &Metadata, max_bytes: u64) -> Result<Opened, Failure> {
    if !metadata.is_file() {
        return Err(Failure::new(FailureCode::Unreadable, "this is no longer a file"));
    }
    let size = metadata.len();
    if size > max_bytes {
        return Err(too_large(size, max_bytes));
    }
    let opened = Opened::Waiting { file, size };
    if size <= SMALL { opened.read(max_bytes).map(Opened::Read) } else { Ok(opened) }
}

/// What the file system says about the file at `path`, if there is one.
pub(super) fn stamp_of(path: &Path) -> Option<Stamp> {
    std::fs::metadata(path).ok().filter(Metadata::is_file).map(|metadata| stamp(&metadata))
}

/// Clocks of file systems may tick as slowly as this: within one tick a file can change twice and look the same.
const TICK: Duration = Duration::from_secs(2);

pub(super) fn is_settled(stamp: &Stamp) -> bool {
    let now = SystemTime::now().checked_sub(TICK).map_or(0, nanoseconds);
    stamp.modified_ns < now && stamp.changed_ns < now
}

fn stamp(metadata: &Metadata) -> Stamp {
    let modified_ns = metadata.modified().map_or(0, nanoseconds);
    #[cfg(unix)]
    let changed_ns = {
        use std::os::unix::fs::MetadataExt as _;
        metadata.ctime().saturating_mul(1_000_000_000).saturating_add(metadata.ctime_nsec())
    };
    #[cfg(not(unix))]
    let changed_ns = 0;
    Stamp { size: metadata.len(), modified_ns, changed_ns }
}

pub(super) fn nanoseconds(time: SystemTime) -> i64 {
    let whole = |time: Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
    time.duration_since(UNIX_EPOCH).map_or_else(|before| -whole(before.duration()), whole)
}

impl Opened {
    /// The bytes of the document. Blocks. A file that grew meanwhile is read up to `max_bytes` and then refused.
    pub fn read(self, max_bytes: u64) -> Result<Vec<u8>, Failure> {
        let (file, size) = match self {
            Self::Read(bytes) => return Ok(bytes),
            Self::Waiting { file, size } => (file, size),
            Self::Elsewhere { input, key, .. } => return input.fetch(&key, max_bytes),
        };
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        file.take(max_bytes + 1).read_to_end(&mut bytes).map_err(|e| failure(&e))?;
        if bytes.len() as u64 > max_bytes {
            return Err(too_large(bytes.len() as u64, max_bytes));
        }
        if bytes.is_empty() {
            return Err(Failure::new(FailureCode::Empty, "the file has no bytes"));
        }
        Ok(bytes)
    }

    /// Bytes that it takes in memory.
    pub fn size(&self) -> u64 {
        match self {
            Self::Read(bytes) => bytes.len() as u64,
            Self::Waiting { size, .. } | Self::Elsewhere { size, .. } => *size,
        }
    }
}

pub(super) fn too_large(size: u64, max_bytes: u64) -> Failure {
    let message = format!("the file has {:.1} MB, more than read.max_file_mb = {}", size as f64 / 1e6, max_bytes / 1_000_000);
    Failure::new(FailureCode::TooLarge, message)
}

fn failure(error: &std::io::Error) -> Failure {
    match error.kind() {
        ErrorKind::NotFound => Failure::new(FailureCode::Vanished, "the file was listed and is gone now"),
        _ => Failure::new(FailureCode::Unreadable, format!("the file cannot be read: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::FileTimes;

    #[test]
    fn a_file_that_was_written_just_now_has_no_stamp_that_counts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, "x").unwrap();
        // Nor does it help to set its time back: that shows in the time of change.
        File::options().write(true).open(&path).unwrap().set_times(FileTimes::new().set_modified(UNIX_EPOCH)).unwrap();
        let (opened, stamp) = open(&path, 100);
        assert!(matches!(opened, Ok(Opened::Read(bytes)) if bytes == b"x"));
        assert_eq!(stamp, None);
        assert_eq!(stamp_of(&path).map(|stamp| (stamp.size, stamp.modified_ns)), Some((1, 0)));
    }

    #[test]
    fn a_file_that_nobody_touches_keeps_its_stamp() {
        // This one is older than the program that is reading it.
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let (_, stamp) = open(&path, 1_000_000);
        assert!(stamp.is_some());
        assert_eq!(stamp, stamp_of(&path));
        assert_eq!(stamp_of(path.parent().unwrap()), None, "a directory has none");
        assert_eq!(stamp_of(Path::new("/nowhere/at all")), None);
    }

    #[test]
    fn a_stamp_is_settled_when_both_of_its_times_are_past() {
        let one = Stamp { size: 1, modified_ns: 2, changed_ns: 3 };
        assert!(is_settled(&one));
        let soon = nanoseconds(SystemTime::now() + TICK);
        assert!(!is_settled(&Stamp { modified_ns: soon, ..one }) && !is_settled(&Stamp { changed_ns: soon, ..one }));
        assert_eq!(nanoseconds(UNIX_EPOCH - Duration::from_secs(1)), -1_000_000_000);
    }
}
