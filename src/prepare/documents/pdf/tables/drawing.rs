//! Finds lines of text that are one row of a table by the order in which they were drawn.
//!
//! Programs draw the cells of a row one after the other, and each cell with all its lines.

use super::super::pieces::Piece;
use super::{LEADING, Line, content, is_amount, is_numeric};

/// Minimum number of rows for which the drawing order is evidence.
const ROWS: usize = 2;

/// The drawing order of lines, from top to bottom.
#[derive(Debug, Default)]
pub(super) struct Order {
    lines: usize,
    /// Highest drawing order so far.
    last: Option<usize>,
    /// Each line that was drawn behind all lines above and before all below, with the highest order above.
    begins: Vec<(usize, usize)>,
}

impl Order {
    /// Adds the next line. Returns whether it was drawn before the last words of the row above.
    ///
    /// That row must have been drawn behind all rows before it.
    pub(super) fn add<'p>(&mut self, pieces: impl Iterator<Item = &'p Piece>) -> bool {
        let range = |range: Option<(usize, usize)>, order: usize| Some(range.map_or((order, order), |(a, b)| (a.min(order), b.max(order))));
        let Some((first, last)) = pieces.map(|piece| piece.order).fold(None, range) else { return false };
        while self.begins.pop_if(|(_, above)| *above >= first).is_some() {}
        let is_within = !self.begins.is_empty() && self.last > Some(first);
        self.begins.extend(self.last.filter(|above| *above < first).map(|above| (self.lines, above)));
        self.lines += 1;
        self.last = self.last.max(Some(last));
        is_within
    }
}

/// For each line whether it begins a row, if cells of several lines were drawn one after the other.
///
/// A line that was drawn before the last words of the line above belongs to the same row. The order
/// does not decide (`None`) when a line begins in the column that was drawn last above it, or in a
/// later column.
pub(super) fn begins(lines: &[Line<'_>], text: &str) -> Option<Vec<Option<bool>>> {
    let mut order = Order::default();
    for line in lines {
        order.add(line.cells.iter().flatten().copied());
    }
    let mut begins = vec![false; lines.len()];
    *begins.first_mut()? = true;
    order.begins.iter().for_each(|(at, _)| begins[*at] = true);
    let count = begins.iter().filter(|begins| **begins).count();
    if count == lines.len() || count < ROWS {
        return None;
    }
    for at in 1..lines.len() {
        let near = lines[at].baseline - lines[at - 1].baseline <= LEADING * lines[at].size;
        if !begins[at] && !near {
            return None;
        }
        // The last cell of a row may go on, too.
        begins[at] &= !(near && continues(&lines[at - 1], &lines[at]));
    }
    let mut start = 0;
    while start < lines.len() {
        let end = begins[start + 1..].iter().position(|begins| *begins).map_or(lines.len(), |length| start + 1 + length);
        if !is_drawn_by_cells(&lines[start..end]) || has_rows(&lines[start..end], text) {
            return None;
        }
        start = end;
    }
    let mut last = None;
    let mut decided = |(line, begins): (&Line<'_>, bool)| {
        let first = columns(line).min().map(|(_, column)| column);
        let is_sure = last.is_none() || !begins || first < last.map(|(_, column)| column);
        last = last.max(columns(line).max());
        is_sure.then_some(begins)
    };
    Some(lines.iter().zip(begins).map(&mut decided).collect())
}

/// The drawing order and the column of each piece.
fn columns(line: &Line<'_>) -> impl Iterator<Item = (usize, usize)> {
    line.cells.iter().enumerate().flat_map(|(column, cell)| cell.iter().map(move |piece| (piece.order, column)))
}

/// Whether a line has only words of the cell that was drawn last in the line above, and no first cell.
fn continues(above: &Line<'_>, line: &Line<'_>) -> bool {
    line.filled() == 1 && line.cells[0].is_empty() && columns(above).max().is_some_and(|(_, column)| !line.cells[column].is_empty())
}

/// Whether each cell of a row was drawn at once. Cells that span several rows are not.
fn is_drawn_by_cells(row: &[Line<'_>]) -> bool {
    let mut drawn: Vec<(usize, usize)> = row.iter().flat_map(columns).collect();
    drawn.sort_unstable();
    drawn.dedup_by_key(|(_, column)| *column);
    let mut columns: Vec<usize> = drawn.iter().map(|(_, column)| *column).collect();
    columns.sort_unstable();
    columns.windows(2).all(|pair| pair[0] != pair[1])
}

/// Whether each line is a row, and the program drew the table column by column.
///
/// Two of them have most cells, with a number in the same column.
fn has_rows(lines: &[Line<'_>], text: &str) -> bool {
    let is_number = |cell: &str| is_numeric(cell) && (!cell.ends_with('-') || is_amount(cell));
    let full: Vec<&Line<'_>> = lines.iter().filter(|line| line.filled() * 2 > line.cells.len()).collect();
    let numbers = |column: usize| full.iter().filter(|line| is_number(&content(&line.cells[column], text))).count();
    full.len() > 1 && (0..full[0].cells.len()).any(|column| numbers(column) > 1)
}
