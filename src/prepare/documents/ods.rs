//! OpenDocument spreadsheets (ODS).
//!
//! Cells have the shown text, with ISO dates. Hidden sheets and comments are included and marked.
//! Hidden rows and columns are included. A sheet that is too large is cut between rows. Notes
//! report all differences from the shown text. Empty repeated cells cost nothing.

use super::grid::Grid;
use super::sheet::Aside;
use super::xml::{self, Node, attribute, number};
use super::{Extract, ImageLimits, Page, PrepareSettings, Reader, archive, odf, sheet, verdict};
use crate::model::Failure;
use quick_xml::events::BytesStart;
use std::collections::HashSet;

pub(super) const READER: Reader = Reader { format: "ods", name: NAME, recognises, read };

const NAME: &str = "an OpenDocument spreadsheet (ODS)";
/// Maximum repetitions of a filled cell or row.
///
/// `REPEATED_CELLS` is the maximum number of resulting cells. A small file can request millions,
/// and repetitions add no information.
const REPEATED: u32 = 100;
const REPEATED_CELLS: u32 = 1000;

fn recognises(bytes: &[u8], extension: &str) -> bool {
    archive::has_type(bytes, |text| odf::is_type(text, "spreadsheet"), matches!(extension, "ods" | "ots"))
}

/// Whether a row or column is hidden.
fn is_hidden(tag: &BytesStart) -> bool {
    matches!(attribute(tag, "table:visibility").as_deref(), Some("collapse" | "filter"))
}

/// Whether a cell may show a whole number with fewer digits.
///
/// For example, a long id may be shown as `1.23456789012345E+15`.
fn hides_digits(text: &str, value: f64) -> bool {
    /// Spreadsheet programs show 15 digits.
    const SHOWN: f64 = 1e15;
    // Some languages use a decimal comma.
    value.fract() == 0.0 && value.abs() >= SHOWN && text.replace(',', ".").parse::<f64>().is_ok()
}

fn read(bytes: &[u8], settings: &PrepareSettings, _: &ImageLimits) -> Result<Extract, Failure> {
    let mut book = Book { left: Grid::MOST, ..Book::default() };
    let archive = walk(bytes, settings.document_mb, &mut book)?;
    book.notes.extend(odf::left_out(&archive, book.pictures));
    verdict::readable(NAME, Extract { pages: vec![Page::Text(book.parts.join("\n\n"))], paged: false, notes: book.notes })
}

/// Reads the names and cells of all sheets, at most `most` bytes.
pub(super) fn sheets(bytes: &[u8], megabytes: u64, most: usize) -> Result<Vec<(String, Grid)>, Failure> {
    let mut book = Book { left: most, kept: Some(Vec::new()), ..Book::default() };
    walk(bytes, megabytes, &mut book)?;
    Ok(book.kept.unwrap_or_default())
}

fn walk<'b>(bytes: &'b [u8], megabytes: u64, book: &mut Book) -> Result<archive::Archive<'b>, Failure> {
    let mut archive = odf::open(bytes, NAME, megabytes)?;
    let content = archive.needed("content.xml")?;
    xml::read(&content, |node| match node {
        Node::Open(tag) => book.open(tag),
        Node::Close(name) => book.close(name),
        Node::Text(text) => {
            if book.paragraphs > 0 && book.skipping == 0 {
                book.write(text);
            }
        }
    })
    .map_err(|error| verdict::damaged(NAME, error))?;
    Ok(archive)
}

/// A workbook that is being read.
#[derive(Default)]
struct Book {
    parts: Vec<String>,
    /// The sheets, if the caller needs them instead of their text.
    kept: Option<Vec<(String, Grid)>>,
    notes: Vec<String>,
    left: usize,
    pictures: usize,
    style: String,
    hidden_styles: HashSet<String>,
    /// Name and cells of the open sheet.
    sheet: Option<(String, Grid)>,
    hidden: bool,
    aside: Aside,
    /// The largest number of repetitions that were cut; 0 for none.
    repeated: u32,
    row: u32,
    rows: u32,
    column: u32,
    columns: u32,
    /// Start column, repetitions and value of each cell of the open row.
    cells: Vec<(u32, u32, String)>,
    /// The open cell: its date, its plain number and its shown text.
    date: Option<String>,
    plain: Option<f64>,
    text: String,
    unsolved: bool,
    comment: String,
    in_comment: bool,
    /// Number of open paragraphs.
    paragraphs: usize,
    /// Number of open drawings and tracked changes.
    skipping: usize,
}

