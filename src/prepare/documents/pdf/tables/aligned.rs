//! Tables without lines, or with lines between some rows.
//!
//! Rows with wide gaps form a zone. Strips without text divide the zone into columns.

use super::super::pieces::Piece;
use super::super::row::Row;
use super::evidence::{Evidence, Side};
use super::rules::Ruling;
use super::strips::{self, free, without};
use super::{Columns, Line, Table, content, is_numeric, logical};
use hayro::kurbo::Rect;
use std::ops::Range;

/// Minimum gap in a row of a table, in ems.
const WIDE: f64 = 0.95;
/// Maximum distance between rows of a table, and between lines of a cell, in ems.
const APART: f64 = 3.6;
const LEADING: f64 = 1.7;
/// Maximum number of lines without a wide gap between two with one, and at the ends of a table.
const PLAIN: usize = 8;
const ENDS: usize = 3;
/// Maximum mean number of words in the cells of a line without a wide gap.
const WORDS: usize = 3;
/// Maximum space between words of a line that is no row, in ems.
const PHRASE: f64 = 0.35;
/// Divisor of the number of rows for those that may lie across columns.
const FEW: usize = 5;
/// Minimum number of rows with most cells, in a part of a zone, or if others lie across.
const FULL: usize = 3;
/// Minimum number of words of a caption.
const CAPTION: usize = 4;
/// Maximum number of lines of a row.
const REACH: usize = 40;
/// Share of the table's width that lines across it have.
const ACROSS: f64 = 0.7;

