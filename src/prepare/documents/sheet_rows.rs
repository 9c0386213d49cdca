//! Rows of a sheet as JSON lines. The first row names the columns.
//!
//! Cells have the text that people see. Numbers without a number format have all their digits. Cells
//! keep the blanks around their text. Empty rows and columns are left out; a cell of blanks is empty.
//! A sheet above its limit is refused, not cut. A sheet whose ids are too long for a workbook's
//! numbers is refused too.

use super::grid::Grid;
use super::sheet::Filled;
use super::{ods, sheet, verdict};
use crate::model::Failure;
use calamine::SheetType;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::io::{self, Write};

/// Formats of readers that read workbooks.
const WORKBOOKS: [&str; 4] = ["xlsx", "xlsb", "xls", "ods"];
/// The share of the memory limit that cells may take.
const SHARE: u64 = 4;

/// Whether a document of this format has sheets.
pub fn is_workbook(format: &str) -> bool {
    WORKBOOKS.contains(&format)
}

/// The sheet to read, and its id column.
#[derive(Debug, Clone, Default)]
pub struct SheetChoice {
    /// The name of the sheet; `None`: the first one.
    pub name: Option<String>,
    /// The column that identifies rows.
    pub id_column: Option<String>,
}

/// Writes the rows of a sheet. Returns the names of all sheets, the written one first.
pub fn sheet_rows(bytes: &[u8], format: &str, wanted: &SheetChoice, megabytes: u64, out: &mut impl Write) -> Result<Vec<String>, String> {
    let name = wanted.name.as_deref();
    let most = usize::try_from(megabytes.saturating_mul(1_000_000) / SHARE).unwrap_or(usize::MAX);
    let filled = |sheets: &[sheet::Tab], fill: sheet::Fill<'_>| {
        let tables = sheets.iter().filter(|sheet| sheet.kind == SheetType::WorkSheet).map(|sheet| sheet.name.clone());
        let names = match ordered(tables.collect(), name) {
            Ok(names) => names,
            // The workbook itself is fine, so this is not a failure of reading it.
            Err(why) => return Ok(Err(why)),
        };
        let mut sheet = Filled::new(Grid::unchanged(most), false);
        fill(&names[0], &mut sheet).map_err(|why| verdict::damaged("a workbook", why))?;
        Ok(Ok((names, sheet.grid)))
    };
    let read: Result<Result<(Vec<String>, Grid), String>, Failure> = match format {
        "xlsx" => sheet::xlsx(bytes, megabytes, filled),
        "xlsb" => sheet::xlsb(bytes, megabytes, filled),
        "xls" => sheet::xls(bytes, filled),
        _ => ods::sheets(bytes, megabytes, most).map(|mut sheets| {
            let names = ordered(sheets.iter().map(|(name, _)| name.clone()).collect(), name)?;
            let at = sheets.iter().position(|(name, _)| *name == names[0]).unwrap_or(0);
            Ok((names, sheets.swap_remove(at).1))
        }),
    };
    let (names, grid) = read.map_err(|failure| failure.message)??;
    let is_id = |(_, name): &&(u32, String)| wanted.id_column.as_deref() == Some(name.trim());
    if let Some((column, id)) = grid.header().iter().find(is_id)
        && grid.is_inexact(*column)
    {
        return Err(format!(
            "column \"{}\" has whole numbers above 2^53. A workbook keeps only their first digits, so they cannot \
                identify rows. Make the column text, or save the sheet as CSV from the program that has the numbers",
            id.trim()
        ));
    }
    let rows =
        grid.into_rows().ok_or_else(|| format!("sheet {} has more than {} MB of cells. Save it as CSV", names[0], most / 1_000_000))?;
    write(rows.collect(), out)?;
    Ok(names)
}

/// The names of the sheets, the wanted one first.
fn ordered(mut names: Vec<String>, wanted: Option<&str>) -> Result<Vec<String>, String> {
    let at = match wanted {
        None if names.is_empty() => return Err("the workbook has no sheet with cells".into()),
        None => 0,
        Some(wanted) => names
            .iter()
            .position(|name| name == wanted)
            .ok_or_else(|| format!("the workbook has no sheet {wanted}; expected one of {}", names.join(", ")))?,
    };
    let first = names.remove(at);
    names.insert(0, first);
    Ok(names)
}

fn write(rows: Vec<Vec<(u32, String)>>, out: &mut impl Write) -> Result<(), String> {
    let columns: BTreeSet<u32> = rows.iter().flatten().map(|(column, _)| *column).collect();
    let mut rows = rows.into_iter();
    let header = rows.next().unwrap_or_default();
    let mut names: Vec<(u32, String)> = Vec::new();
    for column in columns {
        let name = header
            .iter()
            .find(|(at, _)| *at == column)
            .map_or_else(|| format!("column_{}", column + 1), |(_, name)| name.trim().to_owned());
        if names.iter().any(|(_, other)| *other == name) {
            return Err(format!("column {} has the same name as another column: \"{name}\". Rename one", column + 1));
        }
        names.push((column, name));
    }
    let line = |row: Vec<(u32, String)>| -> io::Result<()> {
        let value = |column: u32| row.iter().find(|(at, _)| *at == column).map_or(Value::Null, |(_, value)| value.clone().into());
        let object: Map<String, Value> = names.iter().map(|(column, name)| (name.clone(), value(*column))).collect();
        serde_json::to_writer(&mut *out, &object)?;
        out.write_all(b"\n")
    };
    rows.try_for_each(line).and_then(|()| out.flush()).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(cells: &[(u32, u32, &str)]) -> Result<String, String> {
        let mut grid = Grid::unchanged(10_000);
        for (row, column, value) in cells {
            grid.put((*row, *column), || (*value).to_owned());
        }
        let mut out = Vec::new();
        write(grid.into_rows().unwrap().collect(), &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn the_first_row_names_the_columns_and_empty_rows_are_left_out() {
        let cells = [(4, 2, "id"), (4, 4, "text"), (6, 2, "1"), (6, 4, " a \"b\" "), (7, 2, "2"), (8, 4, "  "), (9, 6, "x"), (9, 4, "c")];
        let lines = [
            r#"{"id":"1","text":" a \"b\" ","column_7":null}"#,
            r#"{"id":"2","text":null,"column_7":null}"#,
            r#"{"id":null,"text":"c","column_7":"x"}"#,
        ];
        assert_eq!(written(&cells), Ok(lines.join("\n") + "\n"));
        assert_eq!(written(&[]), Ok(String::new()));
        assert!(written(&[(0, 0, "a"), (0, 1, "a")]).unwrap_err().contains("column 2 has the same name as another column: \"a\""));
    }

    #[test]
    fn a_sheet_is_chosen_by_its_name() {
        let names = || vec!["One".to_owned(), "Two".to_owned()];
        assert_eq!(ordered(names(), None).unwrap(), ["One", "Two"]);
        assert_eq!(ordered(names(), Some("Two")).unwrap(), ["Two", "One"]);
        assert!(ordered(names(), Some("Three")).unwrap_err().contains("expected one of One, Two"));
        assert!(ordered(Vec::new(), None).is_err());
    }
}
