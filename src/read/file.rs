//! Opens and reads one document.

use super::progress::{Progress, Watched};
use super::remote::Remote;
use super::stamp::{is_settled, stamp, too_large};
use crate::model::{Failure, FailureCode, Stamp};
use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;

/// Files up to this size in bytes are read at once. Larger files wait for memory.
const SMALL: u64 = 64 * 1024;

/// An opened document.
#[derive(Debug)]
pub enum Opened {
    /// The bytes of a small document.
    Read(Vec<u8>),
    /// A large file: reserve `size` bytes, then call [`Opened::read`].
    Waiting {
        /// The file.
        file: File,
        /// Its size in bytes.
        size: u64,
    },
    /// A remote document, listed only. Reserve `size` bytes, then call [`Opened::read`].
    Elsewhere {
        /// The input that contains it.
        input: Arc<Remote>,
        /// Its key.
        key: String,
        /// Its size in bytes, as listed.
        size: u64,
    },
    /// Several files that are one document, or a member of a container. Reserve `size` bytes, then
    /// call [`Opened::read`].
    Later {
        /// Reads them.
        files: Files,
        /// Their size in bytes.
        size: u64,
    },
}

type ReadFiles = dyn FnOnce(u64, &Progress) -> Result<Vec<u8>, Failure> + Send;

/// What reads a document that is not one file.
pub struct Files(pub(super) Box<ReadFiles>);

impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Files")
    }
}

/// Opens a file and reads it if it is small. Blocks. `admits` decides about the opened file.
///
/// The stamp is taken before reading, so that a later change is detected. It is `None` if the file
/// changed too recently for a further change to show.
pub(super) fn open(path: &Path, max_bytes: u64, admits: impl Fn(&File) -> bool) -> (Result<Opened, Failure>, Option<Stamp>) {
    // To open a device may have effects, so its kind is checked first.
    let is_file = std::fs::metadata(path).map(|metadata| metadata.is_file());
    if let Ok(false) = is_file {
        return (Err(Failure::new(FailureCode::Unreadable, "this is not a regular file")), None);
    }
    let opened = open_at_once(path).and_then(|file| Ok((file.metadata()?, file)));
    let (metadata, file) = match opened {
        Ok(opened) => opened,
        Err(error) => return (Err(failure(&error)), None),
    };
    if is_of_kernel(&file) {
        return (Err(Failure::new(FailureCode::Unreadable, "this is a file of the kernel, such as in /proc")), None);
    }
    if !admits(&file) {
        let why = "this is a link that leads out of its directory (input.follow_links)";
        return (Err(Failure::new(FailureCode::Unreadable, why)), None);
    }
    let stamp = stamp(&metadata);
    (open_file(file, &metadata, max_bytes), Some(stamp).filter(is_settled))
}

/// Opens a file. A pipe that has just taken its place does not block.
#[cfg(unix)]
pub(super) fn open_at_once(path: &Path) -> std::io::Result<File> {
    use nix::fcntl::OFlag;
    use std::os::unix::fs::OpenOptionsExt as _;
    File::options().read(true).custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits()).open(path)
}

#[cfg(not(unix))]
pub(super) fn open_at_once(path: &Path) -> std::io::Result<File> {
    File::open(path)
}

/// Whether the kernel makes the content of this file up. Reading it may never return.
#[cfg(target_os = "linux")]
fn is_of_kernel(file: &File) -> bool {
    use nix::sys::statfs;
    const KERNEL: [statfs::FsType; 6] = [
        statfs::PROC_SUPER_MAGIC,
        statfs::SYSFS_MAGIC,
        statfs::DEBUGFS_MAGIC,
        statfs::TRACEFS_MAGIC,
        statfs::CGROUP_SUPER_MAGIC,
        statfs::CGROUP2_SUPER_MAGIC,
    ];
    statfs::fstatfs(file).is_ok_and(|system| KERNEL.contains(&system.filesystem_type()))
}

#[cfg(not(target_os = "linux"))]
fn is_of_kernel(_file: &File) -> bool {
    false
}

fn open_file(file: File, metadata: &Metadata, max_bytes: u64) -> Result<Opened, Failure> {
    if !metadata.is_file() {
        return Err(Failure::new(FailureCode::Unreadable, "the path is no longer a file"));
    }
    let size = metadata.len();
    if size > max_bytes {
        return Err(too_large(size, max_bytes));
    }
    let opened = Opened::Waiting { file, size };
    if size <= SMALL { opened.read(max_bytes, &Progress::default()).map(Opened::Read) } else { Ok(opened) }
}

impl Opened {
    /// The bytes of the document. Blocks. A file that grew beyond `max_bytes` is refused.
    ///
    /// Each piece is a step of `progress`.
    pub fn read(self, max_bytes: u64, progress: &Progress) -> Result<Vec<u8>, Failure> {
        let (file, size) = match self {
            Self::Read(bytes) => return Ok(bytes),
            Self::Waiting { file, size } => (file, size),
            Self::Elsewhere { input, key, .. } => return input.fetch(&key, max_bytes),
            Self::Later { files: Files(read), .. } => return read(max_bytes, progress),
        };
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        Watched(file, progress).take(max_bytes + 1).read_to_end(&mut bytes).map_err(|e| failure(&e))?;
        if bytes.len() as u64 > max_bytes {
            return Err(too_large(bytes.len() as u64, max_bytes));
        }
        if bytes.is_empty() {
            return Err(Failure::new(FailureCode::Empty, "the file is empty (0 bytes)"));
        }
        Ok(bytes)
    }

    /// Bytes of memory that the document takes.
    pub fn size(&self) -> u64 {
        match self {
            Self::Read(bytes) => bytes.len() as u64,
            Self::Waiting { size, .. } | Self::Elsewhere { size, .. } | Self::Later { size, .. } => *size,
        }
    }
}

pub(super) fn failure(error: &std::io::Error) -> Failure {
    match error.kind() {
        ErrorKind::NotFound => Failure::new(FailureCode::Vanished, "the file disappeared after it was listed"),
        _ => Failure::new(FailureCode::Unreadable, format!("cannot read the file: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::stamp::stamp_of;
    use super::*;
    use std::fs::FileTimes;
    use std::time::UNIX_EPOCH;

    #[test]
    fn a_file_written_just_now_has_no_stamp() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, "x").unwrap();
        // Setting the modification time back does not help: the change time stays recent.
        File::options().write(true).open(&path).unwrap().set_times(FileTimes::new().set_modified(UNIX_EPOCH)).unwrap();
        let (opened, stamp) = open(&path, 100, |_| true);
        assert!(matches!(opened, Ok(Opened::Read(bytes)) if bytes == b"x"));
        assert_eq!(stamp, None);
        assert_eq!(stamp_of(&path).map(|stamp| (stamp.size, stamp.modified_ns)), Some((1, 0)));
    }

    #[test]
    fn an_unchanged_file_keeps_its_stamp() {
        // This file is older than the test program.
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let (_, stamp) = open(&path, 1_000_000, |_| true);
        assert!(stamp.is_some());
        assert_eq!(stamp, stamp_of(&path));
        assert_eq!(stamp_of(path.parent().unwrap()), None, "a directory has none");
        assert_eq!(stamp_of(Path::new("/nowhere/at all")), None);
    }
}
