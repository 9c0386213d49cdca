//! Finds text that a reader of the page cannot see.
//!
//! The canvas remembers areas that were painted, in order. Text is invisible if it has the colour of
//! the area below it, if something opaque covers it, or if it is too small, transparent or outside
//! its clip. The text layer of a scan is invisible too, but it is the text of the picture.

use super::ink::Ink;
use super::pieces::Piece;
use hayro::hayro_interpret::{BlendMode, DrawMode, DrawProps, Paint};
use hayro::kurbo::{BezPath, PathEl, Point, Rect, Shape};

/// Maximum number of areas. Pages with more have no text that counts as invisible.
const MOST_AREAS: usize = 1000;
/// Maximum number of lines and curves of an area.
const MOST_SIDES: usize = 64;
/// Maximum difference between two colours that look the same.
const SAME: u8 = 6;
/// Width in points from which a line may be a background.
const THICK: f64 = 3.0;
/// Size in points of the smallest text that people can read.
const SMALLEST: f64 = 0.6;
/// Points of a piece: shares of its width, and heights above the baseline in ems.
const ACROSS: [f64; 3] = [0.1, 0.5, 0.9];
const UP: [f64; 3] = [0.1, 0.3, 0.5];
/// Minimum number of invisible points in hidden text.
///
/// Rules through struck or underlined text cover one height only.
const UNSEEN: usize = 7;
/// Share of the page from which pictures are a scan, whose text layer stays.
const SCAN: f64 = 0.4;

/// A painted area.
#[derive(Debug)]
struct Area {
    bounds: Rect,
    /// The outline, if it is no rectangle.
    outline: Option<BezPath>,
    /// `None` if the colour is unknown, as in pictures.
    colour: Option<[u8; 3]>,
    /// Whether it hides what is below.
    opaque: bool,
    picture: bool,
    step: u32,
}

/// The painted areas of a page.
#[derive(Debug)]
pub(super) struct Canvas {
    page: Rect,
    areas: Vec<Area>,
    clips: Vec<Rect>,
    /// Whether each open group blends with what is below, and whether it is transparent.
    groups: Vec<(bool, bool)>,
    step: u32,
}

impl Canvas {
    pub(super) fn new(page: Rect) -> Self {
        Self { page, areas: Vec::new(), clips: Vec::new(), groups: Vec::new(), step: 0 }
    }

    fn clip(&self) -> Rect {
        self.clips.last().copied().unwrap_or(self.page)
    }

    pub(super) fn push_clip(&mut self, bounds: Rect) {
        let clip = self.clip().intersect(bounds);
        self.clips.push(clip);
    }

    pub(super) fn pop_clip(&mut self) {
        self.clips.pop();
    }

    pub(super) fn push_group(&mut self, opacity: f32, masked: bool, mode: BlendMode) {
        self.groups.push((masked || opacity < 1.0 || mode != BlendMode::Normal, opacity < 0.05));
    }

    pub(super) fn pop_group(&mut self) {
        self.groups.pop();
    }

    /// Returns the ink of text that is drawn now.
    pub(super) fn ink(&mut self, props: &DrawProps<'_>, mode: &DrawMode) -> Ink {
        self.step += 1;
        let [r, g, b, alpha] = rgba(&props.paint).unwrap_or([0, 0, 0, 255]);
        let is_plain = rgba(&props.paint).is_some() && !self.blends(props);
        Ink {
            colour: is_plain.then_some([r, g, b]),
            invisible: matches!(mode, DrawMode::Invisible),
            transparent: alpha < 13 || self.groups.iter().any(|(_, transparent)| *transparent),
            clip: self.clip(),
            step: self.step,
        }
    }

    fn blends(&self, props: &DrawProps<'_>) -> bool {
        props.soft_mask.is_some() || props.blend_mode != BlendMode::Normal || self.groups.iter().any(|(blends, _)| *blends)
    }

