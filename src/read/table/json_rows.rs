//! Rows of JSON lines: an object a line.

use super::text::Text;
use super::{Fields, MAX_ROW_BYTES, Rows};
use serde_json::{Map, Value};
use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;

pub(super) fn rows(path: &Path, text: Text) -> Result<Rows, String> {
    let mut file = BufReader::with_capacity(1 << 16, text.open(path).map_err(|e| e.to_string())?);
    let mut line = Vec::new();
    let mut number = 0;
    Ok(Box::new(std::iter::from_fn(move || {
        loop {
            number += 1;
            line.clear();
            match (&mut file).take(MAX_ROW_BYTES).read_until(b'\n', &mut line) {
                Ok(0) => return None,
                Ok(_) => {}
                Err(e) => return Some(Err(e.to_string())),
            }
            if line.len() as u64 == MAX_ROW_BYTES && line.last() != Some(&b'\n') {
                let too_long = format!("line {number} is longer than {} MB", MAX_ROW_BYTES / 1_000_000);
                return Some(Err(file.skip_until(b'\n').map_or_else(|e| e.to_string(), |_| too_long)));
            }
            let bytes = line.trim_ascii();
            let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
            if !bytes.is_empty() {
                return Some(fields(bytes, text).map_err(|what| format!("line {number}: {what}")));
            }
        }
    })))
}

fn fields(line: &[u8], text: Text) -> Result<Fields, String> {
    let object: Map<String, Value> = serde_json::from_str(&text.decode(line)?).map_err(|error| {
        // It was given one line, so the number of the line would be 1.
        let (what, column) = (error.to_string(), error.column());
        let what = what.split(" at line ").next().unwrap_or_default();
        format!("this is no JSON object: {what} at column {column}")
    })?;
    Ok(object.into_iter().map(|(name, value)| (name.into(), value)).collect())
}
