//! Why the disk takes no data, and what to do about it.

use super::facts::largest_file;
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

/// Bytes of a trial write. Small quotas and reserved blocks show with it.
const TRIAL: usize = 64 * 1024;
/// Error code of a failed device, on all Unix systems.
const EIO: i32 = 5;

/// Whether an operation failed because there is no room: disk, quota, or limit of file sizes.
pub fn is_no_room(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
}

/// What to do about a failed write; empty if the error says it.
pub fn disk_advice(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::StorageFull => "Free space and run the same command again",
        ErrorKind::QuotaExceeded => "Your disk quota is used up. Free space and run the same command again",
        ErrorKind::FileTooLarge => "Files may not grow further. Raise the limit (ulimit -f), and run the same command again",
        ErrorKind::ReadOnlyFilesystem => "The file system is read-only. Choose another output directory, or mount it writable",
        _ if error.raw_os_error() == Some(EIO) => {
            "The disk or the network file system failed. Look into the system log, and run the same command again when it works"
        }
        _ => "",
    }
}

/// The error of a trial write beside a file that could not be written; `None` if it succeeds.
///
/// SQLite reports most failed writes in the same way.
pub fn write_trouble(file: &Path) -> Option<io::Error> {
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let try_it = || {
        let mut trial = tempfile::tempfile_in(directory)?;
        trial.write_all(&vec![0x5a; TRIAL])?;
        trial.sync_all()
    };
    let log = file.with_extension("db-wal");
    let largest = [file, &log].iter().filter_map(|file| Some(std::fs::metadata(file).ok()?.len())).max().unwrap_or(0);
    try_it().err().or_else(|| (largest_file().is_some_and(|most| largest + TRIAL as u64 > most)).then(|| ErrorKind::FileTooLarge.into()))
}

/// Lets writes beyond the limit of file sizes fail. Otherwise the system ends the process.
#[cfg(unix)]
pub fn survive_file_size_limit() {
    const SIGXFSZ: i32 = 25;
    // A handler stays installed for the life of the process. Nothing waits for this signal.
    if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() {
        let _inside = runtime.enter();
        let _only_the_handler_matters = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::from_raw(SIGXFSZ));
    }
}

/// Lets writes beyond the limit of file sizes fail. Otherwise the system ends the process.
#[cfg(not(unix))]
pub fn survive_file_size_limit() {}
