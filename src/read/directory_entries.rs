//! The sorted entries of one directory, in little memory.
//!
//! An entry takes about 16 bytes beside its name; a path would take over a hundred.

use std::ffi::OsStr;
use std::path::Path;

/// Sorted names of one directory.
///
/// Directories sort as if their name ended in `/`. The walk then has the byte order of whole paths.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// All names, each ended by a zero byte, which no name contains.
    bytes: Vec<u8>,
    /// Where each name begins, in sorted order.
    starts: Vec<u32>,
}

/// The kind of a directory entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EntryKind {
    File,
    Directory,
    /// A link to a file.
    Link,
    /// Anything else: a socket, a pipe, a device, or another link.
    Other,
}

impl Names {
    /// Lists those entries of `directory` that `keep` accepts.
    ///
    /// Links to directories are not followed, so there are no loops.
    pub fn list(directory: &Path, mut keep: impl FnMut(&OsStr, EntryKind) -> bool) -> Result<Self, walkdir::Error> {
        let mut names = Self::default();
        for entry in walkdir::WalkDir::new(directory).min_depth(1).max_depth(1) {
            let entry = entry?;
            let kind = kind_of(&entry);
            if keep(entry.file_name(), kind) {
                names.push(entry.file_name(), kind == EntryKind::Directory);
            }
        }
        let Self { bytes, starts } = &mut names;
        starts.sort_unstable_by(|a, b| name_at(bytes, *a).cmp(name_at(bytes, *b)));
        Ok(names)
    }

    fn push(&mut self, name: &OsStr, directory: bool) {
        // Names of one directory stay far below 4 GiB. Names beyond that are skipped.
        let Ok(start) = u32::try_from(self.bytes.len()) else { return };
        self.starts.push(start);
        self.bytes.extend_from_slice(name.as_encoded_bytes());
        self.bytes.extend_from_slice(if directory { b"/\0" } else { b"\0" });
    }

    /// The name at `index`, and whether it is a directory.
    pub fn get(&self, index: usize) -> Option<(&[u8], bool)> {
        let name = name_at(&self.bytes, *self.starts.get(index)?);
        Some(name.strip_suffix(b"/").map_or((name, false), |name| (name, true)))
    }
}

fn name_at(bytes: &[u8], start: u32) -> &[u8] {
    bytes[start as usize..].split(|byte| *byte == 0).next().unwrap_or_default()
}

pub(super) fn kind_of(entry: &walkdir::DirEntry) -> EntryKind {
    let kind = entry.file_type();
    if kind.is_file() {
        EntryKind::File
    } else if kind.is_dir() {
        EntryKind::Directory
    } else if kind.is_symlink() && std::fs::metadata(entry.path()).is_ok_and(|m| m.is_file()) {
        EntryKind::Link
    } else {
        EntryKind::Other
    }
}

/// A file name from its bytes.
#[cfg(unix)]
pub(super) fn os_str(bytes: &[u8]) -> &OsStr {
    std::os::unix::ffi::OsStrExt::from_bytes(bytes)
}

/// A file name from its bytes.
#[cfg(not(unix))]
pub(super) fn os_str(bytes: &[u8]) -> std::ffi::OsString {
    String::from_utf8_lossy(bytes).into_owned().into()
}
