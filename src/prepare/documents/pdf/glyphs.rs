//! Collects a page's glyphs and joins them to pieces of text.
//!
//! No page is painted and no image is decoded. The reader abandons a document that draws more than
//! its limit.

use super::annotations;
use super::boxes;
use super::canvas::Canvas;
use super::characters;
use super::fractions;
use super::hyphens;
use super::marks::Marks;
use super::pieces::{Edge, Piece, Place, Style};
use super::scan::Scan;
use super::structure::Structure;
use super::turned;
use hayro::hayro_interpret::font::{Glyph, GlyphRun};
use hayro::hayro_interpret::hayro_cmap::BfString;
use hayro::hayro_interpret::{
    BlendMode, ClipPath, Context, Device, DrawMode, DrawProps, Image, ImageDrawProps, InterpreterCache, InterpreterSettings, Paint,
    SoftMask, TransformExt, interpret_page,
};
use hayro::hayro_syntax::object::Dict;
use hayro::hayro_syntax::page::Page;
use hayro::kurbo::{Affine, BezPath, Rect, Shape};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// The cost of a form, in glyphs.
///
/// Forms may draw forms, so a small file can draw very many glyphs.
const FORM_COST: u64 = 200;
/// Number of lines and curves from which a clip path may be the outline of letters.
const OUTLINE: usize = 8;
/// Entries of an image that make parts of it transparent.
const MASKS: [&str; 3] = ["SMask", "SMaskInData", "Mask"];
/// Number of shapes above which a page counts as a drawing.
const MANY_SHAPES: u32 = 50;

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
    structure: &Structure,
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
        space: None,
        shapes: 0,
        drawn: None,
        run: 0,
        angle: 0.0,
        marks: Marks::new(structure.page(page.raw().obj_id())),
        canvas: Canvas::new(bounds),
        unsettled: None,
        allowance: *allowance,
    };
    // Only unwinding can stop hayro. Nothing is printed, and the unfinished state is dropped.
    let end = catch_unwind(AssertUnwindSafe(|| interpret_page(page, &mut context, &mut scanner)));
    *allowance = scanner.allowance;
    match end {
        Err(panic) if panic.is::<Endless>() => Err(Endless),
        Err(panic) => resume_unwind(panic),
        Ok(()) => {
            let Scanner { mut scan, canvas, .. } = scanner;
            scan.settle(&canvas);
            fractions::write(&mut scan);
            turned::write(&mut scan);
            scan.strike(&annotations::strikes(page));
            for note in &annotations::notes(page) {
                scan.note(note);
            }
            if scan.glyphs > 0 {
                boxes::write(page, &mut scan);
            }
            Ok(scan)
        }
    }
}

struct Scanner<'s> {
    scan: Scan,
    bounds: Rect,
    /// Start and place of the last glyph in its piece.
    ///
    /// `None` if the next glyph must start a new piece.
    last: Option<(usize, Place)>,
    spaced: bool,
    /// The drawn space behind the last piece, if it is the only one.
    space: Option<Place>,
    shapes: u32,
    /// Transform of the last run's first glyph, and the run's length.
    drawn: Option<(Affine, usize)>,
    /// Number of pieces before the last run.
    run: usize,
    /// Angle of the last run.
    angle: f64,
    marks: Marks<'s>,
    canvas: Canvas,
    /// Number of pieces before text that was drawn without ink, until other drawing follows.
    unsettled: Option<usize>,
    allowance: u64,
}

