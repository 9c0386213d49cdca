//! Tables of PowerPoint files up to 2003 (PPT).
//!
//! Such a table is a group of shapes, one for each cell. undoc knows the text of each shape, but not
//! its place. The places tell rows and columns.

use super::little_endian::{long, short};
use super::markdown::Markdown;

/// Types of records: groups, shapes, properties of shapes, places in groups, and texts.
const GROUP: u16 = 0xF003;
const SHAPE: u16 = 0xF004;
const PROPERTIES: [u16; 3] = [0xF00B, 0xF121, 0xF122];
const PLACE: u16 = 0xF00F;
pub(super) const WIDE_TEXT: u16 = 0x0FA0;
pub(super) const TEXT: u16 = 0x0FA8;
/// The property of a group that says whether it is a table.
const IS_TABLE: u16 = 0x039F;
/// Maximum nesting of records.
pub(super) const DEPTH: u32 = 32;
/// Maximum distance between sides of cells that are level.
const SAME: i32 = 2;

/// Maximum number of fields of a table. PowerPoint allows 75 rows and 75 columns.
const MOST: usize = 75 * 75;

/// A table of a slide.
#[derive(Debug, Default)]
pub(super) struct SlideTable {
    rows: Vec<Vec<String>>,
    /// The texts of its paragraphs in the order of the file, without white space.
    pub texts: Vec<String>,
}

impl SlideTable {
    fn of(cells: &[Cell]) -> Self {
        let sides = |side: fn(&Cell) -> i32| {
            let mut sides: Vec<i32> = cells.iter().map(side).collect();
            sides.sort_unstable();
            sides.dedup_by(|b, a| b.saturating_sub(*a) <= SAME);
            sides
        };
        let (lefts, tops) = (sides(|cell| cell.left), sides(|cell| cell.top));
        if lefts.len().saturating_mul(tops.len()) > MOST {
            return Self::default();
        }
        let mut rows = vec![vec![String::new(); lefts.len()]; tops.len()];
        let at = |sides: &[i32], side: i32| sides.partition_point(|other| *other <= side).saturating_sub(1);
        for cell in cells {
            let field = &mut rows[at(&tops, cell.top)][at(&lefts, cell.left)];
            field.push_str(&cell.text);
        }
        let texts = cells.iter().flat_map(|cell| cell.text.split('\r')).map(squeezed).filter(|text| !text.is_empty());
        Self { texts: texts.collect(), rows }
    }

    pub fn write(&self, markdown: &mut Markdown) {
        markdown.open_table();
        for row in &self.rows {
            markdown.row();
            for cell in row {
                markdown.cell(1, 1);
                for paragraph in cell.split(['\r', '\u{B}']) {
                    markdown.paragraph();
                    markdown.text(paragraph);
                }
                markdown.close_cell();
            }
        }
        markdown.close_table();
    }
}

/// A text without white space.
pub(super) fn squeezed(text: &str) -> String {
    text.split(|c: char| c.is_whitespace() || c == '\u{B}').collect()
}

#[derive(Debug)]
struct Cell {
    left: i32,
    top: i32,
    text: String,
}

/// The tables with at least two texts, in the order of the file.
pub(super) fn tables(stream: &[u8]) -> Vec<SlideTable> {
    let mut tables = Vec::new();
    let mut open: Vec<(Record<'_>, u32)> = records(stream).map(|record| (record, 0)).collect();
    open.reverse();
    while let Some((record, depth)) = open.pop() {
        if !record.is_container || depth >= DEPTH {
            continue;
        }
        if record.kind == GROUP && is_table(record.body) {
            let cells: Vec<Cell> =
                records(record.body).filter(|record| record.kind == SHAPE).filter_map(|shape| cell(shape.body)).collect();
            tables.push(SlideTable::of(&cells));
        } else {
            let from = open.len();
            open.extend(records(record.body).map(|inner| (inner, depth + 1)));
            open[from..].reverse();
        }
    }
    tables.retain(|table| table.texts.len() > 1);
    tables
}

pub(super) struct Record<'a> {
    pub kind: u16,
    pub instance: u16,
    pub is_container: bool,
    pub body: &'a [u8],
}

