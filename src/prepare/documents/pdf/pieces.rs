//! Pieces of text and their positions.
//!
//! Positions are in points of the upright page. They are relative to the direction of the text,
//! with x to the right and y down.

use hayro::hayro_interpret::font::{Glyph, GlyphRun};
use hayro::hayro_interpret::hayro_cmap::WritingMode;
use hayro::kurbo::{Affine, Point, Vec2};
use std::ops::Range;

/// Units for each em: text size 1 is 1000 glyph units.
const EM: f64 = 1000.0;
/// Maximum angle in degrees at which text counts as level.
///
/// Scans are never exactly straight.
const LEVEL: i32 = 8;
/// Minimum gap that counts as a space, in ems.
pub(super) const SPACE: f64 = 0.13;
/// Maximum distance between two drawings of a bold character, in ems.
const SAME_PLACE: f64 = 0.15;

/// A piece of text drawn in one operation, usually a word.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    /// Range of its text in [`Scan::text`].
    pub(super) text: Range<usize>,
    pub(super) left: f64,
    pub(super) right: f64,
    /// Vertical position of its line.
    pub(super) baseline: f64,
    pub(super) size: f64,
    /// Angle in degrees clockwise.
    ///
    /// The positions apply after rotation to level.
    pub(super) angle: i32,
    /// Number of pieces drawn before this one.
    pub(super) order: usize,
    /// Whether a space was drawn before this piece.
    pub(super) spaced: bool,
    pub(super) right_to_left: bool,
}

/// The place of a glyph, after rotation to level.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) baseline: f64,
}

impl Piece {
    /// Whether a glyph at this place continues the piece.
    pub(super) fn is_continued(&self, place: Place, style: &Style) -> bool {
        let gap = (place.left - self.right) / style.size;
        !self.right_to_left
            && self.angle == style.angle
            && (self.baseline - place.baseline).abs() < 0.05 * style.size
            && (0.9..1.1).contains(&(self.size / style.size))
            && (-0.3..SPACE).contains(&gap)
            && place.left > self.left
    }

    /// Whether a glyph at `place` repeats the piece's last glyph at `last`.
    pub(super) fn is_repeated(&self, last: Place, place: Place, style: &Style) -> bool {
        let near = |a: f64, b: f64| (a - b).abs() < SAME_PLACE * style.size;
        self.angle == style.angle && near(last.left, place.left) && near(last.baseline, place.baseline)
    }
}

/// The common properties of all glyphs of a run.
#[derive(Debug)]
pub(super) struct Style {
    pub(super) size: f64,
    /// Width of 1 em along the line. Condensed letters have a smaller one.
    em: f64,
    pub(super) angle: i32,
    /// Rotates text to level.
    turn: Affine,
    vertical: bool,
}

impl Style {
    pub(super) fn of(run: &GlyphRun<'_, '_>, outer: Affine) -> Option<Self> {
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
            if mean > 0.0 && !(1.0..6.0).contains(&(size / mean)) {
                size = 2.0 * mean;
            }
        }
        if vertical {
            em = size;
        }
        if !(size.is_finite() && em.is_finite() && size > 0.0 && em > 0.0) {
            return None;
        }
        let angle = snapped(heading.atan2().to_degrees());
        Some(Self { size, em, angle, turn: Affine::rotate(-f64::from(angle).to_radians()), vertical })
    }

    /// Position of a glyph, in points of the page.
    pub(super) fn origin(&self, glyph: Affine) -> Point {
        // On a vertical line, a glyph's origin is at the foot of its square. The line runs along
        // the top of the square.
        glyph * if self.vertical { Point::new(0.0, EM) } else { Point::ZERO }
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

/// Rounds an angle to whole degrees from 0 to 359.
///
/// Angles close to a multiple of 90 are rounded to it.
#[expect(clippy::cast_possible_truncation, reason = "an angle")]
fn snapped(degrees: f64) -> i32 {
    let degrees = (degrees.round() as i32).rem_euclid(360);
    let quarter = (degrees + 45) / 90 * 90;
    if (degrees - quarter).abs() <= LEVEL { quarter % 360 } else { degrees }
}
