//! Pieces of text in the order in which people read them.
//!
//! Pieces become rows, and rows are cut where a strip without text parts them into columns. Columns of an article and
//! columns of a table look alike; but whoever made the file drew the one column after the other and the table row after
//! row, and that decides.
//!
//! Promises: every piece comes out once; the work grows with the text and no faster than its square.

use super::glyphs::{Piece, Scan};
use super::lines::Lines;
use std::collections::BTreeMap;

/// How wide a strip between columns is at the least, in ems.
const GUTTER: f64 = 0.7;
/// Bytes that a line of a column has in the mean; cells of tables and labels have fewer.
const COLUMN_BYTES: usize = 12;
/// For columns that were drawn row after row, as some programs for scans do: such lines are long, many, and full.
const PROSE_BYTES: usize = 25;
const PROSE_ROWS: usize = 6;
const PROSE_FILL: f64 = 0.8;
/// Columns within columns.
const DEPTH: u32 = 12;
/// Strips that are tried.
const MOST_STRIPS: usize = 400;

/// Pieces that stand on one line, from left to right.
#[derive(Debug, Clone, Default)]
pub(super) struct Row<'p> {
    pub(super) pieces: Vec<&'p Piece>,
    /// Those of its largest piece.
    pub(super) baseline: f64,
    pub(super) size: f64,
}

/// The text of a page.
pub(super) fn text(scan: &Scan) -> String {
    let mut by_angle: BTreeMap<i32, Vec<&Piece>> = BTreeMap::new();
    for piece in &scan.pieces {
        by_angle.entry(piece.angle).or_default().push(piece);
    }
    // The page's own direction first, then what stands on its margins.
    let mut directions: Vec<Vec<&Piece>> = by_angle.into_values().collect();
    directions.sort_by_key(|pieces| std::cmp::Reverse(pieces.iter().map(|piece| piece.text.len()).sum::<usize>()));
    let mut lines = Lines::new(&scan.text);
    for pieces in directions {
        arrange(rows(pieces), 0, &mut lines);
    }
    lines.finish()
}

/// From top to bottom.
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

    /// Whether the piece stands on this line: at the same height, or most of the smaller one beside the other.
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

    /// The pieces left of a strip, and those right of it; none if a piece stands in it.
    fn parted(&self, strip: &Strip) -> Option<(&[&'p Piece], &[&'p Piece])> {
        let middle = self.pieces.partition_point(|piece| piece.left + 0.1 < strip.end);
        let (left, right) = self.pieces.split_at(middle);
        left.iter().rev().take(8).all(|piece| piece.right <= strip.start + 0.1).then_some((left, right))
    }
}

/// From the top to the bottom of the page, between two columns.
type Strip = std::ops::Range<f64>;

/// Rows without a piece in the strip that are read together.
#[derive(Debug, Clone, Default)]
struct Band {
    rows: std::ops::Range<usize>,
    left: Side,
    right: Side,
}

/// What is on one side of a strip.
#[derive(Debug, Clone, Default)]
struct Side {
    rows: usize,
    bytes: usize,
    /// The last of its pieces, by the order of drawing, in the last row that has any.
    last: Option<usize>,
    outer: Option<(f64, f64)>,
    covered: f64,
}

impl Side {
    fn add(&mut self, pieces: &[&Piece]) {
        let (Some(first), Some(last)) = (pieces.first(), pieces.last()) else { return };
        self.rows += 1;
        self.bytes += pieces.iter().map(|piece| piece.text.len() + 1).sum::<usize>();
        self.last = pieces.iter().map(|piece| piece.order).max();
        self.outer = Some(self.outer.map_or((first.left, last.right), |(a, b)| (a.min(first.left), b.max(last.right))));
        self.covered += last.right - first.left;
    }

    fn bytes_per_row(&self) -> usize {
        self.bytes / self.rows.max(1)
    }

    fn fill(&self) -> f64 {
        let width = self.outer.map_or(0.0, |(left, right)| right - left);
        if width > 0.0 { self.covered / (width * self.rows as f64) } else { 0.0 }
    }
}

impl Band {
    fn from(row: usize) -> Self {
        Self { rows: row..row, ..Self::default() }
    }

    fn add(&mut self, row: usize, (left, right): (&[&Piece], &[&Piece])) {
        self.rows.end = row + 1;
        self.left.add(left);
        self.right.add(right);
    }

    /// Whether all of it was drawn before what comes next on either side: then it is read before that.
    fn is_before(&self, next: [Option<usize>; 2]) -> bool {
        let next = next.into_iter().flatten().min();
        next > self.left.last.max(self.right.last)
    }

    fn has_sides(&self) -> bool {
        self.left.rows.min(self.right.rows) >= 1 && self.left.rows.max(self.right.rows) >= 2
    }

