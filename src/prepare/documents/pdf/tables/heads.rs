//! Places headings that stand over several columns.

use super::Line;

/// Tolerance of alignment, in ems.
const ALIGNED: f64 = 0.45;
/// Maximum number of lines of a header.
const LINES: usize = 3;

/// Moves headings in the middle of several columns to the first of them.
///
/// The next line has a heading for each of these columns.
pub(super) fn spread(lines: &mut [Line<'_>]) {
    for at in 0..LINES.min(lines.len().saturating_sub(1)) {
        for column in 2..lines[at].cells.len() {
            if let Some(first) = first(lines, at, column) {
                lines[at].cells.swap(first, column);
            }
        }
    }
}

/// The first column of those that a heading in this column stands over, if there are several.
fn first(lines: &[Line<'_>], at: usize, column: usize) -> Option<usize> {
    let (line, next) = (&lines[at], &lines[at + 1]);
    let heading = extent(line, column)?;
    let near = |a: f64, b: f64| (a - b).abs() <= ALIGNED * line.size;
    let middle = |extent: (f64, f64)| f64::midpoint(extent.0, extent.1);
    let below = extent(next, column)?;
    if near(heading.0, below.0) || near(heading.1, below.1) || near(middle(heading), middle(below)) {
        return None;
    }
    let is_free = |at: &usize| line.cells[*at].is_empty() && !next.cells[*at].is_empty();
    let last = (column + 1..line.cells.len()).take_while(is_free).last().unwrap_or(column);
    let firsts = (1..column).rev().take_while(is_free);
    firsts
        .flat_map(|first| (column..=last).map(move |last| (first, last)))
        .find(|(first, last)| {
            let (left, right) = (extent(next, *first), extent(next, *last));
            left.zip(right).is_some_and(|(left, right)| near(middle((left.0, right.1)), middle(heading)))
        })
        .map(|(first, _)| first)
}

/// The left and the right side of a cell's text.
fn extent(line: &Line<'_>, column: usize) -> Option<(f64, f64)> {
    let cell = &line.cells[column];
    Some((cell.first()?.left, cell.iter().map(|piece| piece.right).fold(f64::MIN, f64::max)))
}