impl Book {
    fn open(&mut self, tag: &BytesStart) {
        let name = tag.name();
        let repeated = |name: &str| number(tag, name).and_then(|times| u32::try_from(times).ok()).unwrap_or(1).max(1);
        match name.as_ref() {
            "style:style" => self.style = attribute(tag, "style:name").unwrap_or_default(),
            "style:table-properties" if attribute(tag, "table:display").as_deref() == Some("false") => {
                self.hidden_styles.insert(self.style.clone());
            }
            "table:tracked-changes" | "draw:frame" => {
                self.pictures += usize::from(name.as_ref() == "draw:frame");
                self.skipping += 1;
            }
            _ if self.skipping > 0 => {}
            "table:table" => {
                self.hidden = attribute(tag, "table:style-name").is_some_and(|style| self.hidden_styles.contains(&style));
                let grid = if self.kept.is_some() { Grid::unchanged } else { Grid::new };
                self.sheet = Some((attribute(tag, "table:name").unwrap_or_default(), grid(self.left)));
                self.row = 0;
            }
            "table:table-column" => self.aside.hidden |= is_hidden(tag),
            "table:table-row" => {
                (self.rows, self.column) = (repeated("table:number-rows-repeated"), 0);
                self.aside.hidden |= is_hidden(tag);
            }
            "table:table-cell" | "table:covered-table-cell" => {
                self.columns = repeated("table:number-columns-repeated");
                self.date = attribute(tag, "office:date-value").map(|date| date.trim_end_matches("T00:00:00").replace('T', " "));
                self.plain = attribute(tag, "office:value").and_then(|value| value.parse().ok());
                self.unsolved = attribute(tag, "table:formula").is_some() && attribute(tag, "office:value-type").is_none();
                self.text.clear();
                self.comment.clear();
            }
            "office:annotation" => self.in_comment = true,
            "text:p" => self.paragraphs += 1,
            "text:s" | "text:tab" | "text:line-break" => self.write(" "),
            _ => {}
        }
    }

    fn close(&mut self, name: &str) {
        match name {
            "table:tracked-changes" | "draw:frame" => self.skipping = self.skipping.saturating_sub(1),
            _ if self.skipping > 0 => {}
            "text:p" => {
                self.paragraphs = self.paragraphs.saturating_sub(1);
                self.write("\n");
            }
            "office:annotation" => self.in_comment = false,
            "table:table-cell" | "table:covered-table-cell" => self.close_cell(),
            "table:table-row" => self.close_row(),
            "table:table" => self.close_sheet(),
            _ => {}
        }
    }

    fn write(&mut self, text: &str) {
        let to = if self.in_comment { &mut self.comment } else { &mut self.text };
        to.push_str(text);
    }

    fn close_cell(&mut self) {
        // Every paragraph ends with a line feed.
        let text = if self.kept.is_some() { self.text.strip_suffix('\n').unwrap_or(&self.text) } else { self.text.trim() };
        let text = Some(text.to_owned()).filter(|text| !text.trim().is_empty());
        // Numbers without text come from programs that leave the display to others.
        let text = text.filter(|text| !self.plain.is_some_and(|plain| hides_digits(text, plain)));
        let is_inexact = self.plain.is_some_and(sheet::is_inexact);
        let mut value = self.date.take().or(text).or_else(|| self.plain.map(sheet::number)).unwrap_or_default();
        self.aside.unsolved += usize::from(self.unsolved && value.is_empty());
        if !self.comment.is_empty() {
            value.push_str(" [Comment: ");
            value.push_str(self.comment.trim());
            value.push(']');
        }
        if !value.is_empty() {
            self.cells.push((self.column, self.columns, value));
        }
        if let Some((_, grid)) = &mut self.sheet {
            grid.note(self.column, is_inexact);
        }
        self.column = self.column.saturating_add(self.columns);
    }

    fn close_row(&mut self) {
        let cells = std::mem::take(&mut self.cells);
        if let Some((_, grid)) = &mut self.sheet {
            let kept = |times: u32| times.min(REPEATED);
            let width: u32 = cells.iter().map(|(_, times, _)| kept(*times)).sum();
            let rows = kept(self.rows).min((REPEATED_CELLS / width.max(1)).max(1));
            let cut = cells.iter().map(|(_, times, _)| *times).filter(|times| *times > REPEATED);
            let cut = cut.chain([self.rows].into_iter().filter(|times| *times > rows && width > 0)).max();
            self.repeated = self.repeated.max(cut.unwrap_or(0));
            'all: for row in 0..rows {
                for (column, times, value) in &cells {
                    for at in 0..kept(*times) {
                        if !grid.put((self.row.saturating_add(row), column.saturating_add(at)), || value.clone()) {
                            break 'all;
                        }
                    }
                }
            }
        }
        self.row = self.row.saturating_add(self.rows);
    }

    fn close_sheet(&mut self) {
        let Some((name, grid)) = self.sheet.take() else { return };
        self.left = grid.left();
        if let Some(kept) = &mut self.kept {
            kept.push((name, grid));
            return;
        }
        let (table, cut) = grid.finish();
        self.notes.extend(cut.map(|rows| sheet::cut(&name, rows)));
        self.notes.extend(std::mem::take(&mut self.aside).notes(&name));
        let repeated = std::mem::take(&mut self.repeated);
        if repeated > 0 {
            self.notes.push(format!("sheet {name} repeats a value or row {repeated} times; only the first ones were sent"));
        }
        if self.hidden {
            self.notes.push(format!("sheet {name} is hidden"));
        }
        if !table.is_empty() {
            self.parts.push(format!("## {name}{}\n\n{table}", if self.hidden { " (hidden)" } else { "" }));
        }
    }
}