impl Scanner<'_> {
    fn spend(&mut self, cost: u64) {
        if self.allowance < cost {
            resume_unwind(Box::new(Endless));
        }
        self.allowance -= cost;
    }

    fn glyph(&mut self, glyph: &Glyph<'_>, transform: Affine, style: &Style) {
        let place = style.place(glyph, style.origin(transform));
        if !self.bounds.contains(style.centre(place)) {
            return;
        }
        let is_blank = matches!(glyph.as_unicode(), Some(BfString::Char(character)) if character.is_whitespace());
        if self.replaced(place, style, is_blank) {
            return;
        }
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
            let is_first = !self.spaced;
            self.space = self.scan.pieces.last().filter(|piece| is_first && piece.is_before(place, style)).map(|_| place);
            self.spaced = true;
            self.last = None;
            return;
        }
        if self.is_repeated(at, place, style) {
            self.scan.text.truncate(at);
            return;
        }
        let right_to_left = self.scan.text[at..].chars().any(characters::is_right_to_left);
        let cell = self.marks.cell();
        match self.scan.pieces.last_mut() {
            Some(piece) if self.last.is_some() && !right_to_left && piece.cell == cell && piece.is_continued(place, style) => {
                piece.text.end = self.scan.text.len();
                self.scan.edges.push(Edge { text: at, left: place.left });
                piece.right = piece.right.max(place.right);
                piece.glyphs += 1;
                piece.unknown += u32::from(!known);
            }
            _ => self.push(at, place, style, u32::from(!known)),
        }
        self.spaced = false;
        self.last = Some((at, place));
    }

    /// Adds a piece with the text from `at`.
    fn push(&mut self, at: usize, place: Place, style: &Style, unknown: u32) {
        let text = at..self.scan.text.len();
        let follows = self.space.take().is_some_and(|space| space.is_filled_to(place, style));
        let Place { left, right, baseline } = place;
        self.scan.edges.push(Edge { text: at, left });
        self.scan.pieces.push(Piece {
            right_to_left: self.scan.text[text.clone()].chars().any(characters::is_right_to_left),
            text,
            left,
            right,
            baseline,
            size: style.size,
            angle: style.angle,
            order: self.scan.pieces.len(),
            spaced: self.spaced,
            follows,
            glyphs: 1,
            unknown,
            ink: style.ink,
            struck: false,
            named: self.marks.is_numbered(),
            cell: self.marks.cell(),
            table: None,
        });
    }

    /// Writes the replacement text of an open mark, once. Returns whether there is one.
    ///
    /// `is_blank` is whether the glyph is a space.
    fn replaced(&mut self, place: Place, style: &Style, is_blank: bool) -> bool {
        let Some(replacement) = self.marks.replacement() else { return false };
        if replacement.is_written {
            if let Some(piece) = self.scan.pieces.last_mut().filter(|_| self.last.is_some()) {
                piece.extend(place, style);
            }
            return true;
        }
        replacement.is_written = true;
        let words = std::mem::take(&mut replacement.text);
        if words.is_empty() {
            // The next words are as close as if the glyph were there.
            if let Some(piece) = self.scan.pieces.last_mut().filter(|_| self.last.is_some()) {
                piece.extend(place, style);
            }
            return true;
        }
        // Browsers mark unused soft hyphens inside words. The next letter is drawn at the same place.
        if is_blank && words.chars().eq([hyphens::SOFT]) {
            return true;
        }
        let at = self.scan.text.len();
        words.trim().chars().for_each(|character| {
            characters::append(&mut self.scan.text, character);
        });
        self.spaced |= words.starts_with(char::is_whitespace);
        self.last = None;
        if self.scan.text.len() > at {
            self.push(at, place, style, 0);
            self.spaced = words.ends_with(char::is_whitespace);
            self.last = Some((at, place));
        }
        true
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

impl<'a> Device<'a> for Scanner<'_> {
    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, 'a>, props: DrawProps<'a>, mode: &DrawMode) {
        self.spend(run.glyphs().len() as u64);
        // Text that is filled and stroked is drawn twice.
        let drawn = run.glyphs().first().map(|first| (props.transform * first.transform(), run.glyphs().len()));
        let again = matches!(mode, DrawMode::Stroke(_)) && drawn == self.drawn;
        self.drawn = drawn;
        if again {
            self.scan.pieces[self.run..].iter_mut().for_each(|piece| piece.ink.show());
            return;
        }
        self.run = self.scan.pieces.len();
        if matches!(mode, DrawMode::Invisible) {
            self.unsettled.get_or_insert(self.run);
        } else {
            self.unsettled = None;
        }
        let ink = self.canvas.ink(&props, mode);
        if let Some(style) = Style::of(run, props.transform, self.angle, ink) {
            self.angle = style.angle;
            for glyph in run.glyphs() {
                self.glyph(glyph, props.transform * glyph.transform(), &style);
            }
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
        let opaque = match &image {
            Image::Raster(image) => !MASKS.iter().any(|key| image.stream().dict().contains_key(key)),
            Image::Stencil(_) => false,
        };
        self.canvas.picture(place, opaque);
        if place.intersect(self.bounds).area() > self.bounds.area() / 4.0 {
            self.scan.sharpness = self.scan.sharpness.max((pixels as f64 / place.area()).sqrt());
        }
    }

    fn draw_path(&mut self, path: &BezPath, props: DrawProps<'a>, mode: &DrawMode) {
        self.shape(&props);
        self.canvas.path(path, &props, mode);
        self.scan.rules.path(path, props.transform, mode);
    }

    fn draw_rect(&mut self, rect: &Rect, props: DrawProps<'a>, mode: &DrawMode) {
        self.draw_path(&rect.to_path(0.1), props, mode);
    }

    // Every form starts with a clip path.
    fn push_clip_path(&mut self, clip: &ClipPath) {
        self.spend(FORM_COST);
        // Text without ink may be the outline of what is drawn next.
        if let Some(first) = self.unsettled.take().filter(|_| clip.path.elements().len() > OUTLINE) {
            self.scan.pieces[first..].iter_mut().for_each(|piece| piece.ink.show());
        }
        self.canvas.push_clip(clip.path.bounding_box());
    }

    fn push_clip_rect(&mut self, rect: &Rect) {
        self.spend(1);
        self.canvas.push_clip(*rect);
    }

    fn push_transparency_group(&mut self, opacity: f32, mask: Option<SoftMask<'a>>, mode: BlendMode) {
        self.canvas.push_group(opacity, mask.is_some(), mode);
    }

    fn pop_clip(&mut self) {
        self.canvas.pop_clip();
    }

    fn pop_transparency_group(&mut self) {
        self.canvas.pop_group();
    }

    fn begin_marked_content(&mut self, _: &[u8], properties: Option<&Dict<'_>>) {
        self.marks.begin(properties);
    }

    fn end_marked_content(&mut self) {
        if self.marks.end() {
            self.last = None;
        }
    }
}
