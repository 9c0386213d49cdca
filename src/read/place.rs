//! Opens, stamps and compares documents at their place.

use super::file::{self, Opened};
use super::group;
use super::remote::{Remote, detects_changes};
use super::roots::{Root, RootKind, Roots};
use super::stamp;
use crate::model::{Digest, Failure, FailureCode, Place, Stamp};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

impl Roots {
    /// Opens a document, and reads it if it is small. Blocks.
    ///
    /// The stamp is taken before reading, so that a later change is detected. It is `None` if a
    /// change could go unnoticed. The text of a row is moved out of `place`.
    pub fn open_document(&self, place: &mut Place, max_bytes: u64) -> (Result<Opened, Failure>, Option<Stamp>) {
        let (input, key, listed) = match place {
            Place::File(path) => return file::open(path, max_bytes, |file| self.admits(file, path)),
            // The walk has read the row already.
            Place::Row(row) if std::str::from_utf8(&row.text).is_ok_and(|text| text.trim().is_empty()) => {
                return (Err(Failure::new(FailureCode::Empty, "the row has no text")), Some(row.stamp));
            }
            Place::Row(row) => return (Ok(Opened::Read(std::mem::take(&mut row.text))), Some(row.stamp)),
            Place::Group(files) => return group::open(self, files, max_bytes),
            Place::Member(member) => return self.open_member(member, max_bytes),
            Place::Object { input, key, listed } => (self.remote(*input), key, listed),
        };
        let Some(input) = input else { return (Err(Failure::new(FailureCode::Unreadable, "the input of this document is unknown")), None) };
        let opened = match listed.map_or(0, |stamp| stamp.size) {
            0 => Err(Failure::new(FailureCode::Empty, "the object is empty (0 bytes)")),
            size if size > max_bytes => Err(stamp::too_large(size, max_bytes)),
            size => Ok(Opened::Elsewhere { input: Arc::clone(input), key: key.clone(), size }),
        };
        (opened, listed.filter(detects_changes))
    }

    /// Whether a file that was opened at `path` may be read, by the rule for links.
    ///
    /// Files that the user names as inputs are read wherever they are.
    pub(super) fn admits(&self, file: &File, path: &Path) -> bool {
        let mut directories = self.inputs.iter().filter_map(|root| match &root.kind {
            RootKind::Directory(filter) => Some((filter, path.strip_prefix(&root.path).ok()?)),
            _ => None,
        });
        let mut lists = self.inputs.iter().filter_map(|root| if let RootKind::List(list) = &root.kind { Some(list) } else { None });
        match directories.next() {
            Some((filter, relative)) => filter.links.admits(file, relative),
            None => lists.next().is_none_or(|list| list.admits(file, path)),
        }
    }

    /// The current stamp of a file, if a later change would show in it. Blocks.
    pub fn settled_stamp(&self, place: &Place) -> Option<Stamp> {
        match place {
            Place::File(_) => self.stamp_of(place).filter(stamp::is_settled),
            Place::Group(files) => group::settled(files),
            Place::Member(member) => Some(member.stamp).filter(|_| stamp::is_settled(&member.container_stamp)),
            Place::Object { .. } | Place::Row(_) => None,
        }
    }

    /// The current stamp of a document. Blocks.
    ///
    /// Objects cause no request: their listing had the stamp.
    pub fn stamp_of(&self, place: &Place) -> Option<Stamp> {
        match place {
            Place::File(path) => stamp::stamp_of(path),
            Place::Object { listed, .. } => *listed,
            Place::Row(row) => Some(row.stamp),
            Place::Group(files) => group::group_stamp(files),
            Place::Member(member) => Some(member.stamp),
        }
    }

    /// Whether this place still holds the content that had this stamp. Blocks.
    pub fn still_holds(&self, place: &Place, digest: Digest, stamp: Option<Stamp>) -> bool {
        let (input, key) = match place {
            Place::File(path) => {
                return match stamp::stamp_of(path) {
                    None => false,
                    now if stamp.is_some() && now == stamp => true,
                    Some(_) => std::fs::read(path).is_ok_and(|bytes| Digest::of(&bytes) == digest),
                };
            }
            Place::Object { input, key, .. } => (self.remote(*input), key),
            Place::Group(files) => {
                return match group::group_stamp(files) {
                    None => false,
                    now if stamp.is_some() && now == stamp => true,
                    Some(_) => group::digest(self, files).is_ok_and(|now| now == digest),
                };
            }
            Place::Member(member) => {
                return Some(member.stamp) == stamp || self.digest_of_member(member).is_ok_and(|now| now == digest);
            }
            Place::Row(row) => return row.digest == digest,
        };
        let Some(input) = input else { return false };
        match input.stamp_now(key) {
            Ok(None) => false,
            // The state is unknown. Treating the document as renamed would take its answers away.
            Err(_) => true,
            now if stamp.is_some() && now == Ok(stamp) => true,
            Ok(Some(_)) => input.digest(key).map_or(true, |now| now == digest),
        }
    }

    /// The digest of a remote document, or of several files. Blocks.
    pub fn digest_elsewhere(&self, place: &Place) -> Result<Digest, Failure> {
        match place {
            Place::Group(files) => return group::digest(self, files),
            Place::Member(member) => return self.digest_of_member(member),
            _ => {}
        }
        let unknown = || Failure::new(FailureCode::Unreadable, "the input of this document is unknown");
        let Place::Object { input, key, .. } = place else { return Err(unknown()) };
        self.remote(*input).ok_or_else(unknown)?.digest(key)
    }

    fn remote(&self, input: usize) -> Option<&Arc<Remote>> {
        self.inputs.get(input).and_then(Root::remote)
    }
}
