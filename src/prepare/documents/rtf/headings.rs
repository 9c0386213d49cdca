//! Headings of RTF, by their styles or outline levels.

use std::collections::HashMap;

/// Number of levels of an outline.
const LEVELS: usize = 9;

#[derive(Debug, Default)]
pub(super) struct Headings {
    /// The level of each style of a heading, and the style that is being read.
    by_style: HashMap<i32, usize>,
    style: i32,
    /// The level of the open paragraph.
    pub level: Option<usize>,
}

impl Headings {
    /// Reads a word of a style.
    pub fn learn(&mut self, word: &str, number: i32) {
        match word {
            "s" => self.style = number,
            "outlinelevel" => self.by_style.extend(level(number).map(|level| (self.style, level))),
            _ => {}
        }
    }

    /// Begins a style.
    pub fn begin_style(&mut self) {
        self.style = 0;
    }

    /// Reads the name of a style, such as `heading 1;`.
    pub fn name(&mut self, name: &str) {
        let name = name.trim().trim_end_matches(';').to_ascii_lowercase();
        let level = name.strip_prefix("heading ").and_then(|level| level.parse().ok()).filter(|level| (1..=LEVELS).contains(level));
        self.by_style.extend(level.map(|level| (self.style, level)));
    }

    /// Reads a word of the text.
    pub fn note(&mut self, word: &str, number: i32) {
        match word {
            "pard" => self.level = None,
            "s" => self.level = self.by_style.get(&number).copied(),
            "outlinelevel" => self.level = level(number),
            _ => {}
        }
    }
}

/// The level of a heading from 1. The last number means text.
fn level(number: i32) -> Option<usize> {
    usize::try_from(number).ok().filter(|level| *level < LEVELS).map(|level| level + 1)
}
