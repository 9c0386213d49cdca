//! Records of binary workbooks. Reads beyond the end of a record yield zeros or nothing.

pub(super) use crate::prepare::documents::little_endian::{long, short};
use std::iter::from_fn;

/// A floating-point number.
pub(super) fn double(bytes: &[u8], at: usize) -> f64 {
    bytes.get(at..at + 8).and_then(|eight| eight.first_chunk()).map_or(0.0, |eight| f64::from_le_bytes(*eight))
}

/// A number in 30 bits: whole or the upper half of a double, perhaps in hundredths.
pub(super) fn compressed(number: u32) -> f64 {
    let value = if number & 2 != 0 { f64::from(number.cast_signed() >> 2) } else { f64::from_bits(u64::from(number & !3) << 32) };
    if number & 1 != 0 { value / 100.0 } else { value }
}

/// Text in UTF-16, in this many units.
pub(super) fn wide(bytes: &[u8], units: usize) -> String {
    let pairs = bytes.chunks_exact(2).take(units).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    char::decode_utf16(pairs).map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// A string of XLSB with its length in front, and the bytes behind it.
pub(super) fn string(bytes: &[u8]) -> (String, &[u8]) {
    let length = long(bytes, 0);
    let rest = bytes.get(4..).unwrap_or_default();
    match usize::try_from(length) {
        Ok(units) if length != u32::MAX => (wide(rest, units), rest.get(units.saturating_mul(2)..).unwrap_or_default()),
        _ => (String::new(), rest),
    }
}

/// The records of an XLS stream, from a position: kind and body.
pub(super) fn records(stream: &[u8], at: usize) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = stream.get(at..).unwrap_or_default();
    from_fn(move || {
        let (head, behind) = rest.split_at_checked(4)?;
        let (body, behind) = behind.split_at_checked(short(head, 2).into())?;
        rest = behind;
        Some((short(head, 0), body))
    })
}

/// The records of a part of an XLSB file: kind and body.
pub(super) fn parts(part: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    let mut rest = part;
    from_fn(move || {
        let kind = packed(&mut rest, 2)?;
        let length = usize::try_from(packed(&mut rest, 4)?).ok()?;
        let (body, behind) = rest.split_at_checked(length)?;
        rest = behind;
        Some((kind, body))
    })
}

/// A number of 7 bits a byte. The eighth bit says that another byte follows.
fn packed(rest: &mut &[u8], most: u32) -> Option<u32> {
    let mut number = 0;
    for at in 0..most {
        let (byte, behind) = rest.split_first()?;
        *rest = behind;
        number |= u32::from(byte & 0x7F) << (at * 7);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Some(number)
}
