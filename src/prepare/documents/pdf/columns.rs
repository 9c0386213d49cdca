//! Finds the columns of a page.
//!
//! Columns of an article look like columns of a table, but the drawing order differs. Programs draw
//! article columns one after the other, and tables row by row. Rows that were drawn before
//! everything below them are read first.

use super::pieces::Piece;
use super::row::Row;
use std::ops::Range;

/// Minimum width of a strip between columns, in ems.
const GUTTER: f64 = 0.7;
/// Minimum average bytes in a line of a column.
///
/// Table cells and labels have fewer.
const COLUMN_BYTES: usize = 12;
/// Minimum bytes of a line in columns drawn row by row.
///
/// OCR programs draw in this order. Lines of such columns must be long, many (`PROSE_ROWS`) and
/// full (`PROSE_FILL`).
const PROSE_BYTES: usize = 25;
const PROSE_ROWS: usize = 6;
const PROSE_FILL: f64 = 0.8;
/// Minimum mean bytes of their words, with a space. Columns of numbers have fewer.
const WORD: f64 = 3.5;
/// Minimum bytes of a long line in a column.
const LONG: usize = 25;
/// Minimum lines of each column that is clearly no table.
const LINES: usize = 4;
/// Minimum number of long lines on both sides.
const LONG_LINES: usize = 2;
/// Minimum bytes and lines beside long lines, as in the sidebar of a letter, and maximum share of level lines.
const SIDE_BYTES: usize = 4;
const SIDE_LINES: usize = 5;
const LEVEL: f64 = 0.8;
/// Minimum gap between cells of a row, in ems. Gaps between words of a full line are smaller.
const CELL_GAP: f64 = 1.5;
/// Number of bands from which columns one above the other are rows of a table.
const MANY_BANDS: usize = 3;
/// Maximum number of strips to try.
///
/// `MOST_PIECES` is the maximum number of pieces to search. Real pages have fewer of both.
const MOST_STRIPS: usize = 400;
const MOST_PIECES: usize = 30_000;

/// A vertical strip between two columns, over the height of the page.
#[derive(Debug, Clone)]
pub(super) struct Strip(Range<f64>);

/// The pieces to the left and to the right of a strip.
type Parts<'r, 'p> = (&'r [&'p Piece], &'r [&'p Piece]);

impl Strip {
    /// Splits a row at the strip; `None` if a piece overlaps it.
    pub(super) fn part<'r, 'p>(&self, row: &'r Row<'p>) -> Option<Parts<'r, 'p>> {
        let Range { start, end } = self.0;
        let middle = row.pieces.partition_point(|piece| piece.left + 0.1 < end);
        let (left, right) = row.pieces.split_at(middle);
        left.iter().rev().take(8).all(|piece| piece.right <= start + 0.1).then_some((left, right))
    }
}

/// Consecutive rows without a piece in the strip.
#[derive(Debug, Clone, Default)]
pub(super) struct Band {
    pub(super) rows: Range<usize>,
    left: Side,
    right: Side,
    /// Number of rows with text on both sides.
    level: usize,
}

/// The text on one side of a strip.
#[derive(Debug, Clone, Default)]
struct Side {
    rows: usize,
    bytes: usize,
    pieces: usize,
    /// Highest drawing order in the last row on this side.
    last: Option<usize>,
    /// Lowest drawing order of all rows, and highest.
    drawn: Option<(usize, usize)>,
    /// Number of rows with long text.
    long: usize,
    /// Number of rows with a gap as between cells.
    parted: usize,
    outer: Option<(f64, f64)>,
    covered: f64,
}

