//! Estimates the share of a page that images cover.
//!
//! Images may overlap, and one image may consist of strips.

use hayro::kurbo::Rect;

/// Number of rows and columns of fields on a page.
///
/// A field counts as covered if its centre is covered.
const SIDE: u8 = 32;

/// Covered fields: one number per row, one bit per column.
#[derive(Debug, Default)]
pub(super) struct Coverage([u32; SIDE as usize]);

impl Coverage {
    /// Adds an image at this position on the page.
    pub(super) fn add(&mut self, place: Rect, page: Rect) {
        let centre = |at: u8, from: f64, size: f64| from + size * (f64::from(at) + 0.5) / f64::from(SIDE);
        let columns = (0..SIDE).filter(|at| (place.x0..place.x1).contains(&centre(*at, page.x0, page.width())));
        let columns = columns.fold(0, |columns, at| columns | 1 << at);
        for (row, at) in self.0.iter_mut().zip(0..SIDE) {
            if (place.y0..place.y1).contains(&centre(at, page.y0, page.height())) {
                *row |= columns;
            }
        }
    }

    /// The covered share, from 0 to 1.
    pub(super) fn share(&self) -> f64 {
        f64::from(self.0.iter().map(|row| row.count_ones()).sum::<u32>()) / f64::from(u16::from(SIDE) * u16::from(SIDE))
    }
}