/// Finds tables in rows, from top to bottom, with the rows that each one takes.
///
/// `beside` is whether the rows may be those of columns of text side by side.
pub(in super::super) fn tables<'p>(
    rows: &[Row<'p>],
    beside: bool,
    ruling: &Ruling,
    columns: &mut Columns,
    text: &str,
) -> Vec<(Range<usize>, Table<'p>)> {
    let mut found: Vec<(Range<usize>, Table<'p>)> = Vec::new();
    // Parts of a zone must have rows with all cells. Drawings have few.
    let is_full = |row: &Vec<Vec<&Piece>>| row.iter().filter(|cell| !cell.is_empty()).count() * 5 >= row.len() * 4;
    let mut search = |zone: Range<usize>, side: Side, full: usize| {
        // The last row of a table may go on behind its zone.
        let free = |found: &[(Range<usize>, Table<'p>)], start: usize| found.last().map_or(start, |(range, _)| start.max(range.end));
        let before = found.len();
        let mut start = free(&found, zone.start);
        while start < zone.end {
            let Some((part, cut)) = part(rows, start..zone.end, text) else { break };
            let last = columns.last.clone();
            match table(rows, &part, side, ruling, columns, text) {
                Some((_, table)) if table.rows.iter().filter(|row| is_full(row)).count() < full => columns.last = last,
                table => found.extend(table),
            }
            start = free(&found, cut);
        }
        found.len() > before
    };
    for zone in zones(rows, text) {
        if !search(zone.clone(), if beside { Side::Beside } else { Side::Alone }, 0) {
            for part in divided(rows, zone, text) {
                search(part, if beside { Side::Within } else { Side::Alone }, FULL);
            }
        }
    }
    found
}

/// Whether the row has a gap as between columns.
fn is_wide(row: &Row<'_>, text: &str) -> bool {
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
fn zones(rows: &[Row<'_>], text: &str) -> Vec<Range<usize>> {
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

/// Whether this is no line of a table without lines.
fn is_other(row: &Row<'_>) -> bool {
    row.pieces.iter().any(|piece| piece.table.is_some() || piece.right_to_left)
}

fn are_near(rows: &[Row<'_>]) -> bool {
    !rows.iter().any(is_other) && rows.windows(2).all(|pair| pair[1].baseline - pair[0].baseline <= APART * pair[0].size.max(pair[1].size))
}

/// The first part of a zone without lines across its columns, and the row behind it.
fn part(rows: &[Row<'_>], zone: Range<usize>, text: &str) -> Option<(Range<usize>, usize)> {
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

/// Maximum number of parts of a zone. Each part looks at all rows behind it.
const PARTS: usize = 64;

/// Divides a zone into the rows that have the columns of its most divided rows, and the others.
///
/// Returns nothing if no row has these columns.
fn divided(rows: &[Row<'_>], mut zone: Range<usize>, text: &str) -> Vec<Range<usize>> {
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
fn tolerant(rows: &[&Row<'_>], text: &str, size: f64) -> Vec<Range<f64>> {
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

/// The strips between the columns of those rows that have most wide gaps.
fn finest(rows: &[&Row<'_>], text: &str, size: f64) -> Option<Vec<Range<f64>>> {
    let gaps = |row: &Row<'_>| row.pieces.windows(2).filter(|pair| pair[1].left - pair[0].right >= WIDE * row.size).count();
    let mut counts: Vec<usize> = rows.iter().map(|row| gaps(row)).collect();
    counts.sort_unstable();
    let most = *counts.get((counts.len() * 3 / 4).min(counts.len().saturating_sub(3)))?;
    let rows: Vec<&Row<'_>> = rows.iter().copied().filter(|row| gaps(row) >= most).collect();
    (most > 1 && rows.len() >= 3).then(|| strips::strips(&rows, text, size))
}

/// The strips without the words of lines that have no wide gap, or the first line across a strip.
fn narrowed(mut strips: Vec<Range<f64>>, rows: &[Row<'_>], text: &str) -> Result<Vec<Range<f64>>, usize> {
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

fn wide<'r, 'p>(rows: &'r [Row<'p>], text: &str) -> Vec<&'r Row<'p>> {
    rows.iter().filter(|row| is_wide(row, text)).collect()
}

fn size(rows: &[Row<'_>]) -> f64 {
    let mut sizes: Vec<f64> = rows.iter().map(|row| row.size).collect();
    sizes.sort_by(f64::total_cmp);
    sizes[sizes.len() / 2]
}

fn width(rows: &[Row<'_>]) -> (f64, f64) {
    let pieces = || rows.iter().flat_map(|row| &row.pieces);
    (
        pieces().fold(f64::INFINITY, |left, piece| left.min(piece.left)),
        pieces().fold(f64::NEG_INFINITY, |right, piece| right.max(piece.right)),
    )
}

/// The table in a part of the rows, and the rows that it takes.
fn table<'p>(
    all: &[Row<'p>],
    part: &Range<usize>,
    side: Side,
    ruling: &Ruling,
    columns: &mut Columns,
    text: &str,
) -> Option<(Range<usize>, Table<'p>)> {
    let wide = wide(&all[part.clone()], text);
    let size = size(&all[part.clone()]);
    let own = tolerant(&wide, text, size);
    let continued = columns.last.is_none().then(|| continued(&wide, &own, columns.before.as_deref()?)).flatten();
    let continues = continued.is_some();
    let strips = continued.unwrap_or_else(|| with_headers(own, &wide, text));
    if strips.is_empty() {
        return None;
    }
    let range = trimmed(all, part, &strips, text);
    let strips = narrowed(strips, &all[range.clone()], text).ok()?;
    let separators = middles(&strips);
    let rows = &all[range.clone()];
    let divide =
        |row: &Row<'p>| if without(&strips, row, size).is_some() { Line::of(row, &separators) } else { Line::across(row, &separators) };
    let lines: Vec<Line<'_>> = rows.iter().map(divide).collect();
    let (left, right) = width(rows);
    let (first, last) = (&rows[0], &rows[rows.len() - 1]);
    let bounds = Rect::new(left, first.baseline - first.size, right, last.baseline);
    let rules: Vec<f64> = ruling
        .horizontal
        .iter()
        .filter(|rule| rule.to.min(right) - rule.from.max(left) > ACROSS * (right - left))
        .map(|rule| rule.at)
        .filter(|at| (bounds.y0 - 1.5 * size..bounds.y1 + 2.0 * size).contains(at))
        .collect();
    let drawn = logical::drawn(&lines);
    // Columns of text are drawn one after the other.
    let side = if drawn.as_ref().is_some_and(|rows| rows.len() > 2 || continues) { Side::Alone } else { side };
    let evidence = Evidence { lines: drawn.as_ref().unwrap_or(&lines), text, size, is_ruled: rules.len() >= 2, continues, side };
    if !evidence.is_table() {
        return None;
    }
    columns.last = Some(strips);
    Some((range, Table { rows: logical::rows(lines, &rules, text), bounds }))
}

/// Drops strips between a header and the cells that it stands above with another alignment, and
/// those before the last words of a single line.
fn with_headers(mut strips: Vec<Range<f64>>, rows: &[&Row<'_>], text: &str) -> Vec<Range<f64>> {
    let mut at = 0;
    while at < strips.len() && rows.len() > 2 {
        let separators = middles(&strips);
        let filled = |row: &Row<'_>, column: usize| !Line::of(row, &separators).cells[column].is_empty();
        let only_header = |column: usize| filled(rows[0], column) && !rows[1..].iter().any(|row| filled(row, column));
        let only_body = |column: usize| !filled(rows[0], column);
        let mut cells = rows.iter().map(|row| content(&Line::of(row, &separators).cells[at + 1], text)).filter(|cell| !cell.is_empty());
        let rest = cells.next().is_some_and(|cell| !is_numeric(&cell)) && cells.next().is_none() && only_body(at + 1);
        if rest || only_header(at) && only_body(at + 1) || only_body(at) && only_header(at + 1) {
            strips.remove(at);
        } else {
            at += 1;
        }
    }
    strips
}

fn middles(strips: &[Range<f64>]) -> Vec<f64> {
    strips.iter().map(|strip| f64::midpoint(strip.start, strip.end)).collect()
}

/// The part without lines before and behind the table.
fn trimmed(rows: &[Row<'_>], part: &Range<usize>, strips: &[Range<f64>], text: &str) -> Range<usize> {
    let wide = |at: &usize| is_wide(&rows[*at], text);
    let first = part.clone().find(wide).unwrap_or(part.start);
    let last = part.clone().rev().find(wide).unwrap_or(first);
    let cells = |at: usize| {
        let strips = without(strips, &rows[at], rows[at].size)?;
        Some(Line::of(&rows[at], &middles(&strips)))
    };
    let fits = |at: &usize| {
        cells(*at).is_some_and(|line| {
            let few = rows[*at].pieces.len() <= WORDS * line.filled();
            few && line.filled() >= 2 && line.filled() * 2 >= line.cells.len() && !is_phrase(&line) && !is_joined(&line)
        })
    };
    let near = |at: usize| rows[at].baseline - rows[at - 1].baseline <= LEADING * rows[at].size;
    // A line of words between the first and the last column belongs to a cell of several lines.
    let inner = |at: usize| cells(at).is_some_and(|line| line.filled() == 1 && line.cells[0].is_empty());
    let first = if is_caption(first, &cells, rows) { (first + 1..last).find(wide).unwrap_or(first) } else { first };
    let start = (part.start..first).rev().take_while(|at| fits(at) || inner(*at) && near(at + 1)).last().unwrap_or(first);
    let end = (last + 1..part.end).take_while(|at| fits(at) || inner(*at) && near(*at)).last().unwrap_or(last) + 1;
    // A cell of the last row goes on below. It was drawn before the next cell.
    let rest = |at: &usize| {
        near(*at) && !is_other(&rows[*at]) && cells(*at).is_some() && is_drawn_within(&rows[start.max(at.saturating_sub(2 * REACH))..=*at])
    };
    let end = (end..rows.len()).take_while(rest).last().map_or(end, |at| at + 1);
    start..end
}

/// Whether the last line was drawn before the last words of the row above, and behind all rows before that.
fn is_drawn_within(lines: &[Row<'_>]) -> bool {
    let orders = |rows: &[Row<'_>]| rows.iter().flat_map(|row| &row.pieces).map(|piece| piece.order).collect::<Vec<_>>();
    let last = lines.len() - 1;
    let begins = |at: &usize| orders(&lines[..*at]).into_iter().max() < orders(&lines[*at..]).into_iter().min();
    let row = (last.saturating_sub(REACH).max(1)..last).rev().find(begins);
    row.is_some_and(|at| orders(&lines[last..]).into_iter().min() < orders(&lines[at..last]).into_iter().max())
}

/// Whether words of different cells are one phrase.
fn is_joined(line: &Line<'_>) -> bool {
    line.cells.windows(2).any(|pair| pair[0].last().zip(pair[1].first()).is_some_and(|(left, right)| strips::is_phrase(left, right)))
}

/// Whether the first row is a line above the table.
///
/// It has a long text and few other cells, and the next row is farther away than the following ones.
fn is_caption<'p>(first: usize, cells: &impl Fn(usize) -> Option<Line<'p>>, rows: &[Row<'p>]) -> bool {
    let distance = |at: usize| rows.get(at + 1).map_or(0.0, |next| next.baseline - rows[at].baseline);
    let next = (first + 2..first + 6).map(distance).fold(0.0, f64::max);
    let is_sparse = cells(first).is_none_or(|line| line.filled() * 2 <= line.cells.len() && line.cells[0].len() >= CAPTION);
    is_sparse && rows[first].pieces.len() >= CAPTION && distance(first) > 1.15 * next
}

/// Whether all words of a line are close, and some cells have several.
fn is_phrase(line: &Line<'_>) -> bool {
    let pieces: Vec<_> = line.cells.iter().flatten().collect();
    pieces.len() > line.cells.len() && pieces.windows(2).all(|pair| pair[1].left - pair[0].right <= PHRASE * line.size)
}

/// The strips of a table on the page before, if these rows have the same columns.
fn continued(rows: &[&Row<'_>], own: &[Range<f64>], before: &[Range<f64>]) -> Option<Vec<Range<f64>>> {
    let (left, right) = (
        rows.iter().flat_map(|row| &row.pieces).fold(f64::INFINITY, |left, piece| left.min(piece.left)),
        rows.iter().flat_map(|row| &row.pieces).fold(f64::NEG_INFINITY, |right, piece| right.max(piece.right)),
    );
    let mut gaps = free(rows);
    gaps.insert(0, f64::NEG_INFINITY..left);
    gaps.push(right..f64::INFINITY);
    let shared = |strip: &Range<f64>| {
        gaps.iter().map(|gap| gap.start.max(strip.start)..gap.end.min(strip.end)).find(|both| both.end - both.start > 0.5)
    };
    let strips: Vec<Range<f64>> = before.iter().map(shared).collect::<Option<_>>()?;
    let fits = own.iter().all(|gap| strips.iter().any(|strip| gap.start <= strip.end && strip.start <= gap.end));
    (fits && strips.len() >= own.len()).then_some(strips)
}
