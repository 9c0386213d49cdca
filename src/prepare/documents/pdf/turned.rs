//! Headings of columns that are turned by 90 degrees.
//!
//! They stand side by side over the cells of their columns. They are written as a level row.

use super::pieces::Piece;
use super::scan::Scan;
use hayro::kurbo::{Affine, Rect};
use std::collections::BTreeSet;

/// Maximum number of turned lines of a page, and of its pieces that are looked at.
const MOST: usize = 200;
const MOST_PIECES: usize = 20_000;
/// Minimum number of headings, and of rows below.
const HEADINGS: usize = 2;
const ROWS: usize = 2;
/// Maximum number of rows below that are looked at.
const MOST_ROWS: usize = 8;
/// Maximum distance between the headings and the first row, in ems.
const NEAR: f64 = 3.0;
/// Minimum gap between cells, in ems. Words of a sentence are closer.
const APART: f64 = 0.6;
/// Tolerance of common sides, in ems.
const SAME: f64 = 0.6;

/// A turned line: the numbers of its pieces, and its area on the page.
struct Heading {
    parts: Vec<usize>,
    area: Rect,
    size: f64,
}

/// Replaces turned headings by level ones.
pub(super) fn write(scan: &mut Scan) {
    let mut turned = Vec::new();
    for angle in [90.0, 270.0] {
        for headings in groups(lines(scan, angle)) {
            let bottom = headings.iter().map(|heading| heading.area.y1).fold(f64::NEG_INFINITY, f64::max);
            if has_columns(scan, &headings, bottom) {
                turned.extend(headings.into_iter().map(|heading| (heading, bottom)));
            }
        }
    }
    let mut removed = BTreeSet::new();
    for (heading, bottom) in turned {
        let words = scan.words(&heading.parts);
        let (middle, whole) = (heading.area.center().x, scan.joined(&heading.parts, &words));
        let (left, right) = (middle - 0.3 * heading.size, middle + 0.3 * heading.size);
        scan.pieces.push(Piece { left, right, baseline: bottom, angle: 0.0, ..whole });
        removed.extend(heading.parts);
    }
    scan.remove(&removed);
}

/// The lines of text with this angle.
fn lines(scan: &Scan, angle: f64) -> Vec<Heading> {
    let level = Affine::rotate(f64::to_radians(angle));
    let mut lines: Vec<Heading> = Vec::new();
    for (at, piece) in scan.pieces.iter().enumerate().filter(|(_, piece)| (piece.angle - angle).abs() < 0.01) {
        if lines.len() > MOST {
            return Vec::new();
        }
        let area = level.transform_rect_bbox(piece.bounds());
        let goes_on = |line: &&mut Heading| {
            let last = &scan.pieces[line.parts[line.parts.len() - 1]];
            let gap = (piece.left - last.right) / piece.size;
            (last.baseline - piece.baseline).abs() < 0.05 * piece.size && (-0.3..1.0).contains(&gap) && last.cell == piece.cell
        };
        match lines.last_mut().filter(goes_on) {
            Some(line) => {
                line.parts.push(at);
                line.area = line.area.union(area);
            }
            None => lines.push(Heading { parts: vec![at], area, size: piece.size }),
        }
    }
    lines
}

/// Lines side by side with a common end, from left to right.
fn groups(mut lines: Vec<Heading>) -> Vec<Vec<Heading>> {
    lines.sort_by(|a, b| a.area.x0.total_cmp(&b.area.x0));
    let mut groups: Vec<Vec<Heading>> = Vec::new();
    for line in lines {
        let is_beside = |group: &&mut Vec<Heading>| {
            let (first, last) = (&group[0], &group[group.len() - 1]);
            let near = |place: fn(&Rect) -> f64| (place(&first.area) - place(&line.area)).abs() < SAME * line.size;
            (near(|area| area.y0) || near(|area| area.y1) || near(|area| area.center().y)) && line.area.x0 > last.area.x0 + 0.5 * line.size
        };
        match groups.iter_mut().find(is_beside) {
            Some(group) => group.push(line),
            None => groups.push(vec![line]),
        }
    }
    groups.retain(|group| group.len() >= HEADINGS);
    groups
}

/// Whether rows with cells below the headings follow.
fn has_columns(scan: &Scan, headings: &[Heading], bottom: f64) -> bool {
    if scan.pieces.len() > MOST_PIECES {
        return false;
    }
    let all = headings.iter().map(|heading| heading.area).reduce(|a, b| a.union(b)).unwrap_or(Rect::ZERO);
    let size = headings[0].size;
    let level = || scan.pieces.iter().filter(|piece| piece.angle == 0.0);
    if level().any(|piece| all.contains(piece.centre())) {
        return false;
    }
    let mut below: Vec<&Piece> =
        level().filter(|piece| piece.baseline > bottom && piece.right > all.x0 - size && piece.left < all.x1 + size).collect();
    below.sort_by(|a, b| a.baseline.total_cmp(&b.baseline));
    let mut rows: Vec<Vec<&Piece>> = Vec::new();
    for piece in below {
        match rows.last_mut().filter(|row| (row[0].baseline - piece.baseline).abs() < 0.3 * piece.size) {
            Some(row) => row.push(piece),
            None => rows.push(vec![piece]),
        }
    }
    rows.truncate(MOST_ROWS);
    let is_near = rows.first().is_some_and(|row| row[0].baseline - row[0].size - bottom < NEAR * size);
    let meets =
        |heading: &Heading, piece: &Piece, by: f64| piece.left < heading.area.x1 + by * size && piece.right > heading.area.x0 - by * size;
    let is_above = |heading: &Heading, piece: &Piece| meets(heading, piece, 0.5);
    for row in &mut rows {
        row.sort_by(|a, b| a.left.total_cmp(&b.left));
    }
    let is_row = |row: &&Vec<&Piece>| {
        let is_cell = |piece: &&Piece| headings.iter().filter(|heading| meets(heading, piece, 0.0)).count() < 2;
        let cells: Vec<&&Piece> = row.iter().filter(|piece| piece.right > all.x0 && piece.left < all.x1).collect();
        row.iter().all(is_cell) && cells.windows(2).all(|pair| pair[1].left - pair[0].right >= APART * pair[0].size)
    };
    let mut rows: Vec<&Vec<&Piece>> = rows.iter().take_while(is_row).collect();
    rows.retain(|row| row.iter().any(|piece| headings.iter().any(|heading| is_above(heading, piece))));
    let has_cell = |heading: &&Heading| rows.iter().any(|row| row.iter().any(|piece| is_above(heading, piece)));
    is_near && rows.len() >= ROWS && headings.iter().filter(has_cell).count() * 3 >= headings.len() * 2
}
