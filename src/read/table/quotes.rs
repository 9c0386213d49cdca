//! Quotes of a CSV table that are missing, or one too many.
//!
//! The reader of rows takes any text, so a quote that nobody closes would silently have all that follows it in one field: up to
//! the end, or up to the next quote that was to open one. Here such a row is taken out of the stream, up to the end of the line
//! with the quote, and what follows is read as rows of its own.
//!
//! Promises: a fault costs its row and no other; a line that says nothing stands in its place, so rows keep their order; it is known on
//! which line of the table each row begins, whatever ends lines; memory is that of the largest row.

use super::MAX_ROW_BYTES;
use std::collections::VecDeque;
use std::io::{self, Read};

/// Stands for a row that was taken out.
const PLACEHOLDER: &[u8] = b"!\n";
/// Bytes that are read at a time.
const CHUNK: usize = 1 << 16;
/// Bytes that may be looked at again before a quote has to be closed within [`NEAR`].
const PATIENCE: u64 = 1 << 28;
const NEAR: usize = 1 << 16;

/// Gives the reader of rows the records of a table, without those whose quotes are wrong.
pub(super) struct Records<R> {
    inner: R,
    delimiter: u8,
    ended: bool,
    /// What was read and not passed on: whole records up to `whole`, and the beginning of another one.
    pending: Vec<u8>,
    whole: usize,
    scanned: usize,
    at: At,
    /// The line of the byte that is looked at next, and of the first byte of its record.
    line: u64,
    record_line: u64,
    /// Whether the last byte was a `\r`, which a `\n` may follow that ends the same line.
    after_return: bool,
    /// Where the last quote opened.
    quote: usize,
    quote_line: u64,
    /// Bytes that were passed on, and whole records on their way.
    passed: u64,
    ready: Vec<u8>,
    given: usize,
    /// The rest of a line that is too long goes nowhere.
    skipping: bool,
    again: u64,
    faults: VecDeque<Fault>,
    /// Where records begin that were passed on, and on which line.
    lines: VecDeque<(u64, u64)>,
}

/// A row that was taken out.
#[derive(Debug)]
pub(super) struct Fault {
    /// Where its placeholder begins.
    at: u64,
    /// What is wrong with it.
    pub what: String,
}

/// Where in a row the last byte was.
#[derive(Clone, Copy, PartialEq)]
enum At {
    Start,
    Bare,
    Quoted,
    /// Behind a quote that ends the field, unless it is the first of two.
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

    /// The line on which the record begins that was read last and ends at this byte.
    pub fn line_before(&mut self, end: u64) -> u64 {
        let mut line = 0;
        // Of empty lines before it nothing is passed on.
        while let Some((_, begin)) = self.lines.pop_front_if(|(at, _)| *at < end) {
            line = begin;
        }
        line
    }

    /// What is wrong with the record that was read last and ends at this byte, if it stands for one that was taken out.
    pub fn fault_before(&mut self, end: u64) -> Option<Fault> {
        self.faults.pop_front_if(|fault| fault.at < end)
    }

    /// Looks at what is pending, by the same rules as those of the reader of rows, which is as lenient.
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
                // In one line that is sloppy, and clear: `"12" monitor`.
                (At::Closed, _) if self.line > self.quote_line => {
                    let what = format!("goes on to line {}, where text follows its end: is a quote missing between them?", self.line);
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

    /// Notes where the record is that ends here.
    fn record_passes(&mut self) {
        self.lines.push_back((self.passed + self.whole as u64, self.record_line));
    }

    /// Takes the record out whose quote is wrong, up to the end of the line with the quote. Up to line `to` there may be more of it.
    fn take_out(&mut self, what: &str, to: u64) {
        let rest = &self.pending[self.quote..];
        let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).map_or(rest.len(), |at| {
            let two = rest[at..].starts_with(b"\r\n");
            at + 1 + usize::from(two)
        });
        let line = self.quote_line;
        let what = format!(
            "the quote that opens on line {line} {what} This row is left out, and what follows line {line} is read as rows of its own: lines {line} to {to} may be affected"
        );
        self.again += self.scanned as u64;
        self.replace(self.quote + end, self.quote_line + 1, what);
    }

    /// Puts the placeholder in the place of the record that ends before `end`.
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

    /// A record that is too long: because of its quote, or by itself.
    fn too_long(&mut self) {
        let limit = format!("{} MB", MAX_ROW_BYTES / 1_000_000);
        if self.at == At::Quoted {
            let what = format!("makes a row longer than {limit}: does anything close the quote on line {}?", self.quote_line);
            return self.take_out(&what, self.line);
        }
        self.replace(self.pending.len(), self.record_line + 1, format!("line {} is longer than {limit}", self.record_line));
        self.skipping = true;
    }

    /// How long a record may be.
    fn most(&self) -> usize {
        let far = usize::try_from(MAX_ROW_BYTES).unwrap_or(usize::MAX);
        if self.at == At::Quoted && self.again > PATIENCE { NEAR } else { far }
    }
}

impl<R: Read> Records<R> {
    /// Makes whole records ready, or finds that there are no more.
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
