//! Collects a page's glyphs and joins them to pieces of text.
//!
//! No page is painted and no image is decoded. The reader abandons a document that draws more than
//! its limit.

use super::characters;
use super::coverage::Coverage;
use super::pieces::{Piece, Place, Style};
use hayro::hayro_interpret::font::{Glyph, GlyphRun};
use hayro::hayro_interpret::hayro_cmap::BfString;
use hayro::hayro_interpret::{
    BlendMode, ClipPath, Context, Device, DrawMode, DrawProps, Image, ImageDrawProps, InterpreterCache, InterpreterSettings, Paint,
    SoftMask, TransformExt, interpret_page,
};
use hayro::hayro_syntax::page::Page;
use hayro::kurbo::{Affine, BezPath, Rect};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// The cost of a form, in glyphs.
///
/// Forms may draw forms, so a small file can draw very many glyphs.
const FORM_COST: u64 = 200;
/// Number of shapes above which a page counts as a drawing.
const MANY_SHAPES: u32 = 50;

/// The content of a page.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// The text of all pieces, in drawing order.
    pub(super) text: String,
    pub(super) pieces: Vec<Piece>,
    /// Number of glyphs without spaces.
    pub(super) glyphs: u64,
    /// Number of glyphs whose character is unknown.
    pub(super) unknown: u64,
    /// Number of invisible glyphs, such as the OCR text of a scan.
    pub(super) invisible: u64,
    /// Whether anything besides text is visible.
    pub(super) painted: bool,
    /// Whether the page is a drawing of many shapes.
    pub(super) drawing: bool,
    /// The area covered by images.
    images: Coverage,
    /// Area of the page, in square points.
    area: f64,
    /// Number of pixels of the largest image.
    pub(super) image_pixels: u64,
    /// Pixels per point of the sharpest large image.
    ///
    /// An image is large if it covers more than a quarter of the page.
    pub(super) sharpness: f64,
}

impl Scan {
    /// The share of the page covered by images.
    pub(super) fn pictured(&self) -> f64 {
        self.images.share()
    }

    /// The share of the page covered by text.
    ///
    /// Slanted text is a stamp or a watermark, and does not count.
    pub(super) fn written(&self) -> f64 {
        let straight = self.pieces.iter().filter(|piece| piece.angle % 90 == 0);
        straight.map(|piece| (piece.right - piece.left) * piece.size).sum::<f64>() / self.area
    }
}

/// The document has drawn more than its limit.
#[derive(Debug)]
pub(super) struct Endless;

/// Collects the text of a page.
///
/// `allowance` is what the document may still draw, in glyphs.
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
    let mut scanner = Scanner {
        scan: Scan { area: bounds.area(), ..Scan::default() },
        bounds,
        last: None,
        spaced: false,
        shapes: 0,
        drawn: None,
        allowance: *allowance,
    };
    // Only unwinding can stop hayro. Nothing is printed, and the unfinished state is dropped.
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
    /// Start and place of the last glyph in its piece.
    ///
    /// `None` if the next glyph must start a new piece.
    last: Option<(usize, Place)>,
    spaced: bool,
    shapes: u32,
    /// Transform of the last run's first glyph, and the run's length.
    drawn: Option<(Affine, usize)>,
    allowance: u64,
}

impl Scanner {
    fn spend(&mut self, cost: u64) {
        if self.allowance < cost {
            resume_unwind(Box::new(Endless));
        }
        self.allowance -= cost;
    }

