//! The text of a document or of a cell, while it is being written.

/// The mark on both sides of struck text.
pub(super) const STRUCK: &str = "~~";

/// The gap before the next word. The larger gap wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Gap {
    #[default]
    None,
    Space,
    Line,
    Paragraph,
}

/// The text of the document or of a cell.
#[derive(Debug, Default)]
pub(super) struct Piece {
    pub text: String,
    pub gap: Gap,
    /// Whether the last text is struck and still needs its closing mark.
    pub struck: bool,
    /// The mark before the next word, for example `- `.
    pub mark: String,
    /// Numbers of items without text.
    pub unused: String,
}

impl Piece {
    pub fn unstrike(&mut self) {
        if std::mem::take(&mut self.struck) {
            self.text.push_str(STRUCK);
        }
    }

    pub fn set_mark(&mut self, mark: String) {
        let unused = std::mem::replace(&mut self.mark, mark);
        if unused.contains(char::is_alphanumeric) {
            self.unused.push_str(if self.unused.is_empty() { "" } else { " " });
            self.unused.push_str(unused.trim());
        }
    }

    pub fn finish(mut self) -> String {
        self.unstrike();
        self.text
    }

    /// The text of a cell. One without words shows its numbers.
    pub fn finish_cell(mut self) -> String {
        self.set_mark(String::new());
        if self.text.is_empty() { self.unused } else { self.finish() }
    }
}
