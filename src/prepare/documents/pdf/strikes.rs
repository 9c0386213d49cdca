//! Finds struck words: a line is drawn through the middle of their letters.

use super::pieces::Piece;
use super::tables::Ruling;

/// Heights of such lines above the baseline, in ems. Lines below words are lower.
const FROM: f64 = 0.15;
const TO: f64 = 0.45;
/// Minimum share of a word's width that the line has, and maximum length beyond the words, in ems.
const WIDTH: f64 = 0.8;
const BEYOND: f64 = 0.6;

/// Maximum number of lines times words. Drawings have more.
const MOST: usize = 10_000_000;

/// Marks the struck pieces, which are level.
pub(super) fn mark(pieces: &mut [Piece], ruling: &Ruling) {
    if ruling.horizontal.len().saturating_mul(pieces.len()) > MOST {
        return;
    }
    for rule in &ruling.horizontal {
        let is_struck = |piece: &Piece| {
            let up = (piece.baseline - rule.at) / piece.size;
            let shared = piece.right.min(rule.to) - piece.left.max(rule.from);
            (FROM..TO).contains(&up) && shared >= WIDTH * (piece.right - piece.left)
        };
        let struck: Vec<usize> = pieces.iter().enumerate().filter(|(_, piece)| is_struck(piece)).map(|(at, _)| at).collect();
        let (Some(first), Some(last)) =
            (struck.iter().map(|at| pieces[*at].left).reduce(f64::min), struck.iter().map(|at| pieces[*at].right).reduce(f64::max))
        else {
            continue;
        };
        let beyond = BEYOND * pieces[struck[0]].size;
        // Lines of tables and drawings go on.
        if first - rule.from < beyond && rule.to - last < beyond {
            for at in struck {
                pieces[at].struck = true;
            }
        }
    }
}
