//! Errors of the run store.

use rusqlite::ErrorCode;
use std::io;
use std::path::{Path, PathBuf};

/// An error of the run store.
#[derive(Debug, thiserror::Error)]
#[error("run store {}: {what}: {source}", path.display())]
pub struct StoreError {
    path: PathBuf,
    what: String,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl StoreError {
    pub(super) fn new(path: &Path, what: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { path: path.to_owned(), what: what.into(), source: source.into() }
    }

    /// Explains why a store cannot be read. Says `damaged` only if SQLite reports damage. A full
    /// disk or an inaccessible file must not lead users to restore a backup over an intact store.
    pub(super) fn unreadable(path: &Path, damaged: &str, source: rusqlite::Error) -> Self {
        let what = match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => damaged,
            Some(ErrorCode::SystemIoFailure | ErrorCode::DiskFull) => {
                "cannot read it because of a disk or file system error; the store itself may be intact. If the disk is full, free space"
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "another program holds it: wait for that",
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
                "cannot open it: it belongs to another user, or the disk is full. If the disk is full, free space"
            }
            Some(_) => "cannot read it",
            // A value has an unexpected form.
            None => damaged,
        };
        Self::new(path, what, source)
    }

    /// Whether the disk is full. Committed data is safe, and the work can continue after space is
    /// freed.
    pub fn is_disk_full(&self) -> bool {
        let of_the_system = || self.source.downcast_ref::<io::Error>().is_some_and(is_no_room);
        self.source.downcast_ref::<rusqlite::Error>().is_some_and(is_disk_full) || of_the_system()
    }
}

/// Whether SQLite found no room. Some file systems report a failed write instead.
pub(super) fn is_disk_full(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DiskFull))
}

/// Whether a file operation found no room.
pub(super) fn is_no_room(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
