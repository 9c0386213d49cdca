//! OpenDocument spreadsheets (ODS).
//!
//! Cells have the shown text, with whole dates in ISO form. Hidden sheets and comments are included
//! and marked. Text boxes follow the table. Hidden rows and columns are included. A sheet that is too
//! large is cut between rows. Notes report all differences from the shown text. Empty repeated cells
//! cost nothing.

use super::grid::Grid;
use super::markdown::Script;
use super::number_format::{general, is_inexact};
use super::odf_looks::{Look, look};
use super::sheet::{self, Filled};
use super::xml::{self, Node, attribute, number};
use super::{Extract, ImageLimits, Page, PrepareSettings, Reader, archive, encoding, odf_file, verdict};
use crate::model::Failure;
use quick_xml::events::BytesStart;
use std::collections::{HashMap, HashSet};

pub(super) const READER: Reader = Reader { format: "ods", name: NAME, recognises, read };

pub(super) const FODS: Reader = Reader { format: "fods", name: NAME, recognises: is_fods, read: read_flat };

const NAME: &str = "an OpenDocument spreadsheet (ODS)";
/// Maximum repetitions of a filled cell or row.
///
/// `REPEATED_CELLS` is the maximum number of resulting cells. A small file can request millions,
/// and repetitions add no information.
const REPEATED: u32 = 100;
const REPEATED_CELLS: u32 = 1000;

fn recognises(bytes: &[u8], extension: &str) -> bool {
    archive::has_type(bytes, |text| odf_file::is_type(text, "spreadsheet"), matches!(extension, "ods" | "ots"))
}

fn is_fods(bytes: &[u8], _: &str) -> bool {
    odf_file::is_flat(bytes, "spreadsheet")
}

fn read_flat(bytes: &[u8], _: &PrepareSettings, _: &ImageLimits) -> Result<Extract, Failure> {
    let mut book = Book { left: Grid::MOST, ..Book::default() };
    book.read(&encoding::decode(bytes).text)?;
    verdict::readable(NAME, Extract { pages: vec![Page::Text(book.parts.join("\n\n"))], paged: false, notes: book.notes })
}

/// Objects on a sheet, which may have text.
const SHAPES: [&str; 8] =
    ["draw:frame", "draw:custom-shape", "draw:rect", "draw:ellipse", "draw:circle", "draw:line", "draw:polygon", "draw:path"];

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
    book.notes.extend(odf_file::left_out(&archive, book.pictures));
    verdict::readable(NAME, Extract { pages: vec![Page::Text(book.parts.join("\n\n"))], paged: false, notes: book.notes })
}

/// Reads the names and cells of all sheets, at most `most` bytes.
pub(super) fn sheets(bytes: &[u8], megabytes: u64, most: usize) -> Result<Vec<(String, Grid)>, Failure> {
    let mut book = Book { left: most, kept: Some(Vec::new()), ..Book::default() };
    walk(bytes, megabytes, &mut book)?;
    Ok(book.kept.unwrap_or_default())
}

fn walk<'b>(bytes: &'b [u8], megabytes: u64, book: &mut Book) -> Result<archive::Archive<'b>, Failure> {
    let mut archive = odf_file::open(bytes, NAME, megabytes)?;
    book.read(&archive.needed("content.xml")?)?;
    Ok(archive)
}

/// A workbook that is being read.
#[expect(clippy::struct_excessive_bools, reason = "independent states")]
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
    /// The looks of styles and of the open spans, and the sign before a raised number.
    looks: HashMap<String, Look>,
    spans: Vec<Look>,
    sign: &'static str,
    /// Whether the style of the open cell strikes it.
    struck: bool,
    /// Name and cells of the open sheet.
    sheet: Option<(String, Filled)>,
    hidden: bool,
    /// The largest number of repetitions that were cut; 0 for none.
    repeated: u32,
    row: u32,
    rows: u32,
    column: u32,
    columns: u32,
    /// Start column, repetitions and value of each cell of the open row.
    cells: Vec<(u32, u32, String)>,
    /// The open cell: its date, its plain value, its number and its shown text.
    date: Option<String>,
    bare: Option<String>,
    plain: Option<f64>,
    text: String,
    has_text: bool,
    unsolved: bool,
    comment: String,
    in_comment: bool,
    /// Number of open paragraphs.
    paragraphs: usize,
    /// Number of open tracked changes.
    skipping: usize,
    /// Number of open shapes, and their text.
    shapes: usize,
    shape: String,
}

