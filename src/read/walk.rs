//! The sorted, lazy walk.

use super::elsewhere::{Elsewhere, Object};
use super::file_list::{FileList, missing};
use super::filter::{Filter, is_hidden};
use super::names::{EntryKind, Names, kind_of, os_str};
use super::remote::Remote;
use super::settings::InputSettings;
use super::table::Table;
use crate::model::{Digest, Document, Failure, FailureCode, LeftOut, Place, Stamp};
use crate::remote::Address;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tempfile::TempPath;

/// What came through standard input is called so.
const STDIN: &str = "stdin";

/// What is wrong with `input.paths`.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct InputError(String);

/// The checked inputs of a run. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Roots(pub(super) Arc<Vec<Root>>);

#[derive(Debug)]
pub(super) struct Root {
    pub path: PathBuf,
    /// What stands before the relative path in names: empty for a single directory.
    pub prefix: String,
    pub kind: RootKind,
}

#[derive(Debug)]
pub(super) enum RootKind {
    File,
    /// What came through standard input, in a file that goes away with it.
    Spooled {
        /// Nobody looks at it: it is there to go away.
        _file: TempPath,
    },
    Directory(Filter),
    /// Its rows are the documents.
    Table(Table),
    /// It names the documents.
    List(FileList),
    /// It is not on this machine. A single object has no filter.
    Remote(Arc<Remote>, Option<Filter>),
}

impl Roots {
    /// Checks that every input is there and none is there twice. `output` is left out of the walk. Templates use the
    /// columns `used` of tables; `None`: all of them.
    pub fn open(settings: &InputSettings, used: Option<Vec<String>>, output: &Path) -> Result<Self, InputError> {
        if settings.paths.is_empty() && settings.rows.is_empty() && settings.files_from.is_empty() {
            return Err(InputError("there is no input: name files or directories, or set input.paths".into()));
        }
        let single = settings.paths.len() + settings.rows.len() + usize::from(!settings.files_from.is_empty()) == 1;
        let output = real(output);
        let mut roots = Vec::new();
        let mut canonical: Vec<(PathBuf, &str)> = Vec::new();
        for given in &settings.paths {
            if let Some(address) = Address::parse(given) {
                let root = Root::open_remote(address, settings, single).map_err(|e| InputError(format!("input {e}")))?;
                if let Some(other) = roots.iter().find(|other| root.overlaps(other)) {
                    let (one, other) = (other.path.display(), root.path.display());
                    return Err(InputError(format!("inputs {one} and {other} overlap: a document must have one place")));
                }
                roots.push(root);
                continue;
            }
            if given == "-" {
                let file = super::spool(given).map_err(|e| InputError(format!("standard input: {e}")))?;
                roots.push(Root { path: file.to_path_buf(), prefix: STDIN.to_owned(), kind: RootKind::Spooled { _file: file } });
                continue;
            }
            let path = PathBuf::from(given);
            let real = std::fs::canonicalize(&path)
                .map_err(|e| InputError(format!("input {given}: {e}; name files or directories, or set input.paths")))?;
            if output.as_ref() == Some(&real) {
                return Err(InputError(format!(
                    "input {given} is the output directory too: results would become documents; choose another --output"
                )));
            }
            if !real.is_dir() && !real.is_file() {
                return Err(InputError(format!("input {given} is neither a file nor a directory")));
            }
            if let Some((_, other)) = canonical.iter().find(|(other, _)| real.starts_with(other) || other.starts_with(&real)) {
                return Err(InputError(format!("inputs {other} and {given} overlap: a document must have one place")));
            }
            canonical.push((real, given));
            let directory = path.is_dir();
            let prefix = if directory && single { String::new() } else { with_slashes(given.trim_end_matches('/')) };
            let filter = directory.then(|| Filter::new(settings, output.clone())).transpose().map_err(InputError)?;
            roots.push(Root { path, prefix, kind: filter.map_or(RootKind::File, RootKind::Directory) });
        }
        let columns = settings.columns(used);
        for given in &settings.rows {
            let table = Table::open(given, &columns).map_err(InputError)?;
            let prefix = if given == "-" { STDIN.to_owned() } else { with_slashes(given) };
            roots.push(Root { path: given.into(), prefix, kind: RootKind::Table(table) });
        }
        if !settings.files_from.is_empty() {
            let list = FileList::open(&settings.files_from).map_err(InputError)?;
            roots.push(Root { path: (&settings.files_from).into(), prefix: String::new(), kind: RootKind::List(list) });
        }
        Ok(Self(Arc::new(roots)))
    }

