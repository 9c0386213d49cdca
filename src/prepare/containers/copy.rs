//! Copies the contents of members within their limits.

use super::entry::{Entry, Stop};
use crate::model::{Failure, FailureCode};
use std::io::{self, Read, Write};

/// Every member may decompress to this many bytes.
const ALWAYS: u64 = 16 << 20;
/// Maximum compression ratio beyond [`ALWAYS`].
const RATIO: u64 = 400;
/// Bytes that are copied at a time.
const PIECE: usize = 1 << 16;

/// Copies the content of a member within its limits.
pub(super) fn copy(
    entry: &Entry,
    content: &mut dyn Read,
    to: &mut impl Write,
    most: u64,
    left: &mut u64,
    renew: &dyn Fn() -> io::Result<()>,
) -> Result<Result<(), Failure>, Stop> {
    let honest = entry.packed.map_or(u64::MAX, |packed| ALWAYS.max(packed.saturating_mul(RATIO)));
    if entry.size > most {
        let why = format!(
            "the file has {:.1} MB, more than read.max_file_mb = {}. Raise the limit, or exclude the file",
            entry.size as f64 / 1e6,
            most / 1_000_000
        );
        return Ok(Err(Failure::new(FailureCode::TooLarge, why)));
    }
    let (mut piece, mut size) = (vec![0; PIECE], 0_u64);
    loop {
        let read = match content.read(&mut piece) {
            Ok(0) => return Ok(Ok(())),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                let why = format!("it is damaged in its archive: {error}. Get the archive again, or exclude the file");
                return Ok(Err(Failure::new(FailureCode::Undecodable, why)));
            }
        };
        size += read as u64;
        if size > honest {
            let why = format!("it decompresses to more than {RATIO} times its size, like a decompression bomb. Exclude it");
            return Ok(Err(Failure::new(FailureCode::PrepareLimit, why)));
        }
        if size > entry.size {
            let why = "it is damaged in its archive: it is longer than declared. Get the archive again, or exclude the file";
            return Ok(Err(Failure::new(FailureCode::Undecodable, why)));
        }
        let Some(rest) = left.checked_sub(read as u64) else {
            let why = "the files before it fill input.max_unpacked_mb. Raise it, or divide the archive";
            return Ok(Err(Failure::new(FailureCode::TooLarge, why)));
        };
        *left = rest;
        to.write_all(&piece[..read])?;
        renew()?;
    }
}
