//! Repairs compound files with damaged sector tables.
//!
//! A sector table may lack entries, have entries beyond the file, or end a stream too early. Then a
//! stream goes on in the next sector, up to its size.

use super::little_endian::short;
use std::collections::HashSet;
use std::io::{Cursor, Write};

/// The first number that is no sector.
const SPECIAL: u32 = 0xFFFF_FFFA;

struct File<'a> {
    bytes: &'a [u8],
    /// Size of a sector, and that of a small one.
    size: usize,
    small_size: usize,
    table: Vec<u32>,
    small_table: Vec<u32>,
    directory: Vec<u8>,
    /// The stream of small sectors.
    small: Vec<u8>,
}

/// Copies all streams that can be read into a sound compound file; `None` if no stream can be read.
pub(super) fn salvaged(bytes: &[u8]) -> Option<Vec<u8>> {
    let file = File::open(bytes)?;
    let mut sound = cfb::CompoundFile::create_with_version(cfb::Version::V3, Cursor::new(Vec::new())).ok()?;
    let (mut open, mut seen) = (vec![(long(&file.directory, 0x4C), String::new())], HashSet::new());
    let mut left = bytes.len().saturating_mul(2);
    let most = left;
    while let Some((entry, folder)) = open.pop() {
        let at = usize::try_from(entry).ok()?.checked_mul(128)?;
        let Some(entry_bytes) = file.directory.get(at..at + 128).filter(|_| seen.insert(entry)) else { continue };
        open.extend([(long(entry_bytes, 0x44), folder.clone()), (long(entry_bytes, 0x48), folder.clone())]);
        let path = format!("{folder}/{}", name(entry_bytes));
        match entry_bytes[0x42] {
            1 if sound.create_storage(&path).is_ok() => open.push((long(entry_bytes, 0x4C), path)),
            2 => {
                let stream = file.stream(long(entry_bytes, 0x74), long(entry_bytes, 0x78));
                left = left.checked_sub(stream.len())?;
                if let Ok(mut new) = sound.create_stream(&path) {
                    new.write_all(&stream).ok()?;
                }
            }
            _ => {}
        }
    }
    sound.flush().ok().filter(|()| left < most)?;
    Some(sound.into_inner().into_inner())
}

impl<'a> File<'a> {
    fn open(bytes: &'a [u8]) -> Option<Self> {
        let shift = |at: usize, most: u16| Some(1 << Some(short(bytes, at)).filter(|shift| (6..=most).contains(shift))?);
        let mut file = Self {
            bytes,
            size: shift(0x1E, 12)?,
            small_size: shift(0x20, 9).unwrap_or(64),
            table: Vec::new(),
            small_table: Vec::new(),
            directory: Vec::new(),
            small: Vec::new(),
        };
        let mut tables: Vec<u32> = (0..109).map(|at| long(bytes, 0x4C + at * 4)).collect();
        let (mut next, mut seen) = (long(bytes, 0x44), HashSet::new());
        while next < SPECIAL && seen.insert(next) {
            let sector = file.sector(next);
            let entries = file.size / 4 - 1;
            tables.extend((0..entries).map(|at| long(sector, at * 4)));
            next = long(sector, entries * 4);
        }
        let sectors = bytes.len() / file.size + 1;
        let tables = tables.into_iter().filter(|table| *table < SPECIAL).take(sectors);
        file.table = tables.flat_map(|table| numbers(file.sector(table), file.size / 4)).collect();
        file.directory = file.chain(long(bytes, 0x30), None);
        file.small_table = numbers(&file.chain(long(bytes, 0x3C), None), usize::MAX).collect();
        file.small = file.chain(long(&file.directory, 0x74), usize::try_from(long(&file.directory, 0x78)).ok());
        Some(file)
    }

