//! Text in cells that the structure of the document leaves out.
//!
//! Browsers draw the text of style sheets, such as a sign before a number, beside the text of its
//! cell and outside its mark.

use super::super::pieces::Piece;

/// Maximum gap to the text of the cell, in ems. A space may be between them.
const GAP: f64 = 0.5;
/// Maximum overlap, in ems.
const OVERLAP: f64 = 0.1;

/// Gives text outside all cells the cell of the text that it touches and that was drawn next to it.
pub(in super::super) fn complete(pieces: &mut [Piece]) {
    if !pieces.iter().any(|piece| piece.cell.is_some()) {
        return;
    }
    let mut order: Vec<usize> = (0..pieces.len()).collect();
    order.sort_by_key(|at| pieces[*at].order);
    // The text of a style sheet may be several pieces.
    for backward in [false, true] {
        for at in 0..order.len() {
            let at = if backward { order.len() - 1 - at } else { at };
            let piece = &pieces[order[at]];
            if piece.cell.is_some() || piece.named {
                continue;
            }
            let before = at.checked_sub(1).map(|before| &pieces[order[before]]);
            let after = order.get(at + 1).map(|after| &pieces[*after]);
            let before = before.and_then(|before| Some((gap(before, piece)?, before.cell)));
            let after = after.and_then(|after| Some((gap(piece, after)?, after.cell)));
            let nearest = [before, after].into_iter().flatten().min_by(|a, b| a.0.total_cmp(&b.0));
            pieces[order[at]].cell = nearest.and_then(|(_, cell)| cell);
        }
    }
}

/// The gap in ems between two pieces that touch.
fn gap(left: &Piece, right: &Piece) -> Option<f64> {
    let size = left.size.max(right.size);
    let gap = (right.left - left.right) / size;
    let is_level = (left.baseline - right.baseline).abs() < 0.05 * size;
    (is_level && (-OVERLAP..GAP).contains(&gap) && !left.right_to_left && !right.right_to_left).then_some(gap)
}
