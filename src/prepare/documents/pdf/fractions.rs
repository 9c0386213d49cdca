//! Writes stacked fractions in lines of text: `1/2`.
//!
//! A short line has one text above it and one below, both in its middle, and words beside it.

use super::pieces::Piece;
use super::scan::Scan;
use super::tables::Rule;
use crate::prepare::documents::math::{bare, divided, finished, fraction};
use std::collections::BTreeSet;
use std::ops::Range;

/// Maximum number of lines times pieces, and of fractions on a page.
const MOST: usize = 50_000_000;
const MOST_FRACTIONS: usize = 500;
/// Distances of the line from the baselines above and below, in ems.
const ABOVE: Range<f64> = -0.05..0.75;
const BELOW: Range<f64> = 0.55..1.5;
/// Height of the line above the baseline of the words beside it, and their distance from it, in ems.
const AXIS: Range<f64> = 0.05..0.55;
const BESIDE: Range<f64> = -0.1..1.3;
/// Maximum length of the line beyond the wider text, and of a text beyond the line, in ems.
const LONGER: f64 = 0.9;
const SHORTER: f64 = 0.35;
/// Maximum distance between the middles of the line and of a text, in ems.
const CENTRED: f64 = 0.2;
/// Maximum space between the words of a text, in ems. Cells are farther apart.
const WORDS: f64 = 0.6;
/// Maximum length of a text in bytes.
const LONG: usize = 60;

/// The numbers of the pieces of a fraction.
struct Fraction {
    above: Vec<usize>,
    below: Vec<usize>,
    /// The nearest word beside it.
    beside: usize,
    rule: Rule,
}

/// Replaces stacked fractions by one piece each.
pub(super) fn write(scan: &mut Scan) {
    let ruling = scan.rules.levelled(0.0);
    let rules: Vec<Rule> = ruling.alone().collect();
    if rules.len().saturating_mul(scan.pieces.len()) > MOST {
        return;
    }
    let mut taken = BTreeSet::new();
    for rule in rules {
        let Some(found) = Fraction::of(rule, scan).filter(|_| taken.len() < MOST_FRACTIONS) else { continue };
        let own = || found.above.iter().chain(&found.below).copied();
        if own().chain([found.beside]).any(|at| taken.contains(&at)) {
            continue;
        }
        let parts: Vec<usize> = own().collect();
        found.join(&parts, scan);
        taken.extend(parts);
    }
    scan.remove(&taken);
}

impl Fraction {
    fn of(rule: Rule, scan: &Scan) -> Option<Self> {
        let (mut above, mut below, mut beside) = (Vec::new(), Vec::new(), None);
        for (at, piece) in scan.pieces.iter().enumerate().filter(|(_, piece)| piece.angle == 0.0 && !piece.right_to_left) {
            let down = (piece.baseline - rule.at) / piece.size;
            let gap = (piece.left - rule.to).max(rule.from - piece.right) / piece.size;
            let is_inside = piece.left >= rule.from - SHORTER * piece.size && piece.right <= rule.to + SHORTER * piece.size;
            match () {
                () if is_inside && ABOVE.contains(&-down) => above.push(at),
                () if is_inside && BELOW.contains(&down) => below.push(at),
                () if gap < 0.0 && (ABOVE.contains(&-down) || BELOW.contains(&down)) => return None,
                // The line strikes this text.
                () if gap < BESIDE.start && AXIS.contains(&down) => return None,
                () if AXIS.contains(&down) && BESIDE.contains(&gap) => {
                    beside = beside.filter(|(least, _)| *least <= gap).or(Some((gap, at)));
                }
                () => {}
            }
        }
        let (_, beside) = beside?;
        if above.iter().chain(&below).any(|at| scan.pieces[*at].cell != scan.pieces[beside].cell) {
            return None;
        }
        let widest = width(&above, scan, rule)?.max(width(&below, scan, rule)?);
        let size = scan.pieces[beside].size;
        let is_large = above.iter().chain(&below).any(|at| scan.pieces[*at].size > 1.05 * size);
        (!is_large && widest >= rule.to - rule.from - LONGER * size).then_some(Self { above, below, beside, rule })
    }

    /// Adds the piece of the whole fraction, whose parts these are.
    fn join(self, parts: &[usize], scan: &mut Scan) {
        let text = |parts: &[usize]| {
            let words = bare(&scan.words(parts));
            if words.contains(|c: char| c.is_ascii_digit()) { divided(&words) } else { words }
        };
        let text = finished(&fraction(&text(&self.above), &text(&self.below)));
        let whole = scan.joined(parts, &text);
        let (beside, parts) = (&scan.pieces[self.beside], || parts.iter().map(|at| &scan.pieces[*at]));
        let piece = Piece {
            left: parts().map(|piece| piece.left).fold(f64::INFINITY, f64::min),
            right: parts().map(|piece| piece.right).fold(f64::NEG_INFINITY, f64::max),
            baseline: beside.baseline,
            size: beside.size,
            ..whole
        };
        let (right, baseline) = (piece.right, piece.baseline);
        scan.pieces.push(piece);
        // The next word must not join the denominator.
        let is_next = |next: &&mut Piece| {
            next.angle == 0.0 && (next.baseline - baseline).abs() < 0.1 && (right - 0.5..right + 2.0).contains(&next.left)
        };
        scan.pieces
            .iter_mut()
            .filter(is_next)
            .filter(|next| scan.text[next.text.clone()].starts_with(char::is_alphanumeric))
            .for_each(|next| next.spaced = true);
        scan.rules.remove(self.rule);
    }
}

/// The width of the text above or below the line; `None` if it is no part of a fraction.
fn width(parts: &[usize], scan: &Scan, rule: Rule) -> Option<f64> {
    let pieces = || parts.iter().map(|at| &scan.pieces[*at]);
    let first = pieces().next()?;
    let mut words: Vec<&Piece> = pieces().collect();
    words.sort_by(|a, b| a.left.total_cmp(&b.left));
    let left = pieces().map(|piece| piece.left).fold(f64::INFINITY, f64::min);
    let right = pieces().map(|piece| piece.right).fold(f64::NEG_INFINITY, f64::max);
    let text = || pieces().map(|piece| &scan.text[piece.text.clone()]);
    let is_part = pieces().all(|piece| (piece.baseline - first.baseline).abs() < 0.1 * first.size)
        && words.windows(2).all(|pair| pair[1].left - pair[0].right < WORDS * first.size)
        && (f64::midpoint(left, right) - f64::midpoint(rule.from, rule.to)).abs() <= CENTRED * first.size
        && text().map(str::len).sum::<usize>() <= LONG
        && text().any(|text| text.contains(char::is_alphanumeric));
    is_part.then_some(right - left)
}
