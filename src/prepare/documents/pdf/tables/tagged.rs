//! Tables of tagged documents, whose rows and cells the structure names.
//!
//! Browsers name no empty cells, so places on the page tell the columns. Cells without a common
//! place across belong to different columns. A row with all cells tells how many there are.

use super::super::pieces::Piece;
use super::{Table, content, is_numeric};
use hayro::kurbo::Rect;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Minimum share of neighbouring cells from left to right, and of rows from top to bottom.
const ORDERED: f64 = 0.8;
/// Maximum mean length of cells. Longer ones are columns of text.
const LONG: usize = 200;
/// Maximum distance in points between equal sides of cells.
const SAME: f64 = 1.0;

/// A cell with its place across the page.
#[derive(Debug)]
struct Cell<'p> {
    pieces: Vec<&'p Piece>,
    across: Range<f64>,
    /// Number of its columns.
    width: usize,
}

impl Cell<'_> {
    fn spans(&self) -> bool {
        self.width > 1
    }
}

/// The rows of a table, by their number. Cells are in the order of the structure.
type Rows<'p> = BTreeMap<u32, Vec<Cell<'p>>>;

/// Finds the tables, and returns them with the other pieces.
pub(in super::super) fn tables<'p>(pieces: &'p [Piece], text: &str) -> (Vec<Table<'p>>, Vec<&'p Piece>) {
    let mut cells: BTreeMap<(usize, u32, u32), Vec<&Piece>> = BTreeMap::new();
    for piece in pieces {
        if let Some(place) = piece.cell {
            cells.entry((place.table, place.row, place.column)).or_default().push(piece);
        }
    }
    let mut found: BTreeMap<usize, Rows<'p>> = BTreeMap::new();
    for ((table, row, _), pieces) in cells {
        let left = pieces.iter().map(|piece| piece.left).fold(f64::INFINITY, f64::min);
        let right = pieces.iter().map(|piece| piece.right).fold(f64::NEG_INFINITY, f64::max);
        let width = pieces.iter().filter_map(|piece| piece.cell).map(|place| place.width).max().unwrap_or(1) as usize;
        found.entry(table).or_default().entry(row).or_default().push(Cell { pieces, across: left..right, width });
    }
    let mut tables = BTreeMap::new();
    for (table, mut rows) in found {
        let backward = mirrored(&mut rows);
        if let Some(columns) = Some(&rows).filter(|rows| is_table(rows)).and_then(|rows| columns(rows, text)) {
            tables.insert(table, written(rows, &columns, backward));
        }
    }
    let is_rest = |piece: &&Piece| piece.cell.is_none_or(|place| !tables.contains_key(&place.table));
    let rest = pieces.iter().filter(is_rest).collect();
    (tables.into_values().collect(), rest)
}

/// Mirrors the places of a table whose rows are read from right to left. Returns whether it is one.
fn mirrored(rows: &mut Rows<'_>) -> bool {
    let beside = || rows.values().flat_map(|row| row.windows(2));
    let backward = beside().filter(|pair| pair[0].across.start > pair[1].across.start).count();
    let has_backward = rows.values().flatten().flat_map(|cell| &cell.pieces).any(|piece| piece.right_to_left);
    if !has_backward || backward * 2 <= beside().count() {
        return false;
    }
    for cell in rows.values_mut().flatten() {
        cell.across = -cell.across.end..-cell.across.start;
    }
    true
}

/// Whether the cells are in the order that the structure says.
///
/// Some programs make tables of pages, with text in columns or with one cell.
fn is_table(rows: &Rows<'_>) -> bool {
    let cells = || rows.values().flatten();
    let pieces = || cells().flat_map(|cell| &cell.pieces);
    let length: usize = pieces().map(|piece| piece.text.len() + 1).sum();
    let beside = || rows.values().flat_map(|row| row.windows(2));
    let ordered = beside().filter(|pair| pair[0].across.start < pair[1].across.start).count();
    // A table in columns of text begins again at the top.
    let top = |row: &Vec<Cell<'_>>| row.iter().flat_map(|cell| &cell.pieces).map(|piece| piece.baseline).fold(f64::INFINITY, f64::min);
    let tops: Vec<f64> = rows.values().map(top).collect();
    let down = tops.windows(2).filter(|pair| pair[0] < pair[1]).count();
    length < LONG * cells().count()
        && beside().count() > 0
        && ordered as f64 >= ORDERED * beside().count() as f64
        && down as f64 >= ORDERED * tops.len().saturating_sub(1) as f64
}

