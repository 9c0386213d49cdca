//! Replacement texts of marked content (`ActualText`).
//!
//! The text of the outermost mark stands for everything drawn inside it. An empty text stands for
//! nothing, as for hyphens at line ends.

use super::strings;
use hayro::hayro_syntax::object::{Dict, Object};

/// The open marks of a page.
#[derive(Debug, Default)]
pub(super) struct Marks {
    open: usize,
    replacement: Option<Replacement>,
}

/// The text that replaces what is drawn inside a mark.
#[derive(Debug)]
pub(super) struct Replacement {
    pub(super) text: String,
    /// Number of open marks, this one included.
    depth: usize,
    /// Whether a glyph has taken the text.
    pub(super) is_written: bool,
}

impl Marks {
    pub(super) fn begin(&mut self, properties: Option<&Dict<'_>>) {
        self.open += 1;
        let text = properties.and_then(|properties| strings::words(&properties.get::<Object<'_>>(b"ActualText")?));
        if let (Some(text), None) = (text, &self.replacement) {
            self.replacement = Some(Replacement { text, depth: self.open, is_written: false });
        }
    }

    /// Closes a mark. Returns whether it was the one with the text.
    pub(super) fn end(&mut self) -> bool {
        let is_last = self.replacement.as_ref().is_some_and(|replacement| replacement.depth == self.open);
        // Some files close more marks than they open.
        self.open = self.open.saturating_sub(1);
        if is_last {
            self.replacement = None;
        }
        is_last
    }

    pub(super) fn replacement(&mut self) -> Option<&mut Replacement> {
        self.replacement.as_mut()
    }
}
