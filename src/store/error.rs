//! Errors of the run store.

use rusqlite::ErrorCode;
use std::io;
use std::path::{Path, PathBuf};

/// An error of the run store.
#[derive(Debug, thiserror::Error)]
#[error("run store {}: {what}: {source}{advice}", path.display())]
pub struct StoreError {
    path: PathBuf,
    what: String,
    source: Box<dyn std::error::Error + Send + Sync>,
    /// Advice: empty, or sentences with a leading full stop and space.
    advice: String,
}

impl StoreError {
    pub(super) fn new(path: &Path, what: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { path: path.to_owned(), what: what.into(), source: source.into(), advice: String::new() }
    }

    /// Adds advice.
    pub(super) fn advise(self, advice: &str) -> Self {
        Self { advice: format!(". {advice}"), ..self }
    }

    /// Explains why a store cannot be read. Uses `damaged` and `repair` only if SQLite reports
    /// damage. A full disk or an inaccessible file must not lead users to restore a backup over an
    /// intact store.
    pub(super) fn unreadable(path: &Path, damaged: &str, repair: &str, source: rusqlite::Error) -> Self {
        let (what, advice) = match source.sqlite_error_code() {
            // Without a code, a value has an unexpected form.
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) | None => (damaged, repair),
            Some(ErrorCode::SystemIoFailure | ErrorCode::DiskFull) => {
                ("cannot read it: the disk or file system failed", "The store itself may be intact. If the disk is full, free space")
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                ("cannot read it: another program holds it", "Wait until that program ends")
            }
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
                ("cannot open it", "Check who owns the store. If the disk is full, free space")
            }
            Some(_) => return Self::new(path, "cannot read it", source),
        };
        Self::new(path, what, source).advise(advice)
    }

    /// Whether the disk is full. Committed data is safe, and the work can continue after space is
    /// freed.
    pub fn is_disk_full(&self) -> bool {
        let of_the_system = || self.source.downcast_ref::<io::Error>().is_some_and(is_no_room);
        self.source.downcast_ref::<rusqlite::Error>().is_some_and(is_disk_full) || of_the_system()
    }
}

/// Whether SQLite reports a full disk. Some file systems report a failed write instead.
pub(super) fn is_disk_full(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DiskFull))
}

/// Whether a file operation reports a full disk.
pub(super) fn is_no_room(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
