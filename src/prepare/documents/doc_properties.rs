//! Properties of paragraphs and letters in binary Word files: lists, edges of cells, and forms.

use super::compound::Compound;
use super::little_endian::{offset, short};
use std::ops::Range;

/// Size of a property page.
const PAGE: usize = 512;
/// Codes of properties: the list and level of a paragraph; whether it is in a table or ends a row,
/// its depth, and the edges of cells; the position of data, and whether these are of a form.
const LIST: u16 = 0x460B;
const LEVEL: u16 = 0x260A;
const IN_TABLE: u16 = 0x2416;
const ROW_END: u16 = 0x2417;
const DEPTH: u16 = 0x6649;
const EDGES: u16 = 0xD608;
const DATA: u16 = 0x6A03;
const IS_FORM: u16 = 0x0806;

/// The runs of text that have the same properties.
pub(super) struct Runs {
    /// Offset of the position and length of the table of pages in a file's header.
    pages: usize,
    /// Size of the entry of a run in its page.
    entry: usize,
}

const PARAGRAPHS: Runs = Runs { pages: 0x0102, entry: 13 };
pub(super) const LETTERS: Runs = Runs { pages: 0x00FA, entry: 1 };

/// The stream with the text of a document, and its table stream.
pub(super) fn streams(file: &mut Compound<'_>) -> (Vec<u8>, Vec<u8>) {
    let document = file.stream("WordDocument").unwrap_or_default();
    let is_first = document.get(0x0B).is_some_and(|flags| flags & 2 != 0);
    let table = file.stream(if is_first { "1Table" } else { "0Table" }).unwrap_or_default();
    (document, table)
}

/// A paragraph that names a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ListParagraph {
    /// The list from 1, and the level.
    pub list: u16,
    pub level: usize,
    pub is_empty: bool,
    /// The number of cells before its cell, in a table.
    pub cell: Option<usize>,
}

/// The paragraphs that name a list, in the order of the file.
pub(super) fn list_paragraphs(document: &[u8], table: &[u8]) -> Vec<ListParagraph> {
    const CELL_END: u8 = 7;
    const END: u8 = b'\r';
    let mut cells = 0;
    let list = |run: Run| {
        // The number of the style comes first.
        let (mut list, mut level, mut in_table, mut is_row_end) = (0, 0, false, false);
        for (code, operand) in properties(document.get(run.list)?.get(2..).unwrap_or_default()) {
            match code {
                LIST => list = short(operand, 0),
                LEVEL => level = operand.first().copied().unwrap_or(0).into(),
                IN_TABLE => in_table = operand.first() == Some(&1),
                ROW_END => is_row_end = operand.first() == Some(&1),
                _ => {}
            }
        }
        let text = document.get(run.text).unwrap_or_default();
        let cell = in_table.then_some(cells);
        cells += usize::from(in_table && !is_row_end && matches!(text, [.., CELL_END] | [.., CELL_END, 0]));
        // Lists that are switched off have other numbers.
        let is_list = (1..0x07FF).contains(&list) && !is_row_end;
        is_list.then_some(ListParagraph { list, level, is_empty: matches!(text, [CELL_END | END] | [CELL_END | END, 0]), cell })
    };
    PARAGRAPHS.runs(document, table).into_iter().filter_map(list).collect()
}

/// The right edges of the cells of each row of a table, in the order of the file.
pub(super) fn table_rows(document: &[u8], table: &[u8]) -> Vec<Vec<i32>> {
    let row = |(_, list): (usize, &[u8])| {
        let (mut edges, mut is_end, mut depth) = (None, false, 1);
        for (code, operand) in properties(list.get(2..).unwrap_or_default()) {
            match code {
                ROW_END => is_end = operand.first() == Some(&1),
                DEPTH => depth = offset(operand, 0),
                EDGES => {
                    let count = operand.get(2).map_or(0, |count| usize::from(*count));
                    edges = Some((1..=count).map(|at| short(operand, 3 + at * 2).cast_signed().into()).collect());
                }
                _ => {}
            }
        }
        edges.filter(|_| is_end && depth == 1)
    };
    PARAGRAPHS.all(document, table).into_iter().filter_map(row).collect()
}

/// The position of each field of a form in the document, and that of its data.
pub(super) fn form_fields(document: &[u8], table: &[u8]) -> Vec<(usize, usize)> {
    let field = |(at, list): (usize, &[u8])| {
        let (mut data, mut is_form) = (None, false);
        for (code, operand) in properties(list) {
            match code {
                DATA => data = Some(offset(operand, 0)),
                IS_FORM => is_form = operand.first() == Some(&1),
                _ => {}
            }
        }
        data.filter(|_| is_form).map(|data| (at, data))
    };
    LETTERS.all(document, table).into_iter().filter_map(field).collect()
}

/// A run of text.
pub(super) struct Run {
    /// Where its text and its list of properties are in the document.
    pub text: Range<usize>,
    pub list: Range<usize>,
}

impl Runs {
    /// The position of each run in the document, and its list of properties.
    fn all<'d>(&self, document: &'d [u8], table: &[u8]) -> Vec<(usize, &'d [u8])> {
        self.runs(document, table).into_iter().map(|run| (run.text.start, document.get(run.list).unwrap_or_default())).collect()
    }

    /// The runs that have properties.
    pub fn runs(&self, document: &[u8], table: &[u8]) -> Vec<Run> {
        let (at, length) = (offset(document, self.pages), offset(document, self.pages + 4));
        let entries = table.get(at..at.saturating_add(length)).unwrap_or_default();
        // Each page has one entry.
        let count = (entries.len().saturating_sub(4) / 8).min(document.len() / PAGE);
        let pages = (0..count).map(|page| offset(entries, (count + 1 + page) * 4) & 0x003F_FFFF);
        let mut runs = Vec::new();
        for start in pages.filter_map(|page| page.checked_mul(PAGE)) {
            let Some(page) = document.get(start..).and_then(|page| page.get(..PAGE)) else { continue };
            let count = usize::from(page[PAGE - 1]);
            for run in 0..count {
                let half = page.get((count + 1) * 4 + run * self.entry).map_or(0, |half| usize::from(*half));
                if half > 0 {
                    let list = self.list(page, half * 2);
                    let text = offset(page, run * 4)..offset(page, run * 4 + 4);
                    runs.push(Run { text, list: start + list.start..start + list.end });
                }
            }
        }
        runs
    }

    /// Where the list of properties at an offset of a page is.
    fn list(&self, page: &[u8], offset: usize) -> Range<usize> {
        let size = |at: usize| page.get(at).map_or(0, |size| usize::from(*size));
        let (from, length) = match size(offset) {
            length if self.entry == 1 => (offset + 1, length),
            0 => (offset + 2, size(offset + 1) * 2),
            length => (offset + 1, length * 2 - 1),
        };
        let end = (from + length).min(page.len());
        from.min(end)..end
    }
}

/// The codes and operands of a list of properties.
pub(super) fn properties(mut rest: &[u8]) -> Vec<(u16, &[u8])> {
    let mut found = Vec::new();
    while rest.len() > 2 {
        let code = short(rest, 0);
        rest = &rest[2..];
        let length = match code >> 13 {
            0 | 1 => 1,
            2 | 4 | 5 => 2,
            3 => 4,
            7 => 3,
            _ if code == EDGES => usize::from(short(rest, 0)) + 1,
            _ => rest.first().map_or(0, |size| usize::from(*size)) + 1,
        };
        let (operand, behind) = rest.split_at(length.min(rest.len()));
        found.push((code, operand));
        rest = behind;
    }
    found
}
