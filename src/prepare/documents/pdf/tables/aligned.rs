//! Tables without lines, or with lines between some rows.
//!
//! Rows with wide gaps form a zone. Strips without text divide the zone into columns.

use super::super::pieces::Piece;
use super::super::row::Row;
use super::drawing::{self, Order};
use super::evidence::{Evidence, Side};
use super::rules::Ruling;
use super::strips::{self, free, without};
use super::zones::{self, FULL, is_other, is_wide, middles, narrowed, size, tolerant, wide};
use super::{Columns, LEADING, Line, Table, content, heads, is_numeric, logical};
use hayro::kurbo::Rect;
use std::ops::Range;

/// Maximum mean number of words in the cells of a line without a wide gap.
const WORDS: usize = 3;
/// Maximum space between words of a line that is no row, in ems.
const PHRASE: f64 = 0.35;
/// Minimum number of words of a caption.
const CAPTION: usize = 4;
/// Minimum number of rows above a last one with only its first cell.
const ROWS: usize = 3;
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
            let Some((part, cut)) = zones::part(rows, start..zone.end, text) else { break };
            let last = columns.last.clone();
            match table(rows, &part, side, ruling, columns, text) {
                Some((_, table)) if table.rows.iter().filter(|row| is_full(row)).count() < full => columns.last = last,
                table => found.extend(table),
            }
            start = free(&found, cut);
        }
        found.len() > before
    };
    for zone in zones::zones(rows, text).into_iter().flat_map(|zone| zones::stacked(rows, zone, text)) {
        if !search(zone.clone(), if beside { Side::Beside } else { Side::Alone }, 0) {
            for part in zones::divided(rows, zone, text) {
                search(part, if beside { Side::Within } else { Side::Alone }, FULL);
            }
        }
    }
    found
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
    let mut lines: Vec<Line<'_>> = rows.iter().map(divide).collect();
    heads::spread(&mut lines);
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
    let order = drawing::begins(&lines, text);
    let drawn = order.as_ref().map(|order| logical::drawn(&lines, order));
    // Columns of text are drawn one after the other.
    let side = if drawn.as_ref().is_some_and(|rows| rows.len() > 2 || continues) { Side::Alone } else { side };
    let evidence = Evidence { lines: drawn.as_ref().unwrap_or(&lines), text, size, is_ruled: rules.len() >= 2, continues, side };
    if !evidence.is_table() {
        return None;
    }
    columns.last = Some(strips);
    Some((range, Table::new(logical::rows(lines, order, &rules, text), bounds)))
}

/// Drops strips between a header and the cells that it stands above with another alignment, those
/// inside of numbers, and those before the last words of a single line.
fn with_headers(mut strips: Vec<Range<f64>>, rows: &[&Row<'_>], text: &str) -> Vec<Range<f64>> {
    let mut at = 0;
    while at < strips.len() && rows.len() > 2 {
        let separators = middles(&strips);
        let filled = |row: &Row<'_>, column: usize| !Line::of(row, &separators).cells[column].is_empty();
        let only_header = |column: usize| filled(rows[0], column) && !rows[1..].iter().any(|row| filled(row, column));
        let only_body = |column: usize| !filled(rows[0], column);
        let mut cells = rows.iter().map(|row| content(&Line::of(row, &separators).cells[at + 1], text)).filter(|cell| !cell.is_empty());
        let rest = cells.next().is_some_and(|cell| !is_numeric(&cell)) && cells.next().is_none() && only_body(at + 1);
        let lines: Vec<Line<'_>> = rows.iter().map(|row| Line::of(row, &separators)).filter(|line| !line.cells[at].is_empty()).collect();
        let splits = !lines.is_empty() && lines.iter().all(|line| strips::are_one_number(&line.cells[at], &line.cells[at + 1], text));
        if rest || splits || only_header(at) && only_body(at + 1) || only_body(at) && only_header(at + 1) {
            strips.remove(at);
        } else {
            at += 1;
        }
    }
    strips
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
            is_drawn_by_cells(&line)
                || few && line.filled() >= 2 && line.filled() * 2 >= line.cells.len() && !is_phrase(&line) && !is_joined(&line)
        })
    };
    let near = |at: usize| rows[at].baseline - rows[at - 1].baseline <= LEADING * rows[at].size;
    // A line of words between the first and the last column belongs to a cell of several lines.
    let inner = |at: usize| cells(at).is_some_and(|line| line.filled() == 1 && line.cells[0].is_empty());
    let first = if is_caption(first, &cells, rows) { (first + 1..last).find(wide).unwrap_or(first) } else { first };
    let start = (part.start..first).rev().take_while(|at| fits(at) || inner(*at) && near(at + 1)).last().unwrap_or(first);
    let end = (last + 1..part.end).take_while(|at| fits(at) || inner(*at) && near(*at)).last().unwrap_or(last) + 1;
    let end = end + usize::from(end < rows.len() && is_last(end, &cells, rows));
    // A cell of the last row goes on below. It was drawn before the next cell.
    let mut order = Order::default();
    let mut is_within = |at: usize| order.add(rows[at].pieces.iter().copied());
    for at in start..end {
        is_within(at);
    }
    let rest = |at: &usize| near(*at) && !is_other(&rows[*at]) && cells(*at).is_some() && is_within(*at);
    let end = (end..rows.len()).take_while(rest).last().map_or(end, |at| at + 1);
    start..end
}

/// Whether the program drew each cell of a whole row at once, with its spaces.
fn is_drawn_by_cells(line: &Line<'_>) -> bool {
    let has_spaces = |cell: &Vec<&Piece>| cell.windows(2).all(|pair| strips::is_phrase(pair[0], pair[1]));
    line.cells.len() > 2
        && line.filled() == line.cells.len()
        && line.cells.iter().all(has_spaces)
        && line.cells.iter().any(|cell| cell.len() > 1)
        && !is_joined(line)
}

/// Whether a line with only a first cell is the last row: as near as the rows above, and no others follow.
fn is_last<'p>(at: usize, cells: &impl Fn(usize) -> Option<Line<'p>>, rows: &[Row<'p>]) -> bool {
    let distance = |at: usize| rows.get(at).map_or(f64::INFINITY, |row| row.baseline - rows[at - 1].baseline);
    let is_same = |other: usize| (distance(other) - distance(at)).abs() <= 0.1 * rows[at].size;
    let is_first = |line: Line<'_>| line.filled() == 1 && (1..=2).contains(&line.cells[0].len());
    at > ROWS
        && (at - ROWS + 1..at).all(is_same)
        && distance(at + 1) > 1.3 * distance(at)
        && !is_other(&rows[at])
        && cells(at).is_some_and(is_first)
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
