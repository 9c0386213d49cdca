//! ZIP archives, the container of most kinds of documents.
//!
//! An archive is recognised by the names of its entries; only the beginning of its directory is
//! read for that. The decompressed size is bounded by the bytes that come out, not by the sizes
//! that the archive declares.

use super::bounded::Bounded;
use super::{encoding, verdict};
use crate::model::Failure;
use std::io::{self, Cursor, Read};
use zip::result::{ZipError, ZipResult};
use zip::unstable::read::ZipIterable;
use zip::{ZipArchive, ZipReadOptions};

/// The share of `prepare.document_mb` that all entries may decompress to. The archive's own size is
/// added. The rest is for the extracted content. The default is 256 MB; the text of the longest
/// book is 10 MB, and pictures hardly grow.
const SHARE: u64 = 4;
/// Every entry may decompress to this many bytes.
const ALWAYS: u64 = 16 << 20;
/// Beyond [`ALWAYS`], the maximum compression ratio of an entry. Repetitive tables reach 200.
const RATIO: u64 = 400;

/// An archive in memory.
pub(super) struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    /// The kind of document, for failures.
    name: &'static str,
    /// Bytes that may be decompressed in total, and that are left.
    most: u64,
    left: u64,
}

/// Whether this is an archive with such an entry.
///
/// `damaged` is the result for an archive that is damaged, or has too long a directory.
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

/// Whether this is an archive with such an entry `mimetype`. OpenDocument and EPUB have one.
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
    /// Opens the archive of a document of the kind `name`. The memory limit is in megabytes.
    pub fn open(bytes: &'a [u8], name: &'static str, megabytes: u64) -> Result<Self, Failure> {
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(|error| verdict::damaged(name, error))?;
        let most = (megabytes.saturating_mul(1_000_000) / SHARE).saturating_add(bytes.len() as u64);
        Ok(Self { zip, name, most, left: most })
    }

    /// The names of all entries.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.zip.file_names().flatten().map(std::borrow::Cow::into_owned)
    }

    /// An entry as text; `None` if there is no such entry.
    pub fn text(&mut self, name: &str) -> Result<Option<String>, Failure> {
        let Some(index) = self.zip.index_for_name(name) else { return Ok(None) };
        let mut bytes = Vec::new();
        self.unpack(index, &mut bytes)?;
        Ok(Some(encoding::decode(&bytes).text.into_owned()))
    }

    /// An entry as text; a failure if it is missing.
    pub fn needed(&mut self, name: &str) -> Result<String, Failure> {
        self.text(name)?.ok_or_else(|| verdict::damaged(self.name, format!("the part {name} is missing")))
    }

    /// Decompresses everything once to check its size.
    ///
    /// Libraries that read the archive later decompress without a limit. They report entries that
    /// cannot be decompressed.
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
                format!("a part of it decompresses to more than {RATIO} times its size, like a decompression bomb")
            } else {
                let megabytes = self.most / 1_000_000;
                format!(
                    "it decompresses to more than {megabytes} MB: a quarter of prepare.document_mb, plus the size of the file. Raise prepare.document_mb"
                )
            };
            return Err(verdict::too_much(name, what));
        }
        self.left -= unpacked;
        Ok(())
    }
}
