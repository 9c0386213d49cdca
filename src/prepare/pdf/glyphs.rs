//! A page's glyphs, joined to pieces of text as they are drawn.
//!
//! Promises: nothing is painted and no image is decoded; a page that draws without end is left. Positions are those of
//! the upright page: x to the right and y down, for text in its own direction of reading.

use super::characters;
use hayro::hayro_interpret::font::{Glyph, GlyphRun};
use hayro::hayro_interpret::hayro_cmap::{BfString, WritingMode};
use hayro::hayro_interpret::{
    BlendMode, ClipPath, Context, Device, DrawMode, DrawProps, Image, ImageDrawProps, InterpreterCache, InterpreterSettings, Paint,
    SoftMask, TransformExt, interpret_page,
};
use hayro::hayro_syntax::page::Page;
use hayro::kurbo::{Affine, BezPath, Point, Rect, Vec2};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Text size 1 is 1000 units of a glyph.
const EM: f64 = 1000.0;
/// Text this close to level (in degrees) is level: scans are never quite straight.
const LEVEL: i32 = 8;
/// Gaps are in ems. From this on, a gap is a space.
pub(super) const SPACE: f64 = 0.13;
/// Two drawings of a character that are this close are one in bold.
const SAME_PLACE: f64 = 0.15;
/// What the end of a form costs of what a document may draw. Forms may draw forms, so a small file can ask for very many.
const FORM_COST: u64 = 10;
/// The shapes after which a page counts as a drawing, and how they are weighed.
const MANY_SHAPES: u32 = 50;

/// A piece of text that was drawn in one go: a word, mostly.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    /// Where its text is in [`Scan::text`].
    pub(super) text: Range<usize>,
    pub(super) left: f64,
    pub(super) right: f64,
    /// The line on which it stands.
    pub(super) baseline: f64,
    pub(super) size: f64,
    /// In degrees clockwise; the positions are those after turning it level.
    pub(super) angle: i32,
    /// How many were drawn before it.
    pub(super) order: usize,
    /// A space was drawn before it.
    pub(super) spaced: bool,
    pub(super) right_to_left: bool,
}

/// What is on a page.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Of all pieces, in the order in which they were drawn.
    pub(super) text: String,
    pub(super) pieces: Vec<Piece>,
    /// Glyphs that stand for something, spaces aside.
    pub(super) glyphs: u64,
    /// Those of which it is not known what.
    pub(super) unknown: u64,
    /// Whether anything else than text can be seen.
    pub(super) painted: bool,
    /// Whether that is most of what there is to see: a scan, or a drawing.
    pub(super) pictured: bool,
    /// Pixels of the largest image.
    pub(super) image_pixels: u64,
}

/// The document asked for more than it may draw.
#[derive(Debug)]
pub(super) struct Endless;

/// Reads a page. `allowance` is what the document may still draw.
pub(super) fn scan<'a>(
    page: &'a Page<'a>,
    cache: &InterpreterCache<'a>,
    settings: &InterpreterSettings,
    allowance: &mut u64,
) -> Result<Scan, Endless> {
    let (width, height) = page.render_dimensions();
    let bounds = Rect::new(0.0, 0.0, f64::from(width), f64::from(height));
    let upright = page.initial_transform(true).to_kurbo();
    let mut context = Context::new(upright, bounds, cache, page.xref(), settings.clone());
    let mut scanner = Scanner { scan: Scan::default(), bounds, last: None, spaced: false, shapes: 0, drawn: None, allowance: *allowance };
    // There is no other way to stop hayro than to unwind. Nothing is printed, and what it left half-done is dropped.
    let end = catch_unwind(AssertUnwindSafe(|| interpret_page(page, &mut context, &mut scanner)));
    *allowance = scanner.allowance;
    match end {
        Err(panic) if panic.is::<Endless>() => Err(Endless),
        Err(panic) => resume_unwind(panic),
        Ok(()) => Ok(scanner.scan),
    }
}