    /// Whether any of them is a table.
    pub fn has_rows(&self) -> bool {
        self.0.iter().any(|root| matches!(root.kind, RootKind::Table(_)))
    }

    /// Whether all of them are tables and lists.
    pub fn are_listed(&self) -> bool {
        self.0.iter().all(|root| matches!(root.kind, RootKind::Table(_) | RootKind::List(_)))
    }

    /// Everything that was looked at, for messages.
    pub fn describe(&self) -> String {
        self.0.iter().map(|root| root.path.display().to_string()).collect::<Vec<_>>().join(", ")
    }

    /// All documents in no particular order, in constant memory: to count them, or to see whether there is one.
    /// A directory that cannot be listed counts, as it does in the walk.
    pub fn unsorted(&self) -> impl Iterator<Item = ()> {
        self.0.iter().enumerate().flat_map(|(input, root)| match &root.kind {
            RootKind::Remote(..) => {
                let mut walk = Elsewhere::of(self, input);
                Box::new(std::iter::from_fn(move || walk.next(&mut LeftOut::default()).map(drop)))
            }
            RootKind::File | RootKind::Spooled { .. } => Box::new(std::iter::once(())) as Box<dyn Iterator<Item = ()>>,
            RootKind::Table(table) => Box::new(table.count()),
            RootKind::List(list) => Box::new(list.distinct().map(drop)),
            RootKind::Directory(filter) => {
                let walk = walkdir::WalkDir::new(&root.path).into_iter().filter_entry(|entry| root.enters(entry));
                Box::new(walk.filter_map(|entry| match entry {
                    Ok(entry) => {
                        let relative = entry.path().strip_prefix(&root.path).ok()?;
                        (kind_of(&entry) == EntryKind::File && filter.takes(&root.path, relative)).then_some(())
                    }
                    Err(_) => Some(()),
                }))
            }
        })
    }

    /// Whether the document called `name` is still there with this content. `stamp` is what its file looked like when it had it.
    pub fn hold(&self, name: &str, digest: Digest, stamp: Option<Stamp>) -> bool {
        let tables =
            self.0.iter().filter_map(|root| if let RootKind::Table(table) = &root.kind { Some((table, &root.prefix)) } else { None });
        let mut tables = tables.filter(|(_, prefix)| name.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.starts_with('#')));
        if tables.any(|(table, prefix)| table.holds(prefix, name, digest)) {
            return true;
        }
        self.locate(name).is_some_and(|place| self.still_holds(&place, digest, stamp))
    }

    /// Where the document called `name` is, or would be; `None` if no input takes a document of this name.
    pub fn locate(&self, name: &str) -> Option<Place> {
        self.0.iter().enumerate().find_map(|(input, root)| {
            let filter = match &root.kind {
                RootKind::File | RootKind::Spooled { .. } => return (root.prefix == name).then(|| Place::File(root.path.clone())),
                RootKind::Table(_) => return None,
                RootKind::List(_) => {
                    let path = unprintable(name).unwrap_or_else(|| name.into());
                    return path.exists().then_some(Place::File(path));
                }
                RootKind::Remote(remote, filter) => {
                    let key = root.locate_object(remote, filter.as_ref(), name);
                    return key.map(|key| Place::Object { input, key, listed: None });
                }
                RootKind::Directory(filter) => filter,
            };
            let relative = if root.prefix.is_empty() { name } else { name.strip_prefix(&root.prefix)?.strip_prefix('/')? };
            let path = root.path.join(unprintable(relative).unwrap_or_else(|| relative.into()));
            filter.takes(&root.path, path.strip_prefix(&root.path).ok()?).then_some(Place::File(path))
        })
    }

    /// Walks all inputs in order.
    pub fn walk(&self) -> Walk {
        // Lists and tables may name a document that another input has, too, and lists the same one twice.
        let listed = |root: &Root| matches!(root.kind, RootKind::List(_)) || (self.0.len() > 1 && matches!(root.kind, RootKind::Table(_)));
        let seen = self.0.iter().any(listed).then(HashSet::new);
        Walk {
            roots: self.clone(),
            next_root: 0,
            stack: Vec::new(),
            listed: None,
            index: 0,
            seen,
            left_out: LeftOut::default(),
            left_out_elsewhere: Arc::default(),
        }
    }
}

