//! Excel workbooks (XLSX, XLSB, XLS), read by the crate calamine.
//!
//! Each sheet becomes a heading and a table. Values have the form that people see: ISO dates,
//! percent signs, and no binary noise in digits. Empty rows and columns are omitted. Hidden sheets
//! and comments are included and marked. Hidden rows and columns are included, because filters
//! usually hide them only temporarily. A sheet that is too large is cut between rows. Notes report
//! all differences from the shown values.
//!
//! Only filled cells take memory. Otherwise one distant cell would create a table of billions of
//! cells.

use super::archive::{self, Archive};
use super::compound::{self, Compound};
use super::grid::Grid;
use super::parts;
use super::xml::{self, Node, attribute};
use super::{Extract, ImageLimits, Page, PrepareSettings, Reader, verdict};
use crate::model::Failure;
use calamine::{Data, Reader as _, Sheet, SheetType, SheetVisible, Xls, XlsError, Xlsb, XlsbError, Xlsx, XlsxError};
use std::collections::HashMap;
use std::fmt::Display;
use std::io::Cursor;

pub(super) const XLSX: Reader = Reader { format: "xlsx", name: NAME, recognises: is_xlsx, read: read_xlsx };
pub(super) const XLSB: Reader = Reader { format: "xlsb", name: NAME, recognises: is_xlsb, read: read_xlsb };
pub(super) const XLS: Reader = Reader { format: "xls", name: NAME, recognises: is_xls, read: read_xls };

const NAME: &str = "an Excel workbook";

/// Names of the stream with the sheets, in new and old workbooks.
const STREAMS: [&str; 2] = ["Workbook", "Book"];

type Bytes<'a> = Cursor<&'a [u8]>;

fn is_xlsx(bytes: &[u8], extension: &str) -> bool {
    let main = |name: &str| name.strip_prefix("xl/workbook").is_some_and(|rest| rest.strip_suffix(".xml").is_some());
    archive::holds(bytes, main, matches!(extension, "xlsx" | "xlsm" | "xltx" | "xltm"))
}

fn is_xlsb(bytes: &[u8], extension: &str) -> bool {
    archive::holds(bytes, |name| name == "xl/workbook.bin", extension == "xlsb")
}

fn is_xls(bytes: &[u8], extension: &str) -> bool {
    compound::holds(bytes, &STREAMS, matches!(extension, "xls" | "xlt"))
}

/// Fills the grid with the cells of the named sheet.
///
/// The error describes the damage.
pub(super) type Fill<'f> = &'f mut dyn FnMut(&str, &mut Grid) -> Result<(), String>;

fn read_xlsx(bytes: &[u8], settings: &PrepareSettings, _: &ImageLimits) -> Result<Extract, Failure> {
    let asides = asides(bytes, settings.document_mb);
    xlsx(bytes, settings.document_mb, |sheets, fill| workbook(bytes, sheets, &asides?, fill))
}

fn read_xlsb(bytes: &[u8], settings: &PrepareSettings, _: &ImageLimits) -> Result<Extract, Failure> {
    xlsb(bytes, settings.document_mb, |sheets, fill| workbook(bytes, sheets, &HashMap::new(), fill))
}

fn read_xls(bytes: &[u8], _: &PrepareSettings, _: &ImageLimits) -> Result<Extract, Failure> {
    xls(bytes, |sheets, fill| workbook(bytes, sheets, &HashMap::new(), fill))
}

