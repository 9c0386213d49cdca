//! Pieces of text on one line.

use super::pieces::Piece;
use super::runs::{Run, runs};

/// Maximum number of runs of a row that are compared with the next one.
const MOST_RUNS: usize = 64;

/// Pieces on one line, from left to right.
#[derive(Debug, Clone, Default)]
pub(super) struct Row<'p> {
    pub(super) pieces: Vec<&'p Piece>,
    /// Baseline of the largest piece.
    pub(super) baseline: f64,
    pub(super) size: f64,
}

impl<'p> Row<'p> {
    pub(super) fn of(pieces: Vec<&'p Piece>) -> Self {
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
    /// A piece of a similar size must overlap with more than half of the smaller extent. Otherwise
    /// the baselines must be close.
    pub(super) fn takes(&self, piece: &Piece) -> bool {
        // A table is always alone in its row.
        if self.pieces.first().is_some_and(|piece| piece.table.is_some()) {
            return false;
        }
        let (small, large) = if piece.size < self.size { (piece.size, self.size) } else { (self.size, piece.size) };
        let apart = (self.baseline - piece.baseline).abs();
        if large > 1.8 * small {
            return apart < 0.3 * small;
        }
        let extent = |baseline: f64, size: f64| (baseline - 0.75 * size, baseline + 0.2 * size);
        let (a, b) = (extent(self.baseline, self.size), extent(piece.baseline, piece.size));
        a.1.min(b.1) - a.0.max(b.0) > 0.5 * 0.95 * small
    }

    fn push(&mut self, run: &Run<'p>) {
        if run.base.size > 1.05 * self.size {
            (self.size, self.baseline) = (run.base.size, run.base.baseline);
        }
        self.pieces.extend(&run.pieces);
    }
}

/// Groups pieces into rows, from top to bottom.
pub(super) fn rows(pieces: Vec<&Piece>) -> Vec<Row<'_>> {
    let mut runs = runs(pieces);
    runs.sort_by(|a, b| a.base.baseline.total_cmp(&b.base.baseline));
    let mut lines: Vec<Vec<Run<'_>>> = Vec::new();
    let mut rows: Vec<Row<'_>> = Vec::new();
    for run in runs {
        let start = rows.len().saturating_sub(4);
        let takes = |at: &usize| {
            run.base.table.is_none()
                && rows[*at].takes(run.base)
                && !lines[*at].iter().rev().take(MOST_RUNS).any(|line| line.is_above(&run))
        };
        if let Some(at) = (start..rows.len()).rev().find(takes) {
            rows[at].push(&run);
            lines[at].push(run);
        } else {
            rows.push(Row { baseline: run.base.baseline, size: run.base.size, pieces: run.pieces.clone() });
            lines.push(vec![run]);
        }
    }
    for row in &mut rows {
        row.pieces.sort_by(|a, b| a.left.total_cmp(&b.left));
    }
    rows.sort_by(|a, b| a.baseline.total_cmp(&b.baseline));
    rows
}
