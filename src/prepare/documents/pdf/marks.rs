//! Marked content: its replacement texts (`ActualText`) and cells of tables.
//!
//! The text of the outermost mark stands for everything drawn inside it. An empty text stands for
//! nothing, as for hyphens at line ends.

use super::strings;
use super::structure::{Content, Contents, Place};
use hayro::hayro_syntax::object::{Dict, Object};

/// The open marks of a page.
#[derive(Debug)]
pub(super) struct Marks<'s> {
    /// What the structure of the document says about the page.
    contents: Option<&'s Contents>,
    open: usize,
    /// The open cells, each with its number of open marks.
    cells: Vec<(usize, Place)>,
    /// Number of open marks up to the outermost one that the structure can name.
    numbered: Option<usize>,
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

impl<'s> Marks<'s> {
    pub(super) fn new(contents: Option<&'s Contents>) -> Self {
        Self { contents, open: 0, cells: Vec::new(), numbered: None, replacement: None }
    }

    pub(super) fn begin(&mut self, properties: Option<&Dict<'_>>) {
        self.open += 1;
        if self.numbered.is_none() && properties.is_some_and(|properties| properties.contains_key(b"MCID")) {
            self.numbered = Some(self.open);
        }
        let content = || self.contents?.get(&properties?.get::<i32>(b"MCID")?);
        let Content { cell, replacement } = content().cloned().unwrap_or_default();
        self.cells.extend(cell.map(|cell| (self.open, cell)));
        let text = properties.and_then(|properties| strings::words(&properties.get::<Object<'_>>(b"ActualText")?)).or(replacement);
        if let (Some(text), None) = (text, &self.replacement) {
            self.replacement = Some(Replacement { text, depth: self.open, is_written: false });
        }
    }

    /// Closes a mark. Returns whether it was the one with the text.
    pub(super) fn end(&mut self) -> bool {
        let is_last = self.replacement.as_ref().is_some_and(|replacement| replacement.depth == self.open);
        self.cells.pop_if(|(depth, _)| *depth == self.open);
        self.numbered = self.numbered.filter(|depth| *depth != self.open);
        // Some files close more marks than they open.
        self.open = self.open.saturating_sub(1);
        if is_last {
            self.replacement = None;
        }
        is_last
    }

    /// The cell of what is drawn now.
    pub(super) fn cell(&self) -> Option<Place> {
        self.cells.last().map(|(_, cell)| *cell)
    }

    /// Whether the structure can name what is drawn now.
    pub(super) fn is_numbered(&self) -> bool {
        self.numbered.is_some()
    }

    pub(super) fn replacement(&mut self) -> Option<&mut Replacement> {
        self.replacement.as_mut()
    }
}
