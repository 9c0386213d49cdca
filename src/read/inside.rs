//! Documents inside of containers: found by name, selected, opened.

use super::containers::Passed;
use super::file::{Files, Opened, failure, open_at_once};
use super::members::Listed;
use super::path_names::unprintable;
use super::progress::Progress;
use super::roots::{Root, RootKind, Roots};
use super::stamp::is_settled;
use crate::model::{ContainerMember, Digest, Failure, FailureCode, Place, Stamp};
use std::path::{Path, PathBuf};

impl Root {
    /// The path of the file called `name`, if it would be below this directory.
    fn path_below(&self, name: &str) -> Option<PathBuf> {
        let relative = if self.prefix.is_empty() { name } else { name.strip_prefix(&self.prefix)?.strip_prefix('/')? };
        Some(self.path.join(unprintable(relative).unwrap_or_else(|| relative.into())))
    }
}

impl Roots {
    /// The member of a container called `name`, such as `mail.eml#invoice.pdf`. Blocks.
    pub(super) fn locate_member(&self, name: &str) -> Option<Place> {
        if !self.containers.reads {
            return None;
        }
        name.match_indices('#').find_map(|(at, _)| {
            let (container, member) = (&name[..at], &name[at + 1..]);
            let (input, path) = self.container_called(container)?;
            let root = &self.inputs[input];
            let listing = self.containers.listing(&path, matches!(root.kind, RootKind::File))?;
            let listed = listing.member(member).filter(|listed| self.passes(root, &path, listed).is_none())?;
            Some(Place::Member(Box::new(listed.member.clone())))
        })
    }

    /// Whether a document of this name may be in a container that exists.
    pub(super) fn may_be_member(&self, name: &str) -> bool {
        let mut containers = name.match_indices('#').map(|(at, _)| &name[..at]);
        if self.containers.reads {
            self.locate_member(name).is_some()
        } else {
            containers.any(|container| matches!(self.locate_itself(container), Some(Place::File(path)) if path.is_file()))
        }
    }

    /// The input and the existing file of the container called `name`.
    fn container_called(&self, name: &str) -> Option<(usize, PathBuf)> {
        let is_container =
            |path: &Path, is_named| self.containers.may_be_archive(path, is_named) || self.containers.may_have_attachments(path);
        self.inputs.iter().enumerate().find_map(|(number, root)| {
            let path = match &root.kind {
                RootKind::File | RootKind::Spooled { .. } => Some(root.path.clone()).filter(|_| root.prefix == name),
                RootKind::List(list) => list.path_of(name),
                RootKind::Directory(filter) => root.path_below(name).filter(|path| {
                    let relative = path.strip_prefix(&root.path).unwrap_or(path);
                    let is_archive = self.containers.may_be_archive(path, false) && !filter.excludes(&root.path, relative);
                    is_archive || filter.takes(&root.path, relative)
                }),
                _ => None,
            };
            let path = path.filter(|path| path.is_file() && is_container(path, matches!(root.kind, RootKind::File)))?;
            Some((number, path))
        })
    }

    /// Why a member of a container of this input is no document.
    pub(super) fn passes(&self, root: &Root, container: &Path, listed: &Listed) -> Option<Passed> {
        let RootKind::Directory(filter) = &root.kind else { return self.containers.passes(None, listed) };
        let relative = container.strip_prefix(&root.path).unwrap_or(container);
        self.containers.passes(Some((filter, &root.path, relative)), listed)
    }

    /// Opens a member. Blocks.
    pub(super) fn open_member(&self, member: &ContainerMember, max_bytes: u64) -> (Result<Opened, Failure>, Option<Stamp>) {
        let stamp = Some(member.stamp).filter(|_| is_settled(&member.container_stamp));
        let (roots, own) = (self.clone(), member.clone());
        let read = move |max_bytes: u64, progress: &Progress| roots.read_member(&own, max_bytes, progress);
        let size = member.stamp.size.min(max_bytes);
        (Ok(Opened::Later { files: Files(Box::new(read)), size }), stamp)
    }

    /// The digest of a member. Blocks.
    pub(super) fn digest_of_member(&self, member: &ContainerMember) -> Result<Digest, Failure> {
        let most = self.containers.unpacker.bytes;
        self.read_member(member, most, &Progress::default()).map(|bytes| Digest::of(&bytes))
    }

    /// Reads a member. The opened container itself decides whether links may lead to it.
    fn read_member(&self, member: &ContainerMember, max_bytes: u64, progress: &Progress) -> Result<Vec<u8>, Failure> {
        let path = &member.container;
        let file = open_at_once(path).map_err(|error| failure(&error))?;
        if !self.admits(&file, path) {
            let why = "the file that contains it is a link that leads out of its directory (input.follow_links)";
            return Err(Failure::new(FailureCode::Unreadable, why));
        }
        self.containers.spools.read(&self.containers.unpacker, member, file, max_bytes, progress)
    }
}
