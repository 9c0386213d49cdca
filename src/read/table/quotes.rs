//! Quotes of a CSV table that are missing, or one too many.
//!
//! The reader of rows takes any text, so a quote that nobody closes would silently have all that follows it in one field:
//! up to the end, or up to the next quote that was to open one.

use super::MAX_ROW_BYTES;
use std::collections::VecDeque;
use std::io::{self, Read};

/// Watches what the reader of rows is given.
pub(super) struct Watched<R> {
    inner: R,
    delimiter: u8,
    at: At,
    line: u64,
    /// Where the last quote opened.
    opened: u64,
    offset: u64,
    since_row: u64,
    faults: VecDeque<(u64, String)>,
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

impl<R> Watched<R> {
    pub fn new(inner: R, delimiter: u8) -> Self {
        Self { inner, delimiter, at: At::Start, line: 1, opened: 0, offset: 0, since_row: 0, faults: VecDeque::new() }
    }

    /// A row has ended before the byte `end`: what is wrong with its quotes.
    pub fn row_ended(&mut self, end: u64) -> Option<String> {
        self.since_row = 0;
        let mut fault = None;
        while let Some((_, what)) = self.faults.pop_front_if(|(offset, _)| *offset <= end) {
            fault.get_or_insert(what);
        }
        fault
    }

    /// The same rules as those of the reader of rows, which is as lenient.
    fn look_at(&mut self, byte: u8) {
        self.at = match (self.at, byte) {
            (At::Quoted, b'"') => At::Closed,
            (At::Quoted, _) | (At::Closed, b'"') => At::Quoted,
            (_, b'\n' | b'\r') => At::Start,
            (_, byte) if byte == self.delimiter => At::Start,
            (At::Start, b'"') => {
                self.opened = self.line;
                At::Quoted
            }
            // In one line that is sloppy, and clear: `"12" monitor`.
            (At::Closed, _) if self.line > self.opened => {
                let what =
                    format!("the quote that opens on line {} goes on to line {}, where text follows its end", self.opened, self.line);
                self.faults.push_back((self.offset, format!("{what}: is a quote missing between them?")));
                At::Bare
            }
            _ => At::Bare,
        };
        self.line += u64::from(byte == b'\n');
        self.offset += 1;
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        buffer[..read].iter().for_each(|byte| self.look_at(*byte));
        if read == 0 && self.at == At::Quoted {
            let what = format!("the quote that opens on line {} is never closed, so all that follows is in no row of its own", self.opened);
            self.faults.push_back((self.offset, what));
            self.at = At::Start;
        }
        self.since_row += read as u64;
        if self.since_row > MAX_ROW_BYTES {
            let quote =
                if self.at == At::Quoted { format!(": does anything close the quote on line {}?", self.opened) } else { String::new() };
            return Err(io::Error::other(format!("it is longer than {} MB{quote}", MAX_ROW_BYTES / 1_000_000)));
        }
        Ok(read)
    }
}
