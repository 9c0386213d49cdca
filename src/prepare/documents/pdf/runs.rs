//! Runs of pieces that were drawn one after the other on one line.
//!
//! Raised and lowered text, such as exponents and note marks, belongs to the words that it touches.

use super::pieces::Piece;

/// Maximum gap in a run, in ems.
const GAP: f64 = 2.5;
/// Maximum gap before and behind raised or lowered text, in ems.
const TOUCH: f64 = 0.3;
/// Maximum height and depth of raised or lowered text, in ems of the words.
const RAISED: f64 = 0.7;
const LOWERED: f64 = 0.6;
/// Size from which raised or lowered text must be close to the words, and shifted clearly, in ems.
const LARGE: f64 = 0.86;
const CLOSE: f64 = 0.1;
const CLEAR: f64 = 0.2;
/// Minimum size of a large first letter, in ems of its first line, and minimum height of that line, in ems of the letter.
const INITIAL: f64 = 1.8;
const FIRST: f64 = 0.2;
/// Minimum distance of lines of one column, and minimum width that they share, in ems.
const APART: f64 = 0.35;
const SHARED: f64 = 0.25;

/// Pieces on one line, from left to right.
#[derive(Debug)]
pub(super) struct Run<'p> {
    pub(super) pieces: Vec<&'p Piece>,
    /// A piece of the usual size.
    pub(super) base: &'p Piece,
    left: f64,
    right: f64,
}

impl<'p> Run<'p> {
    fn of(piece: &'p Piece) -> Self {
        Self { pieces: vec![piece], base: piece, left: piece.left, right: piece.right }
    }

    /// Adds the next piece that was drawn. Returns whether it continues the run.
    fn takes(&mut self, piece: &'p Piece) -> bool {
        let (small, base) = if piece.size <= self.base.size { (piece, self.base) } else { (self.base, piece) };
        let size = base.size;
        let gap = (piece.left - self.right) / size;
        let is_level = (self.base.baseline - piece.baseline).abs() < 0.05 * size && small.size > 0.95 * size;
        let up = (base.baseline - small.baseline) / size;
        let is_large = small.size > LARGE * size;
        let most = if is_large { CLOSE } else { TOUCH };
        let touches = |other: &Piece| (-most..most).contains(&((piece.left - other.right) / other.size.min(size)));
        // A large first letter belongs to the first line beside it.
        let is_initial = self.pieces.len() == 1 && self.base.glyphs == 1 && piece.size * INITIAL <= self.base.size;
        let is_below_top = is_initial && (FIRST..1.0).contains(&up) && (-CLOSE..TOUCH).contains(&gap);
        let is_shifted = (!is_large || up.abs() >= CLEAR)
            && (-LOWERED..RAISED).contains(&up)
            && (touches(self.base) || self.pieces.last().is_some_and(|last| touches(last)))
            && (piece.size <= self.base.size || self.pieces.len() == 1)
            && !is_initial;
        let is_text = [self.base, piece].iter().all(|piece| piece.table.is_none() && !piece.right_to_left);
        let is_next = is_below_top || is_shifted || is_level && (-TOUCH..GAP).contains(&gap);
        if !is_text || !is_next {
            return false;
        }
        if is_level || is_below_top || piece.size > self.base.size {
            self.base = piece;
        }
        self.pieces.push(piece);
        self.right = self.right.max(piece.right);
        true
    }

    /// Whether the runs are different lines of one column.
    pub(super) fn is_above(&self, other: &Self) -> bool {
        let (small, large) = (self.base.size.min(other.base.size), self.base.size.max(other.base.size));
        let shared = self.right.min(other.right) - self.left.max(other.left);
        (self.base.baseline - other.base.baseline).abs() > APART * small && shared > SHARED * small && large < 1.8 * small
    }
}

/// Divides pieces into runs.
pub(super) fn runs(mut pieces: Vec<&Piece>) -> Vec<Run<'_>> {
    pieces.sort_by_key(|piece| piece.order);
    let mut runs: Vec<Run<'_>> = Vec::new();
    for piece in pieces {
        if !runs.last_mut().is_some_and(|run| run.takes(piece)) {
            runs.push(Run::of(piece));
        }
    }
    runs
}
