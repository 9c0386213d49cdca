//! The sorted, lazy walk over all documents.

use super::containers::Passed;
use super::directory_entries::{EntryKind, Names, os_str};
use super::elsewhere::{Elsewhere, Object};
use super::file_list::missing;
use super::filter::{Filter, is_hidden};
use super::group::groups;
use super::members::Members;
use super::roots::{Root, RootKind, Roots};
use super::settings::Grouping;
use crate::model::{Document, Failure, FailureCode, LeftOut, Place};
use crate::prepare::Ending;
use parking_lot::Mutex;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

impl Roots {
    /// Walks all inputs in order.
    pub fn walk(&self) -> Walk {
        // Lists and tables may repeat documents of other inputs, and lists repeat their own.
        let listed =
            |root: &Root| matches!(root.kind, RootKind::List(_)) || (self.inputs.len() > 1 && matches!(root.kind, RootKind::Table(_)));
        let seen = (self.slice_len().is_none() && self.inputs.iter().any(listed)).then(HashSet::new);
        let sliced = self.sliced();
        // The slice has the members of containers already.
        let roots = if sliced.is_some() { Self { containers: Arc::default(), slice: None, ..self.clone() } } else { self.clone() };
        Walk {
            roots,
            next_root: if sliced.is_some() { self.inputs.len() } else { 0 },
            root: 0,
            stack: Vec::new(),
            inside: None,
            listed: sliced,
            index: 0,
            seen,
            anew: false,
            left_out: LeftOut::default(),
            left_out_elsewhere: Arc::default(),
        }
    }
}

/// An iterator over all documents in input order.
pub struct Walk {
    roots: Roots,
    next_root: usize,
    /// The input of the last document.
    root: usize,
    stack: Vec<Level>,
    /// The remaining members of a container.
    inside: Option<Inside>,
    /// The remaining documents of a table, a list or a remote input, or the groups of a directory.
    listed: Option<Box<dyn Iterator<Item = Named> + Send>>,
    index: u64,
    /// Hashes of the names so far, if a name can occur twice.
    seen: Option<HashSet<u64>>,
    /// Whether remote inputs are listed from their beginning, without pages fetched before.
    anew: bool,
    left_out: LeftOut,
    /// What was skipped in remote inputs.
    left_out_elsewhere: Arc<Mutex<LeftOut>>,
}

/// A named document that has no number yet.
type Named = (String, Place, Option<Failure>);

/// A container that the walk is in.
struct Inside {
    root: usize,
    path: PathBuf,
    /// The name of its document.
    name: String,
    members: Members,
}

/// A directory that the walk is in.
#[derive(Debug)]
struct Level {
    root: usize,
    directory: PathBuf,
    names: Names,
    next: usize,
}

/// A document, and the failure if it cannot be read.
pub type Found = (Document, Option<Failure>);

impl Walk {
    /// Lists remote inputs as they are now.
    #[must_use]
    pub fn anew(self) -> Self {
        Self { anew: true, ..self }
    }

    /// What has been skipped so far.
    pub fn left_out(&self) -> LeftOut {
        self.left_out + *self.left_out_elsewhere.lock()
    }

    fn found(path: PathBuf, name: String, failure: Option<Failure>) -> Found {
        (Document { index: 0, name, place: Place::File(path) }, failure)
    }

    /// Enters a directory. One that cannot be listed becomes a failed document.
    fn enter(&mut self, root: usize, directory: PathBuf) -> Option<Found> {
        let mut left_out = self.left_out;
        let roots = self.roots.clone();
        let RootKind::Directory(filter) = &roots.inputs[root].kind else { return None };
        let listed = Names::list(&directory, |name, kind| match kind {
            _ if is_hidden(name.as_encoded_bytes()) => {
                left_out.hidden += 1;
                false
            }
            EntryKind::Other => {
                left_out.special += 1;
                false
            }
            EntryKind::Link => {
                let follows = filter.links.follows(&directory.join(name));
                left_out.links += u64::from(!follows);
                follows
            }
            EntryKind::File | EntryKind::Directory => true,
        });
        self.left_out = left_out;
        match listed {
            Ok(names) => {
                if filter.group != Grouping::None {
                    self.listed = Some(Box::new(self.groups(root, filter, &directory, &names).into_iter()));
                }
                self.stack.push(Level { root, directory, names, next: 0 });
                None
            }
            Err(error) => {
                let name = format!("{}/", self.name(root, &directory));
                let failure = Failure::new(FailureCode::Unreadable, format!("cannot list the directory: {error}"));
                Some(Self::found(directory, name, Some(failure)))
            }
        }
    }

    fn name(&self, root: usize, path: &Path) -> String {
        self.roots.inputs[root].name_of(path)
    }

    /// Whether the walk returns this file. Counts files that rules leave out.
    fn takes(&mut self, filter: &Filter, root: &Path, path: &Path) -> bool {
        let relative = path.strip_prefix(root).unwrap_or(path);
        if filter.has_rows(relative) {
            return false;
        }
        // The rules select the files in it.
        if self.roots.containers.may_be_archive(path, false) && !filter.excludes(root, relative) {
            return true;
        }
        let (by_name, by_look) = (filter.takes_name(root, relative), filter.takes_size_and_date(path));
        let is_own = !by_name && filter.is_own(path);
        self.left_out.own += u64::from(is_own);
        self.left_out.patterns += u64::from(!by_name && !is_own);
        self.left_out.size_or_date += u64::from(by_name && !by_look);
        by_name && by_look
    }

