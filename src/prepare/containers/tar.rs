//! Members of TAR archives: POSIX (pax), GNU and old ones.

use super::entry::{Entry, EntryKind, Stop, fill};
use super::names::printable;
use crate::model::{Failure, FailureCode};
use std::io::{self, Read};

const BLOCK: usize = 512;
/// Maximum bytes of a long name and of the attributes of a member.
const ATTRIBUTES: u64 = 1 << 20;

/// Whether a stream begins with the header of a member, or is an empty archive.
pub(super) fn is_tar(source: &mut (impl Read + ?Sized)) -> bool {
    let mut block = [0; BLOCK];
    fill(source, &mut block).is_ok_and(|read| read == BLOCK) && (is_header(&block) || block == [0; BLOCK])
}

/// Whether the sum of the bytes is right.
fn is_header(block: &[u8; BLOCK]) -> bool {
    let sum = |add: fn(u8) -> i64| -> i64 {
        block.iter().enumerate().map(|(at, byte)| if (148..156).contains(&at) { 32 } else { add(*byte) }).sum()
    };
    // Some old programs added signed bytes.
    let stated = number(&block[148..156]).and_then(|sum| i64::try_from(sum).ok());
    block[0] != 0 && (stated == Some(sum(i64::from)) || stated == Some(sum(|byte| i64::from(byte.cast_signed()))))
}

/// An octal number, or a binary one if the first bit is set.
fn number(field: &[u8]) -> Option<u64> {
    if field.first().is_some_and(|first| first & 0x80 != 0) {
        let digits = field.iter().skip(field.len().saturating_sub(8));
        return Some(digits.fold(0, |sum, byte| sum << 8 | u64::from(*byte)));
    }
    let text = std::str::from_utf8(field).ok()?;
    let text = text.trim_matches(|c: char| c == '\0' || c == ' ');
    if text.is_empty() { Some(0) } else { u64::from_str_radix(text, 8).ok() }
}

fn until_zero(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// What headers before a member say about it.
#[derive(Default)]
struct Attributes {
    name: Option<Vec<u8>>,
    size: Option<u64>,
    is_sparse: bool,
}

impl Attributes {
    /// Reads records such as `27 path=a/long/name.pdf\n`.
    fn add(&mut self, mut records: &[u8]) {
        while let Some(space) = records.iter().position(|byte| *byte == b' ') {
            let length = std::str::from_utf8(&records[..space]).ok().and_then(|text| text.parse::<usize>().ok());
            let Some(record) = length.filter(|length| *length > space + 1).and_then(|length| records.get(space + 1..length)) else {
                return;
            };
            let record = record.strip_suffix(b"\n").unwrap_or(record);
            let equals = record.iter().position(|byte| *byte == b'=').unwrap_or(record.len());
            let (key, value) = (&record[..equals], record.get(equals + 1..).unwrap_or_default());
            match key {
                b"path" | b"GNU.sparse.name" => self.name = Some(value.to_vec()),
                b"size" => self.size = std::str::from_utf8(value).ok().and_then(|size| size.parse().ok()),
                _ => self.is_sparse |= key.starts_with(b"GNU.sparse."),
            }
            records = &records[length.unwrap_or(records.len())..];
        }
    }
}

/// Passes on all entries with their contents. Returns what is wrong with the archive.
pub(super) fn each(source: &mut dyn Read, mut take: impl FnMut(Entry, &mut dyn Read) -> Result<(), Stop>) -> Result<Option<Failure>, Stop> {
    let mut attributes = Attributes::default();
    loop {
        let mut block = [0; BLOCK];
        match fill(source, &mut block) {
            // Some programs leave the empty blocks at the end out.
            Ok(0) => return Ok(None),
            Ok(BLOCK) => {}
            Ok(_) => return Ok(Some(damaged("it breaks off"))),
            Err(error) => return Ok(Some(damaged(error))),
        }
        if block == [0; BLOCK] {
            return Ok(None);
        }
        let size = number(&block[124..136]).filter(|_| is_header(&block));
        let Some(size) = size else { return Ok(Some(damaged("the header of a file is invalid"))) };
        let kind = block[156];
        if let b'L' | b'x' | b'K' | b'g' = kind {
            if size > ATTRIBUTES {
                return Ok(Some(damaged("the name of a file is too long")));
            }
            let mut text = Vec::new();
            let read = (&mut *source).take(size).read_to_end(&mut text);
            if read.is_err() || (text.len() as u64) < size || skip(source, padding(size)).is_err() {
                return Ok(Some(damaged("it breaks off")));
            }
            match kind {
                b'L' => attributes.name = Some(until_zero(&text).to_vec()),
                b'x' => attributes.add(&text),
                _ => {}
            }
            continue;
        }
        let Attributes { name, size: stated, is_sparse } = std::mem::take(&mut attributes);
        let size = stated.unwrap_or(size);
        let name = name.unwrap_or_else(|| name_in(&block));
        let is_directory = kind == b'5' || (matches!(kind, b'0' | 0) && name.ends_with(b"/"));
        let kind = match kind {
            _ if is_directory => EntryKind::Directory,
            b'0' | 0 | b'7' | b'S' => EntryKind::File,
            b'1' | b'2' => EntryKind::Link,
            _ => EntryKind::Special,
        };
        let sparse =
            || Failure::new(FailureCode::UnsupportedKind, "it is stored as a sparse file. Unpack the archive, or exclude the file");
        let failure = (is_sparse || block[156] == b'S').then(sparse);
        // Links have no content, whatever their size says.
        let size = if kind == EntryKind::Link { 0 } else { size };
        let mut content = Whole { source: &mut *source, left: size };
        take(Entry { name: printable(&name), kind, size, packed: None, version: 0, failure }, &mut content)?;
        let left = content.left;
        if skip(source, left.saturating_add(padding(size))).is_err() {
            return Ok(Some(damaged("it breaks off")));
        }
    }
}

fn name_in(block: &[u8; BLOCK]) -> Vec<u8> {
    let (name, prefix) = (until_zero(&block[..100]), until_zero(&block[345..500]));
    let has_prefix = &block[257..263] == b"ustar\0" && !prefix.is_empty();
    if has_prefix { [prefix, b"/", name].concat() } else { name.to_vec() }
}

fn padding(size: u64) -> u64 {
    let block = BLOCK as u64;
    (block - size % block) % block
}

/// Reads over bytes.
fn skip(source: &mut dyn Read, bytes: u64) -> io::Result<()> {
    let skipped = io::copy(&mut source.take(bytes), &mut io::sink())?;
    if skipped == bytes { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// The content of a member. It fails if the archive breaks off.
struct Whole<'s> {
    source: &'s mut dyn Read,
    left: u64,
}

impl Read for Whole<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let read = self.source.read(&mut buffer[..most])?;
        self.left -= read as u64;
        if read == 0 { Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive breaks off")) } else { Ok(read) }
    }
}

fn damaged(why: impl std::fmt::Display) -> Failure {
    let why = format!("the archive is damaged: {why}. Files may be missing. Get it again");
    Failure::new(FailureCode::Undecodable, why)
}
