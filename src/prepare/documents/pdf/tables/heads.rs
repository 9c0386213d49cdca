//! Places headings that stand over several columns.

use super::{ALIGNED, Line};
use std::ops::Range;

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

/// The first of several columns that the heading in this column stands over.
fn first(lines: &[Line<'_>], at: usize, column: usize) -> Option<usize> {
    let (line, next) = (&lines[at], &lines[at + 1]);
    let heading = line.extent(column)?;
    let near = |a: f64, b: f64| (a - b).abs() <= ALIGNED * line.size;
    let middle = |extent: &Range<f64>| f64::midpoint(extent.start, extent.end);
    let below = next.extent(column)?;
    if near(heading.start, below.start) || near(heading.end, below.end) || near(middle(&heading), middle(&below)) {
        return None;
    }
    let is_free = |at: &usize| line.cells[*at].is_empty() && !next.cells[*at].is_empty();
    let last = (column + 1..line.cells.len()).take_while(is_free).last().unwrap_or(column);
    let firsts = (1..column).rev().take_while(is_free);
    firsts
        .flat_map(|first| (column..=last).map(move |last| (first, last)))
        .find(|(first, last)| {
            let (left, right) = (next.extent(*first), next.extent(*last));
            left.zip(right).is_some_and(|(left, right)| near(middle(&(left.start..right.end)), middle(&heading)))
        })
        .map(|(first, _)| first)
}
