//! Divides a container into its members.

use super::super::documents::Attachment;
use super::attached;
use super::copy::copy;
use super::entry::{Entry, EntryKind, Source, Stop, fill};
use super::frames::{Frame, Member, write_content};
use super::names::{Names, clean, extension_of, is_archive_extension, is_of_system};
use super::{Request, tar, zip};
use crate::model::{Digest, Failure, FailureCode};
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom, Write};

/// Maximum depth of containers in containers.
const DEPTH: usize = 4;
/// Maximum bytes of a container inside another one, which is held in memory.
const NESTED_BYTES: u64 = 400_000_000;

/// Writes members.
pub(super) struct Unpacker<'a, W: Write> {
    pub request: &'a Request,
    pub out: &'a mut W,
    pub renew: &'a dyn Fn() -> io::Result<()>,
    pub names: Names,
    pub members: u64,
    /// Bytes of contents that may still be written.
    pub left: u64,
    /// Bytes of containers in the container that may still be unpacked.
    pub nested: u64,
    pub links: u64,
    pub special: u64,
}

/// Where an archive stands: the beginning of its members' names, and its depth.
#[derive(Clone, Copy)]
struct Within<'p> {
    prefix: &'p str,
    depth: usize,
}

impl<W: Write> Unpacker<'_, W> {
    /// Writes the members of the whole file. Returns whether it is an archive, and what is wrong with
    /// it.
    pub fn container(&mut self, source: &mut (impl Read + Seek)) -> Result<(bool, Option<Failure>), Stop> {
        let extension = self.request.extension.clone();
        if is_archive_extension(&extension) {
            if !self.request.apart.archives || !is_archive(source)? {
                return Ok((false, None));
            }
            return Ok((true, self.archive(source, Within { prefix: "", depth: 1 })?));
        }
        if !self.request.apart.attachments {
            return Ok((false, None));
        }
        let mut bytes = Vec::new();
        source.read_to_end(&mut bytes)?;
        self.attachments(&bytes, &extension, Within { prefix: "", depth: 1 })?;
        Ok((false, None))
    }

    /// Writes the members of an archive. Returns what is wrong with it.
    fn archive(&mut self, source: &mut dyn Source, within: Within<'_>) -> Result<Option<Failure>, Stop> {
        source.rewind()?;
        let mut first = [0; 4];
        let read = fill(source, &mut first)?;
        source.rewind()?;
        let before = self.members + self.links + self.special;
        let trouble = match &first[..read] {
            [b'P', b'K', ..] => zip::each(source, |entry, content| self.entry(entry, content, within))?,
            [0x1F, 0x8B, ..] => {
                let mut unpacked = BufReader::new(flate2::read::MultiGzDecoder::new(BufReader::new(source)));
                tar::each(&mut unpacked, |entry, content| self.entry(entry, content, within))?
            }
            [0x28, 0xB5, 0x2F, 0xFD] => {
                let mut unpacked = BufReader::new(zstd::stream::read::Decoder::new(source)?);
                tar::each(&mut unpacked, |entry, content| self.entry(entry, content, within))?
            }
            _ => tar::each(&mut BufReader::new(source), |entry, content| self.entry(entry, content, within))?,
        };
        let is_empty = trouble.is_none() && self.members + self.links + self.special == before;
        Ok(if is_empty { Some(Failure::new(FailureCode::Empty, "the archive has no files. Exclude it")) } else { trouble })
    }

    /// Writes a member of an archive, or its members.
    fn entry(&mut self, entry: Entry, content: &mut dyn Read, within: Within<'_>) -> Result<(), Stop> {
        (self.renew)()?;
        match entry.kind {
            EntryKind::Directory => return Ok(()),
            EntryKind::Link => {
                self.links += 1;
                return Ok(());
            }
            EntryKind::Special => {
                self.special += 1;
                return Ok(());
            }
            EntryKind::File => {}
        }
        let own = clean(&entry.name);
        let name = self.names.unique(&format!("{}{own}", within.prefix));
        let extension = extension_of(&own);
        let is_archive_in = self.request.apart.archives && is_archive_extension(&extension);
        let divides = is_archive_in || self.request.apart.attachments && attached::may_have(&extension);
        if entry.failure.is_some() || !divides || is_of_system(&own) || entry.size > NESTED_BYTES {
            return self.member(&name, &entry, false, content);
        }
        if is_archive_in && within.depth >= DEPTH {
            let why = format!("this archive is {DEPTH} archives deep, and docmill reads no deeper. Unpack it");
            return self.member(&name, &Entry { failure: Some(Failure::new(FailureCode::UnsupportedKind, why)), ..entry }, false, content);
        }
        let mut bytes = Vec::with_capacity(usize::try_from(entry.size).unwrap_or(0));
        if let Err(failure) = self.copy(&entry, content, &mut bytes, NESTED_BYTES)? {
            return self.member(&name, &Entry { failure: Some(failure), ..entry }, false, &mut io::empty());
        }
        let inside = format!("{name}#");
        let within = Within { prefix: &inside, depth: within.depth + 1 };
        let mut source = Cursor::new(&bytes);
        if is_archive_in && is_archive(&mut source)? {
            return match self.archive(&mut source, within)? {
                None => Ok(()),
                failure => self.member(&name, &Entry { failure, ..entry }, false, &mut io::empty()),
            };
        }
        self.member(&name, &entry, false, &mut &*bytes)?;
        if is_archive_in { Ok(()) } else { self.attachments(&bytes, &extension, within) }
    }

    /// Writes the readable files that are attached to a document.
    fn attachments(&mut self, bytes: &[u8], extension: &str, within: Within<'_>) -> Result<(), Stop> {
        (self.renew)()?;
        let apart = self.request.apart;
        for Attachment { name, content } in attached::files(bytes, extension, apart) {
            (self.renew)()?;
            let own = clean(&name);
            let extension = extension_of(&own);
            let name = self.names.unique(&format!("{}{own}", within.prefix));
            let entry = Entry {
                name: own,
                kind: EntryKind::File,
                size: content.len() as u64,
                packed: None,
                version: Digest::of(&content).short(),
                failure: None,
            };
            let inside = format!("{name}#");
            let within = Within { prefix: &inside, depth: within.depth + 1 };
            let mut source = Cursor::new(&*content);
            let is_archive_in = apart.archives && is_archive_extension(&extension) && is_archive(&mut source)?;
            if is_archive_in && within.depth <= DEPTH {
                if let failure @ Some(_) = self.archive(&mut source, within)? {
                    self.member(&name, &Entry { failure, ..entry }, true, &mut io::empty())?;
                }
                continue;
            }
            self.member(&name, &entry, true, &mut &*content)?;
            if within.depth <= DEPTH && attached::may_have(&extension) {
                self.attachments(&content, &extension, within)?;
            }
        }
        Ok(())
    }

    /// Writes a member, and its content if that is wanted.
    fn member(&mut self, name: &str, entry: &Entry, attached: bool, content: &mut dyn Read) -> Result<(), Stop> {
        if self.members == self.request.members {
            let most = self.request.members;
            let why =
                format!("it holds more than {most} files, of which docmill reads the first ones. Raise input.max_members, or divide it");
            return Err(Stop::Limit(Failure::new(FailureCode::TooLarge, why)));
        }
        self.members += 1;
        let member = Member { name: name.to_owned(), size: entry.size, version: entry.version, attached, failure: entry.failure.clone() };
        Frame::Member(member).write(self.out)?;
        if entry.failure.is_some() || !self.request.contents {
            return Ok(());
        }
        let mut pieces = Pieces(self.out);
        let most = self.request.member_bytes;
        let copied = copy(entry, content, &mut pieces, most, &mut self.left, self.renew)?;
        if let Err(failure) = copied {
            Frame::Failed(failure).write(self.out)?;
        }
        Ok(())
    }

    fn copy(&mut self, entry: &Entry, content: &mut dyn Read, to: &mut impl Write, most: u64) -> Result<Result<(), Failure>, Stop> {
        copy(entry, content, to, most, &mut self.nested, self.renew)
    }
}

/// Writes content as frames.
struct Pieces<'w, W: Write>(&'w mut W);

impl<W: Write> Write for Pieces<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        write_content(self.0, bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Whether the file is an archive that docmill reads, and not a document in the form of one.
fn is_archive(source: &mut (impl Read + Seek)) -> Result<bool, Stop> {
    source.rewind()?;
    let mut first = [0; 4];
    let read = fill(source, &mut first)?;
    source.seek(SeekFrom::Start(0))?;
    Ok(match &first[..read] {
        [b'P', b'K', 3, 4] | [b'P', b'K', 5, 6] => !zip::is_document(source),
        [0x1F, 0x8B, ..] => tar::is_tar(&mut flate2::read::MultiGzDecoder::new(BufReader::new(&mut *source))),
        [0x28, 0xB5, 0x2F, 0xFD] => tar::is_tar(&mut zstd::stream::read::Decoder::new(&mut *source)?),
        _ => tar::is_tar(source),
    })
}
