//! Arranges pieces of text in reading order.
//!
//! Pieces form rows, and rows are split where a strip without text separates columns. Every piece
//! is written once. The work is at most quadratic in the amount of text.

use super::columns::best_strip;
use super::glyphs::Scan;
use super::lines::Lines;
use super::pieces::Piece;
use std::collections::BTreeMap;

/// Maximum depth of columns within columns.
const DEPTH: u32 = 12;

/// Pieces on one line, from left to right.
#[derive(Debug, Clone, Default)]
pub(super) struct Row<'p> {
    pub(super) pieces: Vec<&'p Piece>,
    /// Baseline of its largest piece.
    pub(super) baseline: f64,
    pub(super) size: f64,
}

/// The text of a page in reading order.
pub(super) fn text(scan: &Scan) -> String {
    let mut by_angle: BTreeMap<i32, Vec<&Piece>> = BTreeMap::new();
    for piece in &scan.pieces {
        by_angle.entry(piece.angle).or_default().push(piece);
    }
    // The direction with most text comes first, then text on margins.
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

impl<'p> Row<'p> {
    fn of(pieces: Vec<&'p Piece>) -> Self {
        let largest = pieces.iter().fold(
            (0.0, 0.0),
            |(size, baseline), piece| {
                if piece.size > size { (piece.size, piece.baseline) } else { (size, baseline) }
            },
        );
        Self { pieces, size: largest.0, baseline: largest.1 }
    }

    /// Whether the piece is on this line.
    ///
    /// It must have the same height, or overlap with most of the smaller extent.
    fn takes(&self, piece: &Piece) -> bool {
        let (small, large) = if piece.size < self.size { (piece.size, self.size) } else { (self.size, piece.size) };
        let apart = (self.baseline - piece.baseline).abs();
        if large > 1.8 * small {
            return apart < 0.3 * small;
        }
        let extent = |baseline: f64, size: f64| (baseline - 0.75 * size, baseline + 0.2 * size);
        let (a, b) = (extent(self.baseline, self.size), extent(piece.baseline, piece.size));
        a.1.min(b.1) - a.0.max(b.0) > 0.5 * 0.95 * small
    }

    fn push(&mut self, piece: &'p Piece) {
        if piece.size > 1.05 * self.size {
            (self.size, self.baseline) = (piece.size, piece.baseline);
        }
        self.pieces.push(piece);
    }
}

/// Writes the rows, column by column if there are columns.
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
