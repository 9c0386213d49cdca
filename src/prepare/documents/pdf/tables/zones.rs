//! Finds the rows that may be tables, and the strips between their columns.

use super::super::pieces::Piece;
use super::super::row::Row;
use super::strips::{self, without};
use super::{Line, is_tick};
use std::ops::Range;

/// Minimum gap in a row of a table, in ems.
const WIDE: f64 = 0.95;
/// Maximum distance between rows of a table, in ems.
const APART: f64 = 3.6;
/// Minimum distance of two tables, in usual distances of their rows.
const BETWEEN: f64 = 1.35;
/// Maximum number of lines without a wide gap between two with one, and at the ends of a table.
const PLAIN: usize = 8;
const ENDS: usize = 3;
/// Divisor of the number of rows for those that may lie across columns.
const FEW: usize = 5;
/// Minimum number of rows with most cells, in a part of a zone, or if others lie across.
pub(super) const FULL: usize = 3;
/// Maximum number of parts of a zone. Each part looks at all rows behind it.
const PARTS: usize = 64;

/// Whether the row has a gap as between columns.
pub(super) fn is_wide(row: &Row<'_>, text: &str) -> bool {
    let is_dots = |text: &str| text.bytes().all(|byte| matches!(byte, b'.' | b'_'));
    let dots = |text: &str| text.len() >= 3 && is_dots(text);
    let words = || row.pieces.iter().map(|piece| &text[piece.text.clone()]);
    // Leaders are one word, or a word for each dot.
    let has_leader = || {
        words().any(|word| dots(word.trim_matches(|c: char| c.is_alphanumeric())))
            || words().collect::<Vec<_>>().windows(3).any(|three| three.iter().all(|word| is_dots(word)))
    };
    row.pieces.windows(2).any(|pair| pair[1].left - pair[0].right >= WIDE * row.size) && !has_leader()
}

/// Rows that may be tables, with some lines before and behind.
pub(super) fn zones(rows: &[Row<'_>], text: &str) -> Vec<Range<usize>> {
    let mut zones: Vec<Range<usize>> = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        if is_other(row) || !is_wide(row, text) {
            continue;
        }
        match zones.last_mut() {
            Some(zone) if at - zone.end <= PLAIN && are_near(&rows[zone.end - 1..=at]) => zone.end = at + 1,
            _ => zones.push(at..at + 1),
        }
    }
    let mut least = 0;
    for at in 0..zones.len() {
        let most = zones.get(at + 1).map_or(rows.len(), |zone| zone.start);
        let zone = &mut zones[at];
        let ends = 0..ENDS;
        ends.clone().for_each(|_| {
            zone.start -= usize::from(zone.start > least && are_near(&rows[zone.start - 1..=zone.start]));
        });
        ends.for_each(|_| zone.end += usize::from(zone.end < most && are_near(&rows[zone.end - 1..=zone.end])));
        least = zone.end;
    }
    zones
}

