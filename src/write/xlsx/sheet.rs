//! The rows of a sheet, their size and digest.

use super::cells::Cells;
use super::digest::comparable;
use crate::write::hashed::Hashed;
use std::io::{self, Write};

/// Maximum number of rows, the header included.
pub(super) const MAX_ROWS: u32 = 1_048_576;
/// Maximum size of the rows as XML, in bytes. Archives of the old form hold no larger parts.
const MAX_BYTES: u64 = 3_500_000_000;

/// The rows of a sheet while they are written.
pub(super) struct Sheet {
    pub cells: Cells,
    pub hashed: Hashed<io::Sink>,
    bytes: u64,
    /// Rows without room.
    pub left_out: u64,
}

impl Sheet {
    pub fn new(columns: usize) -> Self {
        Self { cells: Cells::new(columns), hashed: Hashed::new(io::sink()), bytes: 0, left_out: 0 }
    }

    /// Whether the sheet can hold another row. If not, the row is counted as left out.
    pub fn has_room(&mut self) -> bool {
        let has_room = self.cells.next <= MAX_ROWS && self.bytes <= MAX_BYTES;
        self.left_out += u64::from(!has_room);
        has_room
    }

    /// Ends the current row and writes it.
    pub fn end(&mut self, to: &mut impl Write) -> io::Result<()> {
        let xml = self.cells.end();
        self.bytes += xml.len() as u64;
        self.hashed.write_all(comparable(xml).as_bytes())?;
        to.write_all(xml.as_bytes())
    }
}
