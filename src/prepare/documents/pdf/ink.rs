//! The way in which text was painted.

use hayro::kurbo::Rect;

/// The way in which a piece was painted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ink {
    /// `None` if the colour is unknown.
    pub(super) colour: Option<[u8; 3]>,
    /// Whether it is drawn without ink, as OCR programs do.
    pub(super) invisible: bool,
    pub(super) transparent: bool,
    /// The part of the page where it shows.
    pub(super) clip: Rect,
    /// Its turn among all that was painted.
    pub(super) step: u32,
}

impl Ink {
    /// The ink of a note in `area`.
    pub(super) fn plain(area: Rect) -> Self {
        Self { colour: None, invisible: false, transparent: false, clip: area, step: u32::MAX }
    }

    /// Whether the page or an appearance draws the text.
    pub(super) fn is_drawn(self) -> bool {
        self.step != u32::MAX
    }

    /// Whether two glyphs of one word can have these inks.
    pub(super) fn is_like(self, other: Self) -> bool {
        self.colour == other.colour && self.invisible == other.invisible && self.transparent == other.transparent
    }

    /// Marks text as visible, because other drawing makes it so.
    pub(super) fn show(&mut self) {
        (self.colour, self.invisible) = (None, false);
    }
}
