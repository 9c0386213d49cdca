//! Compound files: old Office documents, Outlook mails and encrypted documents.
//!
//! Files are recognised by the names of their streams. This reads only a small part of the file. A
//! stream never yields more bytes than the file has.

use super::bounded::Bounded;
use super::salvage::salvaged;
use super::{Extract, ImageLimits, PrepareSettings, Reader, verdict};
use crate::model::Failure;
use cfb::{CompoundFile, Version};
use std::borrow::Cow;
use std::io::{self, Cursor, Read, Write};

/// Password-protected Office documents. Their streams do not show their kind.
pub(super) const SEALED: Reader = Reader { format: "office", name: SEALED_NAME, recognises: is_sealed, read: read_sealed };

const SEALED_NAME: &str = "an Office document (DOCX, XLSX or PPTX)";
const SIGNATURE: &[u8] = b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1";

/// Divisor of the file size for the bytes read to recognise it.
///
/// Sector tables grow with the file.
const TABLES: usize = 16;

/// A compound file in memory, repaired if it was damaged.
pub(super) struct Compound<'a> {
    file: CompoundFile<Cursor<Cow<'a, [u8]>>>,
    size: u64,
}

/// Whether this is a compound file with one of these streams.
///
/// `damaged` is the result for damaged files and for files that need too much reading.
pub(super) fn holds(bytes: &[u8], streams: &[&str], damaged: bool) -> bool {
    if !bytes.starts_with(SIGNATURE) {
        return false;
    }
    match CompoundFile::open(Bounded::new(bytes, bytes.len() / TABLES)) {
        Ok(file) => streams.iter().any(|stream| file.is_stream(stream)),
        Err(_) => damaged,
    }
}

impl<'a> Compound<'a> {
    /// Opens the compound file of a document of the kind `name`.
    pub fn open(bytes: &'a [u8], name: &str) -> Result<Self, Failure> {
        let sound = Self::sound(bytes);
        let size = sound.len() as u64;
        let file = CompoundFile::open(Cursor::new(sound)).map_err(|error| verdict::damaged(name, error))?;
        Ok(Self { file, size })
    }

    /// The bytes of a sound file: these, or repaired ones.
    pub fn sound(bytes: &[u8]) -> Cow<'_, [u8]> {
        let repaired = if is_sound(bytes) { None } else { salvaged(bytes) };
        repaired.map_or(Cow::Borrowed(bytes), Cow::Owned)
    }

    /// Adds a note to the extract of sound bytes if they are not the `original` ones.
    pub fn noted(mut extract: Extract, sound: &[u8], original: &[u8]) -> Extract {
        if !std::ptr::eq(sound, original) {
            extract.notes.push("the tables of the file are damaged; docmill repaired them, and text may be missing".to_owned());
        }
        extract
    }

    /// Reads a stream; `None` if it is missing or unreadable.
    pub fn stream(&mut self, path: &str) -> Option<Vec<u8>> {
        let stream = self.file.open_stream(path).ok()?;
        let mut bytes = Vec::new();
        stream.take(self.size).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// Builds a file with only the first readable one of these streams.
    ///
    /// Libraries that trust sector chains need this, because a cyclic chain would never end.
    pub fn only(&mut self, streams: &[&str]) -> io::Result<Vec<u8>> {
        let found = streams.iter().find_map(|path| Some((path, self.stream(path)?)));
        let (path, bytes) = found.ok_or_else(|| io::Error::other("its streams cannot be read"))?;
        let mut file = CompoundFile::create_with_version(Version::V3, Cursor::new(Vec::new()))?;
        file.create_stream(path)?.write_all(&bytes)?;
        file.flush()?;
        Ok(file.into_inner().into_inner())
    }

    /// Whether a storage has this name.
    pub fn has_storage(&self, path: &str) -> bool {
        self.file.is_storage(path)
    }

    /// Names of the storages inside a storage.
    pub fn storages(&self, path: &str) -> Vec<String> {
        let entries = self.file.read_storage(path).into_iter().flatten();
        entries.filter(cfb::Entry::is_storage).map(|entry| entry.name().to_owned()).collect()
    }
}

/// Replaces the bytes of a stream by as many others.
pub(super) fn replaced(bytes: &[u8], path: &str, stream: &[u8]) -> io::Result<Vec<u8>> {
    let mut file = CompoundFile::open(Cursor::new(bytes.to_vec()))?;
    file.open_stream(path)?.write_all(stream)?;
    file.flush()?;
    Ok(file.into_inner().into_inner())
}

/// Whether all streams can be read to their ends.
fn is_sound(bytes: &[u8]) -> bool {
    let Ok(mut file) = CompoundFile::open(Cursor::new(bytes)) else { return false };
    let streams: Vec<_> = file.walk().filter(cfb::Entry::is_stream).map(|entry| (entry.path().to_owned(), entry.len())).collect();
    // Streams of a sound file share no bytes.
    let mut left = bytes.len() as u64;
    streams.iter().all(|(path, length)| {
        let Some(rest) = left.checked_sub(*length) else { return false };
        left = rest;
        let read = file.open_stream(path).and_then(|stream| io::copy(&mut stream.take(*length), &mut io::sink()));
        read.is_ok_and(|read| read == *length)
    })
}

fn is_sealed(bytes: &[u8], _: &str) -> bool {
    holds(bytes, &["EncryptedPackage", "EncryptionInfo"], false)
}

fn read_sealed(_: &[u8], _: &PrepareSettings, _: &ImageLimits) -> Result<Extract, Failure> {
    Err(verdict::encrypted(SEALED_NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_ends_too_early_is_repaired() {
        let long = vec![b'x'; 20_000];
        let mut file = CompoundFile::create_with_version(Version::V3, Cursor::new(Vec::new())).unwrap();
        file.create_stream("/Workbook").unwrap().write_all(&long).unwrap();
        let mut bytes = file.into_inner().into_inner();
        assert!(matches!(Compound::sound(&bytes), Cow::Borrowed(_)));
        let table = 512 * (1 + u32::from_le_bytes(bytes[0x4C..0x50].try_into().unwrap()) as usize);
        let victim = (0..128_u32).find(|at| bytes[table + *at as usize * 4..][..4] == (at + 1).to_le_bytes()).unwrap() as usize + 20;
        bytes[table + victim * 4..][..4].copy_from_slice(&0xFFFF_FFFE_u32.to_le_bytes());
        assert_eq!(Compound::open(&bytes, "").unwrap_or_else(|_| panic!("not repaired")).stream("Workbook"), Some(long));
        assert!(matches!(Compound::sound(&bytes), Cow::Owned(_)));
    }
}
