//! Rows of CSV and its relatives: any delimiter, any encoding, quotes over several lines.

use super::{Fields, MAX_ROW_BYTES, Rows, SAMPLE, undecodable};
use crate::prepare::encoding_of;
use encoding_rs_io::DecodeReaderBytesBuilder;
use serde_json::Value;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub(super) fn rows(path: &Path, delimiter: u8) -> Result<Rows, String> {
    let say = |e: &dyn std::fmt::Display| e.to_string();
    let mut sample = Vec::new();
    File::open(path).and_then(|file| file.take(SAMPLE).read_to_end(&mut sample)).map_err(|e| say(&e))?;
    let file = File::open(path).map_err(|e| say(&e))?;
    let text = DecodeReaderBytesBuilder::new().encoding(Some(encoding_of(&sample))).build(file);
    let since_row = Arc::new(AtomicU64::new(0));
    let bounded = Bounded { inner: text, since_row: Arc::clone(&since_row) };
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(bounded);
    let names: Vec<Arc<str>> = reader.byte_headers().map_err(|e| say(&e))?.iter().map(|name| lossy(name).trim().into()).collect();
    if let Some((at, twice)) = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
        return Err(format!(
            "columns {} and {} are both called \"{twice}\"",
            names.iter().position(|name| name == twice).unwrap_or(0) + 1,
            at + 1
        ));
    }
    let mut ended = false;
    let mut records = reader.into_byte_records();
    Ok(Box::new(std::iter::from_fn(move || {
        if ended {
            return None;
        }
        let record = records.next()?;
        since_row.store(0, Relaxed);
        Some(
            record
                .map_err(|e| {
                    // Where the next row begins nobody can tell now.
                    ended = true;
                    undecodable(format!("{e}; what follows it in the table is left out"))
                })
                .and_then(|record| fields(&names, &record)),
        )
    })))
}

fn fields(names: &[Arc<str>], record: &csv::ByteRecord) -> Result<Fields, crate::model::Failure> {
    if record.len() != names.len() {
        let line = record.position().map_or(0, csv::Position::line);
        return Err(undecodable(format!("it has {} fields (line {line}), and the table has {} columns", record.len(), names.len())));
    }
    Ok(names.iter().cloned().zip(record.iter().map(|field| Value::String(lossy(field)))).collect())
}

fn lossy(field: &[u8]) -> String {
    String::from_utf8_lossy(field).into_owned()
}

/// A reader that ends with an error when a row does not: a quote that nobody closes would have all the rest in memory.
struct Bounded<R> {
    inner: R,
    since_row: Arc<AtomicU64>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        if self.since_row.fetch_add(read as u64, Relaxed) > MAX_ROW_BYTES {
            let message = format!("it is longer than {} MB: is a quote missing?", MAX_ROW_BYTES / 1_000_000);
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Ok(read)
    }
}
