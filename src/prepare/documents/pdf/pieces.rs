//! Pieces of text and their positions.
//!
//! Positions are in points of the upright page. They are relative to the direction of the text,
//! with x to the right and y down.

use super::ink::Ink;
use super::structure;
use hayro::hayro_interpret::font::{Glyph, GlyphRun};
use hayro::hayro_interpret::hayro_cmap::WritingMode;
use hayro::kurbo::{Affine, Point, Rect, Vec2};
use std::ops::Range;

/// Units for each em: text size 1 is 1000 glyph units.
const EM: f64 = 1000.0;
/// Maximum difference in degrees between angles of one frame.
///
/// Pieces on a line must have the same frame.
const SAME_ANGLE: f64 = 0.2;
/// Minimum gap that counts as a space, in ems.
pub(super) const SPACE: f64 = 0.13;
/// Number of letters from which their mean width is typical.
const FEW: usize = 4;
/// Maximum difference between a drawn space and the gap that it fills, in ems.
const FILLED: f64 = 0.06;
/// Maximum distance between two drawings of a bold character, in ems.
const SAME_PLACE: f64 = 0.15;

/// A piece of text drawn in one operation, usually a word.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "facts that do not depend on each other")]
pub(super) struct Piece {
    /// Range of its text in the text of the scan.
    pub(super) text: Range<usize>,
    pub(super) left: f64,
    pub(super) right: f64,
    /// Vertical position of its line.
    pub(super) baseline: f64,
    pub(super) size: f64,
    /// Angle in degrees clockwise.
    ///
    /// The positions apply after rotation to level.
    pub(super) angle: f64,
    /// Its turn in the drawing order.
    ///
    /// The mark of a list item and the sign of a box have the turn of their text, and the parts of a
    /// divided word share one.
    pub(super) order: usize,
    /// Whether a space was drawn before this piece.
    pub(super) spaced: bool,
    /// Whether one drawn space fills the gap to the piece before, so that both are one phrase.
    pub(super) follows: bool,
    pub(super) right_to_left: bool,
    /// Number of its glyphs, and of those whose character is unknown.
    pub(super) glyphs: u32,
    pub(super) unknown: u32,
    pub(super) ink: Ink,
    /// Whether a line is drawn through the middle of its letters.
    pub(super) struck: bool,
    /// Whether the structure of the document can name this piece.
    pub(super) named: bool,
    /// The cell of a tagged table that has this piece.
    pub(super) cell: Option<structure::Place>,
    /// Number of the table that this piece stands for.
    pub(super) table: Option<usize>,
}

/// The place of a glyph, after rotation to level.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) baseline: f64,
}

/// The left side of a glyph.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edge {
    /// Where its text begins in the text of the scan.
    pub(super) text: usize,
    /// Its position after rotation to level.
    pub(super) left: f64,
}

impl Piece {
    /// Whether a glyph at this place continues the piece.
    pub(super) fn is_continued(&self, place: Place, style: &Style) -> bool {
        let gap = (place.left - self.right) / style.size;
        !self.right_to_left
            && self.is_along(style)
            && self.ink.is_like(style.ink)
            && (self.baseline - place.baseline).abs() < 0.05 * style.size
            && (0.9..1.1).contains(&(self.size / style.size))
            && (-0.3..SPACE).contains(&gap)
            && place.left > self.left
    }

    /// Makes the piece wider, if the place continues its line.
    pub(super) fn extend(&mut self, place: Place, style: &Style) {
        if self.is_along(style) && (self.baseline - place.baseline).abs() < 0.5 * style.size {
            self.right = self.right.max(place.right);
        }
    }

    /// Whether a drawn space begins where the piece ends.
    pub(super) fn is_before(&self, space: Place, style: &Style) -> bool {
        self.is_along(style)
            && (self.baseline - space.baseline).abs() < 0.05 * style.size
            && (space.left - self.right).abs() < FILLED * style.size
    }

    fn is_along(&self, style: &Style) -> bool {
        (self.angle - style.angle).abs() < 0.01
    }

    /// The area of its letters, after rotation to level.
    pub(super) fn bounds(&self) -> Rect {
        Rect::new(self.left, self.baseline - 0.8 * self.size, self.right, self.baseline + 0.2 * self.size)
    }

    /// The point in the middle of its letters, on the upright page.
    pub(super) fn centre(&self) -> Point {
        self.point(0.5, 0.3)
    }

    /// A point on the upright page, `across` its width and `up` ems above the baseline.
    pub(super) fn point(&self, across: f64, up: f64) -> Point {
        turn(self.angle) * Point::new(self.left + across * (self.right - self.left), self.baseline - up * self.size)
    }

    /// The same piece, with positions that apply after a rotation by another angle.
    pub(super) fn turned(&self, angle: f64) -> Self {
        let middle = turn(self.angle) * Point::new(f64::midpoint(self.left, self.right), self.baseline);
        let Point { x, y: baseline } = turn(-angle) * middle;
        let half = (self.right - self.left) / 2.0;
        Self { left: x - half, right: x + half, baseline, angle, ..self.clone() }
    }

