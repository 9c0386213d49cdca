//! Rows of JSON lines: an object a line.

use super::{MAX_ROW_BYTES, Rows, undecodable};
use crate::model::Failure;
use serde_json::{Map, Value};
use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;

pub(super) fn rows(path: &Path) -> Result<Rows, String> {
    let mut file = BufReader::with_capacity(1 << 16, File::open(path).map_err(|e| e.to_string())?);
    let mut line = Vec::new();
    let mut number = 0;
    Ok(Box::new(std::iter::from_fn(move || {
        loop {
            number += 1;
            line.clear();
            match (&mut file).take(MAX_ROW_BYTES).read_until(b'\n', &mut line) {
                Ok(0) => return None,
                Ok(_) => {}
                Err(e) => return Some(Err(undecodable(e))),
            }
            if line.len() as u64 == MAX_ROW_BYTES && line.last() != Some(&b'\n') {
                return Some(
                    skip_line(&mut file)
                        .map_err(undecodable)
                        .and_then(|()| Err(undecodable(format!("line {number} is longer than {} MB", MAX_ROW_BYTES / 1_000_000)))),
                );
            }
            let text = line.trim_ascii();
            let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
            if !text.is_empty() {
                return Some(object(text, number).map(|fields| fields.into_iter().map(|(name, value)| (name.into(), value)).collect()));
            }
        }
    })))
}

fn object(line: &[u8], number: u64) -> Result<Map<String, Value>, Failure> {
    serde_json::from_slice(line).map_err(|e| undecodable(format!("line {number} is not a JSON object: {e}")))
}

fn skip_line(file: &mut impl BufRead) -> std::io::Result<()> {
    file.skip_until(b'\n').map(drop)
}
