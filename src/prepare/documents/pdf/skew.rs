//! Groups pieces by the angle of their lines, and rotates each group to level.
//!
//! Scans are rarely straight, and OCR programs give each word an angle and a position on a slanted
//! line. A part of the page that was scanned at another angle is a separate group.

use super::pieces::Piece;
use std::collections::BTreeMap;

/// Maximum angle in degrees between a line and the sides of the page.
///
/// Lines with a larger angle are stamps or watermarks.
pub(super) const SLANT: f64 = 20.0;
/// Maximum difference within a group, in degrees.
const SAME: f64 = 0.4;
/// Maximum angle in degrees between a few stray words and the group they join.
const STRAY: f64 = 8.0;
/// Minimum bytes and mean length of runs in a group. Words with errors in their angle are scattered.
const FEW: usize = 30;
const RUN: usize = 3;
/// Maximum number of groups for each side of the page.
const MOST: usize = 8;

/// Pieces along lines of one angle, rotated to level.
#[derive(Debug)]
pub(super) struct Group {
    /// Angle in degrees clockwise, before the rotation.
    pub(super) angle: f64,
    pub(super) pieces: Vec<Piece>,
}

/// Returns the groups in reading order.
///
/// The direction with the most text comes first, then text on margins.
pub(super) fn groups(pieces: &[Piece]) -> Vec<Group> {
    let mut sides: BTreeMap<i32, Vec<&Piece>> = BTreeMap::new();
    for piece in pieces {
        sides.entry(side(piece.angle)).or_default().push(piece);
    }
    let mut sides: Vec<(i32, Vec<&Piece>)> = sides.into_iter().collect();
    sides.sort_by_key(|(_, pieces)| std::cmp::Reverse(bytes(pieces)));
    sides.into_iter().flat_map(|(side, pieces)| by_angle(side, pieces)).collect()
}

/// The nearest direction of a side of the page, or the whole degree of slanted text.
#[expect(clippy::cast_possible_truncation, reason = "an angle")]
fn side(angle: f64) -> i32 {
    let nearest = (angle / 90.0).round() * 90.0;
    if (angle - nearest).abs() <= SLANT { nearest.rem_euclid(360.0) as i32 } else { angle.round() as i32 + 1000 }
}

fn bytes(pieces: &[&Piece]) -> usize {
    pieces.iter().map(|piece| piece.text.len()).sum()
}

fn by_angle(side: i32, mut rest: Vec<&Piece>) -> Vec<Group> {
    let base = if side < 1000 { f64::from(side) } else { rest[0].angle };
    let offset = |piece: &Piece| (piece.angle - base + 180.0).rem_euclid(360.0) - 180.0;
    let mut groups: Vec<(f64, Vec<&Piece>)> = Vec::new();
    while let Some(angle) = peak(&rest, offset).filter(|_| groups.len() < MOST) {
        let (near, far): (Vec<_>, Vec<_>) = rest.iter().partition(|piece| (offset(piece) - angle).abs() <= SAME);
        let close = groups.first().is_none_or(|(main, _)| (angle - main).abs() <= STRAY);
        if !groups.is_empty() && close && (bytes(&near) < FEW || runs(&near) * RUN > near.len()) {
            break;
        }
        groups.push((angle, near));
        rest = far;
    }
    for piece in rest {
        let nearest = groups.iter_mut().min_by(|a, b| (a.0 - offset(piece)).abs().total_cmp(&(b.0 - offset(piece)).abs()));
        if let Some((_, pieces)) = nearest {
            pieces.push(piece);
        }
    }
    let mut groups: Vec<Group> = groups.into_iter().map(|(angle, pieces)| levelled(base + angle, &pieces)).collect();
    groups.sort_by(|a, b| middle(a).total_cmp(&middle(b)));
    groups
}

/// The angle with the most text around it.
fn peak(pieces: &[&Piece], offset: impl Fn(&Piece) -> f64) -> Option<f64> {
    let mut angles: Vec<(f64, usize)> = pieces.iter().map(|piece| (offset(piece), piece.text.len().max(1))).collect();
    angles.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut best, mut most, mut weight, mut from) = (None, 0, 0, 0);
    for to in 0..angles.len() {
        weight += angles[to].1;
        while angles[to].0 - angles[from].0 > SAME {
            weight -= angles[from].1;
            from += 1;
        }
        if weight > most {
            most = weight;
            let inside = &angles[from..=to];
            best = Some(inside.iter().map(|(angle, weight)| angle * *weight as f64).sum::<f64>() / weight as f64);
        }
    }
    best
}

/// Number of runs of pieces that were drawn one after the other.
fn runs(pieces: &[&Piece]) -> usize {
    let mut orders: Vec<usize> = pieces.iter().map(|piece| piece.order).collect();
    orders.sort_unstable();
    1 + orders.windows(2).filter(|pair| pair[1] > pair[0] + 1).count()
}

fn middle(group: &Group) -> f64 {
    let mut baselines: Vec<f64> = group.pieces.iter().map(|piece| piece.baseline).collect();
    baselines.sort_by(f64::total_cmp);
    baselines.get(baselines.len() / 2).copied().unwrap_or(0.0)
}

/// Rotates pieces to level. Words that are level on slanted lines are rotated too.
fn levelled(angle: f64, pieces: &[&Piece]) -> Group {
    let turned = |angle: f64| pieces.iter().map(|piece| piece.turned(angle)).collect::<Vec<_>>();
    let level = turned(angle);
    match drift(&level) {
        Some(more) => Group { angle: angle + more, pieces: turned(angle + more) },
        None => Group { angle, pieces: level },
    }
}

/// The angle at which words follow each other, if it is not level.
fn drift(pieces: &[Piece]) -> Option<f64> {
    let mut steps: Vec<f64> = Vec::new();
    for pair in pieces.windows(2) {
        let (a, b) = (&pair[0], &pair[1]);
        let (along, down) = (b.left - a.left, b.baseline - a.baseline);
        let gap = (b.left - a.right) / a.size;
        if b.order == a.order + 1 && along > a.size && (-0.3..3.0).contains(&gap) && down.abs() < a.size {
            steps.push(down.atan2(along).to_degrees());
        }
    }
    steps.sort_by(f64::total_cmp);
    let at = |part: usize| steps.get(steps.len() * part / 4).copied();
    let (low, middle, high) = (at(1)?, at(2)?, at(3)?);
    (steps.len() >= 8 && middle.abs() > 0.25 && middle.abs() < SLANT && high - low < 1.0 + middle.abs() / 2.0).then_some(middle)
}