    /// The bytes of a sector, fewer at the end of the file.
    fn sector(&self, number: u32) -> &'a [u8] {
        let from = (number as usize).saturating_add(1).saturating_mul(self.size).min(self.bytes.len());
        &self.bytes[from..from.saturating_add(self.size).min(self.bytes.len())]
    }

    /// The bytes of a chain of sectors, up to its size if that is known.
    fn chain(&self, first: u32, size: Option<usize>) -> Vec<u8> {
        let most = size.unwrap_or(usize::MAX).min(self.bytes.len());
        let (mut whole, mut next, mut seen) = (Vec::new(), first, HashSet::new());
        while next < SPECIAL && whole.len() < most && seen.insert(next) {
            let sector = self.sector(next);
            if sector.is_empty() {
                break;
            }
            whole.extend_from_slice(sector);
            next = match self.table.get(next as usize) {
                Some(entry) if *entry < SPECIAL && !self.sector(*entry).is_empty() => *entry,
                _ if size.is_none() => break,
                _ => next + 1,
            };
        }
        whole.truncate(most);
        whole
    }

    fn stream(&self, first: u32, size: u32) -> Vec<u8> {
        let length = size as usize;
        if length >= long(self.bytes, 0x38).max(1) as usize {
            return self.chain(first, Some(length));
        }
        let (mut whole, mut next, mut seen) = (Vec::new(), first, HashSet::new());
        while next < SPECIAL && whole.len() < length && seen.insert(next) {
            let from = (next as usize).saturating_mul(self.small_size).min(self.small.len());
            let sector = &self.small[from..from.saturating_add(self.small_size).min(self.small.len())];
            if sector.is_empty() {
                break;
            }
            whole.extend_from_slice(sector);
            next = self.small_table.get(next as usize).copied().filter(|entry| *entry < SPECIAL).unwrap_or(next + 1);
        }
        whole.truncate(length);
        whole
    }
}

fn name(entry: &[u8]) -> String {
    let length = usize::from(short(entry, 0x40)).clamp(2, 64) - 2;
    let units = entry[..length].chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
    char::decode_utf16(units).map(|character| character.unwrap_or('_')).collect()
}

fn numbers(bytes: &[u8], count: usize) -> impl Iterator<Item = u32> {
    let known = bytes.chunks_exact(4).map(|four| long(four, 0)).collect::<Vec<_>>();
    let missing = if count == usize::MAX { 0 } else { count.saturating_sub(known.len()) };
    known.into_iter().chain(std::iter::repeat_n(u32::MAX, missing))
}

fn long(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(u32::MAX, |four| u32::from_le_bytes(*four))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn file() -> (Vec<u8>, Vec<u8>) {
        let long: Vec<u8> = (0..20_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut file = cfb::CompoundFile::create_with_version(cfb::Version::V3, Cursor::new(Vec::new())).unwrap();
        file.create_stream("/WordDocument").unwrap().write_all(&long).unwrap();
        file.create_stream("/1Table").unwrap().write_all(b"small").unwrap();
        file.create_storage("/Macros").unwrap();
        file.create_stream("/Macros/x").unwrap().write_all(b"inner").unwrap();
        (file.into_inner().into_inner(), long)
    }

    fn stream(bytes: &[u8], path: &str) -> Vec<u8> {
        let mut stream = Vec::new();
        cfb::CompoundFile::open(Cursor::new(bytes)).unwrap().open_stream(path).unwrap().read_to_end(&mut stream).unwrap();
        stream
    }

    #[test]
    fn streams_of_wrong_sector_tables_are_found() {
        let (sound, long) = file();
        // The entry of a sector in the middle of the long stream points beyond the file, or is free.
        for entry in [0xFFFF_0000_u32, u32::MAX, 0xFFFF_FFFE] {
            let mut bytes = sound.clone();
            let table = 512 + super::long(&bytes, 0x4C) as usize * 512;
            let victim = (0..128).find(|at| super::long(&bytes, table + at * 4) == u32::try_from(*at).unwrap() + 1).unwrap() + 40;
            bytes[table + victim * 4..table + victim * 4 + 4].copy_from_slice(&entry.to_le_bytes());
            let new = salvaged(&bytes).unwrap();
            assert!(stream(&new, "/WordDocument") == long, "{entry:X}");
            assert_eq!((stream(&new, "/1Table"), stream(&new, "/Macros/x")), (b"small".to_vec(), b"inner".to_vec()));
        }
    }

    proptest::proptest! {
        #[test]
        fn no_file_panics_the_salvage(at: proptest::sample::Index, new in proptest::collection::vec(proptest::num::u8::ANY, 1..9), cut: proptest::sample::Index) {
            let (mut bytes, _) = file();
            let at = at.index(2000);
            bytes[at..at + new.len()].copy_from_slice(&new);
            let _any = salvaged(&bytes);
            let _any = salvaged(&bytes[..cut.index(bytes.len())]);
        }
    }
}
