//! Standard input as a stream of JSON lines: each line is a document.

use super::settings::InputSettings;
use super::table::{Columns, missing_columns, row_of_line};
use crate::model::{Digest, Failure, FailureCode, Place};
use serde_json::{Map, Value};
use std::io::{self, BufRead, Read as _};

/// The name of a document from standard input.
pub(super) const STDIN: &str = "stdin";

/// Longest line in bytes.
const LONGEST: u64 = 16_000_000;

/// A line without blanks around it.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// Its bytes.
    Whole(Vec<u8>),
    /// A line that is too long to be read: its length, and the digest of all its bytes.
    TooLong {
        /// Its length in bytes.
        bytes: u64,
        /// The digest of its bytes.
        digest: Digest,
    },
}

impl Line {
    /// Reads the next line. `None` at the end. Holds at most `LONGEST` bytes.
    pub fn read(input: &mut impl BufRead) -> io::Result<Option<Self>> {
        Self::read_up_to(LONGEST, input)
    }

    fn read_up_to(longest: u64, input: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut line = Vec::new();
        if input.take(longest + 1).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        if line.len() as u64 <= longest || line.last() == Some(&b'\n') {
            return Ok(Some(Self::Whole(line.trim_ascii().to_vec())));
        }
        let (mut bytes, mut hash) = (line.len() as u64, blake3::Hasher::new());
        hash.update(&line);
        drop(line);
        loop {
            let read = input.fill_buf()?;
            let end = read.iter().position(|byte| *byte == b'\n');
            let part = end.unwrap_or(read.len());
            hash.update(&read[..part]);
            bytes += part as u64;
            let is_end = end.is_some() || read.is_empty();
            input.consume(part + usize::from(end.is_some()));
            if is_end {
                return Ok(Some(Self::TooLong { bytes, digest: Digest(*hash.finalize().as_bytes()) }));
            }
        }
    }

    /// The same line without a byte order mark, for the first line of a stream.
    #[must_use]
    pub fn without_mark(self) -> Self {
        match self {
            Self::Whole(line) => Self::Whole(line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&line).trim_ascii_start().to_vec()),
            long @ Self::TooLong { .. } => long,
        }
    }

    /// Whether there is nothing in the line.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Whole(line) if line.is_empty())
    }
}

/// Makes documents of lines.
#[derive(Debug, Clone)]
pub struct Lines {
    columns: Columns,
}

impl Lines {
    /// Lines with the columns of the settings. `used` are the columns that templates use; `None`: all.
    pub(super) fn new(settings: &InputSettings, used: Option<Vec<String>>) -> Self {
        Self { columns: settings.columns(used) }
    }

    /// The columns of the settings that a line does not have.
    pub fn missing(&self, line: &Line) -> Vec<String> {
        if let Line::Whole(line) = line { missing_columns(&self.columns, line) } else { Vec::new() }
    }

    /// The document of a line: its name, its content, and the failure if the line cannot be read.
    /// `number` counts lines from 1.
    ///
    /// The id column names it. Without an id, its content does, so that a line that comes twice is
    /// the same document.
    pub fn document(&self, line: &Line, number: u64) -> (String, Place, Option<Failure>) {
        let empty = || Place::Row(Box::new(row_of_line(&self.columns, b"{}").1));
        let unread = |digest: Digest| format!("{STDIN}#(line {})", &digest.to_string()[..16]);
        match line {
            Line::TooLong { bytes, digest } => {
                let size = *bytes as f64 / 1e6;
                let message =
                    format!("a line has {size:.1} MB, more than {} MB (first seen as line {number}). Split it", LONGEST / 1_000_000);
                (unread(*digest), empty(), Some(Failure::new(FailureCode::TooLarge, message)))
            }
            Line::Whole(line) => match row_of_line(&self.columns, line) {
                (Ok(id), row) => {
                    let name = if id.is_empty() { row.digest.to_string()[..16].to_owned() } else { id };
                    (format!("{STDIN}#{name}"), Place::Row(Box::new(row)), None)
                }
                (Err(_), row) => {
                    let failure = Failure::new(FailureCode::Undecodable, fault(line, number));
                    (unread(Digest::of(line)), Place::Row(Box::new(row)), Some(failure))
                }
            },
        }
    }
}

