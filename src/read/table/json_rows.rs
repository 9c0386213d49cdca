//! Rows of JSON: objects on lines, in an array, or in sequence.

use super::json_text::repaired;
use super::{Fields, MAX_ROW_BYTES, Rows};
use crate::read::compressed::Packed;
use crate::read::text::Text;
use serde_json::{Map, Value};
use std::io::{self, BufRead, BufReader, Read};

type Lines = BufReader<Box<dyn Read + Send>>;

/// One object per line. A broken line loses only its row.
pub(super) fn rows(file: &Packed, text: Text) -> Result<Rows, String> {
    let mut file = begin(file, text)?;
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
            let bytes = without_mark(line.trim_ascii());
            if !bytes.is_empty() {
                return Some(fields(bytes, text).map_err(|what| format!("line {number}: {what}")));
            }
        }
    })))
}

/// Objects of an array or in sequence. A broken object loses only its row, if its end is known.
pub(super) fn objects(file: &Packed, text: Text) -> Result<Rows, String> {
    let mut objects = Objects { file: begin(file, text)?, line: 1, ended: false };
    Ok(Box::new(std::iter::from_fn(move || {
        let mut object = Vec::new();
        let line = match objects.next(&mut object) {
            Ok(line) => line?,
            Err(what) => {
                objects.ended = true;
                return Some(Err(format!("{what}. docmill does not read the rest of the table")));
            }
        };
        Some(fields(&object, text).map_err(|what| format!("the object that begins on line {line}: {what}")))
    })))
}

fn begin(file: &Packed, text: Text) -> Result<Lines, String> {
    text.open(file).map(|file| BufReader::with_capacity(1 << 16, file)).map_err(|e| e.to_string())
}

fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes)
}

/// Finds where objects begin and end, by braces outside strings.
struct Objects {
    file: Lines,
    line: u64,
    ended: bool,
}

impl Objects {
    /// Reads the next object, or the invalid text in its place. Returns the line on which it
    /// begins.
    fn next(&mut self, object: &mut Vec<u8>) -> Result<Option<u64>, String> {
        let (mut began, mut depth, mut in_string, mut escaped) = (None, 0_u32, false, false);
        while !self.ended {
            let read = self.file.fill_buf().map_err(|e: io::Error| e.to_string())?;
            if read.is_empty() {
                self.ended = true;
                return match began {
                    Some(line) if depth > 0 => Err(format!("the object that begins on line {line} does not end")),
                    began => Ok(began),
                };
            }
            let (mut taken, mut done) = (0, false);
            for byte in read {
                taken += 1;
                self.line += u64::from(*byte == b'\n');
                // Commas separate objects, and brackets surround them.
                let between = depth == 0 && matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',' | b'[' | b']' | 0xEF | 0xBB | 0xBF);
                if between && !in_string {
                    done = began.is_some();
                    if done {
                        break;
                    }
                    continue;
                }
                began.get_or_insert(self.line);
                object.push(*byte);
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' if in_string => escaped = true,
                    b'"' => in_string = !in_string,
                    b'{' | b'[' if !in_string => depth += 1,
                    b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
                    _ => {}
                }
                done = *byte == b'}' && depth == 0 && !in_string;
                if done {
                    break;
                }
            }
            self.file.consume(taken);
            if done {
                return Ok(began);
            }
            if object.len() as u64 > MAX_ROW_BYTES {
                let line = began.unwrap_or(self.line);
                return Err(format!("the object that begins on line {line} is longer than {} MB", MAX_ROW_BYTES / 1_000_000));
            }
        }
        Ok(None)
    }
}

/// The fields of an object.
pub(super) fn fields(object: &[u8], text: Text) -> Result<Fields, String> {
    let text = text.decode(object)?;
    let object: Map<String, Value> = serde_json::from_str(&repaired(&text)).map_err(|error| {
        let (what, column) = (error.to_string(), error.column());
        let what = what.split(" at line ").next().unwrap_or_default();
        // The line number is omitted for an object on one line: it would always be 1.
        let line = if error.line() > 1 { format!("its line {}, ", error.line()) } else { String::new() };
        format!("not a JSON object: {what} at {line}column {column}")
    })?;
    Ok(object.into_iter().map(|(name, value)| (name.into(), value)).collect())
}