    fn glyph(&mut self, glyph: &Glyph<'_>, transform: Affine, style: &Style) {
        let origin = style.origin(transform);
        if !self.bounds.inflate(style.size, style.size).contains(origin) {
            return;
        }
        let place = style.place(glyph, origin);
        let text = &mut self.scan.text;
        let at = text.len();
        let known = match glyph.as_unicode() {
            Some(BfString::Char(character)) => characters::append(text, character),
            // `all` would stop at the first unknown character, but each one must be appended.
            Some(BfString::String(string)) => string.chars().filter(|character| !characters::append(text, *character)).count() == 0,
            None => characters::append(text, characters::UNKNOWN),
        };
        if text[at..].trim().is_empty() {
            text.truncate(at);
            self.spaced = true;
            self.last = None;
            return;
        }
        if self.is_repeated(at, place, style) {
            self.scan.text.truncate(at);
            return;
        }
        self.scan.glyphs += 1;
        self.scan.unknown += u64::from(!known);
        let right_to_left = self.scan.text[at..].chars().any(characters::is_right_to_left);
        let text = at..self.scan.text.len();
        let order = self.scan.pieces.len();
        match self.scan.pieces.last_mut() {
            Some(piece) if self.last.is_some() && !right_to_left && piece.is_continued(place, style) => {
                piece.text.end = text.end;
                piece.right = piece.right.max(place.right);
            }
            _ => {
                let Place { left, right, baseline } = place;
                let (size, angle, spaced) = (style.size, style.angle, self.spaced);
                self.scan.pieces.push(Piece { text, left, right, baseline, size, angle, order, spaced, right_to_left });
            }
        }
        self.spaced = false;
        self.last = Some((at, place));
    }

    /// Whether the characters from `at` repeat the previous glyph.
    fn is_repeated(&self, at: usize, place: Place, style: &Style) -> bool {
        let (Some((start, last)), Some(piece)) = (self.last, self.scan.pieces.last()) else { return false };
        piece.is_repeated(last, place, style) && self.scan.text[start..at] == self.scan.text[at..]
    }

    fn shape(&mut self, props: &DrawProps<'_>) {
        self.spend(1);
        if self.shapes < MANY_SHAPES && !is_white(&props.paint) {
            self.shapes += 1;
            self.scan.painted = true;
            self.scan.drawing |= self.shapes == MANY_SHAPES;
        }
    }
}

/// Whether the paint is white or transparent.
///
/// Blank pages may have a white background.
fn is_white(paint: &Paint<'_>) -> bool {
    match paint {
        Paint::Color(color) => matches!(color.to_rgba().to_rgba8(), [255, 255, 255, _] | [_, _, _, 0]),
        Paint::Pattern(_) => false,
    }
}

impl<'a> Device<'a> for Scanner {
    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, 'a>, props: DrawProps<'a>, mode: &DrawMode) {
        self.spend(run.glyphs().len() as u64);
        // Text that is filled and stroked is drawn twice.
        let drawn = run.glyphs().first().map(|first| (props.transform * first.transform(), run.glyphs().len()));
        let again = matches!(mode, DrawMode::Stroke(_)) && drawn == self.drawn;
        self.drawn = drawn;
        if again {
            return;
        }
        let before = self.scan.glyphs;
        if let Some(style) = Style::of(run, props.transform) {
            for glyph in run.glyphs() {
                self.glyph(glyph, props.transform * glyph.transform(), &style);
            }
        }
        if matches!(mode, DrawMode::Invisible) {
            self.scan.invisible += self.scan.glyphs - before;
        }
    }

    fn draw_image(&mut self, image: Image<'a, '_>, props: ImageDrawProps<'a>) {
        self.spend(1);
        self.scan.painted = true;
        let pixels = u64::from(image.width()) * u64::from(image.height());
        self.scan.image_pixels = self.scan.image_pixels.max(pixels);
        // The transform of an image refers to its pixels.
        let place = props.transform.transform_rect_bbox(Rect::new(0.0, 0.0, f64::from(image.width()), f64::from(image.height())));
        self.scan.images.add(place, self.bounds);
        if place.intersect(self.bounds).area() > self.bounds.area() / 4.0 {
            self.scan.sharpness = self.scan.sharpness.max((pixels as f64 / place.area()).sqrt());
        }
    }

    fn draw_path(&mut self, _: &BezPath, props: DrawProps<'a>, _: &DrawMode) {
        self.shape(&props);
    }

    fn draw_rect(&mut self, _: &Rect, props: DrawProps<'a>, _: &DrawMode) {
        self.shape(&props);
    }

    // Every form starts with a clip path.
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
