//! Reads a sheet of a workbook as a table, in another process.
//!
//! The process has limits of memory and time, and writes rows as JSON.

use super::decoder::{Decoder, Format, MEGABYTES};
use super::text::SAMPLE;
use crate::prepare::{Sniffed, is_workbook, sniff};
use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::path::Path;
use tempfile::{NamedTempFile, TempPath};

/// The hidden command that starts this process.
pub const READ_SHEET: &str = "read-sheet";

/// CPU time for reading a workbook, in seconds.
const SECONDS: u64 = 300;

/// The rows of a sheet.
#[derive(Debug)]
pub(super) struct Rows {
    pub file: TempPath,
    /// The sheets of the workbook. docmill read the first one.
    pub sheets: Vec<String>,
}

/// Splits `book.xlsx#Sheet2` into file and sheet, unless a file has that name.
pub(super) fn file_and_sheet(given: &str) -> (&str, Option<&str>) {
    match given.rsplit_once('#') {
        Some((file, sheet)) if !sheet.is_empty() && !Path::new(given).exists() && Path::new(file).is_file() => (file, Some(sheet)),
        _ => (given, None),
    }
}

/// The result for a file that is not a workbook.
fn no_workbook(sheet: Option<&str>) -> Result<Option<Rows>, String> {
    sheet.map_or(Ok(None), |sheet| Err(format!("only workbooks have sheets. Name the file without #{sheet}")))
}

/// Reads the rows of a sheet. `None` if the file is not a workbook.
///
/// Without a name the first sheet is read. `id_column` identifies rows.
pub(super) fn rows(path: &Path, sheet: Option<&str>, id_column: Option<&str>) -> Result<Option<Rows>, String> {
    let say = |e: io::Error| e.to_string();
    let mut bytes = Vec::new();
    let mut file = File::open(path).map_err(say)?;
    (&mut file).take(SAMPLE).read_to_end(&mut bytes).map_err(say)?;
    if !bytes.starts_with(b"PK\x03\x04") && !bytes.starts_with(b"\xD0\xCF\x11\xE0") {
        return no_workbook(sheet);
    }
    // The directory of a ZIP archive is at its end.
    file.read_to_end(&mut bytes).map_err(say)?;
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase()).unwrap_or_default();
    let Sniffed::Document(reader) = sniff(&bytes, &extension) else { return no_workbook(sheet) };
    if !is_workbook(reader.format) {
        return no_workbook(sheet);
    }
    drop(bytes);
    file.rewind().map_err(say)?;
    let name = id_column.map(|column| format!("--id-column={column}"));
    let args = [READ_SHEET.to_owned(), MEGABYTES.to_string(), SECONDS.to_string(), reader.format.to_owned()].into_iter().chain(name);
    let args: Vec<String> = args.chain(["--".to_owned()]).chain(sheet.map(ToOwned::to_owned)).collect();
    let format = Format { name: reader.name, seconds: SECONDS, advice: "Save the sheet as CSV" };
    let mut decoder = Decoder::start(format, &args, file).map_err(say)?;
    let mut rows = NamedTempFile::new().map_err(say)?;
    io::copy(&mut decoder, &mut rows).map_err(say)?;
    // The process writes the names of sheets after the last row.
    Ok(Some(Rows { file: rows.into_temp_path(), sheets: decoder.notes().lines().map(ToOwned::to_owned).collect() }))
}
