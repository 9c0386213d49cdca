//! Finds struck text: a line is drawn through the middle of its letters.
//!
//! Text without spaces is one piece. If a line strikes a part of it, the piece is divided.

use super::pieces::{Edge, Piece};
use super::tables::Ruling;
use hayro::kurbo::Rect;
use std::collections::BTreeMap;
use std::ops::Range;

/// Heights of such lines above the baseline, in ems. Lines below words are lower.
const FROM: f64 = 0.15;
const TO: f64 = 0.45;
/// Minimum share of the text's width that the line has, and maximum length beyond it, in ems.
const WIDTH: f64 = 0.8;
const BEYOND: f64 = 0.6;
/// Maximum distance between an end of the line and the side of a glyph inside a word, in ems.
const EXACT: f64 = 0.12;

/// Maximum number of lines, or of areas, times glyphs. Drawings have more.
const MOST: usize = 50_000_000;

/// Struck parts of the text, by the number of their piece.
type Parts = BTreeMap<usize, Vec<Range<usize>>>;

/// Marks the struck pieces, which are level, and divides pieces of which a line strikes only a part.
///
/// `edges` are those of all glyphs of the page.
pub(super) fn mark(pieces: &mut Vec<Piece>, edges: &[Edge], ruling: &Ruling) {
    if is_too_much(ruling.horizontal.len(), pieces) {
        return;
    }
    let mut parts = Parts::new();
    for rule in &ruling.horizontal {
        let is_near = |piece: &Piece| {
            let up = (piece.baseline - rule.at) / piece.size;
            (FROM..TO).contains(&up) && piece.left < rule.to && rule.from < piece.right
        };
        let mut struck = Vec::new();
        let (mut left, mut right, mut beyond) = (f64::INFINITY, f64::NEG_INFINITY, 0.0);
        for (at, piece) in pieces.iter().enumerate().filter(|(_, piece)| is_near(piece)) {
            let sides = sides(piece, edges);
            if let Some(part) = part(&sides, rule.from..rule.to, piece.size) {
                (left, right) = (left.min(sides[part.start].left), right.max(sides[part.end].left));
                beyond = BEYOND * piece.size;
                struck.push((at, sides[part.start].text..sides[part.end].text));
            }
        }
        // Lines of tables and drawings go on.
        if left - rule.from < beyond && rule.to - right < beyond {
            for (at, part) in struck {
                parts.entry(at).or_default().push(part);
            }
        }
    }
    divide(pieces, edges, &parts);
}

/// Marks the text in these areas of the upright page.
pub(super) fn mark_areas(pieces: &mut Vec<Piece>, edges: &[Edge], areas: &[Rect]) {
    if areas.is_empty() || is_too_much(areas.len(), pieces) {
        return;
    }
    let mut parts = Parts::new();
    for (at, piece) in pieces.iter().enumerate() {
        let width = (piece.right - piece.left).max(f64::MIN_POSITIVE);
        for pair in sides(piece, edges).windows(2) {
            let centre = piece.point((f64::midpoint(pair[0].left, pair[1].left) - piece.left) / width, 0.3);
            if areas.iter().any(|area| area.contains(centre)) {
                let struck = parts.entry(at).or_default();
                match struck.last_mut().filter(|part| part.end == pair[0].text) {
                    Some(part) => part.end = pair[1].text,
                    None => struck.push(pair[0].text..pair[1].text),
                }
            }
        }
    }
    divide(pieces, edges, &parts);
}

/// Whether the comparison of this many places with all glyphs takes too long.
fn is_too_much(places: usize, pieces: &[Piece]) -> bool {
    let glyphs: usize = pieces.iter().map(|piece| piece.glyphs as usize).sum();
    places.saturating_mul(glyphs) > MOST
}

/// The left sides of a piece's glyphs, and its right side.
fn sides(piece: &Piece, edges: &[Edge]) -> Vec<Edge> {
    let at = |text: usize| edges.partition_point(|edge| edge.text < text);
    let own = &edges[at(piece.text.start)..at(piece.text.end)];
    let first = Edge { text: piece.text.start, left: piece.left };
    let mut sides = vec![first];
    if let Some((start, inner)) = own.split_first().filter(|(start, _)| start.text == first.text && !piece.right_to_left) {
        sides.extend(inner.iter().map(|edge| Edge { text: edge.text, left: piece.left + edge.left - start.left }));
    }
    sides.push(Edge { text: piece.text.end, left: piece.right });
    sides
}

/// The glyphs that a line strikes: all, or a part that begins and ends where the line does.
fn part(sides: &[Edge], line: Range<f64>, size: f64) -> Option<Range<usize>> {
    let count = sides.len() - 1;
    let width = |part: &Range<usize>| sides[part.end].left - sides[part.start].left;
    let covers = |part: &Range<usize>| line.end.min(sides[part.end].left) - line.start.max(sides[part.start].left) >= WIDTH * width(part);
    let is_within = |at: &usize| line.contains(&f64::midpoint(sides[*at].left, sides[at + 1].left));
    let part = (0..count).find(is_within)?..(0..count).rfind(is_within)? + 1;
    let is_exact = (part.start == 0 || (sides[part.start].left - line.start).abs() < EXACT * size)
        && (part.end == count || (sides[part.end].left - line.end).abs() < EXACT * size);
    [part, 0..count].into_iter().find(|part| covers(part) && (is_exact || *part == (0..count)))
}

/// Divides pieces into their struck parts and the others.
fn divide(pieces: &mut Vec<Piece>, edges: &[Edge], parts: &Parts) {
    if parts.is_empty() {
        return;
    }
    let mut divided: Vec<Piece> = Vec::with_capacity(pieces.len() + 2 * parts.len());
    for (at, piece) in std::mem::take(pieces).into_iter().enumerate() {
        let Some(parts) = parts.get(&at) else {
            divided.push(piece);
            continue;
        };
        let first = divided.len();
        for pair in sides(&piece, edges).windows(2) {
            let struck = piece.struck || parts.iter().any(|part| part.contains(&pair[0].text));
            match divided[first..].last_mut().filter(|part| part.struck == struck) {
                Some(part) => {
                    part.text.end = pair[1].text;
                    part.right = part.right.max(pair[1].left);
                    part.glyphs += 1;
                }
                None => {
                    let is_first = divided.len() == first;
                    divided.push(Piece {
                        text: pair[0].text..pair[1].text,
                        left: pair[0].left,
                        right: pair[1].left,
                        spaced: is_first && piece.spaced,
                        follows: is_first && piece.follows,
                        glyphs: 1,
                        struck,
                        ..piece.clone()
                    });
                }
            }
        }
        if let [whole] = &mut divided[first..] {
            whole.glyphs = piece.glyphs;
        }
    }
    *pieces = divided;
}
