//! Detects pages with truncated content streams.
//!
//! hayro decodes as much of a compressed stream as it can, without reporting damage.

use flate2::{Decompress, FlushDecompress, Status};
use hayro::hayro_syntax::Filter;
use hayro::hayro_syntax::object::{Array, Stream};
use hayro::hayro_syntax::page::Page;

/// Whether part of the page's content is lost.
pub(super) fn is_damaged(page: &Page<'_>) -> bool {
    let contents = page.raw();
    match contents.get::<Stream<'_>>(b"Contents") {
        Some(stream) => !is_whole(&stream),
        None => contents.get::<Array<'_>>(b"Contents").is_some_and(|all| all.iter::<Stream<'_>>().any(|stream| !is_whole(&stream))),
    }
}

fn is_whole(stream: &Stream<'_>) -> bool {
    let mut data = stream.raw_data();
    // Blank pages may have no data at all.
    if data.trim_ascii().is_empty() {
        return true;
    }
    let filters = stream.filters();
    // hayro shows nothing of a stream that it cannot decode, but something of any compressed data.
    if filters.first() != Some(&Filter::FlateDecode) && stream.decoded_data().is_err() {
        return false;
    }
    let mut filters = filters.iter().peekable();
    // Some programs write compressed data as letters.
    while let Some(bytes) = filters.peek().and_then(|filter| without_letters(**filter, &data)) {
        data = bytes.into();
        filters.next();
    }
    if filters.next() != Some(&Filter::FlateDecode) {
        return true;
    }
    match inflated(&data, true) {
        End::Reached => true,
        // If a program stores too short a length for a stream, the checksum is cut off.
        End::Missing => data.get(2..).is_some_and(|data| inflated(data, false) == End::Reached),
        // Some programs omit the zlib header.
        End::Broken => inflated(&data, false) == End::Reached,
    }
}

/// The bytes that letters stand for; `None` for other filters.
fn without_letters(filter: Filter, data: &[u8]) -> Option<Vec<u8>> {
    let letters = data.iter().copied().filter(|byte| !byte.is_ascii_whitespace() && *byte != 0);
    match filter {
        Filter::AsciiHexDecode => Some(of_hex(letters)),
        Filter::Ascii85Decode => Some(of_base_85(letters)),
        _ => None,
    }
}

/// Decodes two digits to a byte. The last digit may be missing.
fn of_hex(letters: impl Iterator<Item = u8>) -> Vec<u8> {
    let digit = |letter| u8::try_from(char::from(letter).to_digit(16)?).ok();
    let digits: Vec<u8> = letters.map_while(digit).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair.get(1).unwrap_or(&0)).collect()
}

/// Decodes five letters to four bytes. The last group may be shorter.
fn of_base_85(letters: impl Iterator<Item = u8>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut group: Vec<u8> = Vec::new();
    let take = |group: &mut Vec<u8>, bytes: &mut Vec<u8>| {
        let count = group.len().saturating_sub(1);
        group.resize(5, 84);
        let value = group.drain(..).fold(0_u32, |value, digit| value.wrapping_mul(85).wrapping_add(u32::from(digit)));
        bytes.extend(&value.to_be_bytes()[..count]);
    };
    for letter in letters.take_while(|letter| *letter != b'~') {
        match letter {
            b'z' => bytes.extend([0; 4]),
            b'!'..=b'u' => group.push(letter - b'!'),
            _ => {}
        }
        if group.len() == 5 {
            take(&mut group, &mut bytes);
        }
    }
    take(&mut group, &mut bytes);
    bytes
}

/// The way in which the data of a compressed stream ends.
#[derive(PartialEq)]
enum End {
    Reached,
    Missing,
    Broken,
}

/// Decompresses all data without keeping it.
fn inflated(data: &[u8], header: bool) -> End {
    let mut inflater = Decompress::new(header);
    let mut out = [0; 8 << 10];
    loop {
        let (read, written) = (inflater.total_in(), inflater.total_out());
        let rest = usize::try_from(read).ok().and_then(|read| data.get(read..)).unwrap_or_default();
        match inflater.decompress(rest, &mut out, FlushDecompress::None) {
            Ok(Status::StreamEnd) => return End::Reached,
            Ok(_) if (inflater.total_in(), inflater.total_out()) == (read, written) => return End::Missing,
            Ok(_) => {}
            Err(_) => return End::Broken,
        }
    }
}