/// Why a line is no document, with its beginning.
fn fault(line: &[u8], number: u64) -> String {
    const SHOWN: usize = 80;
    let (what, advice) = match (std::str::from_utf8(line), serde_json::from_slice::<Map<String, Value>>(line)) {
        (Err(error), _) => {
            let at = error.valid_up_to();
            (format!("the byte {:02X} in column {} is not UTF-8", line.get(at).copied().unwrap_or_default(), at + 1), "Send UTF-8")
        }
        (Ok(_), Err(error)) if error.column() > 1 => {
            (format!("not a JSON object: fault in column {}", error.column()), "Send one object a line")
        }
        _ => ("not a JSON object".to_owned(), "Send one object a line"),
    };
    let text = String::from_utf8_lossy(line);
    let shown: String = text.chars().take(SHOWN).collect();
    let more = if shown.len() < text.len() { "…" } else { "" };
    format!("{what} (first seen as line {number}): {shown}{more}. {advice}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(id_column: &str, line: &str) -> (String, Option<FailureCode>) {
        let settings = InputSettings { id_column: id_column.to_owned(), ..InputSettings::default() };
        let (name, _, failure) = Lines::new(&settings, Some(Vec::new())).document(&Line::Whole(line.into()), 1);
        (name, failure.map(|failure| failure.code))
    }

    #[test]
    fn a_line_is_named_by_its_id_or_its_content() {
        assert_eq!(named("id", "{\"id\": 7, \"text\": \"a\"}"), ("stdin#7".to_owned(), None));
        let (name, failure) = named("id", "{\"text\": \"a\"}");
        assert!(name.len() == 22 && failure.is_none(), "{name}");
        assert_eq!(named("", "{\"text\": \"a\"}"), (name, None));
    }

    #[test]
    fn a_line_that_is_no_object_fails_with_its_number_and_its_beginning() {
        for line in ["nonsense", "[1]", "7", "{\"a\":"] {
            let (name, failure) = named("", line);
            assert!(name.starts_with("stdin#(line ") && failure == Some(FailureCode::Undecodable), "{line}: {name}");
        }
        assert_eq!(fault(b"[1]", 7), "not a JSON object (first seen as line 7): [1]. Send one object a line");
        let long = format!("{{\"a\": {}", "x".repeat(200));
        let said = fault(long.as_bytes(), 8);
        assert!(said.starts_with("not a JSON object: fault in column 7 (first seen as line 8): {\"a\": xxx"), "{said}");
        assert!(said.contains("x…. Send") && said.chars().count() < 180, "{said}");
        let said = fault(b"{\"a\": \"\xFF\"}", 9);
        assert!(said.starts_with("the byte FF in column 8 is not UTF-8 (first seen as line 9)"), "{said}");
    }

    #[test]
    fn a_line_beyond_the_limit_is_known_by_all_its_bytes() {
        let read = |text: &str| {
            let mut input = text.as_bytes();
            std::iter::from_fn(|| Line::read_up_to(8, &mut input).unwrap()).collect::<Vec<_>>()
        };
        let lines = read("12345678\n 1234\n\n123456789x\n123456789y\n123456789y");
        assert_eq!(lines[..3], [Line::Whole(b"12345678".into()), Line::Whole(b"1234".into()), Line::Whole(Vec::new())]);
        let [.., one, other, last] = &lines[..] else { unreachable!() };
        assert!(matches!(one, Line::TooLong { bytes: 10, .. }) && one != other && other == last, "{lines:?}");
        let lines = Lines::new(&InputSettings::default(), Some(Vec::new()));
        let (name, _, failure) = lines.document(one, 4);
        let failure = failure.unwrap();
        assert_eq!(failure.code, FailureCode::TooLarge);
        assert!(failure.message.contains("more than 16 MB (first seen as line 4)"), "{}", failure.message);
        assert_ne!(name, lines.document(other, 5).0);
    }

    #[test]
    fn the_byte_order_mark_of_a_stream_is_no_part_of_its_first_line() {
        assert_eq!(Line::Whole("\u{feff}{}".into()).without_mark(), Line::Whole(b"{}".into()));
        assert_eq!(Line::Whole(b"{}".into()).without_mark(), Line::Whole(b"{}".into()));
    }
}
