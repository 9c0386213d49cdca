//! Empty columns in lines of text.
//!
//! Lines one below the other may have columns that are not clearly a table. A line without the text
//! of a column keeps a tab for it.

use super::pieces::Piece;
use super::row::Row;
use std::ops::Range;

/// Maximum distance between lines with the same columns, in ems.
const NEAR: f64 = 2.5;
/// Tolerance of alignment, in ems.
const ALIGNED: f64 = 0.45;
/// Minimum number of lines with all columns.
const FULL: usize = 2;
/// Maximum number of lines that are compared.
const MOST: usize = 200;

/// Words of a line without a wide gap between them.
struct Segment<'p> {
    first: &'p Piece,
    across: Range<f64>,
}

/// The pieces behind empty columns of each row, with the number of these columns.
pub(super) fn skipped<'p>(rows: &[Row<'p>], is_wide: impl Fn(&Piece, &Piece) -> bool) -> Vec<Vec<(&'p Piece, usize)>> {
    let lines: Vec<Vec<Segment<'p>>> = rows.iter().map(|row| segments(row, &is_wide)).collect();
    let mut skipped = vec![Vec::new(); rows.len()];
    let mut start = 0;
    while start < rows.len() {
        let is_near = |at: &usize| rows[*at].baseline - rows[*at - 1].baseline <= NEAR * rows[*at].size;
        let end = (start + 1..rows.len().min(start + MOST)).take_while(is_near).last().map_or(start + 1, |last| last + 1);
        if let Some(columns) = columns(&lines[start..end]) {
            for at in start..end {
                skipped[at] = gaps(&lines[at], &columns, rows[at].size);
            }
        }
        start = end;
    }
    skipped
}

/// Divides a row at wide gaps. Tables and right-to-left text have no parts.
fn segments<'p>(row: &Row<'p>, is_wide: &impl Fn(&Piece, &Piece) -> bool) -> Vec<Segment<'p>> {
    if row.pieces.iter().any(|piece| piece.table.is_some() || piece.right_to_left) {
        return Vec::new();
    }
    let mut segments: Vec<Segment<'p>> = Vec::new();
    let mut before: Option<&Piece> = None;
    for piece in row.pieces.iter().copied() {
        match segments.last_mut().filter(|_| before.is_some_and(|before| !is_wide(before, piece))) {
            Some(segment) => segment.across.end = segment.across.end.max(piece.right),
            None => segments.push(Segment { first: piece, across: piece.left..piece.right }),
        }
        before = Some(piece);
    }
    segments
}

/// The places of each column in the lines that have all columns.
fn columns(lines: &[Vec<Segment<'_>>]) -> Option<Vec<Vec<Range<f64>>>> {
    let count = lines.iter().map(Vec::len).max().filter(|count| *count > 1)?;
    let full = || lines.iter().filter(|line| line.len() == count);
    let columns: Vec<Vec<Range<f64>>> = (0..count).map(|at| full().map(|line| line[at].across.clone()).collect()).collect();
    let is_apart = columns.windows(2).all(|pair| whole(&pair[0]).end < whole(&pair[1]).start);
    // Paragraphs behind numbers have many lines without a number.
    let is_usual = count > 2 || full().count() * 2 > lines.len();
    (full().count() >= FULL && is_usual && is_apart).then_some(columns)
}

/// The width of a column.
fn whole(places: &[Range<f64>]) -> Range<f64> {
    places.iter().fold(f64::INFINITY..f64::NEG_INFINITY, |whole, place| whole.start.min(place.start)..whole.end.max(place.end))
}

/// The first piece behind each gap with empty columns. A line that does not fit has none.
fn gaps<'p>(line: &[Segment<'p>], columns: &[Vec<Range<f64>>], size: f64) -> Vec<(&'p Piece, usize)> {
    if line.len() == columns.len() {
        return Vec::new();
    }
    let (mut next, mut gaps) = (0, Vec::new());
    for segment in line {
        let mut own = (0..columns.len()).filter(|at| {
            let column = whole(&columns[*at]);
            segment.across.start < column.end && column.start < segment.across.end
        });
        let (Some(column), None) = (own.next(), own.next()) else { return Vec::new() };
        let near = |place: fn(&Range<f64>) -> f64| {
            columns[column].iter().filter(|other| (place(other) - place(&segment.across)).abs() <= ALIGNED * size).count() * 2
                > columns[column].len()
        };
        let is_aligned = near(|across| across.start) || near(|across| across.end) || near(|across| f64::midpoint(across.start, across.end));
        if column < next || !is_aligned {
            return Vec::new();
        }
        gaps.extend((column > next).then_some((segment.first, column - next)));
        next = column + 1;
    }
    gaps
}
