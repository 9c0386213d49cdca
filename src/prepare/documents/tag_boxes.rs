//! Boxes of web pages, whose text is apart from the text around them.
//!
//! Browsers draw them with gaps or in lines, which are not in the text of the page.

use super::markdown::Markdown;
use super::style_sheet::{Display, Style};
use super::tag_names::{BLOCKS, VOID, is_ended};

/// Maximum number of open elements to track.
const DEPTH: usize = 256;

/// What separates a box from the text around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Edge {
    #[default]
    None,
    /// A blank, unless the box has a single letter of a word, or stands beside a bracket, a comma, a sign
    /// or an apostrophe.
    Soft,
    Blank,
    Line,
}

#[derive(Debug)]
struct Open {
    name: String,
    edge: Edge,
    /// Whether the children of the element are boxes in a row or a grid.
    arranges: bool,
}

/// The first element with a box, then the elements that are open within it.
#[derive(Debug, Default)]
pub(super) struct Boxes {
    open: Vec<Open>,
    /// What separates the next text from the last one.
    gap: Edge,
    /// The last character so far, and whether its text has a single letter.
    last: Option<char>,
    is_letter: bool,
}

impl Boxes {
    /// Opens an element.
    pub fn open(&mut self, name: &str, style: Style, is_closed: bool, markdown: &mut Markdown) {
        while self.open.last().is_some_and(|open| is_ended(&open.name, name)) {
            self.end(self.open.len() - 1, markdown);
        }
        if matches!(name, "br" | "wbr") {
            return;
        }
        let edge = self.edge(name, style);
        self.apply(edge, markdown);
        let arranges = matches!(style.display(), Display::Flex | Display::InlineFlex);
        if is_closed || VOID.contains(&name) {
            self.apply(edge, markdown);
        } else if self.open.len() < DEPTH && (edge != Edge::None || arranges || !self.open.is_empty()) {
            self.open.push(Open { name: name.to_owned(), edge, arranges });
        }
    }

    fn edge(&self, name: &str, style: Style) -> Edge {
        let is_item = self.open.last().is_some_and(|open| open.arranges);
        // Blocks within a box of a line, such as a fraction, do not end the line around it.
        let is_in_line = || {
            let around = self.open.iter().rev().find(|open| BLOCKS.contains(&&*open.name) || open.edge != Edge::None);
            around.is_some_and(|open| !BLOCKS.contains(&&*open.name) && open.edge != Edge::Line)
        };
        match style.display() {
            _ if is_item => Edge::Blank,
            Display::Block | Display::Flex | Display::Table | Display::Row if is_in_line() => Edge::Blank,
            Display::Block | Display::Flex | Display::Table | Display::Row => Edge::Line,
            Display::Cell => Edge::Blank,
            Display::InlineBlock | Display::InlineFlex => Edge::Soft,
            Display::Usual if style.is_moved() || name.contains('-') => Edge::Soft,
            Display::Usual if matches!(name, "button" | "marquee" | "meter" | "progress") => Edge::Blank,
            Display::Usual => Edge::None,
        }
    }

    /// Closes an element, and those that are open within it.
    pub fn close(&mut self, name: &str, markdown: &mut Markdown) {
        if let Some(at) = self.open.iter().rposition(|open| open.name == name) {
            self.end(at, markdown);
        }
    }

    fn end(&mut self, at: usize, markdown: &mut Markdown) {
        let edge = self.open.drain(at..).map(|open| open.edge).max().unwrap_or_default();
        self.apply(edge, markdown);
    }

    fn apply(&mut self, edge: Edge, markdown: &mut Markdown) {
        if edge == Edge::Line {
            markdown.line();
        } else {
            self.gap = self.gap.max(edge);
        }
    }

    /// Separates the next text from the last one, for pictures and the like between them.
    pub fn separate(&mut self) {
        self.gap = self.gap.max(Edge::Blank);
    }

    /// Whether a blank is before this text.
    pub fn has_blank(&mut self, text: &str) -> bool {
        let Some(first) = text.chars().next().filter(|_| !text.trim().is_empty()) else { return false };
        let is_letter = text.chars().count() == 1 && first.is_alphabetic();
        // Some pages draw each letter, or the first one, in a box.
        let is_word = (is_letter || self.is_letter) && first.is_alphabetic() && self.last.is_some_and(char::is_alphabetic);
        let is_joined = is_word || ",.;:!?)]%’'/".contains(first) || self.last.is_some_and(|last| "([-−+$€£’'/".contains(last));
        let gap = std::mem::take(&mut self.gap);
        (self.last, self.is_letter) = (text.chars().next_back(), is_letter);
        gap >= Edge::Blank || gap == Edge::Soft && !is_joined
    }
}
