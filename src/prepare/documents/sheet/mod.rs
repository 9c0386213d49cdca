//! Excel workbooks (XLSX, XLSB, XLS).
//!
//! Each sheet becomes a heading and a table. Cells have the text that people see, by their number
//! formats; whole dates are in ISO form. Comments and text boxes follow the table. Empty rows and
//! columns are omitted. Hidden sheets are included and marked. Hidden rows and columns are included,
//! because filters usually hide them only temporarily. A sheet that is too large is cut between
//! rows. Notes report all differences from the shown values.
//!
//! The crate calamine reads values of XLSX and XLS. It knows no number formats of XLS and XLSB, it
//! skips short cell records of XLSB, and panics at relations that are missing there. So `xlsb` reads
//! XLSB, and `xls` reads the formats of XLS.
//!
//! Only filled cells take memory. Otherwise one distant cell would create a table of billions of
//! cells.

mod aside;
mod biff;
mod cells;
mod flat;
mod rich;
mod xls;
mod xls_texts;
mod xlsb;
mod xlsx;

pub(super) use aside::Aside;
pub(super) use cells::Filled;
pub(super) use flat::READER as FLAT;
pub(super) use xls::with_sheets as xls;
pub(super) use xlsb::with_sheets as xlsb;
pub(super) use xlsx::with_sheets as xlsx;

use super::archive::{self, Archive};
use super::compound::{self, Compound};
use super::grid::Grid;
use super::{Extract, ImageLimits, Page, PrepareSettings, Reader, verdict};
use crate::model::Failure;
use calamine::SheetType;
use std::fmt::Display;

pub(super) const XLSX: Reader = Reader { format: "xlsx", name: NAME, recognises: is_xlsx, read: read_xlsx };
pub(super) const XLSB: Reader = Reader { format: "xlsb", name: NAME, recognises: is_xlsb, read: read_xlsb };
pub(super) const XLS: Reader = Reader { format: "xls", name: NAME, recognises: is_xls, read: read_xls };

const NAME: &str = "an Excel workbook";

fn is_xlsx(bytes: &[u8], extension: &str) -> bool {
    let main = |name: &str| name.strip_prefix("xl/workbook").is_some_and(|rest| rest.strip_suffix(".xml").is_some());
    archive::holds(bytes, main, matches!(extension, "xlsx" | "xlsm" | "xltx" | "xltm"))
}

fn is_xlsb(bytes: &[u8], extension: &str) -> bool {
    archive::holds(bytes, |name| name == "xl/workbook.bin", extension == "xlsb")
}

fn is_xls(bytes: &[u8], extension: &str) -> bool {
    compound::holds(bytes, &xls::STREAMS, matches!(extension, "xls" | "xlt"))
}

/// A sheet of a workbook.
#[derive(Debug, Clone)]
pub(super) struct Tab {
    pub name: String,
    pub kind: SheetType,
    pub hidden: bool,
}

/// Reads the cells of the named sheet.
///
/// The error describes the damage.
pub(super) type Fill<'f> = &'f mut dyn FnMut(&str, &mut Filled) -> Result<(), String>;

fn read_xlsx(bytes: &[u8], settings: &PrepareSettings, _: &ImageLimits) -> Result<Extract, Failure> {
    xlsx(bytes, settings.document_mb, |sheets, fill| workbook(bytes, sheets, fill))
}

fn read_xlsb(bytes: &[u8], settings: &PrepareSettings, _: &ImageLimits) -> Result<Extract, Failure> {
    xlsb(bytes, settings.document_mb, |sheets, fill| workbook(bytes, sheets, fill))
}

fn read_xls(bytes: &[u8], _: &PrepareSettings, _: &ImageLimits) -> Result<Extract, Failure> {
    let sound = Compound::sound(bytes);
    let mut extract = xls(&sound, |sheets, fill| workbook(&sound, sheets, fill))?;
    extract.notes.extend(xls::left_out(&sound));
    Ok(Compound::noted(extract, &sound, bytes))
}

fn text(error: impl Display) -> String {
    error.to_string()
}

/// Extracts all sheets in order. `fill` reads the cells of a sheet.
fn workbook(bytes: &[u8], tabs: &[Tab], fill: Fill<'_>) -> Result<Extract, Failure> {
    let (mut parts, mut notes, mut left) = (Vec::new(), Vec::new(), Grid::MOST);
    for Tab { name, kind, hidden } in tabs {
        if !matches!(kind, SheetType::WorkSheet | SheetType::MacroSheet | SheetType::DialogSheet) {
            notes.push(format!("sheet {name} is not a table and was left out"));
            continue;
        }
        let mut sheet = Filled::new(Grid::new(left), true);
        if let Err(error) = fill(name, &mut sheet) {
            notes.push(format!("sheet {name} is damaged and may lack cells: {error}"));
        }
        let (body, facts, room) = written(name, *hidden, sheet);
        left = room;
        notes.extend(facts);
        parts.extend(body);
    }
    notes.extend(left_out(bytes));
    if parts.is_empty() && notes.iter().any(|note| note.contains("damaged")) {
        return Err(verdict::damaged(NAME, notes.join("; ")));
    }
    verdict::readable(NAME, Extract { pages: vec![Page::Text(parts.join("\n\n"))], paged: false, notes })
}

/// Writes a sheet. Returns its text, its notes, and the number of bytes that are left.
pub(super) fn written(name: &str, hidden: bool, sheet: Filled) -> (Option<String>, Vec<String>, usize) {
    let Filled { mut grid, aside, .. } = sheet;
    let mut aside = aside.unwrap_or_default();
    aside.covered = grid.cover(&aside.merged);
    let left = grid.left();
    let (table, cut) = grid.finish();
    let mut notes: Vec<String> = cut.map(|rows| self::cut(name, rows)).into_iter().collect();
    if hidden {
        notes.push(format!("sheet {name} is hidden"));
    }
    notes.extend(aside.notes(name));
    let boxes = aside.boxes.iter().map(|text| format!("Text box: {text}")).collect::<Vec<_>>().join("\n\n");
    let body = [table, boxes, aside.comments.join("\n")].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n");
    let heading = format!("## {name}{}", if hidden { " (hidden)" } else { "" });
    ((!body.is_empty()).then(|| format!("{heading}\n\n{body}")), notes, left)
}

/// Builds the note for a sheet that was too large.
fn cut(name: &str, rows: usize) -> String {
    format!("sheet {name} was cut after {rows} rows: the rest exceeds the limit of a document")
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
