//! Rows of CSV and its relatives: any delimiter, any encoding, quotes over several lines.

use super::quotes::Watched;
use super::text::Text;
use super::{Fields, Rows};
use csv::ByteRecord;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;

pub(super) fn rows(path: &Path, text: Text, delimiter: u8) -> Result<Rows, String> {
    let watched = Watched::new(text.open(path).map_err(|e| e.to_string())?, delimiter);
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(watched);
    let header = reader.byte_headers().map_err(|e| e.to_string())?.clone();
    let end = reader.position().byte();
    if let Some(fault) = reader.get_mut().row_ended(end) {
        return Err(fault);
    }
    let names = names(&header, text)?;
    let mut ended = false;
    Ok(Box::new(std::iter::from_fn(move || {
        if ended {
            return None;
        }
        let mut record = ByteRecord::new();
        let read = reader.read_byte_record(&mut record);
        let end = reader.position().byte();
        match (read, reader.get_mut().row_ended(end)) {
            (Ok(false), _) => None,
            (Ok(true), Some(fault)) => Some(Err(fault)),
            (Ok(true), None) => Some(fields(&names, &record, text)),
            (Err(error), _) => {
                // Where the next row begins nobody can tell now.
                ended = true;
                Some(Err(format!("{error}; what follows it in the table is left out")))
            }
        }
    })))
}

fn names(header: &ByteRecord, text: Text) -> Result<Vec<Arc<str>>, String> {
    let mut names: Vec<Arc<str>> = Vec::new();
    for (at, name) in header.iter().enumerate() {
        let name = text.decode(name).map_err(|e| format!("the name of column {}: {e}", at + 1))?;
        let name = name.trim();
        if let Some(before) = names.iter().position(|other| **other == *name) {
            return Err(format!("columns {} and {} are both called \"{name}\": rename one", before + 1, at + 1));
        }
        names.push(name.into());
    }
    Ok(names)
}

fn fields(names: &[Arc<str>], record: &ByteRecord, text: Text) -> Result<Fields, String> {
    let line = record.position().map_or(0, csv::Position::line);
    if record.len() != names.len() {
        return Err(format!("it has {} fields (line {line}), and the table has {} columns", record.len(), names.len()));
    }
    let field = |(name, field): (&Arc<str>, &[u8])| match text.decode(field) {
        Ok(value) => Ok((Arc::clone(name), Value::String(value))),
        Err(what) => Err(format!("column \"{name}\" (line {line}): {what}")),
    };
    names.iter().zip(record).map(field).collect()
}
