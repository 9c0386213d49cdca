//! Detects missing and surplus quotes of a CSV table.
//!
//! The CSV reader accepts any text. An unclosed quote would silently put the following rows into
//! one field, up to the end of the file or to the next quote. This filter removes such a row from
//! the stream, up to the end of the line with the quote. The following lines are read as rows.
//!
//! A fault loses only its row. A placeholder line takes the row's place, so rows keep their order.
//! The filter knows the line on which each row begins, for all line endings. Memory holds one row.

use super::MAX_ROW_BYTES;
use std::collections::VecDeque;
use std::io::{self, Read};

/// Replaces a removed row.
const PLACEHOLDER: &[u8] = b"!\n";
/// Bytes per read.
const CHUNK: usize = 1 << 16;
/// Rescanned bytes before the limit for quoted records becomes [`NEAR`].
const PATIENCE: u64 = 1 << 28;
const NEAR: usize = 1 << 16;

/// Passes the records of a table to the CSV reader. Records with wrong quotes are removed.
pub(super) struct Records<R> {
    inner: R,
    delimiter: u8,
    ended: bool,
    /// Bytes not passed on yet. Records are complete up to `whole`; the next record is incomplete.
    pending: Vec<u8>,
    whole: usize,
    scanned: usize,
    at: At,
    /// Lines of the next byte to scan, and of its record's start.
    line: u64,
    record_line: u64,
    /// Whether the last byte was `\r`. A following `\n` ends the same line.
    after_return: bool,
    /// Position and line of the last opening quote.
    quote: usize,
    quote_line: u64,
    /// `passed` counts the bytes that were passed on. `ready` holds records to pass on, and `given`
    /// of its bytes are passed on.
    passed: u64,
    ready: Vec<u8>,
    given: usize,
    /// Whether the scanner skips to the end of an overlong line.
    skipping: bool,
    again: u64,
    faults: VecDeque<Fault>,
    /// Positions of the passed records, with the lines on which they begin.
    lines: VecDeque<(u64, u64)>,
}

/// A removed row.
#[derive(Debug)]
pub(super) struct Fault {
    /// Position of its placeholder.
    at: u64,
    /// Description of the fault.
    pub what: String,
}

/// The state of the scanner after the last byte.
#[derive(Clone, Copy, PartialEq)]
enum At {
    Start,
    Bare,
    Quoted,
    /// After a closing quote. It may also be the first of a doubled quote.
    Closed,
}

impl<R> Records<R> {
    pub fn new(inner: R, delimiter: u8) -> Self {
        Self {
            inner,
            delimiter,
            ended: false,
            pending: Vec::new(),
            whole: 0,
            scanned: 0,
            at: At::Start,
            line: 1,
            record_line: 1,
            after_return: false,
            quote: 0,
            quote_line: 0,
            passed: 0,
            ready: Vec::new(),
            given: 0,
            skipping: false,
            again: 0,
            faults: VecDeque::new(),
            lines: VecDeque::new(),
        }
    }

    /// The first line of the last record read. The record ends at byte `end`.
    pub fn line_before(&mut self, end: u64) -> u64 {
        let mut line = 0;
        // Earlier entries belong to empty lines, which the CSV reader skips.
        while let Some((_, begin)) = self.lines.pop_front_if(|(at, _)| *at < end) {
            line = begin;
        }
        line
    }

    /// The fault of the last record read, if it is a placeholder. The record ends at byte `end`.
    pub fn fault_before(&mut self, end: u64) -> Option<Fault> {
        self.faults.pop_front_if(|fault| fault.at < end)
    }

    /// Scans the pending bytes by the rules of the CSV reader.
    fn scan(&mut self) {
        while let Some(byte) = self.pending.get(self.scanned).copied() {
            self.at = match (self.at, byte) {
                (At::Quoted, b'"') => At::Closed,
                (At::Quoted, _) | (At::Closed, b'"') => At::Quoted,
                (_, b'\n' | b'\r') => At::Start,
                (_, byte) if byte == self.delimiter => At::Start,
                (At::Start, b'"') => {
                    (self.quote, self.quote_line) = (self.scanned, self.line);
                    At::Quoted
                }
                // On one line this is sloppy but unambiguous: `"12" monitor`.
                (At::Closed, _) if self.line > self.quote_line => {
                    let what = format!(
                        "goes on to line {}, where text follows its end. Check whether a quote is \
                        missing between these lines.",
                        self.line
                    );
                    self.take_out(&what, self.line);
                    continue;
                }
                _ => At::Bare,
            };
            let is_second = byte == b'\n' && self.after_return;
            self.line += u64::from(matches!(byte, b'\n' | b'\r') && !is_second);
            self.after_return = byte == b'\r';
            self.scanned += 1;
            if self.at == At::Start && matches!(byte, b'\n' | b'\r') {
                if !is_second {
                    self.record_passes();
                }
                (self.whole, self.record_line) = (self.scanned, self.line);
            }
        }
    }

