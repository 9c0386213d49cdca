//! Several files of a directory that are one document (`input.group`).
//!
//! A group by directory has the name of the directory; the group of the input directory itself is
//! called `.`, or as the input. A group by stem has the name of its files without extension, also if
//! it has a single file. The files of a group are in the natural order of their names: `page2` comes
//! before `page10`. Digest and stamp cover the names and contents of all files.

use super::directory_entries::{EntryKind, Names, os_str};
use super::file::{Files, Opened};
use super::filter::{Filter, is_hidden};
use super::path_names::printable;
use super::progress::Progress;
use super::roots::{Root, RootKind, Roots};
use super::settings::Grouping;
use super::stamp::{is_settled, stamp_of, too_large};
use crate::model::{Digest, Failure, FailureCode, Place, Stamp};
use crate::prepare::bundle;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Maximum files of a document.
const MOST_FILES: usize = 100;
/// Groups up to this size in bytes are read at once. Larger ones wait for memory.
const SMALL: u64 = 64 * 1024;
/// Name of the group in an input directory without a prefix.
const TOP: &str = ".";

impl Grouping {
    /// The path that names the group of the file at `path`. `None` if files are not grouped.
    pub(super) fn group_of(self, path: &Path) -> Option<PathBuf> {
        match self {
            Self::None => None,
            Self::Directory => path.parent().map(Path::to_owned),
            Self::Stem => Some(path.with_extension("")),
        }
    }
}

impl Root {
    /// The name of the group at this path.
    pub(super) fn name_of_group(&self, path: &Path) -> String {
        let name = self.name_of(path);
        if name.is_empty() { TOP.to_owned() } else { name }
    }

    /// The files of the group called `name`; `None` if the input has no groups, or none of that name.
    pub(super) fn files_of_group(&self, filter: &Filter, name: &str, path_of: impl Fn(&str) -> PathBuf) -> Option<Vec<PathBuf>> {
        let path = match name {
            TOP if self.prefix.is_empty() => self.path.clone(),
            _ if name == self.prefix => self.path.clone(),
            _ if self.prefix.is_empty() => path_of(name),
            _ => path_of(name.strip_prefix(&self.prefix)?.strip_prefix('/')?),
        };
        let directory = if filter.group == Grouping::Directory { path.as_path() } else { path.parent()? };
        let names = Names::list(directory, |name, kind| match kind {
            EntryKind::File => !is_hidden(name.as_encoded_bytes()),
            EntryKind::Link => !is_hidden(name.as_encoded_bytes()) && filter.links.follows(&directory.join(name)),
            EntryKind::Directory | EntryKind::Other => false,
        });
        let names = names.ok()?;
        let files = (0..).map_while(|at| names.get(at)).map(|(name, _)| directory.join(os_str(name)));
        let belongs = |file: &PathBuf| {
            let relative = file.strip_prefix(&self.path);
            filter.group.group_of(file).is_some_and(|group| group == path) && relative.is_ok_and(|file| filter.takes(&self.path, file))
        };
        let mut files: Vec<PathBuf> = files.filter(belongs).collect();
        sort(&mut files);
        Some(files).filter(|files| !files.is_empty())
    }
}

/// Puts files into the natural order of their names.
pub(super) fn sort(files: &mut [PathBuf]) {
    files.sort_by(|one, other| natural(&name_of(one), &name_of(other)).then_with(|| one.cmp(other)));
}

/// Divides files into groups, in the order of the groups' paths.
pub(super) fn groups(files: impl Iterator<Item = PathBuf>, grouping: Grouping) -> BTreeMap<PathBuf, Vec<PathBuf>> {
    let mut groups = BTreeMap::<PathBuf, Vec<PathBuf>>::new();
    for file in files {
        if let Some(group) = grouping.group_of(&file) {
            groups.entry(group).or_default().push(file);
        }
    }
    for files in groups.values_mut() {
        sort(files);
    }
    groups
}

fn name_of(path: &Path) -> String {
    path.file_name().map(printable).unwrap_or_default()
}

