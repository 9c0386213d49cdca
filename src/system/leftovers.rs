//! Removes files that killed runs left.

use std::path::Path;

/// Removes the files in `directory` whose names begin with `prefix`.
///
/// The caller must hold the lock of the directory. No active run then has such files.
pub fn sweep(directory: &Path, prefix: &str) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(prefix.as_bytes()) {
            // A file that cannot be removed does no harm.
            let _left = std::fs::remove_file(entry.path());
        }
    }
}
