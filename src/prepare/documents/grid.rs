//! Collects the cells of a sheet and writes them as a table.
//!
//! Empty margins are removed. Memory and text grow with the number of filled cells, not with their
//! positions. A sheet above the limit is cut between rows.

use super::table;
use std::collections::{BTreeMap, BTreeSet};

/// Maximum columns of a Markdown table.
///
/// Wider sheets have tabs between cells, because a Markdown table would consist mostly of bars.
const WIDEST: usize = 30;

/// A rectangle of cells: first and last row, first and last column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Region {
    pub rows: (u32, u32),
    pub columns: (u32, u32),
}

impl Region {
    /// Reads a range such as `A1:C2`.
    pub fn read(range: &str) -> Option<Self> {
        let (first, last) = range.split_once(':')?;
        let corner = |name: &str| {
            let name = name.replace('$', "");
            let (letters, digits) = name.split_at(name.find(|c: char| c.is_ascii_digit())?);
            let column = letters.bytes().try_fold(0_u32, |sum, letter| {
                let letter = letter.to_ascii_uppercase().checked_sub(b'A' - 1).filter(|letter| *letter <= 26)?;
                sum.checked_mul(26)?.checked_add(letter.into())
            });
            Some((digits.parse::<u32>().ok()?.checked_sub(1)?, column?.checked_sub(1)?))
        };
        let ((top, left), (bottom, right)) = (corner(first)?, corner(last)?);
        Some(Self { rows: (top, bottom), columns: (left, right) })
    }

    /// The name of a cell: `B7`.
    pub fn cell(row: u32, column: u32) -> String {
        let (mut name, mut left) = (String::new(), u64::from(column) + 1);
        while left > 0 {
            name.insert(0, char::from(b'A' + u8::try_from((left - 1) % 26).unwrap_or(0)));
            left = (left - 1) / 26;
        }
        format!("{name}{}", u64::from(row) + 1)
    }
}

/// A sheet that is being filled.
pub(super) struct Grid {
    rows: BTreeMap<u32, Vec<(u32, String)>>,
    left: usize,
    full: bool,
    /// Whether cells keep their surrounding blanks.
    keeps_blanks: bool,
    /// Columns with inexact numbers.
    inexact: BTreeSet<u32>,
}

impl Grid {
    /// Maximum bytes of all sheets of a workbook, separators included.
    pub const MOST: usize = 48 << 20;

    /// Creates an empty grid with room for `left` bytes.
    pub fn new(left: usize) -> Self {
        Self { rows: BTreeMap::new(), left, full: false, keeps_blanks: false, inexact: BTreeSet::new() }
    }

    /// Creates a grid whose cells keep their surrounding blanks.
    pub fn unchanged(left: usize) -> Self {
        Self { keeps_blanks: true, ..Self::new(left) }
    }

    /// Puts a value at (row, column). Returns false if the grid is full.
    pub fn put(&mut self, (row, column): (u32, u32), value: impl FnOnce() -> String) -> bool {
        let value = value();
        let bare = value.trim();
        if bare.is_empty() {
            return true;
        }
        let value = if self.keeps_blanks { &value } else { bare };
        let cost = value.len() + 3;
        if cost > self.left {
            self.full = true;
            return false;
        }
        self.left -= cost;
        self.rows.entry(row).or_default().push((column, value.to_owned()));
        true
    }

    /// Removes cells that the first cell of a merged region covers. Returns their number.
    pub fn cover(&mut self, regions: &[Region]) -> usize {
        let mut covered = 0;
        for Region { rows, columns } in regions {
            if rows.0 > rows.1 {
                continue;
            }
            for (row, cells) in self.rows.range_mut(rows.0..=rows.1) {
                let before = cells.len();
                let is_covered = |column: u32| columns.0 <= column && column <= columns.1 && (*row, column) != (rows.0, columns.0);
                cells.retain(|(column, _)| !is_covered(*column));
                covered += before - cells.len();
            }
        }
        covered
    }

    /// Records whether a column has inexact numbers.
    pub fn note(&mut self, column: u32, is_inexact: bool) {
        if is_inexact {
            self.inexact.insert(column);
        }
    }

    /// Whether a column has inexact numbers.
    pub fn is_inexact(&self, column: u32) -> bool {
        self.inexact.contains(&column)
    }

    /// The cells of the first row, with their columns.
    pub fn header(&self) -> &[(u32, String)] {
        self.rows.values().next().map_or(&[], Vec::as_slice)
    }

    /// The cells of each row, with their columns.
    ///
    /// `None` if some cells did not fit.
    pub fn into_rows(self) -> Option<impl Iterator<Item = Vec<(u32, String)>>> {
        (!self.full).then(|| self.rows.into_values())
    }

    /// Returns the table, and the number of rows if it was cut.
    pub fn finish(self) -> (String, Option<usize>) {
        let columns: BTreeSet<u32> = self.rows.values().flatten().map(|(column, _)| *column).collect();
        let columns: BTreeMap<u32, usize> = columns.into_iter().enumerate().map(|(at, column)| (column, at)).collect();
        let height = self.rows.len();
        let rows = self.rows.into_values().map(|mut cells| {
            cells.sort_by_key(|(column, _)| *column);
            let mut row: Vec<String> = Vec::new();
            for (column, value) in cells {
                let at = columns.get(&column).copied().unwrap_or(0);
                row.resize(row.len().max(at), String::new());
                row.push(value);
            }
            row
        });
        if columns.len() <= WIDEST {
            let mut rows: Vec<Vec<String>> = rows.collect();
            // The first row determines the number of columns of a Markdown table.
            if let Some(head) = rows.first_mut() {
                head.resize(columns.len(), String::new());
            }
            return (table::written(&rows), self.full.then_some(height));
        }
        let mut text = String::new();
        for (at, row) in rows.enumerate() {
            if text.len() + row.len() > Self::MOST {
                return (text, Some(at));
            }
            for (column, cell) in row.iter().enumerate() {
                text.push_str(if column > 0 { "\t" } else { "" });
                text.extend(cell.split_whitespace().enumerate().flat_map(|(at, word)| [if at > 0 { " " } else { "" }, word]));
            }
            text.push('\n');
        }
        (text.trim_end().to_owned(), self.full.then_some(height))
    }

    /// Number of bytes that still fit.
    pub fn left(&self) -> usize {
        self.left
    }
}
