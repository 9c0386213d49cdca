//! Arranges pieces of text in reading order.
//!
//! Pieces form rows. Rows are split where a strip without text separates columns. Every piece is
//! written once. The work is at most quadratic in the amount of text.

use super::columns::Strips;
use super::lines::Lines;
use super::pieces::Piece;
use super::row::{Row, rows};
use super::scan::Scan;
use super::skew;
use super::strikes;
use super::tables::{self, Columns, Table};

/// Maximum depth of columns within columns.
const DEPTH: u32 = 12;

/// Marks of list items, and maximum gap between a mark and its text, in ems.
const MARKS: [&str; 6] = ["•", "◦", "▪", "■", "●", "○"];
const MARK_GAP: f64 = 3.0;
/// Maximum number of marks of a page whose text is looked for.
const MOST_MARKS: usize = 200;

/// Returns the text of a page in reading order.
///
/// `columns` are those of tables on the page before.
pub(super) fn text(scan: &Scan, columns: &mut Columns) -> String {
    let mut texts = Vec::new();
    for mut group in skew::groups(&scan.pieces) {
        marks_with_text(&mut group.pieces, &scan.text);
        let ruling = scan.rules.levelled(group.angle);
        strikes::mark(&mut group.pieces, &scan.edges, &ruling);
        tables::complete(&mut group.pieces);
        let (mut tables, pieces) = tables::tagged(&group.pieces, &scan.text);
        let tagged = tables.len();
        let (ruled, mut pieces) = tables::ruled(pieces, &ruling, &scan.text);
        tables.extend(ruled);
        let places: Vec<Piece> = tables.iter().enumerate().filter_map(|(number, table)| place(number, table)).collect();
        pieces.extend(&places);
        let mut lines = Lines::new(&scan.text, &tables, &ruling, columns);
        arrange(rows(pieces), 0, &mut lines);
        texts.push(lines.finish());
        tables[..tagged].last().into_iter().for_each(|table| columns.learn(table));
    }
    texts.retain(|text| !text.is_empty());
    texts.join("\n\n")
}

/// Gives the mark of a list item the place of its text in the drawing order.
///
/// Browsers may draw all marks of a page behind its text.
fn marks_with_text(pieces: &mut [Piece], text: &str) {
    let is_mark = |piece: &Piece| MARKS.contains(&&text[piece.text.clone()]);
    let marks: Vec<usize> = (0..pieces.len()).filter(|at| is_mark(&pieces[*at])).collect();
    for at in marks.into_iter().take(MOST_MARKS) {
        let mark = &pieces[at];
        let is_beside = |piece: &&Piece| {
            let gap = (piece.left - mark.right) / mark.size;
            (0.0..MARK_GAP).contains(&gap) && (piece.baseline - mark.baseline).abs() < 0.2 * piece.size
        };
        let nearest = pieces.iter().filter(is_beside).min_by(|a, b| a.left.total_cmp(&b.left));
        if let Some(order) = nearest.map(|piece| piece.order) {
            pieces[at].order = order;
        }
    }
}

/// A piece at the place of a table.
fn place(number: usize, table: &Table<'_>) -> Option<Piece> {
    let pieces = || table.rows.iter().flatten().flatten();
    let first = pieces().min_by_key(|piece| piece.order)?;
    let bounds = table.bounds;
    let length = pieces().map(|piece| piece.text.len()).sum::<usize>();
    Some(Piece {
        text: 0..length,
        left: bounds.x0,
        right: bounds.x1,
        baseline: bounds.y0 + first.size,
        spaced: true,
        follows: false,
        right_to_left: false,
        table: Some(number),
        cell: None,
        ..(*first).clone()
    })
}

/// Writes the rows, column by column if columns exist.
fn arrange<'p>(rows: Vec<Row<'p>>, depth: u32, lines: &mut Lines<'_, 'p>) {
    let strips = (depth < DEPTH).then(|| Strips::of(&rows));
    let clear = strips.as_ref().and_then(Strips::clear);
    // A table with cells of several lines looks like columns, too.
    let tables = if depth < DEPTH && clear.is_none() { lines.tables(&rows, true) } else { Vec::new() };
    if !tables.is_empty() {
        let mut rows = rows.into_iter();
        let mut at = 0;
        for (range, table) in tables {
            arrange(rows.by_ref().take(range.start - at).collect(), depth + 1, lines);
            lines.table(&table);
            rows.by_ref().take(range.len()).for_each(drop);
            at = range.end;
        }
        arrange(rows.collect(), depth + 1, lines);
        return;
    }
    let strip = clear.or_else(|| strips.as_ref().and_then(Strips::best));
    let Some((strip, bands)) = strip else {
        lines.block(&rows);
        return;
    };
    let mut rows = rows.into_iter();
    let mut at = 0;
    for band in bands {
        let above: Vec<_> = rows.by_ref().take(band.rows.start - at).collect();
        arrange(above, depth + 1, lines);
        let (mut left, mut right) = (Vec::new(), Vec::new());
        for row in rows.by_ref().take(band.rows.len()) {
            let (before, after) = strip.part(&row).unwrap_or((&row.pieces, &[]));
            left.extend((!before.is_empty()).then(|| Row::of(before.to_vec())));
            right.extend((!after.is_empty()).then(|| Row::of(after.to_vec())));
        }
        at = band.rows.end;
        if is_right_to_left(&left) && is_right_to_left(&right) {
            std::mem::swap(&mut left, &mut right);
        }
        arrange(left, depth + 1, lines);
        arrange(right, depth + 1, lines);
    }
    arrange(rows.collect(), depth + 1, lines);
}

fn is_right_to_left(rows: &[Row<'_>]) -> bool {
    let pieces = || rows.iter().flat_map(|row| &row.pieces);
    pieces().filter(|piece| piece.right_to_left).count() * 2 > pieces().count()
}