struct Scanner {
    scan: Scan,
    bounds: Rect,
    /// The last glyph, if it belongs to the last piece.
    last: Option<Last>,
    spaced: bool,
    shapes: u32,
    /// The place of the last run, and its length.
    drawn: Option<(Affine, usize)>,
    allowance: u64,
}

struct Last {
    /// Where its characters begin.
    at: usize,
    left: f64,
}

/// What all glyphs of a run have in common.
struct Style {
    size: f64,
    /// Width of 1 em along the line, where letters are condensed.
    em: f64,
    angle: i32,
    /// Turns it level.
    turn: Affine,
    vertical: bool,
}

impl Style {
    fn of(run: &GlyphRun<'_, '_>, outer: Affine) -> Option<Self> {
        let first = run.glyphs().first()?;
        let [a, b, c, d, _, _] = (outer * first.transform()).as_coeffs();
        let along = a.hypot(b);
        let mut size = (a * d - b * c).abs() / along * EM;
        // Substitutes of missing fonts are stretched glyph by glyph to the width that the document expects; what it
        // expects is meant, so that the mean is nearest.
        let wide: f64 = run.glyphs().iter().map(|glyph| outer_length(outer, glyph.transform())).sum();
        let mut em = wide / run.glyphs().len() as f64 * EM;
        let vertical = run.writing_mode() == WritingMode::Vertical;
        let heading = if vertical { Vec2::new(-c, -d) } else { Vec2::new(a, b) };
        if let Glyph::Type3(_) = **first {
            // Such fonts have any unit they like. Letters are half as wide as high, in the mean.
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
}

fn outer_length(outer: Affine, inner: Affine) -> f64 {
    let [a, b, ..] = (outer * inner).as_coeffs();
    a.hypot(b)
}

/// In ems.
fn advance(glyph: &Glyph<'_>) -> f64 {
    let units = match glyph {
        Glyph::Outline(glyph) => glyph.advance_width(),
        Glyph::Type3(glyph) => glyph.advance_width(),
    };
    f64::from(units.unwrap_or(500.0)) / EM
}

/// Whole degrees in 0..360; a multiple of 90 if it is near one.
#[expect(clippy::cast_possible_truncation, reason = "an angle")]
fn snapped(degrees: f64) -> i32 {
    let degrees = (degrees.round() as i32).rem_euclid(360);
    let quarter = (degrees + 45) / 90 * 90;
    if (degrees - quarter).abs() <= LEVEL { quarter % 360 } else { degrees }
}

impl Scanner {
    fn spend(&mut self, cost: u64) {
        if self.allowance < cost {
            resume_unwind(Box::new(Endless));
        }
        self.allowance -= cost;
    }

    fn glyph(&mut self, glyph: &Glyph<'_>, place: Affine, style: &Style) {
        let mut origin = place * Point::ZERO;
        if !self.bounds.inflate(style.size, style.size).contains(origin) {
            return;
        }
        let mut width = advance(glyph) * style.em;
        if style.vertical {
            // The origin is at the foot of the glyph's square and the line goes along its top.
            origin = place * Point::new(0.0, EM);
            width = style.em;
        }
        let Point { x: left, y: baseline } = style.turn * origin;
        let (at, text) = (self.scan.text.len(), &mut self.scan.text);
        let known = match glyph.as_unicode() {
            Some(BfString::Char(character)) => characters::append(text, character),
            // Not `all`: each of them counts, also after one that is not known.
            Some(BfString::String(string)) => string.chars().fold(true, |known, character| characters::append(text, character) && known),
            None => characters::append(text, characters::UNKNOWN),
        };
        if text[at..].trim().is_empty() {
            text.truncate(at);
            self.spaced = true;
            self.last = None;
            return;
        }
        if self.is_repeated(at, left, baseline, style) {
            self.scan.text.truncate(at);
            return;
        }
        self.scan.glyphs += 1;
        self.scan.unknown += u64::from(!known);
        let right_to_left = self.scan.text[at..].chars().any(characters::is_right_to_left);
        let end = self.scan.text.len();
        let order = self.scan.pieces.len();
        match self.scan.pieces.last_mut() {
            Some(piece) if self.last.is_some() && !right_to_left && piece.is_continued(left, baseline, style) => {
                piece.text.end = end;
                piece.right = piece.right.max(left + width);
            }
            _ => self.scan.pieces.push(Piece {
                text: at..end,
                left,
                right: left + width.max(0.0),
                baseline,
                size: style.size,
                angle: style.angle,
                order,
                spaced: self.spaced,
                right_to_left,
            }),
        }
        self.spaced = false;
        self.last = Some(Last { at, left });
    }

    /// Whether the characters from `at` on are the glyph before, drawn once more.
    fn is_repeated(&self, at: usize, left: f64, baseline: f64, style: &Style) -> bool {
        let (Some(last), Some(piece)) = (&self.last, self.scan.pieces.last()) else { return false };
        let near = |a: f64, b: f64| (a - b).abs() < SAME_PLACE * style.size;
        piece.angle == style.angle
            && near(last.left, left)
            && near(piece.baseline, baseline)
            && self.scan.text[last.at..at] == self.scan.text[at..]
    }

    fn shape(&mut self, props: &DrawProps<'_>) {
        self.spend(1);
        if self.shapes < MANY_SHAPES && !is_white(&props.paint) {
            self.shapes += 1;
            self.scan.painted = true;
            self.scan.pictured |= self.shapes == MANY_SHAPES;
        }
    }
}

impl Piece {
    /// Whether a glyph at this place goes on where the piece ends.
    fn is_continued(&self, left: f64, baseline: f64, style: &Style) -> bool {
        let gap = (left - self.right) / style.size;
        !self.right_to_left
            && self.angle == style.angle
            && (self.baseline - baseline).abs() < 0.05 * style.size
            && (0.9..1.1).contains(&(self.size / style.size))
            && (-0.3..SPACE).contains(&gap)
            && left > self.left
    }
}

/// Backgrounds are drawn in white on pages that look empty.
fn is_white(paint: &Paint<'_>) -> bool {
    match paint {
        Paint::Color(color) => matches!(color.to_rgba().to_rgba8(), [255, 255, 255, _] | [_, _, _, 0]),
        Paint::Pattern(_) => false,
    }
}

impl<'a> Device<'a> for Scanner {
    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, 'a>, props: DrawProps<'a>, mode: &DrawMode) {
        self.spend(run.glyphs().len() as u64);
        // Text that is filled and stroked comes twice.
        let drawn = run.glyphs().first().map(|first| (props.transform * first.transform(), run.glyphs().len()));
        let again = matches!(mode, DrawMode::Stroke(_)) && drawn == self.drawn;
        self.drawn = drawn;
        if again {
            return;
        }
        if let Some(style) = Style::of(run, props.transform) {
            for glyph in run.glyphs() {
                self.glyph(glyph, props.transform * glyph.transform(), &style);
            }
        }
    }

    fn draw_image(&mut self, image: Image<'a, '_>, props: ImageDrawProps<'a>) {
        self.spend(1);
        self.scan.painted = true;
        self.scan.image_pixels = self.scan.image_pixels.max(u64::from(image.width()) * u64::from(image.height()));
        // Images fill the unit square of their place.
        let place = props.transform.transform_rect_bbox(Rect::new(0.0, 0.0, f64::from(image.width()), f64::from(image.height())));
        self.scan.pictured |= place.intersect(self.bounds).area() > self.bounds.area() / 4.0;
    }

    fn draw_path(&mut self, _: &BezPath, props: DrawProps<'a>, _: &DrawMode) {
        self.shape(&props);
    }

    fn draw_rect(&mut self, _: &Rect, props: DrawProps<'a>, _: &DrawMode) {
        self.shape(&props);
    }

    fn push_clip_path(&mut self, _: &ClipPath) {
        self.spend(FORM_COST);
    }

    fn push_clip_rect(&mut self, _: &Rect) {
        self.spend(1);
    }

    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'a>>, _: BlendMode) {}
    fn pop_clip(&mut self) {}
    fn pop_transparency_group(&mut self) {}
}
