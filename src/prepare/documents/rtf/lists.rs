//! Lists of RTF: their tables, and the number of each paragraph.
//!
//! Most writers put the number into the text too. Then that one is used.

use crate::prepare::documents::numbering::{Level, Levels, kind};
use std::collections::HashMap;

#[derive(Debug, Default)]
pub(super) struct Lists {
    /// The levels of each list, by id.
    by_id: HashMap<i32, Vec<Level>>,
    /// The open list of the table.
    levels: Vec<Level>,
    /// Whether the length of the open pattern has been read.
    in_pattern: bool,
    /// The list of each number that paragraphs use, and its own starts.
    overrides: HashMap<i32, (i32, HashMap<usize, u32>)>,
    /// The open override: its list, its level, and its starts.
    id: i32,
    at: Option<usize>,
    starts: HashMap<usize, u32>,
    counts: HashMap<i32, Levels>,
    /// Lists and levels whose own start has been used.
    started: Vec<(i32, usize)>,
    /// The open paragraph: its list, its level, and whether its text has begun.
    list: Option<i32>,
    level: usize,
    begun: bool,
}

/// What a text begins.
pub(super) enum Beginning {
    /// Nothing: its paragraph has begun.
    Nothing,
    Paragraph,
    /// An item of a list, with its level and number.
    Item(usize, String),
}

impl Lists {
    /// Reads a word of the tables.
    pub fn learn(&mut self, word: &str, number: i32) {
        let size = u32::try_from(number).unwrap_or(0);
        match word {
            "list" => self.levels.clear(),
            "listlevel" => self.levels.push(Level { start: 1, kind: "decimal".to_owned(), ..Level::default() }),
            "levelnfc" | "levelnfcn" => self.last(|level| kind(size).clone_into(&mut level.kind)),
            "levelstartat" => match (self.at, self.levels.last_mut()) {
                (Some(at), _) => {
                    self.starts.insert(at, size);
                }
                (None, Some(level)) => level.start = size,
                _ => {}
            },
            "levelnorestart" => self.last(|level| level.restart = (number != 0).then_some(0)),
            "levellegal" => self.last(|level| level.is_legal = number != 0),
            "leveltext" => self.in_pattern = false,
            "listid" => {
                self.id = number;
                // In the table of lists, the id follows the levels.
                let levels = std::mem::take(&mut self.levels);
                if !levels.is_empty() {
                    self.by_id.insert(number, levels);
                }
            }
            "listoverride" => (self.at, self.starts) = (None, HashMap::new()),
            "lfolevel" => self.at = Some(self.at.map_or(0, |at| at + 1)),
            "ls" => {
                let starts = std::mem::take(&mut self.starts);
                self.overrides.insert(number, (self.id, starts));
            }
            _ => {}
        }
    }

    fn last(&mut self, change: impl FnOnce(&mut Level)) {
        if let Some(level) = self.levels.last_mut().filter(|_| self.at.is_none()) {
            change(level);
        }
    }

    /// Reads a character of the pattern of a number. The first one is its length.
    pub fn pattern(&mut self, character: char) {
        let begun = std::mem::replace(&mut self.in_pattern, true);
        self.last(|level| match character {
            _ if !begun => level.text.clear(),
            '\0'..='\u{8}' => {
                level.text.push('%');
                level.text += &(u32::from(character) + 1).to_string();
            }
            ';' => {}
            character => level.text.push(character),
        });
    }

    /// Reads a word of the text.
    pub fn note(&mut self, word: &str, number: i32) {
        match word {
            "pard" => (self.list, self.level) = (None, 0),
            "ls" => self.list = Some(number),
            "ilvl" => self.level = usize::try_from(number).unwrap_or(0),
            "par" | "sect" | "page" | "cell" | "row" => self.begun = false,
            _ => {}
        }
    }

    /// Continues the open paragraph behind a note.
    pub fn resume(&mut self) {
        self.begun = true;
    }

    /// Begins the text of a paragraph, unless it has begun. `written` is its number in the text.
    pub fn begin(&mut self, written: Option<&str>) -> Beginning {
        if std::mem::replace(&mut self.begun, true) {
            return Beginning::Nothing;
        }
        let counted = self.counted();
        let level = self.list.map_or(0, |_| self.level);
        let number = match (written.map(str::trim), counted) {
            (Some(""), _) | (None, None) => return Beginning::Paragraph,
            // A sign of any shape marks an item without a number, and so does a letter `o`.
            (Some(_), Some(counted)) if counted == "-" => counted,
            (Some(written), _) if !written.contains(char::is_alphanumeric) => "-".to_owned(),
            (Some(written), _) => written.to_owned(),
            (None, Some(counted)) => counted,
        };
        if number.is_empty() { Beginning::Paragraph } else { Beginning::Item(level, number) }
    }

    /// Counts the open paragraph. Returns its number by the tables.
    fn counted(&mut self) -> Option<String> {
        let list = self.list?;
        let (id, starts) = self.overrides.get(&list)?;
        let levels = self.by_id.get(id)?;
        let at = if levels.len() == 1 { 0 } else { self.level };
        let level = |at: usize| levels.get(at).cloned();
        let start = starts.get(&at).filter(|_| !self.started.contains(&(list, at))).copied();
        if start.is_some() {
            self.started.push((list, at));
        }
        let counts = self.counts.entry(*id).or_default();
        counts.count(at, start, level);
        Some(counts.number(at, level))
    }
}
