//! Errors of the run store.

use crate::system::{disk_advice, is_no_room, write_trouble};
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

    /// Why the store cannot be written, as the file system says it.
    pub(super) fn unwritten(path: &Path, what: &str, source: rusqlite::Error) -> Self {
        let trouble = if may_be_disk(&source) { write_trouble(path) } else { None };
        let advice = trouble.as_ref().filter(|trouble| !is_no_room(trouble)).map_or("", disk_advice);
        let error = match trouble {
            Some(trouble) => Self::new(path, format!("{what}: {source}"), trouble),
            None => Self::new(path, what, source),
        };
        if advice.is_empty() { error } else { error.advise(advice) }
    }

    /// Advice if there is no room on the disk. Committed data is safe, and the work can continue
    /// after there is room.
    pub fn no_room(&self) -> Option<&'static str> {
        let full = self.source.downcast_ref::<rusqlite::Error>().is_some_and(is_disk_full);
        let of_sqlite = full.then(|| disk_advice(&io::ErrorKind::StorageFull.into()));
        of_sqlite.or_else(|| self.source.downcast_ref::<io::Error>().filter(|error| is_no_room(error)).map(disk_advice))
    }
}

/// Whether SQLite reports a full disk.
pub(super) fn is_disk_full(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DiskFull))
}

/// Whether there is no room for a write. Quotas and limits of file sizes look like failed disks.
pub(super) fn has_no_room(error: &rusqlite::Error, path: &Path) -> bool {
    is_disk_full(error) || (may_be_disk(error) && write_trouble(path).is_some_and(|trouble| is_no_room(&trouble)))
}

fn may_be_disk(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::ReadOnly))
}