    /// How much text is in its columns; 0 if its sides are no columns.
    fn columns(&self) -> usize {
        let long = self.left.bytes_per_row().min(self.right.bytes_per_row()) >= COLUMN_BYTES;
        if self.has_sides() && long { self.left.bytes.min(self.right.bytes) } else { 0 }
    }

    /// The same, without regard to the order of drawing.
    fn prose(&self) -> usize {
        let both = [&self.left, &self.right];
        let full = both.iter().all(|side| side.rows >= PROSE_ROWS && side.bytes_per_row() >= PROSE_BYTES && side.fill() >= PROSE_FILL);
        if full { self.left.bytes.min(self.right.bytes) } else { 0 }
    }
}

/// Writes the rows down, column by column where there are columns.
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
            let (before, after) = row.parted(&strip).unwrap_or((&row.pieces, &[]));
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

/// The strip that parts most text into columns, with the rows that it parts.
fn best_strip(rows: &[Row<'_>]) -> Option<(Strip, Vec<Band>)> {
    let mut sizes: Vec<f64> = rows.iter().map(|row| row.size).collect();
    sizes.sort_by(f64::total_cmp);
    let width = GUTTER * sizes.get(sizes.len() / 2)?;
    // Most candidates are ends of lines with nothing to their right: they go first.
    let strips = strips(rows, width).into_iter().map(|strip| (bands(rows, &strip, false), strip));
    let strips: Vec<(Vec<Band>, Strip)> = strips.filter(|(bands, _)| bands.iter().any(Band::has_sides)).collect();
    let drawn = strips.iter().map(|(_, strip)| (bands(rows, strip, true), strip.clone()));
    heaviest(drawn, Band::columns).or_else(|| heaviest(strips.iter().cloned(), Band::prose))
}

fn heaviest(strips: impl Iterator<Item = (Vec<Band>, Strip)>, weight: fn(&Band) -> usize) -> Option<(Strip, Vec<Band>)> {
    strips
        .map(|(mut bands, strip)| {
            bands.retain(|band| weight(band) > 0);
            (bands.iter().map(weight).sum::<usize>(), strip, bands)
        })
        .filter(|(weight, ..)| *weight > 0)
        .max_by_key(|(weight, ..)| *weight)
        .map(|(_, strip, bands)| (strip, bands))
}

/// Where a strip may be: at the ends of lines and of what stands before a wide gap.
#[expect(clippy::cast_possible_truncation, reason = "pages are not that wide, and a strip more or less does not matter")]
fn strips(rows: &[Row<'_>], width: f64) -> Vec<Strip> {
    let end = rows.iter().flat_map(|row| &row.pieces).fold(f64::NEG_INFINITY, |end, piece| end.max(piece.right));
    let mut starts: Vec<i64> = Vec::new();
    for row in rows {
        for (index, piece) in row.pieces.iter().enumerate() {
            let gap = row.pieces.get(index + 1).map_or(f64::INFINITY, |next| next.left - piece.right);
            if gap >= width && piece.right + width < end {
                // In half points: the finest difference that matters.
                starts.push((piece.right * 2.0).ceil() as i64);
            }
        }
    }
    starts.sort_unstable();
    starts.dedup();
    let step = starts.len().div_ceil(MOST_STRIPS).max(1);
    starts.into_iter().step_by(step).map(|start| start as f64 / 2.0..start as f64 / 2.0 + width).collect()
}

/// The rows that a strip parts: those in unbroken sequence, and by the order of drawing if `by_order`.
fn bands(rows: &[Row<'_>], strip: &Strip, by_order: bool) -> Vec<Band> {
    let parts: Vec<_> = rows.iter().map(|row| row.parted(strip)).collect();
    // What was drawn first of the next row that has anything on that side. Lines of two columns are seldom level, so that
    // the next row alone would not tell.
    let mut nexts = vec![[None; 2]; rows.len() + 1];
    for (index, parts) in parts.iter().enumerate().rev() {
        let first = |pieces: &[&Piece]| pieces.iter().map(|piece| piece.order).min();
        nexts[index] = parts.map_or([None; 2], |(left, right)| [first(left).or(nexts[index + 1][0]), first(right).or(nexts[index + 1][1])]);
    }
    let mut bands = Vec::new();
    let mut open: Option<Band> = None;
    for (index, parts) in parts.into_iter().enumerate() {
        if parts.is_none() || by_order && open.as_ref().is_some_and(|band| band.is_before(nexts[index])) {
            bands.extend(open.take());
        }
        if let Some(parts) = parts {
            open.get_or_insert_with(|| Band::from(index)).add(index, parts);
        }
    }
    bands.extend(open);
    bands
}