/// The records of a container, as far as they are whole.
pub(super) fn records(mut rest: &[u8]) -> impl Iterator<Item = Record<'_>> {
    std::iter::from_fn(move || {
        let (head, behind) = rest.split_at_checked(8)?;
        let (body, behind) = behind.split_at_checked(long(head, 4) as usize)?;
        rest = behind;
        Some(Record { kind: short(head, 2), instance: short(head, 0) >> 4, is_container: head[0] & 0xF == 0xF, body })
    })
}

/// Whether the first shape of a group says that it is a table.
fn is_table(group: &[u8]) -> bool {
    let Some(shape) = records(group).find(|record| record.kind == SHAPE) else { return false };
    let has = |record: Record<'_>| {
        let entries = record.body.chunks_exact(6).take(record.instance.into());
        PROPERTIES.contains(&record.kind) && entries.into_iter().any(|entry| short(entry, 0) & 0x3FFF == IS_TABLE && entry[2] & 1 != 0)
    };
    records(shape.body).any(has)
}

/// The cell that a shape is. Lines between cells have no area.
fn cell(shape: &[u8]) -> Option<Cell> {
    let place = records(shape).find(|record| record.kind == PLACE)?.body;
    let [left, top, right, bottom] = [0, 4, 8, 12].map(|at| long(place, at).cast_signed());
    let (mut text, mut open) = (String::new(), vec![shape]);
    while let Some(container) = open.pop() {
        for record in records(container) {
            match record.kind {
                WIDE_TEXT => {
                    let units = record.body.chunks_exact(2).map(|unit| short(unit, 0));
                    text.extend(char::decode_utf16(units).map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER)));
                }
                TEXT => text.extend(record.body.iter().map(|byte| char::from(*byte))),
                _ if record.is_container && open.len() < DEPTH as usize => open.push(record.body),
                _ => {}
            }
        }
    }
    (right > left && bottom > top).then_some(Cell { left, top, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u16, head: u16, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).unwrap().to_le_bytes();
        [&head.to_le_bytes()[..], &kind.to_le_bytes(), &length, body].concat()
    }

    fn shape(left: i32, top: i32, width: i32, text: &str) -> Vec<u8> {
        let place: Vec<u8> = [left, top, left + width, top + 10].iter().flat_map(|side| side.to_le_bytes()).collect();
        let words = record(TEXT, 0, text.as_bytes());
        record(SHAPE, 0xF, &[record(PLACE, 0, &place), record(0xF00D, 0xF, &words)].concat())
    }

    #[test]
    fn cells_have_the_column_of_their_place() {
        let property = [&IS_TABLE.to_le_bytes()[..], &[1, 0, 0, 0]].concat();
        let first = record(SHAPE, 0xF, &record(0xF122, 0x13, &property));
        let cells = [shape(0, 0, 50, "Konto"), shape(50, 0, 50, "Soll"), shape(100, 0, 50, "Haben")];
        let row = [shape(0, 10, 50, "Lohn\rund mehr"), shape(50, 10, 50, ""), shape(100, 10, 50, "2500"), shape(0, 20, 0, "line")];
        let group = record(GROUP, 0xF, &[first, cells.concat(), row.concat()].concat());
        let stream = record(0x03EE, 0xF, &record(0xF002, 0xF, &group));
        let tables = tables(&stream);
        let mut markdown = Markdown::new();
        tables[0].write(&mut markdown);
        assert_eq!(markdown.finish(), "| Konto | Soll | Haben |\n| --- | --- | --- |\n| Lohn und mehr |  | 2500 |");
        assert_eq!(tables[0].texts, ["Konto", "Soll", "Haben", "Lohn", "undmehr", "2500"]);
    }
}