/// The date of a cell, unless the cell shows only a part of it, such as the month.
///
/// The time has as many parts as the cell shows.
fn date(value: &str, shown: &str) -> Option<String> {
    let (day, time) = value.split_once('T').unwrap_or((value, "00:00:00"));
    let (clock, rest): (Vec<&str>, Vec<&str>) = shown.split_whitespace().partition(|word| word.contains(':'));
    let rest = rest.join(" ");
    let mut numbers: Vec<u32> = rest.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect();
    let mut parts = day.rsplit('-').filter_map(|digits| digits.parse::<u32>().ok());
    let mut takes = |part: Option<u32>| {
        let at = numbers.iter().position(|number| part.is_some_and(|part| *number == part || part > 31 && *number == part % 100));
        at.map(|at| numbers.swap_remove(at)).is_some()
    };
    let (has_day, has_month, has_year) = (takes(parts.next()), takes(parts.next()), takes(parts.next()));
    let is_whole = shown.trim().is_empty() || has_day && (has_month || has_year);
    let length = match clock.first().map(|word| word.matches(':').count()) {
        None if shown.trim().is_empty() && time != "00:00:00" => time.len(),
        None => 0,
        Some(1) => 5,
        Some(_) => 8,
    };
    let time = time.get(..length.min(time.len())).filter(|time| !time.is_empty());
    is_whole.then(|| time.map_or_else(|| day.to_owned(), |time| format!("{day} {time}")))
}

/// The value of a cell that has no text.
fn bare(tag: &BytesStart, number: Option<f64>) -> Option<String> {
    let currency = || attribute(tag, "office:currency").map_or_else(String::new, |currency| format!(" {currency}"));
    match attribute(tag, "office:value-type").as_deref() {
        Some("percentage") => number.map(|number| format!("{}%", general(number * 100.0))),
        Some("boolean") => attribute(tag, "office:boolean-value").map(|value| value.to_uppercase()),
        Some("time") => attribute(tag, "office:time-value").map(|time| duration(&time)),
        Some("string") => attribute(tag, "office:string-value"),
        _ => number.map(|number| general(number) + &currency()),
    }
}

/// A duration such as `PT36H05M00S` as `36:05:00`.
fn duration(text: &str) -> String {
    let part = |unit: char| {
        let end = text.find(unit)?;
        let start = text[..end].rfind(|c: char| !c.is_ascii_digit() && c != '.').map_or(0, |at| at + 1);
        text[start..end].split('.').next()?.parse::<u32>().ok()
    };
    let sign = if text.starts_with('-') { "-" } else { "" };
    match (part('H'), part('M'), part('S')) {
        (Some(hours), minutes, seconds) => format!("{sign}{hours}:{:02}:{:02}", minutes.unwrap_or(0), seconds.unwrap_or(0)),
        _ => text.to_owned(),
    }
}