/// The column of each strip of the page; `None` if the places do not tell it.
fn columns(rows: &Rows<'_>, text: &str) -> Option<Vec<(Range<f64>, usize)>> {
    let strips = strips(rows);
    let strip = |cell: &Cell<'_>| strips.partition_point(|strip| strip.end < cell.across.start);
    let single = |row: &Vec<Cell<'_>>| row.iter().filter(|cell| !cell.spans()).count();
    let count = rows.values().map(single).max().filter(|count| *count > 1)?;
    let mut columns: Vec<Option<usize>> = vec![None; strips.len()];
    // Rows that have a cell in each strip, and their cells in strips without a column.
    for row in rows.values().filter(|row| single(row) == count && row.len() == count) {
        for (column, cell) in row.iter().enumerate() {
            let known = columns.get_mut(strip(cell))?.get_or_insert(column);
            if *known != column {
                return None;
            }
        }
    }
    let used: Vec<BTreeSet<usize>> = rows.values().map(|row| row.iter().filter(|cell| !cell.spans()).map(strip).collect()).collect();
    let first = rows.values().next()?.iter().map(|cell| (strip(cell), is_numeric(&content(&cell.pieces, text))));
    let headers = first.filter(|(_, is_numeric)| !is_numeric).map(|(strip, _)| strip).collect();
    let mut cells: Vec<Vec<&Cell<'_>>> = vec![Vec::new(); strips.len()];
    rows.values().flatten().filter(|cell| !cell.spans()).for_each(|cell| cells[strip(cell)].push(cell));
    let sides = cells.iter().map(|cells| side(cells)).collect();
    let known = Known { columns, sides, used, headers };
    let columns = known.completed(None).or_else(|| match [Side::Left, Side::Right].map(|side| known.completed(Some(side))) {
        [Some(columns), None] | [None, Some(columns)] => Some(columns),
        _ => None,
    });
    Some(strips.into_iter().zip(columns?).collect())
}

/// The neighbour of a strip whose column it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