    /// Paints a path.
    pub(super) fn path(&mut self, path: &BezPath, props: &DrawProps<'_>, mode: &DrawMode) {
        let outline = props.transform * path.clone();
        let bounds = outline.bounding_box();
        if let DrawMode::Stroke(stroke) = mode {
            // A thick line may be the background of text.
            let width = f64::from(stroke.line_width) * props.transform.determinant().abs().sqrt();
            if width > THICK {
                self.unknown(bounds.inflate(width / 2.0, width / 2.0));
            }
            return;
        }
        if outline.elements().len() > MOST_SIDES {
            return self.unknown(bounds);
        }
        let is_rect = outline.elements().iter().all(|element| match element {
            PathEl::MoveTo(point) | PathEl::LineTo(point) => is_corner(*point, bounds),
            PathEl::ClosePath => true,
            PathEl::QuadTo(..) | PathEl::CurveTo(..) => false,
        });
        let colour = rgba(&props.paint);
        let opaque = colour.is_some_and(|[.., alpha]| alpha == 255) && !self.blends(props);
        self.add(Area {
            bounds: bounds.intersect(self.clip()),
            outline: (!is_rect).then_some(outline),
            colour: colour.filter(|_| opaque).map(|[r, g, b, _]| [r, g, b]),
            opaque: opaque && is_rect,
            picture: false,
            step: 0,
        });
    }

    fn unknown(&mut self, bounds: Rect) {
        self.add(Area { bounds: bounds.intersect(self.clip()), outline: None, colour: None, opaque: false, picture: false, step: 0 });
    }

    /// Paints a picture.
    pub(super) fn picture(&mut self, place: Rect, opaque: bool) {
        let opaque = opaque && !self.groups.iter().any(|(blends, _)| *blends);
        self.add(Area { bounds: place.intersect(self.clip()), outline: None, colour: None, opaque, picture: true, step: 0 });
    }

    fn add(&mut self, area: Area) {
        self.step += 1;
        if self.areas.len() <= MOST_AREAS && area.bounds.area() > 0.0 {
            self.areas.push(Area { step: self.step, ..area });
        }
    }

    /// Whether a reader of the page cannot see this piece.
    ///
    /// `pictured` is the share of the page that pictures cover.
    pub(super) fn hides(&self, piece: &Piece, pictured: f64, is_drawing: bool) -> bool {
        let Ink { colour, invisible, transparent, clip, step } = piece.ink;
        if self.areas.len() > MOST_AREAS {
            return false;
        }
        let centre = piece.centre();
        let at: Vec<&Area> = self.areas.iter().filter(|area| area.contains(centre)).collect();
        let on_picture = at.iter().any(|area| area.picture);
        if on_picture && (invisible || pictured > SCAN) {
            return false;
        }
        if invisible {
            return !is_drawing;
        }
        let same = |a: [u8; 3], b: [u8; 3]| a.iter().zip(b).all(|(a, b)| a.abs_diff(b) <= SAME);
        transparent
            || piece.size < SMALLEST
            || !clip.inflate(1.0, 1.0).contains(centre)
            || self.unseen(piece, |at| {
                let below = at.iter().rev().find(|area| area.step < step).map_or(Some([255; 3]), |area| area.colour);
                colour.zip(below).is_some_and(|(ink, below)| same(ink, below)) || at.iter().any(|area| area.opaque && area.step > step)
            }) >= UNSEEN
    }

    /// Number of points of a piece that areas make invisible.
    fn unseen(&self, piece: &Piece, is_unseen: impl Fn(&[&Area]) -> bool) -> usize {
        let points = ACROSS.iter().flat_map(|across| UP.iter().map(|up| piece.point(*across, *up)));
        let points: Vec<Point> = points.collect();
        let near: Vec<&Area> = self.areas.iter().filter(|area| points.iter().any(|point| area.bounds.contains(*point))).collect();
        let at = |point: &Point| near.iter().copied().filter(|area| area.contains(*point)).collect::<Vec<_>>();
        points.iter().filter(|point| is_unseen(&at(point))).count()
    }
}

impl Area {
    fn contains(&self, point: Point) -> bool {
        self.bounds.contains(point) && self.outline.as_ref().is_none_or(|outline| outline.contains(point))
    }
}

fn is_corner(point: Point, bounds: Rect) -> bool {
    let near = |a: f64, b: f64| (a - b).abs() < 0.1;
    (near(point.x, bounds.x0) || near(point.x, bounds.x1)) && (near(point.y, bounds.y0) || near(point.y, bounds.y1))
}

fn rgba(paint: &Paint<'_>) -> Option<[u8; 4]> {
    match paint {
        Paint::Color(colour) => Some(colour.to_rgba().to_rgba8()),
        Paint::Pattern(_) => None,
    }
}
