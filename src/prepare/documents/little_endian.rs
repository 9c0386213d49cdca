//! Numbers in little-endian order. Reads beyond the end yield zero.

/// A field of two bytes.
pub(super) fn short(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |two| u16::from_le_bytes(*two))
}

/// A field of four bytes.
pub(super) fn long(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |four| u32::from_le_bytes(*four))
}

/// A field of four bytes that is a position or a length.
pub(super) fn offset(bytes: &[u8], at: usize) -> usize {
    long(bytes, at) as usize
}
