//! Converts paths to names of documents, and back.

use super::directory_entries::os_str;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The real path of a path that may not exist yet.
///
/// The existing part is resolved and the rest appended.
pub fn real(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    let existing = path.ancestors().find_map(|ancestor| Some((ancestor, std::fs::canonicalize(ancestor).ok()?)));
    existing.and_then(|(ancestor, real)| Some(real.join(path.strip_prefix(ancestor).ok()?)))
}

/// A path as unique text.
///
/// Bytes that are not UTF-8 become `\xHH`; in such a path a backslash becomes `\\`. In a UTF-8 path
/// that looks escaped, backslashes become `\x5C`. So no two paths share a name.
pub(super) fn printable(path: &OsStr) -> String {
    if let Some(text) = path.to_str() {
        return if unprintable(text).is_some() { text.replace('\\', "\\x5C") } else { with_slashes(text) };
    }
    let mut out = String::new();
    for chunk in path.as_encoded_bytes().utf8_chunks() {
        out.push_str(&chunk.valid().replace('\\', "\\\\"));
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _infallible = write!(out, "\\x{byte:02X}");
        }
    }
    out
}

/// The path from which [`printable`] made `text`, if it escaped anything.
///
/// `None` if `text` is the path itself.
pub(super) fn unprintable(text: &str) -> Option<PathBuf> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let escape = &rest[at + 1..];
        let byte = escape.strip_prefix('x').and_then(|hex| u8::from_str_radix(hex.get(..2)?, 16).ok());
        bytes.push(byte.unwrap_or(b'\\'));
        rest = &escape[if byte.is_some() { 3 } else { usize::from(escape.starts_with('\\')) }..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    let changed = match std::str::from_utf8(&bytes) {
        // Each round is shorter, so the recursion ends.
        Ok(shorter) => shorter.len() < text.len() && unprintable(shorter).is_some(),
        Err(_) => true,
    };
    changed.then(|| PathBuf::from(os_str(&bytes)))
}

pub(super) fn with_slashes(text: &str) -> String {
    if std::path::MAIN_SEPARATOR == '/' { text.to_owned() } else { text.replace(std::path::MAIN_SEPARATOR, "/") }
}
