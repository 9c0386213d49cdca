//! Arranges pieces of text in reading order.
//!
//! Pieces form rows. Rows are split where a strip without text separates columns. Every piece is
//! written once. The work is at most quadratic in the amount of text.

use super::columns::best_strip;
use super::glyphs::Scan;
use super::lines::Lines;
use super::pieces::Piece;
use super::row::Row;
use std::collections::BTreeMap;

/// Maximum depth of columns within columns.
const DEPTH: u32 = 12;

/// Returns the text of a page in reading order.
pub(super) fn text(scan: &Scan) -> String {
    let mut by_angle: BTreeMap<i32, Vec<&Piece>> = BTreeMap::new();
    for piece in &scan.pieces {
        by_angle.entry(piece.angle).or_default().push(piece);
    }
    // The direction with the most text comes first, then text on margins.
    let mut directions: Vec<Vec<&Piece>> = by_angle.into_values().collect();
    directions.sort_by_key(|pieces| std::cmp::Reverse(pieces.iter().map(|piece| piece.text.len()).sum::<usize>()));
    let mut lines = Lines::new(&scan.text);
    for pieces in directions {
        arrange(rows(pieces), 0, &mut lines);
    }
    lines.finish()
}

/// Groups pieces into rows, from top to bottom.
fn rows(mut pieces: Vec<&Piece>) -> Vec<Row<'_>> {
    pieces.sort_by(|a, b| a.baseline.total_cmp(&b.baseline));
    let mut rows: Vec<Row<'_>> = Vec::new();
    for piece in pieces {
        match rows.iter_mut().rev().take(4).find(|row| row.takes(piece)) {
            Some(row) => row.push(piece),
            None => rows.push(Row::of(vec![piece])),
        }
    }
    for row in &mut rows {
        row.pieces.sort_by(|a, b| a.left.total_cmp(&b.left));
    }
    rows.sort_by(|a, b| a.baseline.total_cmp(&b.baseline));
    rows
}

/// Writes the rows, column by column if columns exist.
fn arrange(rows: Vec<Row<'_>>, depth: u32, lines: &mut Lines<'_>) {
    let Some((strip, bands)) = (depth < DEPTH).then(|| best_strip(&rows)).flatten() else {
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
