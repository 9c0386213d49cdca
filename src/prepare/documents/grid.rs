//! The cells of a sheet, as a table without the emptiness around them.
//!
//! Promises: memory and text grow with the cells that say something, not with where they stand; what is over the limit
//! is cut between rows.

use super::table;
use std::collections::{BTreeMap, BTreeSet};

/// Beyond so many columns a Markdown table is mostly bars; such sheets come with tabs between their cells.
const WIDEST: usize = 30;

/// A sheet that is being filled.
pub(super) struct Grid {
    rows: BTreeMap<u32, Vec<(u32, String)>>,
    left: usize,
    full: bool,
    /// Columns with numbers that may stand for others.
    inexact: BTreeSet<u32>,
}

impl Grid {
    /// Bytes of text, separators included, that all sheets of a workbook may have together.
    pub const MOST: usize = 48 << 20;

    /// An empty one that takes so many bytes.
    pub fn new(left: usize) -> Self {
        Self { rows: BTreeMap::new(), left, full: false, inexact: BTreeSet::new() }
    }

    /// Puts a value at (row, column). False when nothing more fits.
    pub fn put(&mut self, (row, column): (u32, u32), value: impl FnOnce() -> String) -> bool {
        let value = value();
        let value = value.trim();
        if value.is_empty() {
            return true;
        }
        let cost = value.len() + 3;
        if cost > self.left {
            self.full = true;
            return false;
        }
        self.left -= cost;
        self.rows.entry(row).or_default().push((column, value.to_owned()));
        true
    }

    /// Notes whether a column has numbers that may stand for others.
    pub fn note(&mut self, column: u32, is_inexact: bool) {
        if is_inexact {
            self.inexact.insert(column);
        }
    }

    /// Whether a column has numbers that may stand for others.
    pub fn is_inexact(&self, column: u32) -> bool {
        self.inexact.contains(&column)
    }

    /// What stands in the first row, and in which columns.
    pub fn header(&self) -> &[(u32, String)] {
        self.rows.values().next().map_or(&[], Vec::as_slice)
    }

    /// The rows from the top: what stands in which column. `None`: not all of them fitted.
    pub fn into_rows(self) -> Option<impl Iterator<Item = Vec<(u32, String)>>> {
        (!self.full).then(|| self.rows.into_values())
    }

    /// The table, and after how many rows it was cut, if it was.
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
            // The head decides how many columns a Markdown table has.
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

    /// Bytes that still fit.
    pub fn left(&self) -> usize {
        self.left
    }
}
