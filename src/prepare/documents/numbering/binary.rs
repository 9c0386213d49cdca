//! Lists of binary Word files (DOC).
//!
//! undoc knows the level and the last number of a paragraph, but not its list. The properties of the
//! paragraph name the list. If they do not match the levels from undoc, docmill takes the pattern
//! that all lists share at this level. Without one, only the last number appears.

use super::template::{Level, Levels};
use super::word::kind;
use crate::prepare::documents::doc_properties::{ListParagraph, list_paragraphs};
use crate::prepare::documents::little_endian::{offset, short};
use std::collections::{HashMap, HashSet, VecDeque};

/// Offsets of the positions and lengths of the lists, and of their uses, in a file's header.
const LISTS: usize = 0x02E2;
const USES: usize = 0x02EA;
/// Sizes of the fixed parts of a list, of a level, and of a use.
const LIST: usize = 28;
const LEVEL: usize = 28;
const USE: usize = 16;
/// Maximum number of lists in a file.
const MOST: usize = 5000;

/// The lists of a file, and their counts.
#[derive(Debug, Default)]
pub(in crate::prepare::documents) struct BinaryLists {
    lists: Vec<List>,
    /// The id of each list that paragraphs name by its position from 1, and its own starts.
    uses: Vec<(usize, HashMap<usize, u32>)>,
    /// The paragraphs that are still to come.
    paragraphs: VecDeque<ListParagraph>,
    counts: HashMap<usize, Levels>,
    started: HashSet<(u16, usize)>,
    /// Counts without knowing the list.
    guessed: Levels,
}

#[derive(Debug, Default)]
struct List {
    id: usize,
    levels: Vec<Level>,
}

impl List {
    fn level(&self, at: usize) -> Option<Level> {
        self.levels.get(at).or_else(|| self.levels.first()).cloned()
    }
}

impl BinaryLists {
    /// Reads the lists from the stream of the document, and from its table stream.
    ///
    /// `levels` has the level of each paragraph with text, and with a number or bullet.
    pub fn read(document: &[u8], table: &[u8], levels: &[usize]) -> Self {
        let part = |at: usize| table.get(offset(document, at)..).filter(|_| offset(document, at + 4) >= 2);
        let lists = part(LISTS).map(lists).unwrap_or_default();
        let uses = part(USES).map(uses).unwrap_or_default();
        let mut all = Self { lists, uses, ..Self::default() };
        let paragraphs: VecDeque<ListParagraph> =
            list_paragraphs(document, table).into_iter().filter(|item| all.shows(item.list, item.level)).collect();
        let mut with_text = paragraphs.iter().filter(|item| !item.is_empty);
        if levels.iter().all(|level| with_text.next().is_some_and(|item| item.level == *level)) {
            all.paragraphs = paragraphs;
        }
        all
    }

    fn list(&self, list: u16) -> Option<&List> {
        let (id, _) = self.uses.get(usize::from(list).checked_sub(1)?)?;
        self.lists.iter().find(|list| list.id == *id)
    }

    /// Whether a level of a list shows a number or a bullet.
    fn shows(&self, list: u16, at: usize) -> bool {
        self.list(list).and_then(|list| list.level(at)).is_some_and(|level| level.kind != "none")
    }

    /// The whole mark of the next paragraph: `2.17`. `number` is its last number; `None` for bullets.
    pub fn mark(&mut self, at: usize, number: Option<u32>) -> String {
        while let Some(item) = self.paragraphs.pop_front() {
            let mark = self.counted(item.list, item.level);
            if !item.is_empty {
                return mark;
            }
        }
        let Some(number) = number else { return "-".to_owned() };
        self.guessed.set(at, number);
        let list = self.common(at);
        let own = |at: usize| list.and_then(|list| list.levels.get(at)).cloned();
        match own(at) {
            Some(pattern) if pattern.text.contains('%') => self.guessed.number(at, own),
            _ => format!("{number}."),
        }
    }

    /// The marks of the items without text in a cell, by the number of cells before it.
    pub fn marks_of_cell(&mut self, cell: usize) -> Vec<String> {
        let mut marks = Vec::new();
        while let Some(item) = self.paragraphs.pop_front_if(|item| item.is_empty && item.cell.is_none_or(|at| at <= cell)) {
            let mark = self.counted(item.list, item.level);
            marks.extend(Some(mark).filter(|_| item.cell == Some(cell)));
        }
        marks
    }

