//! The members of a container, one after the other.

use super::file::open_at_once;
use super::stamp::stamp;
use super::unpacker::{Members as Frames, Unpacker, archive_format};
use crate::model::{ContainerMember, Digest, Failure, FailureCode, Stamp};
use crate::prepare::{Ending, Frame, Member};
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

/// A member as its container lists it.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub member: ContainerMember,
    /// Whether it is attached to a document.
    pub attached: bool,
    pub failure: Option<Failure>,
}

/// Lists the members of a container.
#[derive(Debug)]
pub(super) struct Members {
    frames: Frames,
    container: PathBuf,
    container_stamp: Stamp,
    archives: bool,
    next: Option<Member>,
    number: u64,
    /// Hashes of the names so far: a name is given once.
    seen: HashSet<u64>,
    ending: Option<Ending>,
}

impl Members {
    /// Begins to list the members of the file at `path`.
    pub fn list(unpacker: &Unpacker, path: &Path, archives: bool) -> io::Result<Self> {
        let file = open_at_once(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let container_stamp = stamp(&metadata);
        let request = unpacker.request(path, archives, None);
        let (frames, ending) = match unpacker.unpack(file, path, &request) {
            Ok(frames) => (frames, None),
            Err(error) => (Frames::Nothing, Some(unlisted(path, &error))),
        };
        let container = path.to_owned();
        let mut members = Self { frames, container, container_stamp, archives, next: None, number: 0, seen: HashSet::new(), ending };
        if members.ending.is_none() {
            members.advance();
        }
        Ok(members)
    }

    /// Whether the file is an archive. Otherwise it is a document itself.
    pub fn is_archive(&self) -> bool {
        match (&self.next, &self.ending) {
            (Some(_), _) => archive_format(&self.container).is_some(),
            (None, ending) => ending.as_ref().is_some_and(|ending| ending.is_archive),
        }
    }

    /// What the process said at the end.
    pub fn ending(self) -> Option<Ending> {
        self.ending
    }

    fn advance(&mut self) {
        self.next = loop {
            match self.frames.next() {
                Ok(Frame::Member(member)) => break Some(member),
                Ok(Frame::End(ending)) => {
                    self.ending = Some(ending);
                    break None;
                }
                Ok(_) => {}
                Err(error) => {
                    self.ending = Some(unlisted(&self.container, &error));
                    break None;
                }
            }
        }
    }

    fn listed(&self, member: Member) -> Listed {
        let Member { name, size, version, attached, failure } = member;
        let Stamp { size: all, modified_ns, changed_ns } = self.container_stamp;
        let mut hash = blake3::Hasher::new();
        hash.update(format!("{all} {modified_ns} {changed_ns} {} {size} {version}\0{name}", self.number).as_bytes());
        // The number is smaller than any time at which files change.
        let number = hash.finalize().as_bytes().first_chunk().map_or(0, |first| u64::from_le_bytes(*first) >> 13);
        let stamp = Stamp { size, modified_ns, changed_ns: i64::try_from(number).unwrap_or(0) };
        let member = ContainerMember {
            container: self.container.clone(),
            container_stamp: self.container_stamp,
            archives: self.archives,
            number: self.number,
            name,
            stamp,
        };
        Listed { member, attached, failure }
    }
}

impl Iterator for Members {
    type Item = Listed;

    fn next(&mut self) -> Option<Listed> {
        loop {
            let member = self.next.take()?;
            let listed = self.listed(member);
            self.number += 1;
            self.advance();
            if self.seen.insert(Digest::of(listed.member.name.as_bytes()).short()) {
                return Some(listed);
            }
        }
    }
}

/// The ending of a container whose members cannot be listed.
fn unlisted(path: &Path, error: &io::Error) -> Ending {
    let failure = Failure::new(FailureCode::PrepareLimit, format!("cannot list the files in it: {error}"));
    Ending { is_archive: archive_format(path).is_some(), links: 0, special: 0, trouble: Some(failure) }
}