impl Root {
    /// The input itself, if it is not on this machine.
    pub fn remote(&self) -> Option<&Arc<Remote>> {
        if let RootKind::Remote(remote, _) = &self.kind { Some(remote) } else { None }
    }

    /// Whether the walk takes any notice of an entry.
    fn enters(&self, entry: &walkdir::DirEntry) -> bool {
        let RootKind::Directory(filter) = &self.kind else { return false };
        let relative = entry.path().strip_prefix(&self.path).unwrap_or(entry.path());
        let passed_by = || entry.file_type().is_dir() && (filter.is_output(entry.path()) || !filter.enters(&self.path, relative));
        entry.depth() == 0 || !(is_hidden(entry.file_name().as_encoded_bytes()) || passed_by())
    }
}

/// An iterator over all documents in input order.
pub struct Walk {
    roots: Roots,
    next_root: usize,
    stack: Vec<Level>,
    /// What a table or a list still has.
    listed: Option<Box<dyn Iterator<Item = Named> + Send>>,
    index: u64,
    /// Hashes of the names so far, where one may come twice.
    seen: Option<HashSet<u64>>,
    left_out: LeftOut,
    /// What was passed over in inputs that are not on this machine.
    left_out_elsewhere: Arc<Mutex<LeftOut>>,
}

/// A document under its name, before it has its number.
type Named = (String, Place, Option<Failure>);

/// A directory that the walk is in.
#[derive(Debug)]
struct Level {
    root: usize,
    directory: PathBuf,
    names: Names,
    next: usize,
}

/// A document, or a place where there might be some and nobody can look.
pub type Found = (Document, Option<Failure>);

impl Walk {
    /// What has been passed over so far.
    pub fn left_out(&self) -> LeftOut {
        self.left_out + *self.left_out_elsewhere.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn found(path: PathBuf, name: String, failure: Option<Failure>) -> Found {
        (Document { index: 0, name, place: Place::File(path) }, failure)
    }

    /// Goes into a directory; one that cannot be listed becomes a failed document of its own.
    fn enter(&mut self, root: usize, directory: PathBuf) -> Option<Found> {
        let mut left_out = self.left_out;
        let listed = Names::list(&directory, |name, kind| match kind {
            _ if is_hidden(name.as_encoded_bytes()) => {
                left_out.hidden += 1;
                false
            }
            EntryKind::Other => {
                left_out.special += 1;
                false
            }
            EntryKind::File | EntryKind::Directory => true,
        });
        self.left_out = left_out;
        match listed {
            Ok(names) => {
                self.stack.push(Level { root, directory, names, next: 0 });
                None
            }
            Err(error) => {
                let name = format!("{}/", self.name(root, &directory));
                let failure = Failure::new(FailureCode::Unreadable, format!("the directory cannot be listed: {error}"));
                Some(Self::found(directory, name, Some(failure)))
            }
        }
    }

    fn name(&self, root: usize, path: &Path) -> String {
        let root = &self.roots.0[root];
        let relative = path.strip_prefix(&root.path).unwrap_or(path);
        let relative = printable(relative.as_os_str());
        match (root.prefix.is_empty(), relative.is_empty()) {
            (true, _) => relative,
            (false, true) => root.prefix.clone(),
            (false, false) => format!("{}/{relative}", root.prefix),
        }
    }

    fn start_root(&mut self, root: usize) -> Option<Found> {
        let roots = self.roots.clone();
        let Root { path, prefix, kind } = &roots.0[root];
        match kind {
            RootKind::Directory(_) => self.enter(root, path.clone()),
            RootKind::Spooled { .. } => Some(Self::found(path.clone(), prefix.clone(), None)),
            RootKind::File => {
                let name = self.name(root, path);
                Some(Self::found(path.clone(), name, None))
            }
            RootKind::Remote(..) => {
                let (mut walk, left_out) = (Elsewhere::of(&self.roots, root), Arc::clone(&self.left_out_elsewhere));
                self.listed = Some(Box::new(std::iter::from_fn(move || {
                    let mut left_out = left_out.lock().unwrap_or_else(PoisonError::into_inner);
                    walk.next(&mut left_out).map(|Object { place, name, failure }| (name, place, failure))
                })));
                None
            }
            RootKind::Table(table) => {
                self.listed = Some(Box::new(table.documents(prefix)));
                None
            }
            RootKind::List(list) => {
                let named = list.paths().map(|path| {
                    let missing = missing(&path);
                    (printable(path.as_os_str()), Place::File(path), missing)
                });
                self.listed = Some(Box::new(named));
                None
            }
        }
    }
}

impl Iterator for Walk {
    type Item = Found;

