//! The sorted, lazy walk.

use super::elsewhere::{Elsewhere, Object};
use super::filter::{Filter, is_hidden};
use super::names::{EntryKind, Names, kind_of};
use super::remote::Remote;
use super::settings::InputSettings;
use crate::model::{Document, Failure, FailureCode, LeftOut, Place};
use crate::remote::Address;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
    /// `None`: a single file.
    pub filter: Option<Filter>,
    /// Set if it is not on this machine.
    pub remote: Option<Arc<Remote>>,
}

impl Roots {
    /// Checks that every input is there and none is there twice. `output` is left out of the walk.
    pub fn open(settings: &InputSettings, output: &Path) -> Result<Self, InputError> {
        if settings.paths.is_empty() {
            return Err(InputError("there is no input: name files or directories, or set input.paths".into()));
        }
        let output = real(output);
        let mut roots = Vec::new();
        let mut canonical: Vec<(PathBuf, &str)> = Vec::new();
        for given in &settings.paths {
            if let Some(address) = Address::parse(given) {
                let root = Root::open_remote(address, settings).map_err(|e| InputError(format!("input {e}")))?;
                if let Some(other) = roots.iter().find(|other| root.overlaps(other)) {
                    let (one, other) = (other.path.display(), root.path.display());
                    return Err(InputError(format!("inputs {one} and {other} overlap: a document must have one place")));
                }
                roots.push(root);
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
            let single = settings.paths.len() == 1;
            let prefix = if directory && single { String::new() } else { with_slashes(given.trim_end_matches('/')) };
            let filter = directory.then(|| Filter::new(&path, settings, output.clone())).transpose().map_err(InputError)?;
            roots.push(Root { path, prefix, filter, remote: None });
        }
        Ok(Self(Arc::new(roots)))
    }

    /// Everything that was looked at, for messages.
    pub fn describe(&self) -> String {
        self.0.iter().map(|root| root.path.display().to_string()).collect::<Vec<_>>().join(", ")
    }

    /// All documents in no particular order, in constant memory: to count them, or to see whether there is one.
    /// A directory that cannot be listed counts, as it does in the walk.
    pub fn unsorted(&self) -> impl Iterator<Item = ()> {
        let elsewhere = (0..self.0.len()).flat_map(|root| {
            let mut walk = Elsewhere::of(self, root);
            std::iter::from_fn(move || walk.next(&mut LeftOut::default()).map(drop))
        });
        let here = self.0.iter().filter(|root| root.remote.is_none()).flat_map(|root| {
            let walk = walkdir::WalkDir::new(&root.path).into_iter().filter_entry(move |entry| root.enters(entry));
            walk.filter_map(move |entry| match (entry, &root.filter) {
                (Ok(entry), Some(filter)) => {
                    let relative = entry.path().strip_prefix(&root.path).ok()?;
                    (kind_of(&entry) == EntryKind::File && filter.takes(relative)).then_some(())
                }
                (Ok(_), None) | (Err(_), _) => Some(()),
            })
        });
        here.chain(elsewhere)
    }

    /// Where the document called `name` is, or would be; `None` if no input takes a document of this name.
    pub fn locate(&self, name: &str) -> Option<Place> {
        self.0.iter().enumerate().find_map(|(input, root)| {
            if let Some(remote) = &root.remote {
                return root.locate_object(remote, name).map(|key| Place::Object { input, key, listed: None });
            }
            let Some(filter) = &root.filter else { return (root.prefix == name).then(|| Place::File(root.path.clone())) };
            let relative = if root.prefix.is_empty() { name } else { name.strip_prefix(&root.prefix)?.strip_prefix('/')? };
            let plain = root.path.join(relative);
            let path = match unprintable(relative) {
                Some(other) if !plain.exists() => root.path.join(other),
                _ => plain,
            };
            filter.takes(path.strip_prefix(&root.path).ok()?).then_some(Place::File(path))
        })
    }

    /// Walks all inputs in order.
    pub fn walk(&self) -> Walk {
        Walk { roots: self.clone(), next_root: 0, stack: Vec::new(), elsewhere: None, index: 0, left_out: LeftOut::default() }
    }
}

impl Root {
    /// Whether the walk takes any notice of an entry.
    fn enters(&self, entry: &walkdir::DirEntry) -> bool {
        let own_output = || entry.file_type().is_dir() && self.filter.as_ref().is_some_and(|filter| filter.is_output(entry.path()));
        entry.depth() == 0 || !(is_hidden(entry.file_name().as_encoded_bytes()) || own_output())
    }
}

/// An iterator over all documents in input order.
#[derive(Debug)]
pub struct Walk {
    roots: Roots,
    next_root: usize,
    stack: Vec<Level>,
    /// Set while the walk is in an input that is not on this machine.
    elsewhere: Option<Elsewhere>,
    index: u64,
    left_out: LeftOut,
}

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
        self.left_out
    }

    fn found(&mut self, path: PathBuf, name: String, failure: Option<Failure>) -> Found {
        self.found_at(Place::File(path), name, failure)
    }

    fn found_at(&mut self, place: Place, name: String, failure: Option<Failure>) -> Found {
        let index = self.index;
        self.index += 1;
        (Document { index, name, place }, failure)
    }

    fn next_elsewhere(&mut self) -> Option<Found> {
        let next = self.elsewhere.as_mut()?.next(&mut self.left_out);
        if next.is_none() {
            self.elsewhere = None;
        }
        next.map(|Object { place, name, failure }| self.found_at(place, name, failure))
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
                Some(self.found(directory, name, Some(failure)))
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
        if self.roots.0[root].remote.is_some() {
            self.elsewhere = Some(Elsewhere::of(&self.roots, root));
            return None;
        }
        let path = self.roots.0[root].path.clone();
        if self.roots.0[root].filter.is_some() {
            return self.enter(root, path);
        }
        let name = self.name(root, &path);
        Some(self.found(path, name, None))
    }
}