    /// Records the position of the record that ends here.
    fn record_passes(&mut self) {
        self.lines.push_back((self.passed + self.whole as u64, self.record_line));
    }

    /// Removes the record with the wrong quote. It ends with the line of the quote.
    ///
    /// Lines up to `to` may be affected.
    fn take_out(&mut self, what: &str, to: u64) {
        let rest = &self.pending[self.quote..];
        let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).map_or(rest.len(), |at| {
            let two = rest[at..].starts_with(b"\r\n");
            at + 1 + usize::from(two)
        });
        let line = self.quote_line;
        let what = format!(
            "the quote that opens on line {line} {what} docmill does not read this row. It reads the lines after line \
                {line} as rows, so lines {line} to {to} may be wrong"
        );
        self.again += self.scanned as u64;
        self.replace(self.quote + end, self.quote_line + 1, what);
    }

    /// Replaces the record that ends before `end` by the placeholder.
    fn replace(&mut self, end: usize, next_line: u64, what: String) {
        let at = self.passed + self.whole as u64;
        self.record_passes();
        self.faults.push_back(Fault { at, what });
        let end = end.min(self.pending.len());
        self.after_return = self.pending[..end].ends_with(b"\r");
        self.pending.splice(self.whole..end, PLACEHOLDER.iter().copied());
        self.whole += PLACEHOLDER.len();
        (self.scanned, self.at) = (self.whole, At::Start);
        (self.line, self.record_line) = (next_line, next_line);
    }

    /// Removes a record that is too long. Its quote may be the cause.
    fn too_long(&mut self) {
        let limit = format!("{} MB", MAX_ROW_BYTES / 1_000_000);
        if self.at == At::Quoted {
            let what = format!("makes a row longer than {limit}. Check whether the quote on line {} is closed.", self.quote_line);
            return self.take_out(&what, self.line);
        }
        self.replace(self.pending.len(), self.record_line + 1, format!("line {} is longer than {limit}", self.record_line));
        self.skipping = true;
    }

    /// The maximum length of a record.
    fn most(&self) -> usize {
        let far = usize::try_from(MAX_ROW_BYTES).unwrap_or(usize::MAX);
        if self.at == At::Quoted && self.again > PATIENCE { NEAR } else { far }
    }
}

impl<R: Read> Records<R> {
    /// Makes complete records ready. At the end of the table, no record is ready.
    fn fill(&mut self) -> io::Result<()> {
        loop {
            self.scan();
            if self.whole == 0 && self.pending.len() > self.most() {
                self.too_long();
                continue;
            }
            if self.whole == 0 && self.ended && self.at == At::Quoted {
                let last = self.line - u64::from(self.pending.ends_with(b"\n") || self.pending.ends_with(b"\r"));
                self.take_out("is never closed.", last);
                continue;
            }
            if self.whole == 0 && self.ended {
                self.record_passes();
                self.whole = self.pending.len();
            }
            if self.whole > 0 || self.ended {
                self.ready.clear();
                self.ready.extend(self.pending.drain(..self.whole));
                self.passed += self.whole as u64;
                self.scanned -= self.whole;
                self.quote = self.quote.saturating_sub(self.whole);
                (self.whole, self.given) = (0, 0);
                return Ok(());
            }
            self.read_on()?;
        }
    }

    fn read_on(&mut self) -> io::Result<()> {
        let before = self.pending.len();
        self.pending.resize(before + CHUNK, 0);
        let read = self.inner.read(&mut self.pending[before..]);
        self.pending.truncate(before + read.as_ref().copied().unwrap_or(0));
        self.ended = read? == 0;
        if self.skipping {
            let end = self.pending[before..].iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            self.skipping = end.is_none();
            self.after_return = end.is_some_and(|end| self.pending[before + end] == b'\r');
            self.pending.drain(before..end.map_or(self.pending.len(), |end| before + end + 1));
        }
        Ok(())
    }
}

impl<R: Read> Read for Records<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given == self.ready.len() {
            self.fill()?;
        }
        let given = self.ready.len().saturating_sub(self.given).min(buffer.len());
        buffer[..given].copy_from_slice(&self.ready[self.given..self.given + given]);
        self.given += given;
        Ok(given)
    }
}
