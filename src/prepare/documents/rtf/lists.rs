//! Lists of RTF: their tables, and the number of each paragraph.
//!
//! Most writers put the number into the text too. Then that one counts.

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
    /// The open paragraph: its list, its level, whether its text has begun, and has the number.
    list: Option<i32>,
    level: usize,
    begun: bool,
    has_number: bool,
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
            "listtext" | "pntext" => self.has_number = true,
            "par" | "sect" | "page" | "cell" | "row" => (self.begun, self.has_number) = (false, false),
            _ => {}
        }
    }

    /// The level and number of the paragraph whose text begins here.
    pub fn begin(&mut self) -> Option<(usize, String)> {
        if std::mem::replace(&mut self.begun, true) {
            return None;
        }
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
        let number = counts.number(at, level);
        (!self.has_number && !number.is_empty()).then_some((self.level, number))
    }
}
