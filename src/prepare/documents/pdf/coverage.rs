//! How much of a page is under images, which may overlap, and may be strips of one.

use hayro::kurbo::Rect;

/// A page in so many rows and columns of fields. A field belongs to an image if its centre does.
const SIDE: u8 = 32;

/// The fields under images: a number for each row, a bit for each column.
#[derive(Debug, Default)]
pub(super) struct Coverage([u32; SIDE as usize]);

impl Coverage {
    /// An image at this place of a page.
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

    /// From 0 to 1.
    pub(super) fn share(&self) -> f64 {
        f64::from(self.0.iter().map(|row| row.count_ones()).sum::<u32>()) / f64::from(u16::from(SIDE) * u16::from(SIDE))
    }
}