    /// The next document. One whose name has come already is the same document, and passed over.
    fn next(&mut self) -> Option<Found> {
        loop {
            let (mut document, failure) = self.next_named()?;
            if let Some(seen) = &mut self.seen {
                let hash = *blake3::hash(document.name.as_bytes()).as_bytes().first_chunk::<8>()?;
                if !seen.insert(u64::from_le_bytes(hash)) {
                    self.left_out.repeated += 1;
                    continue;
                }
            }
            document.index = self.index;
            self.index += 1;
            return Some((document, failure));
        }
    }
}

impl Walk {
    /// The next document, before it has its number.
    fn next_named(&mut self) -> Option<Found> {
        loop {
            match self.listed.as_mut().map(Iterator::next) {
                Some(Some((name, place, failure))) => {
                    return Some((Document { index: 0, name, place }, failure));
                }
                Some(None) => self.listed = None,
                None => {}
            }
            let Some(level) = self.stack.last_mut() else {
                if self.next_root == self.roots.0.len() {
                    return None;
                }
                self.next_root += 1;
                if let Some(found) = self.start_root(self.next_root - 1) {
                    return Some(found);
                }
                continue;
            };
            let Some((name, is_directory)) = level.names.get(level.next) else {
                self.stack.pop();
                continue;
            };
            level.next += 1;
            let (root, path) = (level.root, level.directory.join(os_str(name)));
            let roots = self.roots.clone();
            let Root { path: root_path, kind: RootKind::Directory(filter), .. } = &roots.0[root] else { continue };
            let relative = path.strip_prefix(root_path).unwrap_or(&path);
            if is_directory {
                if filter.is_output(&path) {
                    continue;
                }
                if !filter.enters(root_path, relative) {
                    self.left_out.patterns += 1;
                    continue;
                }
                if let Some(found) = self.enter(root, path) {
                    return Some(found);
                }
                continue;
            }
            if !filter.takes_name(root_path, relative) {
                self.left_out.patterns += 1;
                continue;
            }
            if !filter.takes_size_and_date(&path) {
                self.left_out.size_or_date += 1;
                continue;
            }
            let name = self.name(root, &path);
            return Some(Self::found(path, name, None));
        }
    }
}

/// The real path of what may not exist yet: of the part that does, and the rest behind it.
fn real(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    let existing = path.ancestors().find_map(|ancestor| Some((ancestor, std::fs::canonicalize(ancestor).ok()?)));
    existing.and_then(|(ancestor, real)| Some(real.join(path.strip_prefix(ancestor).ok()?)))
}

/// A path as text from which it can be had back: bytes that are not UTF-8 become `\xHH`, and in such a path a
/// backslash becomes `\\`. A path that looks like the outcome of this has `\x5C` for its backslashes, so that no two
/// paths have one name.
fn printable(path: &OsStr) -> String {
    if let Some(text) = path.to_str() {
        return if unprintable(text).is_some() { text.replace('\\', "\\x5C") } else { with_slashes(text) };
    }
    let mut out = String::new();
    for chunk in path.as_encoded_bytes().utf8_chunks() {
        out.push_str(&chunk.valid().replace('\\', "\\\\"));
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _infallible = write!(out, "\\x{byte:02X}");
        }
    }
    out
}

/// The path of which [`printable`] made `text`, if it had to change anything: what is not UTF-8, or looks like the outcome of a change.
fn unprintable(text: &str) -> Option<PathBuf> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let escape = &rest[at + 1..];
        let byte = escape.strip_prefix('x').and_then(|hex| u8::from_str_radix(hex.get(..2)?, 16).ok());
        bytes.push(byte.unwrap_or(b'\\'));
        rest = &escape[if byte.is_some() { 3 } else { usize::from(escape.starts_with('\\')) }..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    let changed = match std::str::from_utf8(&bytes) {
        // Shorter each time, so this comes to an end.
        Ok(shorter) => shorter.len() < text.len() && unprintable(shorter).is_some(),
        Err(_) => true,
    };
    changed.then(|| PathBuf::from(os_str(&bytes)))
}

fn with_slashes(text: &str) -> String {
    if std::path::MAIN_SEPARATOR == '/' { text.to_owned() } else { text.replace(std::path::MAIN_SEPARATOR, "/") }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
