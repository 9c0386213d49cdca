//! Members of ZIP archives.
//!
//! The directory at the end lists the members. Without it, as in a file that breaks off, the headers
//! before the members do.

use super::entry::{Entry, EntryKind, Source, Stop};
use super::names::printable;
use crate::model::{Failure, FailureCode};
use ::zip::read::{Config, read_zipfile_from_stream};
use ::zip::result::ZipError;
use ::zip::unstable::read::ZipIterable;
use ::zip::{CompressionMethod, ZipReadOptions};
use std::io::{self, Read, Seek, SeekFrom};

/// Entries at the top of archives that are one document.
const OF_DOCUMENTS: [&str; 6] =
    ["[Content_Types].xml", "mimetype", "META-INF/container.xml", "Index/Document.iwa", "Index.zip", "content.xml"];
/// Entries that decide whether an archive is a document.
const LOOKED_AT: usize = 200;

/// Whether the archive is a document, such as DOCX, ODT or EPUB.
pub(super) fn is_document(source: &mut (impl Read + Seek)) -> bool {
    let Ok(mut files) = ZipIterable::try_new(&mut *source, Config::default()) else { return false };
    let Ok(files) = files.files() else { return false };
    let mut names = files.take(LOOKED_AT).flatten().filter_map(|entry| Some(entry.name().ok()?.into_owned()));
    names.any(|name| OF_DOCUMENTS.contains(&&*name))
}

/// Passes on all entries with their contents. Returns what is wrong with the archive.
pub(super) fn each(
    mut source: &mut dyn Source,
    mut take: impl FnMut(Entry, &mut dyn Read) -> Result<(), Stop>,
) -> Result<Option<Failure>, Stop> {
    let length = source.seek(SeekFrom::End(0))?;
    source.rewind()?;
    // Entries that share bytes would decompress to more than the file can hold.
    let mut packed = 0_u64;
    let opened = ZipIterable::try_new(&mut source, Config::default());
    let mut files = match opened {
        Ok(files) => files,
        Err(error) => {
            let why = error.to_string();
            drop(error);
            return from_the_start(source, &why, take).map(Some);
        }
    };
    let files = match files.files() {
        Ok(files) => files,
        Err(error) => return Ok(Some(damaged(&error))),
    };
    while let Some(entry) = files.next() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => return Ok(Some(damaged(&error))),
        };
        packed = packed.saturating_add(entry.compressed_size());
        if packed > length {
            let why = "its entries overlap, like those of a decompression bomb. Unpack it, if you trust it";
            return Ok(Some(Failure::new(FailureCode::Undecodable, why)));
        }
        let raw = entry.name_raw();
        let name = match std::str::from_utf8(raw) {
            // Programs of macOS and Linux write UTF-8 without saying so.
            Ok(name) => name.to_owned(),
            Err(_) => entry.name().map_or_else(|_| printable(raw), std::borrow::Cow::into_owned),
        };
        let kind = match () {
            () if entry.is_dir() || name.ends_with(['/', '\\']) => EntryKind::Directory,
            () if entry.is_symlink() => EntryKind::Link,
            () => EntryKind::File,
        };
        let failure = if entry.encrypted() {
            let why = "it needs a password. Unpack the archive, or exclude the file";
            Some(Failure::new(FailureCode::Encrypted, why))
        } else if !matches!(entry.compression(), CompressionMethod::Stored | CompressionMethod::Deflated) {
            let why = format!("cannot decompress it: the method is {}. Unpack the archive", entry.compression());
            Some(Failure::new(FailureCode::UnsupportedKind, why))
        } else {
            None
        };
        let own =
            Entry { name, kind, size: entry.size(), packed: Some(entry.compressed_size()), version: u64::from(entry.crc32()), failure };
        if own.kind != EntryKind::File || own.failure.is_some() {
            take(own, &mut io::empty())?;
            continue;
        }
        match entry.with_reader(files.reader_mut(), ZipReadOptions::default()) {
            Ok(mut content) => take(own, &mut content)?,
            Err(error) => take(Entry { failure: Some(damaged_entry(&error)), ..own }, &mut io::empty())?,
        }
    }
    Ok(None)
}

/// Passes on the entries of an archive without a directory.
fn from_the_start(
    source: &mut dyn Source,
    why: &str,
    mut take: impl FnMut(Entry, &mut dyn Read) -> Result<(), Stop>,
) -> Result<Failure, Stop> {
    source.rewind()?;
    let (mut source, mut count) = (source, 0_u64);
    while let Ok(Some(mut file)) = read_zipfile_from_stream(&mut source) {
        let raw = file.name_raw();
        let name = std::str::from_utf8(raw).map_or_else(|_| printable(raw), ToOwned::to_owned);
        let kind = if name.ends_with(['/', '\\']) { EntryKind::Directory } else { EntryKind::File };
        let own =
            Entry { name, kind, size: file.size(), packed: Some(file.compressed_size()), version: u64::from(file.crc32()), failure: None };
        count += u64::from(kind == EntryKind::File);
        take(own, &mut file)?;
    }
    let found = if count == 1 { "1 file was found".to_owned() } else { format!("{count} files were found") };
    let why = format!("the archive is damaged: {}. {found}, others may be missing. Get it again", why.trim_end_matches('.'));
    Ok(Failure::new(FailureCode::Undecodable, why))
}

fn damaged(error: &ZipError) -> Failure {
    let why = error.to_string();
    let why = format!("the archive is damaged: {}. Files may be missing. Get it again", why.trim_end_matches('.'));
    Failure::new(FailureCode::Undecodable, why)
}

fn damaged_entry(error: &ZipError) -> Failure {
    let why = error.to_string();
    let why = format!("it is damaged in its archive: {}. Get the archive again, or exclude the file", why.trim_end_matches('.'));
    Failure::new(FailureCode::Undecodable, why)
}