    /// Whether a glyph at `place` repeats the piece's last glyph at `last`.
    pub(super) fn is_repeated(&self, last: Place, place: Place, style: &Style) -> bool {
        let near = |a: f64, b: f64| (a - b).abs() < SAME_PLACE * style.size;
        self.is_along(style) && near(last.left, place.left) && near(last.baseline, place.baseline)
    }
}

/// The common properties of all glyphs of a run.
#[derive(Debug)]
pub(super) struct Style {
    pub(super) size: f64,
    /// Width of 1 em along the line. Condensed letters have a smaller one.
    em: f64,
    pub(super) angle: f64,
    /// Rotates text to level.
    turn: Affine,
    vertical: bool,
    pub(super) ink: Ink,
}

impl Place {
    /// Whether a word begins where this space ends.
    pub(super) fn is_filled_to(self, word: Self, style: &Style) -> bool {
        (word.left - self.right).abs() < FILLED * style.size && (word.baseline - self.baseline).abs() < 0.05 * style.size
    }
}

impl Style {
    /// `before` is the angle of the text before.
    pub(super) fn of(run: &GlyphRun<'_, '_>, outer: Affine, before: f64, ink: Ink) -> Option<Self> {
        let first = run.glyphs().first()?;
        let [a, b, c, d, _, _] = (outer * first.transform()).as_coeffs();
        let along = a.hypot(b);
        let mut size = (a * d - b * c).abs() / along * EM;
        // Substitutes for missing fonts are stretched glyph by glyph to the expected widths. The
        // average is closest to the expected em.
        let wide: f64 = run.glyphs().iter().map(|glyph| outer_length(outer, glyph.transform())).sum();
        let mut em = wide / run.glyphs().len() as f64 * EM;
        let vertical = run.writing_mode() == WritingMode::Vertical;
        let heading = if vertical { Vec2::new(-c, -d) } else { Vec2::new(a, b) };
        if let Glyph::Type3(_) = **first {
            // Type 3 fonts have arbitrary units. On average, letters are half as wide as high.
            let widths: f64 = run.glyphs().iter().map(|glyph| advance(glyph)).sum();
            let mean = widths / run.glyphs().len() as f64 * em;
            // A few letters may all be wide, or narrow.
            let plausible = if run.glyphs().len() < FEW { 0.5..12.0 } else { 1.0..6.0 };
            if mean > 0.0 && !plausible.contains(&(size / mean)) {
                size = 2.0 * mean;
            }
        }
        if vertical {
            em = size;
        }
        if !(size.is_finite() && em.is_finite() && size > 0.0 && em > 0.0) {
            return None;
        }
        let angle = snapped(heading.atan2().to_degrees(), before);
        Some(Self { size, em, angle, turn: turn(-angle), vertical, ink })
    }

    /// Position of a glyph, in points of the page.
    pub(super) fn origin(&self, glyph: Affine) -> Point {
        // On a vertical line, a glyph's origin is at the foot of its square. The line runs along
        // the top of the square.
        glyph * if self.vertical { Point::new(0.0, EM) } else { Point::ZERO }
    }

    /// The middle of a glyph on the page.
    pub(super) fn centre(&self, place: Place) -> Point {
        turn(self.angle) * Point::new(f64::midpoint(place.left, place.right), place.baseline - 0.3 * self.size)
    }

    /// Place of a glyph on the line.
    pub(super) fn place(&self, glyph: &Glyph<'_>, origin: Point) -> Place {
        let width = if self.vertical { self.em } else { advance(glyph) * self.em };
        let Point { x: left, y: baseline } = self.turn * origin;
        Place { left, right: left + width.max(0.0), baseline }
    }
}

fn outer_length(outer: Affine, inner: Affine) -> f64 {
    let [a, b, ..] = (outer * inner).as_coeffs();
    a.hypot(b)
}

/// Advance width, in ems.
fn advance(glyph: &Glyph<'_>) -> f64 {
    let units = match glyph {
        Glyph::Outline(glyph) => glyph.advance_width(),
        Glyph::Type3(glyph) => glyph.advance_width(),
    };
    f64::from(units.unwrap_or(500.0)) / EM
}

fn turn(degrees: f64) -> Affine {
    Affine::rotate(degrees.to_radians())
}

/// Converts an angle to the range from 0 to 360 degrees.
///
/// Angles close to a multiple of 90, or to the angle `before`, are rounded to it.
fn snapped(degrees: f64, before: f64) -> f64 {
    let degrees = degrees.rem_euclid(360.0);
    let quarter = (degrees / 90.0).round() * 90.0;
    let near = |other: f64| (degrees - other).abs() < SAME_ANGLE;
    match () {
        () if near(quarter) => quarter.rem_euclid(360.0),
        () if near(before) => before,
        () => degrees,
    }
}