/// Compares names with numbers by the values of the numbers, and without regard to case.
fn natural(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one.chars().peekable(), other.chars().peekable());
    loop {
        let (Some(a), Some(b)) = (one.peek().copied(), other.peek().copied()) else {
            return one.peek().is_some().cmp(&other.peek().is_some());
        };
        let order = if a.is_ascii_digit() && b.is_ascii_digit() {
            let number = |of: &mut std::iter::Peekable<std::str::Chars<'_>>| {
                let digits: String = std::iter::from_fn(|| of.next_if(char::is_ascii_digit)).collect();
                digits.trim_start_matches('0').to_owned()
            };
            let (a, b) = (number(&mut one), number(&mut other));
            a.len().cmp(&b.len()).then(a.cmp(&b))
        } else {
            one.next();
            other.next();
            a.to_lowercase().cmp(b.to_lowercase())
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// The stamp of a group: the size of all files, the last change of content, and a number for the
/// names and stamps of all. `None` if a file is gone.
pub(super) fn group_stamp(files: &[PathBuf]) -> Option<Stamp> {
    let mut all = blake3::Hasher::new();
    let (mut size, mut modified_ns) = (0_u64, i64::MIN);
    for file in files {
        let stamp = stamp_of(file)?;
        let Stamp { size: own, modified_ns: modified, changed_ns: changed } = stamp;
        all.update(format!("{}\0{own} {modified} {changed}\0", name_of(file)).as_bytes());
        size = size.saturating_add(own);
        modified_ns = modified_ns.max(modified);
    }
    // The number is smaller than any time at which files change.
    let number = all.finalize().as_bytes().first_chunk().map_or(0, |first| u64::from_le_bytes(*first) >> 13);
    Some(Stamp { size, modified_ns, changed_ns: i64::try_from(number).unwrap_or(0) })
}

/// The stamp of a group, if a later change would show in it.
pub(super) fn settled(files: &[PathBuf]) -> Option<Stamp> {
    let settled = files.iter().all(|file| stamp_of(file).is_some_and(|stamp| is_settled(&stamp)));
    group_stamp(files).filter(|_| settled)
}

/// Opens a group, and reads it if it is small. Blocks.
pub(super) fn open(roots: &Roots, files: &[PathBuf], max_bytes: u64) -> (Result<Opened, Failure>, Option<Stamp>) {
    let stamp = settled(files);
    if files.len() > MOST_FILES {
        let what = format!("the document consists of {} files, more than {MOST_FILES}. Divide its directory (input.group)", files.len());
        return (Err(Failure::new(FailureCode::TooLarge, what)), stamp);
    }
    let Some(Stamp { size, .. }) = group_stamp(files) else {
        let gone = files.iter().find(|file| stamp_of(file).is_none()).map(|file| name_of(file)).unwrap_or_default();
        return (Err(Failure::new(FailureCode::Vanished, format!("{gone}: the file disappeared after it was listed"))), stamp);
    };
    if size > max_bytes {
        return (Err(too_large(size, max_bytes)), stamp);
    }
    let (roots, files) = (roots.clone(), files.to_vec());
    let opened = Opened::Later { files: Files(Box::new(move |max_bytes, progress| read(&roots, &files, max_bytes, progress))), size };
    let opened = if size <= SMALL { opened.read(max_bytes, &Progress::default()).map(Opened::Read) } else { Ok(opened) };
    (opened, stamp)
}

/// Reads the files of a group. An error names its file. Blocks.
fn read(roots: &Roots, files: &[PathBuf], max_bytes: u64, progress: &Progress) -> Result<Vec<u8>, Failure> {
    let (mut members, mut left) = (Vec::with_capacity(files.len()), max_bytes);
    for file in files {
        let name = name_of(file);
        let named = |failure: Failure| Failure { message: format!("{name}: {}", failure.message), ..failure };
        let (opened, _) = roots.open_document(&mut Place::File(file.clone()), left);
        let bytes = match opened.and_then(|opened| opened.read(left, progress)) {
            // The reader notes it.
            Err(failure) if failure.code == FailureCode::Empty => Vec::new(),
            bytes => bytes.map_err(named)?,
        };
        left = left.saturating_sub(bytes.len() as u64);
        members.push((name_of(file), bytes));
    }
    if members.iter().all(|(_, bytes)| bytes.is_empty()) {
        return Err(Failure::new(FailureCode::Empty, "all files of the document are empty (0 bytes)"));
    }
    Ok(bundle(&members))
}

/// The digest of a group. Blocks.
pub(super) fn digest(roots: &Roots, files: &[PathBuf]) -> Result<Digest, Failure> {
    read(roots, files, u64::MAX - 1, &Progress::default()).map(|bytes| Digest::of(&bytes))
}

impl Roots {
    /// Whether this file may be several documents, by its name or its first bytes. Blocks.
    pub fn may_be_divided(&self, path: &Path) -> bool {
        self.containers.reads && (self.containers.may_be_archive(path, false) || self.containers.may_have_attachments(path))
    }

    /// Whether a file may be several documents.
    pub fn divide_files(&self) -> bool {
        self.containers.reads
    }

    /// Whether several files may be one document.
    pub fn have_groups(&self) -> bool {
        self.inputs.iter().any(|root| matches!(&root.kind, RootKind::Directory(filter) if filter.group != Grouping::None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_natural_order() {
        let mut files: Vec<PathBuf> = ["page10.png", "Page2.png", "page1.png", "page02b.png", "a.txt"].map(PathBuf::from).to_vec();
        sort(&mut files);
        assert_eq!(files, ["a.txt", "page1.png", "Page2.png", "page02b.png", "page10.png"].map(PathBuf::from));
    }

    #[test]
    fn files_are_grouped_by_directory_or_by_stem() {
        let files = || ["d/a.jpg", "d/a.txt", "d/b.jpg", "e/a.jpg"].map(PathBuf::from).into_iter();
        let names = |grouping| groups(files(), grouping).into_keys().collect::<Vec<_>>();
        assert_eq!(names(Grouping::Directory), ["d", "e"].map(PathBuf::from));
        assert_eq!(names(Grouping::Stem), ["d/a", "d/b", "e/a"].map(PathBuf::from));
        assert!(names(Grouping::None).is_empty());
    }
}
