//! ZIP archives: what most kinds of documents are on the outside.
//!
//! Promises: an archive is recognised by the names of its entries, and no more than the beginning of its directory is read
//! for that; what is unpacked of one is bounded, and what counts is what comes out, not what the archive says of itself.

use super::bounded::Bounded;
use super::{encoding, verdict};
use crate::model::Failure;
use std::io::{self, Cursor, Read};
use zip::result::{ZipError, ZipResult};
use zip::unstable::read::ZipIterable;
use zip::{ZipArchive, ZipReadOptions};

/// The part of `prepare.document_mb` that an archive may unpack to, all entries together, on top of its own size: the rest is
/// for what is made of it. By default that is 256 MB; the text of the longest book is 10 MB, and pictures do not grow when they
/// are unpacked.
const SHARE: u64 = 4;
/// What an entry may unpack to, whatever it is packed to.
const ALWAYS: u64 = 16 << 20;
/// Beyond [`ALWAYS`], by how much an entry may grow. Repetitive tables reach 200.
const RATIO: u64 = 400;

/// An archive in memory.
pub(super) struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    /// The kind of document, for failures.
    name: &'static str,
    /// Bytes that may be unpacked, and that may still be.
    most: u64,
    left: u64,
}

/// Whether this is an archive with an entry of that name. One that is too damaged to tell is taken for what its
/// extension says, and so is one of which more would have to be read.
pub(super) fn holds(bytes: &[u8], entry: impl Fn(&str) -> bool, damaged: bool) -> bool {
    if !bytes.starts_with(b"PK\x03\x04") {
        return false;
    }
    let found = || -> ZipResult<bool> {
        for file in directory(bytes)?.files()? {
            if file?.name().is_ok_and(|name| entry(&name)) {
                return Ok(true);
            }
        }
        Ok(false)
    };
    found().unwrap_or(damaged)
}

/// Whether this is an archive whose entry `mimetype` says so, as OpenDocument and EPUB have it.
pub(super) fn has_type(bytes: &[u8], media_type: impl Fn(&str) -> bool, damaged: bool) -> bool {
    if !bytes.starts_with(b"PK\x03\x04") {
        return false;
    }
    let found = || -> ZipResult<bool> {
        for file in directory(bytes)?.files()? {
            let file = file?;
            if file.name().is_ok_and(|name| name == "mimetype") {
                let mut text = String::new();
                let mut beginning = Bounded::new(bytes, 0);
                let entry = file.with_reader(&mut beginning, ZipReadOptions::default());
                return Ok(entry.is_ok_and(|entry| entry.take(200).read_to_string(&mut text).is_ok() && media_type(text.trim())));
            }
        }
        Ok(false)
    };
    found().unwrap_or(damaged)
}

fn directory(bytes: &[u8]) -> ZipResult<ZipIterable<Bounded<'_>>> {
    ZipIterable::try_new(Bounded::new(bytes, 0), zip::read::Config::default())
}

impl<'a> Archive<'a> {
    /// Opens the archive that a document of the kind `name` is, where reading one may take so many megabytes.
    pub fn open(bytes: &'a [u8], name: &'static str, megabytes: u64) -> Result<Self, Failure> {
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(|error| verdict::damaged(name, error))?;
        let most = (megabytes.saturating_mul(1_000_000) / SHARE).saturating_add(bytes.len() as u64);
        Ok(Self { zip, name, most, left: most })
    }

    /// The names of all entries.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.zip.file_names().flatten().map(std::borrow::Cow::into_owned)
    }

    /// An entry as text, if there is one of that name.
    pub fn text(&mut self, name: &str) -> Result<Option<String>, Failure> {
        let Some(index) = self.zip.index_for_name(name) else { return Ok(None) };
        let mut bytes = Vec::new();
        self.unpack(index, &mut bytes)?;
        Ok(Some(encoding::decode(&bytes).text.into_owned()))
    }

    /// An entry as text without which there is no document.
    pub fn needed(&mut self, name: &str) -> Result<String, Failure> {
        self.text(name)?.ok_or_else(|| verdict::damaged(self.name, format!("its part {name} is missing")))
    }

    /// Unpacks everything once, for nothing but its size: the libraries that read the archive next unpack what they
    /// find without asking how much it is. An entry that cannot be unpacked is for them to judge.
    pub fn measure(mut self) -> Result<(), Failure> {
        for index in 0..self.zip.len() {
            match self.unpack(index, &mut io::sink()) {
                Err(failure) if failure.code != crate::model::FailureCode::Undecodable => return Err(failure),
                _ => {}
            }
        }
        Ok(())
    }

    fn unpack(&mut self, index: usize, to: &mut impl io::Write) -> Result<(), Failure> {
        let name = self.name;
        let entry = self.zip.by_index(index).map_err(|error| match error {
            ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) => verdict::encrypted(name),
            error => verdict::damaged(name, error),
        })?;
        let honest = ALWAYS.max(entry.compressed_size().saturating_mul(RATIO));
        let most = self.left.min(honest);
        let unpacked = io::copy(&mut entry.take(most + 1), to).map_err(|error| verdict::damaged(name, error))?;
        if unpacked > most {
            let what = if most == honest {
                format!("a part of it unpacks to more than {RATIO} times its size, as in archives that are made to do harm")
            } else {
                let megabytes = self.most / 1_000_000;
                format!("it unpacks to more than {megabytes} MB, and a quarter of prepare.document_mb is for that: raise it")
            };
            return Err(verdict::too_much(name, what));
        }
        self.left -= unpacked;
        Ok(())
    }
}