/// The neighbour that cells of different widths and a common side can belong to.
///
/// Numbers that end at the right side of their column are not to the left of its header.
fn side(cells: &[&Cell<'_>]) -> Option<Side> {
    let differ = |place: fn(&Range<f64>) -> f64| {
        let least = cells.iter().map(|cell| place(&cell.across)).fold(f64::INFINITY, f64::min);
        cells.iter().map(|cell| place(&cell.across)).fold(f64::NEG_INFINITY, f64::max) - least > SAME
    };
    match (differ(|place| place.start), differ(|place| place.end)) {
        (true, false) => Some(Side::Left),
        (false, true) => Some(Side::Right),
        _ => None,
    }
}

/// What is known about the strips of a table.
struct Known {
    columns: Vec<Option<usize>>,
    sides: Vec<Option<Side>>,
    /// The strips with cells in each row.
    used: Vec<BTreeSet<usize>>,
    headers: BTreeSet<usize>,
}

impl Known {
    /// The column of each strip. `side` is where strips belong if both neighbours have room.
    fn completed(&self, side: Option<Side>) -> Option<Vec<usize>> {
        let mut columns = self.columns.clone();
        // A strip without a cell of a whole row belongs to a neighbour that has room in its rows.
        for at in (0..columns.len()).rev().filter(|at| self.columns[*at].is_none()) {
            let has_room = |column: &usize| {
                let is_taken = |row: &BTreeSet<usize>| row.contains(&at) && row.iter().any(|other| columns[*other] == Some(*column));
                !self.used.iter().any(is_taken)
            };
            let left = columns[..at].iter().rev().find_map(|column| *column).filter(has_room);
            let right = columns[at..].iter().find_map(|column| *column).filter(has_room);
            columns[at] = match (left, right, self.sides[at].or(side)) {
                (Some(left), Some(right), None) if left != right => return None,
                (Some(left), _, Some(Side::Left)) | (Some(left), None, _) => Some(left),
                (_, right, _) => Some(right?),
            };
        }
        self.is_clear(&columns).then(|| columns.into_iter().flatten().collect())
    }

    /// Whether only a header, or a part of the table beside the first one, has another strip for its column.
    ///
    /// Debits and credits never share a row.
    fn is_clear(&self, columns: &[Option<usize>]) -> bool {
        let is_header = |strip: usize| self.headers.contains(&strip) && self.used[1..].iter().all(|row| !row.contains(&strip));
        let of = |strip: usize| self.used.iter().filter(move |row| row.contains(&strip));
        let is_same = |a: usize, b: usize| is_header(a) || is_header(b) || of(a).all(|a| of(b).all(|b| a.is_disjoint(b)));
        (0..columns.len()).all(|a| (a + 1..columns.len()).all(|b| columns[a] != columns[b] || is_same(a, b)))
    }
}

/// Parts of the width with cells, from left to right.
fn strips(rows: &Rows<'_>) -> Vec<Range<f64>> {
    let mut places: Vec<Range<f64>> = rows.values().flatten().filter(|cell| !cell.spans()).map(|cell| cell.across.clone()).collect();
    places.sort_by(|a, b| a.start.total_cmp(&b.start));
    let mut strips: Vec<Range<f64>> = Vec::new();
    for place in places {
        match strips.last_mut() {
            Some(strip) if place.start < strip.end => strip.end = strip.end.max(place.end),
            _ => strips.push(place),
        }
    }
    strips
}

fn written<'p>(rows: Rows<'p>, columns: &[(Range<f64>, usize)], backward: bool) -> Table<'p> {
    let count = columns.iter().map(|(_, column)| column + 1).max().unwrap_or(0);
    let pieces = || rows.values().flatten().flat_map(|cell| &cell.pieces);
    let first = pieces().next().map_or(Rect::ZERO, |piece| piece.bounds());
    let bounds = pieces().fold(first, |bounds, piece| bounds.union(piece.bounds()));
    let mut written = Vec::new();
    for row in rows.into_values() {
        let mut cells = vec![Vec::new(); count];
        let (mut free, mut rest) = (0, row.iter().map(|cell| cell.width).sum::<usize>());
        for cell in row {
            let strip = columns.partition_point(|(strip, _)| strip.end < cell.across.start).min(columns.len() - 1);
            let column = if cell.spans() { leftmost(&cell, free..count.saturating_sub(rest) + 1, columns) } else { columns[strip].1 };
            (free, rest) = (column + cell.width, rest - cell.width);
            cells[column].extend(cell.pieces);
        }
        if backward {
            cells.reverse();
        }
        written.push(cells);
    }
    Table { rows: written, bounds, backward }
}

/// The first column of a cell with several columns, of those where it can begin.
///
/// Its text is over its columns, in their middle or at a side of them.
fn leftmost(cell: &Cell<'_>, candidates: Range<usize>, columns: &[(Range<f64>, usize)]) -> usize {
    let last = columns.iter().map(|(_, column)| *column).max().unwrap_or(0);
    let apart = |column: &usize| {
        let strips = || columns.iter().filter(|(_, other)| (*column..column + cell.width).contains(other)).map(|(strip, _)| strip);
        let left = strips().map(|strip| strip.start).fold(f64::INFINITY, f64::min);
        let right = strips().map(|strip| strip.end).fold(f64::NEG_INFINITY, f64::max);
        let beyond = (left - cell.across.start).max(0.0) + (cell.across.end - right).max(0.0);
        let middle = f64::midpoint(left, right) - f64::midpoint(cell.across.start, cell.across.end);
        let off = middle.abs().min((left - cell.across.start).abs()).min((right - cell.across.end).abs());
        (beyond, off)
    };
    let start = candidates.start.min(last);
    let is_closer = |a: &usize, b: &usize| apart(a).partial_cmp(&apart(b)).unwrap_or(std::cmp::Ordering::Equal);
    (start..candidates.end.max(start + 1)).min_by(is_closer).unwrap_or(start)
}
