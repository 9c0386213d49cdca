//! Lists of binary Word files (DOC).
//!
//! undoc tells the level and the last number of a paragraph, but not its list. The list is found by
//! the style of headings. For other paragraphs, all lists must agree on the pattern of the level.

use super::template::{Level, Levels};
use super::word::kind;

/// Offset of the position and length of the list definitions in a file's header.
const LISTS: usize = 0x02E2;
/// Sizes of the fixed parts of a list and of a level.
const LIST: usize = 28;
const LEVEL: usize = 28;
/// Maximum number of lists in a file.
const MOST: usize = 5000;

/// The lists of a file, and their counts.
#[derive(Debug, Default)]
pub(in crate::prepare::documents) struct BinaryLists {
    lists: Vec<List>,
    counts: Levels,
}

#[derive(Debug, Default)]
struct List {
    /// Numbers of the paragraph styles of the levels.
    styles: Vec<u16>,
    levels: Vec<Level>,
}

impl BinaryLists {
    /// Reads the lists from the stream of the document, and from its table stream.
    pub fn read(document: &[u8], table: &[u8]) -> Self {
        let long = |bytes: &[u8], at: usize| bytes.get(at..)?.first_chunk().map(|four| u32::from_le_bytes(*four));
        let at = long(document, LISTS).and_then(|at| usize::try_from(at).ok());
        let length = long(document, LISTS + 4).unwrap_or(0);
        let lists = at.filter(|_| length >= 2).and_then(|at| read(table.get(at..)?)).unwrap_or_default();
        Self { lists, counts: Levels::default() }
    }

    /// The whole number of a paragraph: `2.17`. `heading` is the level of a heading, from 1.
    pub fn number(&mut self, level: usize, number: u32, heading: Option<u8>) -> String {
        self.counts.set(level, number);
        let by_style = |list: &&List| heading.is_some_and(|style| list.styles.get(level) == Some(&style.into()));
        let list = self.lists.iter().find(by_style).or_else(|| self.common(level));
        let own = |at: usize| list.and_then(|list| list.levels.get(at)).cloned();
        match own(level) {
            Some(pattern) if pattern.text.contains('%') => self.counts.number(level, own),
            _ => format!("{number}."),
        }
    }

    /// A list whose pattern of a level is that of all lists with numbers there.
    fn common(&self, at: usize) -> Option<&List> {
        let has_number = |list: &&List| list.levels.get(at).is_some_and(|level| !matches!(&*level.kind, "bullet" | "none"));
        let mut lists = self.lists.iter().filter(has_number);
        let first = lists.next()?;
        let form = |list: &List| list.levels.iter().take(at + 1).map(|level| (level.text.clone(), level.kind.clone())).collect::<Vec<_>>();
        lists.all(|list| form(list) == form(first)).then_some(first)
    }
}

fn read(bytes: &[u8]) -> Option<Vec<List>> {
    let count = usize::from(short(bytes, 0)?).min(MOST);
    let mut lists = Vec::new();
    let mut at = 2 + count * LIST;
    for list in 0..count {
        let head = bytes.get(2 + list * LIST..)?;
        let styles = (0..9).filter_map(|level| short(head, 8 + level * 2)).collect();
        let is_simple = head.get(26)? & 1 != 0;
        let mut levels = Vec::new();
        for _ in 0..if is_simple { 1 } else { 9 } {
            let level = bytes.get(at..at + LEVEL)?;
            at += LEVEL + usize::from(level[24]) + usize::from(level[25]);
            let units = usize::from(short(bytes, at)?);
            let text = bytes.get(at + 2..at + 2 + units * 2)?;
            at += 2 + units * 2;
            let pattern = text.chunks_exact(2).map(|unit| match u16::from_le_bytes([unit[0], unit[1]]) {
                place @ 0..9 => format!("%{}", place + 1),
                unit => char::from_u32(unit.into()).map(String::from).unwrap_or_default(),
            });
            levels.push(Level {
                start: u32::from(short(level, 0)?),
                kind: kind(level[4].into()).to_owned(),
                text: pattern.collect(),
                restart: None,
                is_legal: level[5] & 4 != 0,
            });
        }
        lists.push(List { styles, levels });
    }
    Some(lists)
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|two| u16::from_le_bytes(*two))
}
