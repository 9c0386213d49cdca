//! XLSX, with values read by calamine.

use super::cells::{Filled, Formats};
use super::{Fill, NAME, Tab, rich, text};
use crate::model::Failure;
use crate::prepare::documents::archive::Archive;
use crate::prepare::documents::number_format::NumberFormat;
use crate::prepare::documents::xml::{self, Node, attribute};
use crate::prepare::documents::{parts, verdict};
use calamine::{Data, Reader as _, SheetVisible, Xlsx, XlsxError};
use std::collections::HashMap;
use std::io::Cursor;

/// Opens a workbook for `with`, which reads sheets by name.
pub(in crate::prepare::documents) fn with_sheets<T>(
    bytes: &[u8],
    megabytes: u64,
    with: impl FnOnce(&[Tab], Fill<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    Archive::open(bytes, NAME, megabytes)?.measure()?;
    let mut book: Xlsx<Cursor<&[u8]>> = Xlsx::new(Cursor::new(bytes)).map_err(|error| match error {
        XlsxError::Password => verdict::encrypted(NAME),
        error => verdict::damaged(NAME, error),
    })?;
    let tabs: Vec<Tab> = (book.sheets_metadata().iter())
        .map(|sheet| Tab { name: sheet.name.clone(), kind: sheet.typ, hidden: sheet.visible != SheetVisible::Visible })
        .collect();
    let mut archive = Archive::open(bytes, NAME, megabytes)?;
    let parts = sheet_parts(&mut archive)?;
    let shared = archive.text("xl/sharedStrings.xml").ok().flatten().map(|part| rich::shared(&part)).unwrap_or_default();
    let mut formats = Formats { from_1904: book.has_1904_epoch(), ..Formats::default() };
    with(&tabs, &mut |name, sheet: &mut Filled| {
        let mut marked = HashMap::new();
        if let (Some(aside), Some(part)) = (&mut sheet.aside, parts.get(name)) {
            // If decompression fails, reading the cells reports it.
            if let Ok(Some(text)) = archive.text(part) {
                aside.read(&text);
                marked = rich::cells(&text, &shared);
            }
            aside.read_related(&mut archive, part).map_err(|failure| failure.message)?;
        }
        let mut cells = book.worksheet_cells_reader(name).map_err(text)?;
        if formats.by_style.is_empty() {
            let code = |style: &calamine::Style| style.number_format.as_ref().map(|format| format.format_code.clone()).unwrap_or_default();
            let is_struck = |style: &calamine::Style| style.font.as_ref().is_some_and(calamine::Font::has_strikethrough);
            formats.struck = cells.styles().iter().map(is_struck).collect();
            formats.by_style = cells.styles().iter().map(|style| NumberFormat::read(&code(style))).collect();
        }
        while let Some((cell, style)) = cells.next_cell_with_style_id().map_err(text)? {
            let value = marked
                .remove(&cell.get_position())
                .map_or_else(|| Data::from(cell.get_value().clone()), |text| Data::String(text.into_owned()));
            if !sheet.put(cell.get_position(), &value, Some(style), &formats) {
                break;
            }
        }
        Ok(())
    })
}

/// The part of each sheet, by name.
fn sheet_parts(archive: &mut Archive) -> Result<HashMap<String, String>, Failure> {
    let main = archive.text("xl/workbook.xml")?.unwrap_or_default();
    let mut sheets = Vec::new();
    let _damage = xml::read(&main, |node| {
        if let Node::Open(tag) = node
            && tag.local_name().as_ref() == "sheet"
        {
            sheets.extend(attribute(tag, "name").zip(attribute(tag, "r:id")));
        }
    });
    let relations = parts::relations(archive, "xl/workbook.xml")?;
    let part = |id: &String| relations.iter().find(|relation| relation.id == *id).map(|relation| relation.target.clone());
    Ok(sheets.into_iter().filter_map(|(name, id)| Some((name, part(&id)?))).collect())
}