impl Side {
    fn add(&mut self, pieces: &[&Piece]) {
        let (Some(first), Some(last)) = (pieces.first(), pieces.last()) else { return };
        self.rows += 1;
        let bytes = pieces.iter().map(|piece| piece.text.len() + 1).sum::<usize>();
        self.bytes += bytes;
        self.pieces += pieces.len();
        self.long += usize::from(bytes >= LONG);
        self.parted += usize::from(pieces.windows(2).any(|pair| pair[1].left - pair[0].right > CELL_GAP * pair[0].size));
        self.last = pieces.iter().map(|piece| piece.order).max();
        let lowest = pieces.iter().map(|piece| piece.order).min();
        self.drawn = lowest.zip(self.last).map(|(lowest, last)| self.drawn.map_or((lowest, last), |(a, b)| (a.min(lowest), b.max(last))));
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

    fn add(&mut self, row: usize, (left, right): Parts<'_, '_>) {
        self.rows.end = row + 1;
        self.left.add(left);
        self.right.add(right);
        self.level += usize::from(!left.is_empty() && !right.is_empty());
    }

    /// Whether the band was drawn before the following rows.
    ///
    /// Such a band is read before them.
    fn is_before(&self, next: [Option<usize>; 2]) -> bool {
        let next = next.into_iter().flatten().min();
        next > self.left.last.max(self.right.last)
    }

    fn has_sides(&self) -> bool {
        self.left.rows.min(self.right.rows) >= 1 && self.left.rows.max(self.right.rows) >= 2
    }

    /// Bytes of text in its columns; 0 without columns.
    fn columns(&self) -> usize {
        let long = self.left.bytes_per_row().min(self.right.bytes_per_row()) >= COLUMN_BYTES;
        if self.has_sides() && (long || self.is_sidebar()) { self.left.bytes.min(self.right.bytes) } else { 0 }
    }

    /// Whether one side was drawn before the other.
    fn is_drawn_by_columns(&self) -> bool {
        self.left.drawn.zip(self.right.drawn).is_some_and(|(left, right)| left.1 < right.0 || right.1 < left.0)
    }

    /// Whether short lines stand beside long ones.
    fn is_sidebar(&self) -> bool {
        let (short, long) =
            if self.left.bytes_per_row() < self.right.bytes_per_row() { (&self.left, &self.right) } else { (&self.right, &self.left) };
        short.rows >= SIDE_LINES
            && short.bytes_per_row() >= SIDE_BYTES
            && long.long >= LONG_LINES
            && long.bytes_per_row() >= COLUMN_BYTES
            && (self.level as f64) < LEVEL * short.rows as f64
            && self.is_drawn_by_columns()
    }

    /// Bytes of text in its columns, if these are clearly no table.
    fn text(&self) -> usize {
        let both = [&self.left, &self.right];
        let long = both.iter().all(|side| side.rows >= LINES && side.long >= LONG_LINES && side.bytes_per_row() >= COLUMN_BYTES)
            && (self.left.long + self.right.long) * 2 >= self.left.rows + self.right.rows
            && both.iter().all(|side| side.parted * 2 < side.rows);
        if self.is_drawn_by_columns() && (long || self.is_sidebar()) { self.left.bytes.min(self.right.bytes) } else { 0 }
    }

    /// Bytes of text in its columns, ignoring the drawing order.
    fn prose(&self) -> usize {
        let both = [&self.left, &self.right];
        let full = both.iter().all(|side| {
            side.rows >= PROSE_ROWS
                && side.bytes_per_row() >= PROSE_BYTES
                && side.fill() >= PROSE_FILL
                && side.bytes as f64 >= WORD * side.pieces as f64
        });
        if full { self.left.bytes.min(self.right.bytes) } else { 0 }
    }
}

/// The strips of a page, or of a part of it, that may separate columns.
pub(super) struct Strips(Vec<Candidate>);

/// A strip with text on both sides.
struct Candidate {
    strip: Strip,
    /// The rows that it separates, and the same rows divided by the drawing order.
    bands: Vec<Band>,
    drawn: Vec<Band>,
}

impl Strips {
    /// Finds the strips between these rows.
    pub(super) fn of(rows: &[Row<'_>]) -> Self {
        let mut sizes: Vec<f64> = rows.iter().map(|row| row.size).collect();
        sizes.sort_by(f64::total_cmp);
        let Some(size) = sizes.get(sizes.len() / 2).filter(|_| rows.iter().map(|row| row.pieces.len()).sum::<usize>() <= MOST_PIECES)
        else {
            return Self(Vec::new());
        };
        let candidate = |strip: Strip| {
            let bands = bands(rows, &strip, false);
            // Most strips are line ends without text to their right.
            (!bands.is_empty()).then(|| Candidate { drawn: self::bands(rows, &strip, true), bands, strip })
        };
        Self(strips(rows, GUTTER * size).into_iter().filter_map(candidate).collect())
    }

    /// The strip between columns of text that are clearly no table, with the separated rows.
    pub(super) fn clear(&self) -> Option<(Strip, Vec<Band>)> {
        self.heaviest(|candidate| &candidate.drawn, Band::text).filter(|(_, bands)| bands.len() < MANY_BANDS)
    }

    /// The strip that separates most text into columns, with the separated rows.
    pub(super) fn best(&self) -> Option<(Strip, Vec<Band>)> {
        self.heaviest(|candidate| &candidate.drawn, Band::columns).or_else(|| self.heaviest(|candidate| &candidate.bands, Band::prose))
    }

    fn heaviest(&self, bands: fn(&Candidate) -> &[Band], weight: fn(&Band) -> usize) -> Option<(Strip, Vec<Band>)> {
        let weigh = |candidate| bands(candidate).iter().map(weight).sum::<usize>();
        let best = self.0.iter().filter(|candidate| weigh(candidate) > 0).max_by_key(|candidate| weigh(candidate))?;
        let bands = bands(best).iter().filter(|band| weight(band) > 0).cloned().collect();
        Some((best.strip.clone(), bands))
    }
}

/// Finds candidate strips: after line ends and before wide gaps.
#[expect(clippy::cast_possible_truncation, reason = "pages are narrower, and one strip more or less does not matter")]
fn strips(rows: &[Row<'_>], width: f64) -> Vec<Strip> {
    let end = rows.iter().flat_map(|row| &row.pieces).fold(f64::NEG_INFINITY, |end, piece| end.max(piece.right));
    let mut starts: Vec<i64> = Vec::new();
    for row in rows {
        for (index, piece) in row.pieces.iter().enumerate() {
            let gap = row.pieces.get(index + 1).map_or(f64::INFINITY, |next| next.left - piece.right);
            if gap >= width && piece.right + width < end {
                // The unit is half a point, which is precise enough.
                starts.push((piece.right * 2.0).ceil() as i64);
            }
        }
    }
    starts.sort_unstable();
    starts.dedup();
    let step = starts.len().div_ceil(MOST_STRIPS).max(1);
    starts.into_iter().step_by(step).map(|start| start as f64 / 2.0).map(|start| Strip(start..start + width)).collect()
}

/// Groups consecutive rows that a strip separates, and that have text on both sides.
///
/// With `by_order`, the drawing order divides the groups further.
fn bands(rows: &[Row<'_>], strip: &Strip, by_order: bool) -> Vec<Band> {
    let parts: Vec<_> = rows.iter().map(|row| strip.part(row)).collect();
    // Lowest drawing order in the next row with a piece on that side. Lines of two columns are
    // rarely level, so the next row alone is not sufficient.
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
    bands.retain(Band::has_sides);
    bands
}
