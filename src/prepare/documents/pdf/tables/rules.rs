//! The straight lines of a page.

use hayro::hayro_interpret::DrawMode;
use hayro::kurbo::{Affine, BezPath, PathEl, Point, Rect};

/// Maximum number of lines. Drawings and maps have more.
const MOST: usize = 20_000;
/// Maximum number of horizontal lines times vertical ones that may touch.
const MOST_MEETINGS: usize = 20_000_000;
/// Maximum width in points of a filled line. Strokes may be twice as wide.
const THICK: f64 = 2.5;
/// Minimum length in points of a line.
const SHORT: f64 = 4.0;
/// Maximum distance in points between positions of one line.
const SAME: f64 = 1.5;
/// Maximum gap in points within a line.
const GAP: f64 = 3.0;

/// The lines of a page, in any direction.
#[derive(Debug, Default)]
pub(in super::super) struct Rules {
    lines: Vec<(Point, Point)>,
    is_full: bool,
}

impl Rules {
    /// Collects the lines of a path: strokes, and thin areas.
    pub(in super::super) fn path(&mut self, path: &BezPath, transform: Affine, mode: &DrawMode) {
        if self.is_full {
            return;
        }
        match mode {
            DrawMode::Stroke(stroke) if f64::from(stroke.line_width) * transform.determinant().abs().sqrt() <= 2.0 * THICK => {
                self.stroke(path, transform);
            }
            DrawMode::Fill(_) => self.fill(path, transform),
            DrawMode::FillAndStroke(..) => self.stroke(path, transform),
            DrawMode::Stroke(_) | DrawMode::Invisible => {}
        }
        if self.lines.len() > MOST {
            *self = Self { lines: Vec::new(), is_full: true };
        }
    }

    /// Removes a level line.
    pub(in super::super) fn remove(&mut self, rule: Rule) {
        let is_own = |a: Point, b: Point| {
            (f64::midpoint(a.y, b.y) - rule.at).abs() <= SAME && a.x.min(b.x) > rule.from - SAME && a.x.max(b.x) < rule.to + SAME
        };
        self.lines.retain(|(a, b)| !is_own(*a, *b));
    }

    fn stroke(&mut self, path: &BezPath, transform: Affine) {
        let (mut start, mut last) = (Point::ZERO, Point::ZERO);
        for element in path.elements() {
            let next = match *element {
                PathEl::MoveTo(point) => {
                    (start, last) = (point, point);
                    continue;
                }
                PathEl::LineTo(point) => point,
                PathEl::ClosePath => start,
                PathEl::QuadTo(_, point) | PathEl::CurveTo(_, _, point) => {
                    last = point;
                    continue;
                }
            };
            self.lines.push((transform * last, transform * next));
            last = next;
        }
    }

    /// Adds the thin parts of a filled path.
    fn fill(&mut self, path: &BezPath, transform: Affine) {
        let mut corners: Vec<Point> = Vec::new();
        for element in path.elements().iter().chain([&PathEl::MoveTo(Point::ZERO)]) {
            match *element {
                PathEl::MoveTo(point) => {
                    self.lines.extend(thin(&corners, transform));
                    corners = vec![point];
                }
                PathEl::LineTo(point) | PathEl::QuadTo(_, point) | PathEl::CurveTo(_, _, point) => corners.push(point),
                PathEl::ClosePath => {}
            }
        }
    }

    /// The lines along and across text of this angle.
    pub(in super::super) fn levelled(&self, angle: f64) -> Ruling {
        let level = Affine::rotate(-angle.to_radians());
        let (mut horizontal, mut vertical) = (Vec::new(), Vec::new());
        for (a, b) in &self.lines {
            let (a, b) = (level * *a, level * *b);
            let (across, down) = ((b.x - a.x).abs(), (b.y - a.y).abs());
            if across >= SHORT && down <= 0.5 + across * 0.01 {
                horizontal.push(Rule { at: f64::midpoint(a.y, b.y), from: a.x.min(b.x), to: a.x.max(b.x) });
            } else if down >= SHORT && across <= 0.5 + down * 0.01 {
                vertical.push(Rule { at: f64::midpoint(a.x, b.x), from: a.y.min(b.y), to: a.y.max(b.y) });
            }
        }
        Ruling { horizontal: joined(horizontal), vertical: joined(vertical) }
    }
}

/// The middle line of a rectangle that is thin on the page.
fn thin(corners: &[Point], transform: Affine) -> Option<(Point, Point)> {
    let bounds =
        corners.iter().skip(1).fold(Rect::from_points(*corners.first()?, *corners.first()?), |bounds, point| bounds.union_pt(*point));
    let centre = bounds.center();
    let [a, b, c, d, ..] = transform.as_coeffs();
    let (across, down) = (bounds.width() * a.hypot(b), bounds.height() * c.hypot(d));
    (across.min(down) <= THICK).then(|| {
        let (from, to) = if across > down {
            (Point::new(bounds.x0, centre.y), Point::new(bounds.x1, centre.y))
        } else {
            (Point::new(centre.x, bounds.y0), Point::new(centre.x, bounds.y1))
        };
        (transform * from, transform * to)
    })
}

/// A line along or across the text.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Rule {
    pub(in super::super) at: f64,
    pub(in super::super) from: f64,
    pub(in super::super) to: f64,
}

/// The lines along and across text.
#[derive(Debug, Default)]
pub(in super::super) struct Ruling {
    pub(in super::super) horizontal: Vec<Rule>,
    pub(super) vertical: Vec<Rule>,
}

impl Ruling {
    /// The horizontal lines that touch no vertical ones.
    pub(in super::super) fn alone(&self) -> impl Iterator<Item = Rule> {
        let meets = |along: &Rule, across: &Rule| {
            (along.from - GAP..along.to + GAP).contains(&across.at) && (across.from - GAP..across.to + GAP).contains(&along.at)
        };
        let is_few = self.horizontal.len().saturating_mul(self.vertical.len()) <= MOST_MEETINGS;
        let is_alone = move |rule: &&Rule| is_few && !self.vertical.iter().any(|across| meets(rule, across));
        self.horizontal.iter().filter(is_alone).copied()
    }
}

/// Joins lines that continue each other.
fn joined(mut rules: Vec<Rule>) -> Vec<Rule> {
    rules.sort_by(|a, b| a.at.total_cmp(&b.at));
    let mut whole: Vec<Rule> = Vec::new();
    let mut start = 0;
    while start < rules.len() {
        let end = start + rules[start..].partition_point(|rule| rule.at - rules[start].at <= SAME);
        let same = &mut rules[start..end];
        let at = same.iter().map(|rule| rule.at).sum::<f64>() / same.len() as f64;
        same.sort_by(|a, b| a.from.total_cmp(&b.from));
        for rule in same.iter() {
            match whole.last_mut() {
                Some(last) if (last.at - at).abs() < 1e-9 && rule.from <= last.to + GAP => last.to = last.to.max(rule.to),
                _ => whole.push(Rule { at, ..*rule }),
            }
        }
        start = end;
    }
    whole
}
