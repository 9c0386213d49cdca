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
    let data = stream.raw_data();
    // Blank pages may have no data at all.
    if data.trim_ascii().is_empty() {
        return true;
    }
    if stream.filters().first() != Some(&Filter::FlateDecode) {
        return stream.decoded_data().is_ok();
    }
    match inflated(&data, true) {
        End::Reached => true,
        // If a program stores too short a length for a stream, the checksum is cut off.
        End::Missing => data.get(2..).is_some_and(|data| inflated(data, false) == End::Reached),
        // Some programs omit the zlib header.
        End::Broken => inflated(&data, false) == End::Reached,
    }
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