    /// The documents of a directory that consist of several of its files.
    fn groups(&mut self, root: usize, filter: &Filter, directory: &Path, names: &Names) -> Vec<Named> {
        let roots = self.roots.clone();
        let root = &roots.inputs[root];
        let entries = (0..).map_while(|at| names.get(at)).filter(|(_, is_directory)| !is_directory);
        let files = entries.map(|(name, _)| directory.join(os_str(name)));
        let files: Vec<PathBuf> = files.filter(|path| self.takes(filter, &root.path, path)).collect();
        let groups = groups(files.into_iter(), filter.group).into_iter();
        groups.map(|(path, files)| (root.name_of_group(&path), Place::Group(files), None)).collect()
    }

    fn start_root(&mut self, root: usize) -> Option<Found> {
        let roots = self.roots.clone();
        let Root { path, prefix, kind, .. } = &roots.inputs[root];
        match kind {
            RootKind::Directory(_) => self.enter(root, path.clone()),
            RootKind::Spooled { .. } => Some(Self::found(path.clone(), prefix.clone(), None)),
            RootKind::File => {
                let name = self.name(root, path);
                Some(Self::found(path.clone(), name, None))
            }
            RootKind::Remote(..) => {
                let (mut walk, left_out) = (Elsewhere::of(&self.roots, root, self.anew), Arc::clone(&self.left_out_elsewhere));
                self.listed = Some(Box::new(std::iter::from_fn(move || {
                    let mut left_out = left_out.lock();
                    walk.next(&mut left_out).map(|Object { place, name, failure }| (name, place, failure))
                })));
                None
            }
            RootKind::Lines(_) => None,
            RootKind::Table(table) => {
                self.listed = Some(Box::new(table.documents(prefix)));
                None
            }
            RootKind::List(list) => {
                let name = list.names();
                let named = list.paths().map(move |path| {
                    let missing = missing(&path);
                    (name(&path), Place::File(path), missing)
                });
                self.listed = Some(Box::new(named));
                None
            }
        }
    }
}

impl Iterator for Walk {
    type Item = Found;

    /// The next document. A repeated name is the same document, and skipped.
    fn next(&mut self) -> Option<Found> {
        loop {
            let (mut document, failure) = self.next_divided()?;
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
    /// The next document, or member of a container.
    fn next_divided(&mut self) -> Option<Found> {
        loop {
            if let Some(found) = self.next_inside() {
                return Some(found);
            }
            let (document, failure) = self.next_named()?;
            let Place::File(path) = &document.place else { return Some((document, failure)) };
            if failure.is_some() || !self.roots.containers.reads {
                return Some((document, failure));
            }
            let roots = self.roots.clone();
            let root = &roots.inputs[self.root];
            let is_named = matches!(root.kind, RootKind::File);
            let (is_archive, has_attachments) =
                (roots.containers.may_be_archive(path, is_named), roots.containers.may_have_attachments(path));
            if !is_archive && !has_attachments {
                return Some((document, failure));
            }
            // A file that cannot be opened says so when it is read.
            let Ok(members) = roots.containers.members(path, is_named) else { return Some((document, failure)) };
            let is_document = !members.is_archive();
            self.inside = Some(Inside { root: self.root, path: path.clone(), name: document.name.clone(), members });
            if !is_document {
                continue;
            }
            if let RootKind::Directory(filter) = &root.kind
                && is_archive
                && !filter.takes(&root.path, path.strip_prefix(&root.path).unwrap_or(path))
            {
                self.left_out.patterns += 1;
                self.inside = None;
                continue;
            }
            return Some((document, failure));
        }
    }

    /// The next member of the container that the walk is in.
    fn next_inside(&mut self) -> Option<Found> {
        let Inside { root, path, name, members } = self.inside.as_mut()?;
        for listed in members.by_ref() {
            let own = format!("{name}#{}", listed.member.name);
            let mut file_of_that_name = path.as_os_str().to_owned();
            file_of_that_name.push(format!("#{}", listed.member.name));
            match self.roots.passes(&self.roots.inputs[*root], path, &listed) {
                Some(Passed::Hidden) => self.left_out.hidden += 1,
                Some(Passed::Pattern) => self.left_out.patterns += 1,
                Some(Passed::SizeOrDate) => self.left_out.size_or_date += 1,
                None if Path::new(&file_of_that_name).exists() => self.left_out.repeated += 1,
                None => {
                    let place = Place::Member(Box::new(listed.member));
                    return Some((Document { index: 0, name: own, place }, listed.failure));
                }
            }
        }
        let Inside { path, name, members, .. } = self.inside.take()?;
        let Ending { is_archive, links, special, trouble } = members.ending()?;
        self.left_out.links += links;
        self.left_out.special += special;
        let failure = trouble?;
        // A mail has its own row already.
        let name = if is_archive { name } else { format!("{name}#attachments") };
        Some(Self::found(path, name, Some(failure)))
    }

    /// The next document, without its number.
    fn next_named(&mut self) -> Option<Found> {
        loop {
            match self.listed.as_mut().map(Iterator::next) {
                Some(Some((name, place, failure))) => {
                    self.root = self.next_root.saturating_sub(1);
                    return Some((Document { index: 0, name, place }, failure));
                }
                Some(None) => self.listed = None,
                None => {}
            }
            let Some(level) = self.stack.last_mut() else {
                if self.next_root == self.roots.inputs.len() {
                    return None;
                }
                self.next_root += 1;
                self.root = self.next_root - 1;
                if let Some(found) = self.start_root(self.root) {
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
            self.root = root;
            let roots = self.roots.clone();
            let Root { path: root_path, kind: RootKind::Directory(filter), .. } = &roots.inputs[root] else { continue };
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
            if filter.group != Grouping::None || !self.takes(filter, root_path, &path) {
                continue;
            }
            let name = self.name(root, &path);
            let failure = filter.without_rows(relative).map(|why| Failure::new(FailureCode::Undecodable, why));
            return Some(Self::found(path, name, failure));
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