/// Divides a zone into different tables that stand one below the other.
///
/// A table begins behind a wide gap. A heading between two tables belongs to the second one.
pub(super) fn stacked(rows: &[Row<'_>], zone: Range<usize>, text: &str) -> Vec<Range<usize>> {
    let distance = |at: usize| rows[at].baseline - rows[at - 1].baseline;
    let mut distances: Vec<f64> = (zone.start + 1..zone.end).map(distance).collect();
    distances.sort_by(f64::total_cmp);
    let usual = distances.get(distances.len() / 2).copied().unwrap_or(0.0);
    let none = zone.start..zone.start;
    let mut tables = vec![none];
    let mut start = zone.start;
    for end in (zone.start + 1..zone.end).filter(|at| distance(*at) > BETWEEN * usual).chain([zone.end]) {
        let (block, Some(above)) = (start..end, tables.last_mut()) else { break };
        if wide(&rows[block.clone()], text).len() < FULL && end < zone.end {
            continue;
        }
        if is_other_table(&rows[above.clone()], &rows[block.clone()], text) {
            tables.push(block);
        } else {
            above.end = end;
        }
        start = end;
    }
    tables
}

/// Whether rows are another table than the rows above: they begin with a header, and have other columns.
fn is_other_table(above: &[Row<'_>], rows: &[Row<'_>], text: &str) -> bool {
    let has_heading = rows.first().is_some_and(|row| !is_wide(row, text));
    let [(above, above_size), (rows, rows_size)] = [above, rows].map(|rows| (wide(rows, text), size(rows)));
    if above.len() < FULL || rows.len() < FULL {
        return false;
    }
    // Headers may have words such as Q1.
    let is_number = |word: &str| word.contains(|c: char| c.is_ascii_digit()) && !word.contains(char::is_alphabetic);
    let is_value = |piece: &&Piece| is_number(&text[piece.text.clone()]) || is_tick(&text[piece.text.clone()]);
    let has_values = |row: &Row<'_>| row.pieces.iter().any(is_value);
    let (is_header, had_header) = (!has_values(rows[0]), !has_values(above[0]) && above[1..].iter().all(|row| has_values(row)));
    if is_header && had_header && has_heading && gaps(rows[0]) != gaps(above[0]) {
        return true;
    }
    let crosses = |strips: &[Range<f64>], rows: &[&Row<'_>], size: f64| rows.iter().any(|row| without(strips, row, size).is_none());
    let [columns_above, columns] = [(&above, above_size), (&rows, rows_size)].map(|(rows, size)| tolerant(rows, text, size));
    is_header && (crosses(&columns_above, &rows, rows_size) || crosses(&columns, &above, above_size))
}

/// Whether this is no line of a table without lines.
pub(super) fn is_other(row: &Row<'_>) -> bool {
    row.pieces.iter().any(|piece| piece.table.is_some())
}

fn are_near(rows: &[Row<'_>]) -> bool {
    !rows.iter().any(is_other) && rows.windows(2).all(|pair| pair[1].baseline - pair[0].baseline <= APART * pair[0].size.max(pair[1].size))
}

/// The first part of a zone without lines across its columns, and the row behind it.
pub(super) fn part(rows: &[Row<'_>], zone: Range<usize>, text: &str) -> Option<(Range<usize>, usize)> {
    let first = zone.start + rows[zone.clone()].iter().position(|row| is_wide(row, text))?;
    let mut end = zone.end;
    // Other rows may have other strips, so each cut is judged again.
    loop {
        let part = &rows[first..end];
        match narrowed(tolerant(&wide(part, text), text, size(part)), part, text) {
            Err(at) if at > 0 => end = first + at,
            _ => break,
        }
    }
    Some((zone.start..end, end))
}

/// Divides a zone into the rows that have the columns of its most divided rows, and the others.
///
/// Returns nothing if no row has these columns.
pub(super) fn divided(rows: &[Row<'_>], mut zone: Range<usize>, text: &str) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    while !zone.is_empty() && parts.len() < PARTS {
        let wide = wide(&rows[zone.clone()], text);
        let size = size(&rows[zone.clone()]);
        let finest = finest(&wide, text, size);
        let Some(strips) = finest.filter(|strips| strips.len() > strips::strips(&wide, text, size).len().max(1)) else {
            break;
        };
        let fits: Vec<bool> = rows[zone.clone()].iter().map(|row| without(&strips, row, size).is_some()).collect();
        let is_row = |at: usize| fits[at] && is_wide(&rows[zone.start + at], text);
        let Some(first) = (0..fits.len()).find(|at| is_row(*at)) else { break };
        // One line across the columns may stand between rows.
        let mut last = first;
        for at in first..fits.len() {
            match fits[at] {
                true if is_row(at) => last = at,
                false if at > first && !fits[at - 1] => break,
                _ => {}
            }
        }
        let (start, end) = (zone.start + first, zone.start + last + 1);
        parts.extend([zone.start..start, start..end].into_iter().filter(|part| !part.is_empty()));
        zone.start = end;
    }
    parts
}

/// The strips between the columns of rows, of which a few may lie across.
pub(super) fn tolerant(rows: &[&Row<'_>], text: &str, size: f64) -> Vec<Range<f64>> {
    let all = strips::strips(rows, text, size);
    let Some(finest) = finest(rows, text, size).filter(|finest| finest.len() > all.len()) else { return all };
    let fitting: Vec<&Row<'_>> = rows.iter().copied().filter(|row| without(&finest, row, size).is_some()).collect();
    if (rows.len() - fitting.len()) * FEW > rows.len() {
        return all;
    }
    let strips = strips::strips(&fitting, text, size);
    let filled = |row: &&&Row<'_>| Line::of(row, &middles(&strips)).filled() * 5 > strips.len() * 4;
    if strips.len() > all.len() && fitting.iter().filter(filled).count() >= FULL { strips } else { all }
}

/// The number of wide gaps in a row.
fn gaps(row: &Row<'_>) -> usize {
    row.pieces.windows(2).filter(|pair| pair[1].left - pair[0].right >= WIDE * row.size).count()
}

/// The strips between the columns of those rows that have most wide gaps.
fn finest(rows: &[&Row<'_>], text: &str, size: f64) -> Option<Vec<Range<f64>>> {
    let mut counts: Vec<usize> = rows.iter().map(|row| gaps(row)).collect();
    counts.sort_unstable();
    let most = *counts.get((counts.len() * 3 / 4).min(counts.len().saturating_sub(3)))?;
    let rows: Vec<&Row<'_>> = rows.iter().copied().filter(|row| gaps(row) >= most).collect();
    (most > 1 && rows.len() >= 3).then(|| strips::strips(&rows, text, size))
}

/// The strips without the words of lines that have no wide gap, or the first line across a strip.
pub(super) fn narrowed(mut strips: Vec<Range<f64>>, rows: &[Row<'_>], text: &str) -> Result<Vec<Range<f64>>, usize> {
    let size = size(rows);
    let (mut across, mut behind) = (0, wide(rows, text).len());
    for (at, row) in rows.iter().enumerate() {
        if is_wide(row, text) {
            behind -= 1;
            continue;
        }
        match without(&strips, row, size) {
            Some(rest) => strips = rest,
            // A single line across the columns, such as a title of rows, does not end the table.
            None if strips.len() > 1 && at > 1 && behind > 1 && across * FEW < at && is_wide(&rows[at + 1], text) => across += 1,
            None => return Err(at),
        }
    }
    Ok(strips)
}

pub(super) fn wide<'r, 'p>(rows: &'r [Row<'p>], text: &str) -> Vec<&'r Row<'p>> {
    rows.iter().filter(|row| is_wide(row, text)).collect()
}

pub(super) fn size(rows: &[Row<'_>]) -> f64 {
    let mut sizes: Vec<f64> = rows.iter().map(|row| row.size).collect();
    sizes.sort_by(f64::total_cmp);
    sizes.get(sizes.len() / 2).copied().unwrap_or_default()
}

/// The positions that divide rows into cells.
pub(super) fn middles(strips: &[Range<f64>]) -> Vec<f64> {
    strips.iter().map(|strip| f64::midpoint(strip.start, strip.end)).collect()
}