impl Iterator for Walk {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        loop {
            if let Some(found) = self.next_elsewhere() {
                return Some(found);
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
            let Some(filter) = &roots.0[root].filter else { continue };
            if is_directory {
                if filter.is_output(&path) {
                    continue;
                }
                if let Some(found) = self.enter(root, path) {
                    return Some(found);
                }
                continue;
            }
            let relative = path.strip_prefix(&roots.0[root].path).unwrap_or(&path);
            if !filter.takes(relative) {
                self.left_out.patterns += 1;
                continue;
            }
            let name = self.name(root, &path);
            return Some(self.found(path, name, None));
        }
    }
}

/// The real path of what may not exist yet: of the part that does, and the rest behind it.
fn real(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    let existing = path.ancestors().find_map(|ancestor| Some((ancestor, std::fs::canonicalize(ancestor).ok()?)));
    existing.and_then(|(ancestor, real)| Some(real.join(path.strip_prefix(ancestor).ok()?)))
}

#[cfg(unix)]
fn os_str(bytes: &[u8]) -> &OsStr {
    std::os::unix::ffi::OsStrExt::from_bytes(bytes)
}

#[cfg(not(unix))]
fn os_str(bytes: &[u8]) -> std::ffi::OsString {
    String::from_utf8_lossy(bytes).into_owned().into()
}

/// A path as text from which it can be had back: bytes that are not UTF-8 become `\xHH`, and in such a path a
/// backslash becomes `\\`.
fn printable(path: &OsStr) -> String {
    if let Some(text) = path.to_str() {
        return with_slashes(text);
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

/// The path of which [`printable`] made `text`, if it had to change anything: only what is not UTF-8 is changed.
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
    std::str::from_utf8(&bytes).is_err().then(|| PathBuf::from(os_str(&bytes)))
}

fn with_slashes(text: &str) -> String {
    if std::path::MAIN_SEPARATOR == '/' { text.to_owned() } else { text.replace(std::path::MAIN_SEPARATOR, "/") }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