    fn counted(&mut self, list: u16, at: usize) -> String {
        let own = self.uses.get(usize::from(list).saturating_sub(1)).and_then(|(_, starts)| starts.get(&at)).copied();
        let start = own.filter(|_| self.started.insert((list, at)));
        let Some((id, levels)) = self.list(list).map(|list| (list.id, list.levels.clone())) else { return "-".to_owned() };
        let level = |at: usize| levels.get(at).or_else(|| levels.first()).cloned();
        let counts = self.counts.entry(id).or_default();
        counts.count(at, start, level);
        counts.number(at, level)
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

/// Reads the definitions of lists, as far as they are whole.
fn lists(bytes: &[u8]) -> Vec<List> {
    let count = usize::from(short(bytes, 0)).min(MOST);
    let mut lists = Vec::new();
    let mut at = 2 + count * LIST;
    for list in 0..count {
        let Some(head) = bytes.get(2 + list * LIST..2 + (list + 1) * LIST) else { break };
        let mut levels = Vec::new();
        for _ in 0..if head[26] & 1 != 0 { 1 } else { 9 } {
            let Some((level, length)) = bytes.get(at..).and_then(level) else { return lists };
            levels.push(level);
            at += length;
        }
        lists.push(List { id: offset(head, 0), levels });
    }
    lists
}

/// Reads a level. Returns its length too.
fn level(bytes: &[u8]) -> Option<(Level, usize)> {
    let head = bytes.get(..LEVEL)?;
    let at = LEVEL + usize::from(head[24]) + usize::from(head[25]);
    let units = usize::from(short(bytes, at));
    let text = bytes.get(at + 2..at + 2 + units * 2)?;
    let pattern = text.chunks_exact(2).map(|unit| match short(unit, 0) {
        place @ 0..9 => format!("%{}", place + 1),
        unit => char::from_u32(unit.into()).map(String::from).unwrap_or_default(),
    });
    let level = Level {
        start: u32::try_from(offset(head, 0)).unwrap_or(1),
        kind: kind(head[4].into()).to_owned(),
        text: pattern.collect(),
        restart: (head[5] & 8 != 0).then_some(head[26].into()),
        is_legal: head[5] & 4 != 0,
    };
    Some((level, at + 2 + units * 2))
}

/// Reads the uses of lists: the id of the list, and the starts of levels.
fn uses(bytes: &[u8]) -> Vec<(usize, HashMap<usize, u32>)> {
    let count = offset(bytes, 0).min(MOST);
    let heads: Vec<&[u8]> = bytes.get(4..).unwrap_or_default().chunks_exact(USE).take(count).collect();
    let mut at = 4 + heads.len() * USE;
    let mut uses = Vec::new();
    for head in heads {
        let mut starts = HashMap::new();
        at += 4;
        for _ in 0..head[12] {
            let flags = offset(bytes, at + 4);
            let mut start = offset(bytes, at);
            at += 8;
            if flags & 0x20 != 0
                && let Some((level, length)) = bytes.get(at..).and_then(level)
            {
                start = level.start as usize;
                at += length;
            }
            if flags & 0x10 != 0 {
                starts.insert(flags & 0xF, u32::try_from(start).unwrap_or(1));
            }
        }
        uses.push((offset(head, 0), starts));
    }
    uses
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(kind: u8, pattern: &[u16]) -> Vec<u8> {
        let mut level = vec![0; LEVEL];
        (level[0], level[4]) = (1, kind);
        let units = u16::try_from(pattern.len()).unwrap();
        level.extend([units].iter().chain(pattern).flat_map(|unit| unit.to_le_bytes()));
        level
    }

    /// The streams of a file with one list, two uses of it, and paragraphs with a use and a level.
    fn file(paragraphs: &[(u8, u8)]) -> (Vec<u8>, Vec<u8>) {
        let mut table = vec![1, 0];
        table.extend([7, 0, 0, 0].into_iter().chain([0; 24]));
        table.extend(level(0, &[0, u16::from(b'.')]));
        table.extend(level(4, &[0, u16::from(b'.'), 1, u16::from(b')')]));
        (2..9).for_each(|_| table.extend(level(0, &[])));
        let uses = table.len();
        table.extend([2, 0, 0, 0]);
        for overrides in [0, 1] {
            table.extend([7, 0, 0, 0].into_iter().chain([0; 8]).chain([overrides, 0, 0, 0]));
        }
        // The second use starts its first level at 5.
        table.extend([0xFF; 4]);
        table.extend([0xFF; 4].into_iter().chain([5, 0, 0, 0, 0x10, 0, 0, 0]));
        let pages = table.len();
        table.extend([0; 8].into_iter().chain([2, 0, 0, 0]));
        let mut document = vec![0; 3 * 512];
        let mut put = |at: usize, value: usize| document[at..at + 4].copy_from_slice(&u32::try_from(value).unwrap().to_le_bytes());
        for (at, value) in [(LISTS, 0), (LISTS + 4, uses), (USES, uses), (USES + 4, pages - uses), (0x102, pages), (0x106, 12)] {
            put(at, value);
        }
        let page = &mut document[1024..];
        page[511] = u8::try_from(paragraphs.len()).unwrap();
        for (at, (list, level)) in paragraphs.iter().enumerate() {
            let entry = (paragraphs.len() + 1) * 4 + at * 13;
            let offset = 300 + at * 12;
            page[entry] = u8::try_from(offset / 2).unwrap();
            page[offset..offset + 11].copy_from_slice(&[5, 0, 0, 0x0A, 0x26, *level, 0x0B, 0x46, *list, 0, 0]);
        }
        (document, table)
    }

    #[test]
    fn lists_count_by_their_uses_and_levels() {
        let paragraphs = [(1, 0), (1, 0), (1, 1), (1, 1), (2, 0), (2, 0), (1, 0), (1, 1)];
        let (document, table) = file(&paragraphs);
        let levels: Vec<usize> = paragraphs.iter().map(|(_, level)| usize::from(*level)).collect();
        let mut lists = BinaryLists::read(&document, &table, &levels);
        let marks: Vec<String> = levels.iter().map(|level| lists.mark(*level, Some(99))).collect();
        assert_eq!(marks, ["1.", "2.", "2.a)", "2.b)", "5.", "6.", "7.", "7.a)"]);
    }

    #[test]
    fn paragraphs_that_do_not_match_have_the_pattern_of_their_level() {
        let (document, table) = file(&[(1, 0)]);
        let mut lists = BinaryLists::read(&document, &table, &[0, 1]);
        assert_eq!([lists.mark(0, Some(3)), lists.mark(1, Some(2)), lists.mark(0, None)], ["3.", "3.b)", "-"]);
    }

    #[test]
    fn items_without_text_count_and_show_their_numbers_in_cells() {
        let (document, table) = file(&[]);
        let mut lists = BinaryLists::read(&document, &table, &[]);
        let item = |is_empty: bool, cell: Option<usize>| ListParagraph { list: 1, level: 0, is_empty, cell };
        lists.paragraphs = [item(true, Some(0)), item(true, Some(2)), item(false, None), item(true, None), item(false, None)].into();
        let marks = [lists.marks_of_cell(0), lists.marks_of_cell(1), lists.marks_of_cell(2), lists.marks_of_cell(3)];
        assert_eq!(marks.map(|marks| marks.join(" ")), ["1.", "", "2.", ""]);
        assert_eq!([lists.mark(0, None), lists.mark(0, None)], ["3.", "5."]);
    }

    proptest::proptest! {
        #[test]
        fn no_file_panics_the_lists(at: proptest::sample::Index, new in proptest::collection::vec(proptest::num::u8::ANY, 1..9)) {
            let (mut document, mut table) = file(&[(1, 0), (2, 1)]);
            for bytes in [&mut document, &mut table] {
                let at = at.index(bytes.len() - new.len());
                bytes[at..at + new.len()].copy_from_slice(&new);
            }
            let mut lists = BinaryLists::read(&document, &table, &[0, 1]);
            lists.mark(0, Some(1));
        }
    }
}