impl Book {
    /// Reads the content of a file.
    fn read(&mut self, content: &str) -> Result<(), Failure> {
        xml::read(content, |node| match node {
            Node::Open(tag) => self.open(tag),
            Node::Close(name) => self.close(name),
            Node::Text(text) => {
                if self.paragraphs > 0 && self.skipping == 0 {
                    let sign = std::mem::take(&mut self.sign);
                    if text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '\u{2212}')) {
                        self.write(sign);
                    }
                    self.write(text);
                }
            }
        })
        .map_err(|error| verdict::damaged(NAME, error))
    }

    fn aside(&mut self, fact: impl FnOnce(&mut sheet::Aside)) {
        if let Some(aside) = self.sheet.as_mut().and_then(|(_, sheet)| sheet.aside.as_mut()) {
            fact(aside);
        }
    }

    fn open(&mut self, tag: &BytesStart) {
        let name = tag.name();
        let repeated = |name: &str| number(tag, name).and_then(|times| u32::try_from(times).ok()).unwrap_or(1).max(1);
        match name.as_ref() {
            "style:style" => {
                self.style = attribute(tag, "style:name").unwrap_or_default();
                let parent = self.look(attribute(tag, "style:parent-style-name"));
                self.looks.insert(self.style.clone(), parent);
            }
            "style:text-properties" => {
                let look = look(tag, self.look(Some(self.style.clone())));
                self.looks.insert(self.style.clone(), look);
            }
            "style:table-properties" if attribute(tag, "table:display").as_deref() == Some("false") => {
                self.hidden_styles.insert(self.style.clone());
            }
            "table:tracked-changes" => self.skipping += 1,
            _ if self.skipping > 0 => {}
            "draw:image" | "draw:object" => self.pictures += usize::from(self.shapes > 0),
            shape if SHAPES.contains(&shape) => self.shapes += 1,
            "table:table" => {
                self.hidden = attribute(tag, "table:style-name").is_some_and(|style| self.hidden_styles.contains(&style));
                let is_kept = self.kept.is_some();
                let grid = if is_kept { Grid::unchanged(self.left) } else { Grid::new(self.left) };
                self.sheet = Some((attribute(tag, "table:name").unwrap_or_default(), Filled::new(grid, !is_kept)));
                self.row = 0;
            }
            "table:table-column" => self.aside(|aside| aside.hidden |= is_hidden(tag)),
            "table:table-row" => {
                (self.rows, self.column) = (repeated("table:number-rows-repeated"), 0);
                self.aside(|aside| aside.hidden |= is_hidden(tag));
            }
            "table:table-cell" | "table:covered-table-cell" => {
                self.columns = repeated("table:number-columns-repeated");
                self.date = attribute(tag, "office:date-value");
                self.plain = attribute(tag, "office:value").and_then(|value| value.parse().ok());
                self.bare = bare(tag, self.plain);
                self.struck = self.look(attribute(tag, "table:style-name")).struck;
                self.unsolved = attribute(tag, "table:formula").is_some() && attribute(tag, "office:value-type").is_none();
                self.text.clear();
                self.has_text = false;
                self.comment.clear();
            }
            "office:annotation" => self.in_comment = true,
            "text:p" => {
                self.has_text |= !self.in_comment && self.shapes == 0;
                self.paragraphs += 1;
            }
            "text:span" if self.kept.is_none() => {
                let outer = self.spans.last().copied().unwrap_or_default();
                let look = self.look(attribute(tag, "text:style-name"));
                if look.struck && !outer.struck {
                    self.write("~~");
                }
                self.sign = match look.script {
                    Script::Normal => "",
                    Script::Raised | Script::ShiftedUp => "^",
                    Script::Lowered | Script::ShiftedDown => "_",
                };
                self.spans.push(Look { struck: look.struck || outer.struck, ..look });
            }
            "text:s" | "text:tab" | "text:line-break" => self.write(" "),
            _ => {}
        }
    }

    fn close(&mut self, name: &str) {
        match name {
            "table:tracked-changes" => self.skipping = self.skipping.saturating_sub(1),
            _ if self.skipping > 0 => {}
            shape if SHAPES.contains(&shape) && self.shapes > 0 => {
                self.shapes -= 1;
                let text = std::mem::take(&mut self.shape);
                if !text.trim().is_empty() {
                    self.aside(|aside| aside.boxes.push(text.trim().to_owned()));
                }
            }
            "text:p" => {
                self.paragraphs = self.paragraphs.saturating_sub(1);
                self.write("\n");
            }
            "text:span" => {
                let inner = self.spans.pop().unwrap_or_default();
                self.sign = "";
                if inner.struck && !self.spans.last().is_some_and(|outer| outer.struck) {
                    self.write("~~");
                }
            }
            "office:annotation" => self.in_comment = false,
            "table:table-cell" | "table:covered-table-cell" => self.close_cell(),
            "table:table-row" => self.close_row(),
            "table:table" => self.close_sheet(),
            _ => {}
        }
    }

    fn look(&self, style: Option<String>) -> Look {
        style.and_then(|style| self.looks.get(&style)).copied().unwrap_or_default()
    }

    fn write(&mut self, text: &str) {
        let to = if self.in_comment {
            &mut self.comment
        } else if self.shapes > 0 {
            &mut self.shape
        } else {
            &mut self.text
        };
        to.push_str(text);
    }

    fn close_cell(&mut self) {
        // Every paragraph ends with a line feed.
        let text = if self.kept.is_some() { self.text.strip_suffix('\n').unwrap_or(&self.text) } else { self.text.trim() };
        let text = Some(text.to_owned()).filter(|text| !text.trim().is_empty());
        let hides_digits = |text: &str| self.plain.is_some_and(|plain| hides_digits(text, plain));
        let is_cut = text.as_deref().is_some_and(hides_digits);
        let text = text.filter(|_| !is_cut);
        let is_inexact = self.plain.is_some_and(is_inexact);
        let date = self.date.take().and_then(|value| date(&value, text.as_deref().unwrap_or_default()));
        // Values without text come from programs that leave the display to others.
        let bare = self.bare.take();
        let is_unseen = bare.is_some() && self.has_text && text.is_none() && !is_cut;
        let mut value = date.or(text).or_else(|| bare.filter(|_| !is_unseen)).unwrap_or_default();
        let is_unsolved = self.unsolved && value.is_empty();
        self.aside(|aside| {
            aside.unsolved += usize::from(is_unsolved);
            aside.unseen += usize::from(is_unseen);
            aside.inexact += usize::from(is_inexact);
        });
        if self.struck && self.kept.is_none() && !value.is_empty() && !value.contains("~~") {
            value = format!("~~{value}~~");
        }
        if !self.comment.is_empty() {
            value.push_str(" [Comment: ");
            value.push_str(self.comment.trim());
            value.push(']');
        }
        if !value.is_empty() {
            self.cells.push((self.column, self.columns, value));
        }
        if let Some((_, sheet)) = &mut self.sheet {
            sheet.grid.note(self.column, is_inexact);
        }
        self.column = self.column.saturating_add(self.columns);
    }

    fn close_row(&mut self) {
        let cells = std::mem::take(&mut self.cells);
        if let Some((_, Filled { grid, .. })) = &mut self.sheet {
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
        let Some((name, sheet)) = self.sheet.take() else { return };
        if let Some(kept) = &mut self.kept {
            self.left = sheet.grid.left();
            kept.push((name, sheet.grid));
            return;
        }
        let (body, notes, left) = sheet::written(&name, self.hidden, sheet);
        self.left = left;
        self.notes.extend(notes);
        let repeated = std::mem::take(&mut self.repeated);
        if repeated > 0 {
            self.notes.push(format!("sheet {name} repeats a value or row {repeated} times; only the first ones were sent"));
        }
        self.parts.extend(body);
    }
}
