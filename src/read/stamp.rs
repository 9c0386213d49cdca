//! Stamps and size limits of documents before they are read.

use crate::model::{Failure, FailureCode, Stamp};
use std::fs::Metadata;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The stamp of the regular file at `path`.
pub(super) fn stamp_of(path: &Path) -> Option<Stamp> {
    std::fs::metadata(path).ok().filter(Metadata::is_file).map(|metadata| stamp(&metadata))
}

/// The slowest tick of file system clocks. Two changes within one tick have the same stamp.
const TICK: Duration = Duration::from_secs(2);

/// Whether a later change would show in the stamp.
pub(super) fn is_settled(stamp: &Stamp) -> bool {
    let now = SystemTime::now().checked_sub(TICK).map_or(0, nanoseconds);
    stamp.modified_ns < now && stamp.changed_ns < now
}

/// The stamp in the metadata of a file.
pub(super) fn stamp(metadata: &Metadata) -> Stamp {
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

/// Nanoseconds since 1970.
pub(super) fn nanoseconds(time: SystemTime) -> i64 {
    let whole = |time: Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
    time.duration_since(UNIX_EPOCH).map_or_else(|before| -whole(before.duration()), whole)
}

/// The failure of a document that is larger than allowed.
pub(super) fn too_large(size: u64, max_bytes: u64) -> Failure {
    let message = format!(
        "the file has {:.1} MB, more than read.max_file_mb = {}. Raise the limit, or exclude the file",
        size as f64 / 1e6,
        max_bytes / 1_000_000
    );
    Failure::new(FailureCode::TooLarge, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_settled_when_both_of_its_times_are_past() {
        let one = Stamp { size: 1, modified_ns: 2, changed_ns: 3 };
        assert!(is_settled(&one));
        let soon = nanoseconds(SystemTime::now() + TICK);
        assert!(!is_settled(&Stamp { modified_ns: soon, ..one }) && !is_settled(&Stamp { changed_ns: soon, ..one }));
        assert_eq!(nanoseconds(UNIX_EPOCH - Duration::from_secs(1)), -1_000_000_000);
    }
}
