//! Reads rows of CSV files with any delimiter and encoding. Quotes may span lines.

use super::quotes::Records;
use super::{Fields, Rows};
use crate::model::counted;
use crate::read::compressed::Packed;
use crate::read::text::Text;
use csv::ByteRecord;
use serde_json::Value;
use std::sync::Arc;

pub(super) fn rows(file: &Packed, text: Text, delimiter: u8) -> Result<Rows, String> {
    let records = Records::new(text.open(file).map_err(|e| e.to_string())?, delimiter);
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(records);
    let header = reader.byte_headers().map_err(|e| e.to_string())?.clone();
    let end = reader.position().byte();
    reader.get_mut().line_before(end);
    if let Some(fault) = reader.get_mut().fault_before(end) {
        return Err(fault.what);
    }
    if header.get(0).is_some_and(|name| name.starts_with(b"sep=")) {
        return Err("the first line, sep=, is an instruction for Excel and not a header. Remove it".into());
    }
    let names = header.iter().enumerate().map(|(at, name)| column_name(name, at + 1, text)).collect::<Result<Vec<_>, _>>()?;
    let mut ended = false;
    Ok(Box::new(std::iter::from_fn(move || {
        if ended {
            return None;
        }
        let mut record = ByteRecord::new();
        let read = reader.read_byte_record(&mut record);
        let end = reader.position().byte();
        let line = reader.get_mut().line_before(end);
        match (read, reader.get_mut().fault_before(end)) {
            (Ok(false), _) => None,
            (Ok(true), Some(fault)) => Some(Err(fault.what)),
            (Ok(true), None) => Some(fields(&names, &record, text, line)),
            (Err(error), _) => {
                // The start of the next row is unknown after this error.
                ended = true;
                Some(Err(format!("{error}. docmill does not read the rest of the table")))
            }
        }
    })))
}

/// The name of a column. Unnamed columns, which spreadsheets write, get their number.
fn column_name(name: &[u8], number: usize, text: Text) -> Result<Arc<str>, String> {
    let name = text.decode(name).map_err(|e| format!("the name of column {number}: {e}"))?;
    Ok(match name.trim() {
        "" => format!("column_{number}").into(),
        name => name.into(),
    })
}

fn fields(names: &[Arc<str>], record: &ByteRecord, text: Text, line: u64) -> Result<Fields, String> {
    if record.len() != names.len() {
        return Err(format!(
            "the row has {} (line {line}), but the table has {}",
            counted(record.len() as u64, "field"),
            counted(names.len() as u64, "column")
        ));
    }
    let field = |(name, field): (&Arc<str>, &[u8])| match text.decode(field) {
        Ok(value) => Ok((Arc::clone(name), Value::String(value))),
        Err(what) => Err(format!("column \"{name}\" (line {line}): {what}")),
    };
    names.iter().zip(record).map(field).collect()
}
