//! ZIP archives, the container of most kinds of documents.
//!
//! Archives are recognised by the names of their entries. This reads only the start of the
//! directory. The decompressed size is limited by the actual output, not by the sizes that the
//! archive declares.

use super::bounded::Bounded;
use super::{encoding, verdict};
use crate::model::{Failure, FailureCode};
use std::io::{self, Cursor, Read};
use zip::result::{ZipError, ZipResult};
use zip::unstable::read::ZipIterable;
use zip::{ZipArchive, ZipReadOptions};

/// Share of `prepare.document_mb` to which all entries may decompress.
///
/// The archive's own size is added. The rest of the memory is for the extracted content. The
/// default is 256 MB. The text of the longest book takes 10 MB, and pictures hardly grow.
const SHARE: u64 = 4;
/// Bytes to which every entry may decompress.
const ALWAYS: u64 = 16 << 20;
/// Maximum compression ratio of an entry beyond [`ALWAYS`].
///
/// Repetitive tables reach 200.
const RATIO: u64 = 400;

/// An archive in memory.
pub(super) struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    /// Kind of the document, for failures.
    name: &'static str,
    /// Bytes that may be decompressed in total.
    ///
    /// `left` is the part that is not yet used.
    most: u64,
    left: u64,
}

/// Whether this is an archive with a matching entry.
///
/// `damaged` is the result for damaged archives and for directories that are too long.
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

/// Whether this is an archive with a matching `mimetype` entry.
///
/// OpenDocument and EPUB files have such an entry.
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
    /// Opens the archive of a document of the kind `name`.
    ///
    /// `megabytes` is the memory limit.
    pub fn open(bytes: &'a [u8], name: &'static str, megabytes: u64) -> Result<Self, Failure> {
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(|error| verdict::damaged(name, error))?;
        let most = (megabytes.saturating_mul(1_000_000) / SHARE).saturating_add(bytes.len() as u64);
        Ok(Self { zip, name, most, left: most })
    }

    /// The names of all entries.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.zip.file_names().flatten().map(std::borrow::Cow::into_owned)
    }

    /// Reads an entry as text; `None` if it does not exist.
    pub fn text(&mut self, name: &str) -> Result<Option<String>, Failure> {
        Ok(self.bytes(name)?.map(|bytes| encoding::decode(&bytes).text.into_owned()))
    }

    /// Reads an entry as text that a document can do without; `None` if it is missing or damaged.
    pub fn optional(&mut self, name: &str) -> Result<Option<String>, Failure> {
        match self.text(name) {
            Err(failure) if failure.code != FailureCode::PrepareLimit => Ok(None),
            text => text,
        }
    }

    /// Reads an entry; `None` if it does not exist.
    pub fn bytes(&mut self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        let Some(index) = self.zip.index_for_name(name) else { return Ok(None) };
        let mut bytes = Vec::new();
        self.unpack(index, &mut bytes)?;
        Ok(Some(bytes))
    }

    /// Reads an entry as text. Fails if it does not exist.
    pub fn needed(&mut self, name: &str) -> Result<String, Failure> {
        self.text(name)?.ok_or_else(|| verdict::damaged(self.name, format!("the part {name} is missing")))
    }

    /// Decompresses all entries once to check the size.
    ///
    /// Libraries that later read the archive decompress without a limit. They report entries that
    /// cannot be decompressed.
    pub fn measure(mut self) -> Result<(), Failure> {
        for index in 0..self.zip.len() {
            match self.unpack(index, &mut io::sink()) {
                Err(failure) if failure.code != FailureCode::Undecodable => return Err(failure),
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