pub(super) fn xlsx<T>(bytes: &[u8], megabytes: u64, with: impl FnOnce(&[Sheet], Fill<'_>) -> Result<T, Failure>) -> Result<T, Failure> {
    Archive::open(bytes, NAME, megabytes)?.measure()?;
    let mut book: Xlsx<Bytes> = Xlsx::new(Cursor::new(bytes)).map_err(|error| match error {
        XlsxError::Password => verdict::encrypted(NAME),
        error => verdict::damaged(NAME, error),
    })?;
    let sheets = book.sheets_metadata().to_vec();
    with(&sheets, &mut |name, grid| {
        let mut cells = book.worksheet_cells_reader(name).map_err(text)?;
        let per_cents: Vec<Option<usize>> = cells.styles().iter().map(per_cent).collect();
        while let Some((cell, style)) = cells.next_cell_with_style_id().map_err(text)? {
            let value = Data::from(cell.get_value().clone());
            if !put(grid, cell.get_position(), &value, per_cents.get(style).copied().flatten()) {
                break;
            }
        }
        Ok(())
    })
}

pub(super) fn xlsb<T>(bytes: &[u8], megabytes: u64, with: impl FnOnce(&[Sheet], Fill<'_>) -> Result<T, Failure>) -> Result<T, Failure> {
    Archive::open(bytes, NAME, megabytes)?.measure()?;
    let mut book: Xlsb<Bytes> = Xlsb::new(Cursor::new(bytes)).map_err(|error| match error {
        XlsbError::Password => verdict::encrypted(NAME),
        error => verdict::damaged(NAME, error),
    })?;
    let sheets = book.sheets_metadata().to_vec();
    with(&sheets, &mut |name, grid| {
        let mut cells = book.worksheet_cells_reader(name).map_err(text)?;
        while let Some(cell) = cells.next_cell().map_err(text)? {
            if !put(grid, cell.get_position(), &Data::from(cell.get_value().clone()), None) {
                break;
            }
        }
        Ok(())
    })
}

pub(super) fn xls<T>(bytes: &[u8], with: impl FnOnce(&[Sheet], Fill<'_>) -> Result<T, Failure>) -> Result<T, Failure> {
    let clean = Compound::open(bytes, NAME)?.only(&STREAMS).map_err(|error| verdict::damaged(NAME, error))?;
    let mut book: Xls<Bytes> = Xls::new(Cursor::new(clean.as_slice())).map_err(|error| match error {
        XlsError::Password => verdict::encrypted(NAME),
        error => verdict::damaged(NAME, error),
    })?;
    let sheets = book.sheets_metadata().to_vec();
    with(&sheets, &mut |name, grid| {
        let range = book.worksheet_range(name).map_err(text)?;
        let (top, left) = range.start().unwrap_or((0, 0));
        for (row, column, value) in range.used_cells() {
            let far = |start: u32, steps: usize| start.saturating_add(u32::try_from(steps).unwrap_or(u32::MAX));
            let position = (far(top, row), far(left, column));
            if !put(grid, position, value, None) {
                break;
            }
        }
        Ok(())
    })
}

/// Puts a cell into the grid. Returns false if the grid is full.
fn put(grid: &mut Grid, position: (u32, u32), value: &Data, per_cent: Option<usize>) -> bool {
    if let Data::Float(number) = value {
        grid.note(position.1, is_inexact(*number));
    }
    grid.put(position, || shown(value, per_cent))
}

fn text(error: impl Display) -> String {
    error.to_string()
}

/// Extracts all sheets in order. `fill` reads the cells of a sheet.
fn workbook(bytes: &[u8], sheets: &[Sheet], asides: &HashMap<String, Aside>, fill: Fill<'_>) -> Result<Extract, Failure> {
    let (mut parts, mut notes, mut left) = (Vec::new(), Vec::new(), Grid::MOST);
    for sheet in sheets {
        let name = &sheet.name;
        if !matches!(sheet.typ, SheetType::WorkSheet | SheetType::MacroSheet | SheetType::DialogSheet) {
            notes.push(format!("sheet {name} is not a table and was left out"));
            continue;
        }
        let mut grid = Grid::new(left);
        if let Err(error) = fill(name, &mut grid) {
            notes.push(format!("sheet {name} is damaged and may lack cells: {error}"));
        }
        left = grid.left();
        let (table, cut) = grid.finish();
        notes.extend(cut.map(|rows| self::cut(name, rows)));
        let hidden = sheet.visible != SheetVisible::Visible;
        if hidden {
            notes.push(format!("sheet {name} is hidden"));
        }
        let aside = asides.get(name).cloned().unwrap_or_default();
        notes.extend(aside.notes(name));
        let body = [table, aside.comments.join("\n")].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n");
        if !body.is_empty() {
            parts.push(format!("## {name}{}\n\n{body}", if hidden { " (hidden)" } else { "" }));
        }
    }
    notes.extend(left_out(bytes));
    if parts.is_empty() && notes.iter().any(|note| note.contains("damaged")) {
        return Err(verdict::damaged(NAME, notes.join("; ")));
    }
    if parts.is_empty() {
        parts.push(String::new());
    }
    verdict::readable(NAME, Extract { pages: vec![Page::Text(parts.join("\n\n"))], paged: false, notes })
}

/// Builds the note for a sheet that was too large.
pub(super) fn cut(name: &str, rows: usize) -> String {
    format!("sheet {name} was cut after {rows} rows: the rest exceeds the limit of a document")
}

/// Formats a value in the form that people see.
fn shown(value: &Data, per_cent: Option<usize>) -> String {
    match value {
        Data::Float(number) if per_cent.is_some() => format!("{:.*}%", per_cent.unwrap_or(0).min(9), number * 100.0),
        Data::Float(value) => number(*value),
        Data::Bool(true) => "TRUE".to_owned(),
        Data::Bool(false) => "FALSE".to_owned(),
        Data::DateTime(date) if date.is_duration() => {
            #[expect(clippy::cast_possible_truncation, reason = "saturates far beyond any meaningful time")]
            let seconds = (date.as_f64() * 86400.0).round() as i64;
            let (sign, seconds) = (if seconds < 0 { "-" } else { "" }, seconds.unsigned_abs());
            format!("{sign}{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
        }
        Data::DateTime(date) => {
            let (year, month, day, hour, minute, second, _) = date.to_ymd_hms_milli();
            let time = if second == 0 { format!("{hour:02}:{minute:02}") } else { format!("{hour:02}:{minute:02}:{second:02}") };
            match date.as_f64() {
                // This is a time without a date.
                value if (0.0..1.0).contains(&value) => time,
                value if value.fract() == 0.0 => format!("{year:04}-{month:02}-{day:02}"),
                _ => format!("{year:04}-{month:02}-{day:02} {time}"),
            }
        }
        value => value.to_string(),
    }
}

/// Formats a number with all distinguishing digits, but without binary noise.
///
/// Whole numbers keep all digits, so that two ids of 16 digits stay different. Fractions have the
/// shortest digits that give the same number. A fraction is rounded to 15 digits, as in spreadsheet
/// programs, if this saves at least [`NOISE`] digits. For example, 0.30000000000000004 becomes 0.3.
pub(super) fn number(value: f64) -> String {
    let rounded = format!("{value:.14e}").parse().unwrap_or(value);
    let is_noise = value.fract() != 0.0 && digits(rounded) + NOISE <= digits(value);
    let value = if is_noise { rounded } else { value };
    if value != 0.0 && !(1e-9..1e21).contains(&value.abs()) { format!("{value:e}") } else { format!("{value}") }
}

/// Number of saved digits that indicates binary noise.
const NOISE: usize = 4;

/// Number of significant digits.
fn digits(value: f64) -> usize {
    format!("{value:e}").split('e').next().unwrap_or_default().bytes().filter(u8::is_ascii_digit).count()
}

/// Whether a workbook may have lost digits of the number.
pub(super) fn is_inexact(value: f64) -> bool {
    /// Doubles cannot represent all whole numbers above this one.
    const LARGEST: f64 = 9_007_199_254_740_992.0;
    value.fract() == 0.0 && value.abs() >= LARGEST
}

/// Number of decimals in a percent format; `None` for other formats.
fn per_cent(style: &calamine::Style) -> Option<usize> {
    let format = &style.number_format.as_ref()?.format_code;
    let before = format.split(';').next()?.split_once('%')?.0;
    Some(before.rsplit_once('.').map_or(0, |(_, digits)| digits.matches(['0', '#']).count()))
}

/// Facts about a sheet in addition to its cells.
#[derive(Default, Clone)]
pub(super) struct Aside {
    pub comments: Vec<String>,
    /// Number of formulas without a result in the file.
    ///
    /// Some programs leave the calculation to Excel.
    pub unsolved: usize,
    /// Whether rows or columns are hidden.
    pub hidden: bool,
}

impl Aside {
    pub fn notes(&self, sheet: &str) -> Vec<String> {
        let mut notes = Vec::new();
        if self.unsolved > 0 {
            let formulas = verdict::counted(self.unsolved, "formula");
            notes.push(format!("sheet {sheet} has {formulas} without a result, sent as empty cells: save it in a spreadsheet program"));
        }
        if self.hidden {
            notes.push(format!("sheet {sheet} has hidden rows or columns, which were sent"));
        }
        notes
    }

    /// Collects facts from the XML of a sheet.
    fn read(&mut self, sheet: &str) {
        if !sheet.contains("<f") && !sheet.contains("hidden=") {
            return;
        }
        let (mut formula, mut value, mut in_value) = (false, false, false);
        let _damage = xml::read(sheet, |node| match node {
            Node::Open(tag) => match tag.local_name().as_ref() {
                "c" => (formula, value) = (false, attribute(tag, "t").is_some_and(|kind| kind == "str")),
                "f" => formula = true,
                "v" => in_value = true,
                "row" | "col" => self.hidden |= matches!(attribute(tag, "hidden").as_deref(), Some("1" | "true")),
                _ => {}
            },
            Node::Close(name) => match name.rsplit(':').next().unwrap_or_default() {
                "c" => self.unsolved += usize::from(formula && !value),
                "v" => in_value = false,
                _ => {}
            },
            Node::Text(_) => value |= in_value,
        });
    }
}

/// Collects facts about each sheet, by name.
fn asides(bytes: &[u8], megabytes: u64) -> Result<HashMap<String, Aside>, Failure> {
    let mut asides: HashMap<String, Aside> = HashMap::new();
    let mut archive = Archive::open(bytes, NAME, megabytes)?;
    let Some(main) = archive.text("xl/workbook.xml")? else { return Ok(asides) };
    let mut sheets = Vec::new();
    let _damage = xml::read(&main, |node| {
        if let Node::Open(tag) = node
            && tag.local_name().as_ref() == "sheet"
        {
            sheets.extend(attribute(tag, "name").zip(attribute(tag, "r:id")));
        }
    });
    let relations = parts::relations(&mut archive, "xl/workbook.xml")?;
    for (name, id) in sheets {
        let Some(sheet) = relations.iter().find(|relation| relation.id == id) else { continue };
        let aside = asides.entry(name).or_default();
        // If decompression fails, reading the cells reports it.
        if let Ok(Some(text)) = archive.text(&sheet.target) {
            aside.read(&text);
        }
        for part in parts::relations(&mut archive, &sheet.target)?.iter().filter(|part| part.kind == "comments") {
            if let Some(text) = archive.text(&part.target)? {
                aside.comments.extend(remarks(&text));
            }
        }
    }
    Ok(asides)
}

fn remarks(text: &str) -> Vec<String> {
    let (mut remarks, mut in_text) = (Vec::<String>::new(), false);
    let _damage = xml::read(text, |node| match node {
        Node::Open(tag) => match tag.local_name().as_ref() {
            "comment" => remarks.push(format!("Comment on {}: ", attribute(tag, "ref").unwrap_or_default())),
            "t" => in_text = true,
            _ => {}
        },
        Node::Close(_) => in_text = false,
        Node::Text(text) if in_text => {
            if let Some(remark) = remarks.last_mut() {
                remark.push_str(&text.replace('\n', " "));
            }
        }
        Node::Text(_) => {}
    });
    remarks
}

fn left_out(bytes: &[u8]) -> Vec<String> {
    let names: Vec<String> = Archive::open(bytes, NAME, 0).map(|archive| archive.names().collect()).unwrap_or_default();
    let count = |prefix: &str| names.iter().filter(|name| name.starts_with(prefix)).count();
    let parts = [(count("xl/media/"), "picture"), (count("xl/charts/chart"), "chart")];
    let mut notes: Vec<String> = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, one)| format!("{} left out", verdict::counted(*number, one)))
        .collect();
    if count("xl/vbaProject.bin") > 0 {
        notes.push("macros left out".to_owned());
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_distinguishing_digits() {
        for (value, written) in [
            (1_234_567_890_123_450.0, "1234567890123450"),
            (1_234_567_890_123_453.0, "1234567890123453"),
            (9_007_199_254_740_991.0, "9007199254740991"),
            (-9_007_199_254_740_993.0, "-9007199254740992"),
            (1e22, "1e22"),
            (0.1 + 0.2, "0.3"),
            (0.1 + 0.7, "0.8"),
            (100.1 * 3.0, "300.3"),
            (1_234_567_890.1 + 0.2, "1234567890.3"),
            (1.0 / 3.0, "0.3333333333333333"),
            (std::f64::consts::PI, "3.141592653589793"),
            (1_234_567_890_123.456, "1234567890123.456"),
            (123_456_789.123_456_78, "123456789.12345678"),
            (2.5e-10, "2.5e-10"),
            (0.0, "0"),
        ] {
            assert_eq!(number(value), written);
        }
        assert!(is_inexact(1e17) && !is_inexact(9_007_199_254_740_991.0) && !is_inexact(0.5));
    }
}
