//! Decodes tables inside of a confined process (see [`super::decoder`]).

use super::compressed::{Packing, unpack};
use super::table::parquet_rows;
use std::fs::File;
use std::io::{self, Write};

/// Writes what is in a file of this format: its decompressed bytes, or its rows.
///
/// `renew` is called before each piece of work. It renews the limit of CPU time.
pub fn decode_table(format: &str, file: File, out: &mut impl Write, renew: &dyn Fn() -> io::Result<()>) -> Result<(), String> {
    let done = match Packing::named(format) {
        Some(packing) => unpack(packing, file, out, renew),
        None if format == parquet_rows::PARQUET => parquet_rows::write(file, out, renew),
        None => Err(format!("unknown format \"{format}\"")),
    };
    // What was decoded before an error is sound.
    done.and(out.flush().map_err(|e| e.to_string()))
}
