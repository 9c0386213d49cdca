//! XLSB, record by record.

use super::aside::Aside;
use super::biff::{compressed, double, long, parts, short, string};
use super::cells::{Filled, Formats};
use super::rich::{Look, marked};
use super::{Fill, NAME, Tab};
use crate::model::Failure;
use crate::prepare::documents::archive::Archive;
use crate::prepare::documents::grid::Region;
use crate::prepare::documents::number_format::{NumberFormat, code};
use crate::prepare::documents::parts::relations;
use calamine::{Data, SheetType};
use std::collections::HashMap;

const MAIN: &str = "xl/workbook.bin";

/// Opens a workbook for `with`, which reads sheets by name.
pub(in crate::prepare::documents) fn with_sheets<T>(
    bytes: &[u8],
    megabytes: u64,
    with: impl FnOnce(&[Tab], Fill<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut archive = Archive::open(bytes, NAME, megabytes)?;
    let mut formats = Formats::default();
    let (mut tabs, mut targets) = (Vec::new(), HashMap::new());
    let links = relations(&mut archive, MAIN)?;
    let main = archive.bytes(MAIN)?.unwrap_or_default();
    for (kind, body) in parts(&main) {
        match kind {
            0x99 => formats.from_1904 = body.first().is_some_and(|flags| flags & 1 != 0),
            0x9C => {
                let (id, behind) = string(body.get(8..).unwrap_or_default());
                let (name, _) = string(behind);
                let link = links.iter().find(|link| link.id == id);
                let kind = match link.map(|link| &*link.kind) {
                    Some("worksheet") => SheetType::WorkSheet,
                    Some("dialogsheet") => SheetType::DialogSheet,
                    Some("xlMacrosheet" | "macrosheet") => SheetType::MacroSheet,
                    _ => SheetType::ChartSheet,
                };
                targets.extend(link.map(|link| (name.clone(), link.target.clone())));
                tabs.push(Tab { name, kind, hidden: long(body, 0) != 0 });
            }
            _ => {}
        }
    }
    let styles = Styles::read(&archive.bytes("xl/styles.bin")?.unwrap_or_default());
    formats.struck = styles.font_of.iter().map(|font| styles.look(*font).struck).collect();
    let texts = archive.bytes("xl/sharedStrings.bin")?.unwrap_or_default();
    let strings: Vec<Text> = parts(&texts).filter(|(kind, _)| *kind == 0x13).map(|(_, body)| styles.text(body)).collect();
    formats.by_style = styles.formats;
    with(&tabs, &mut |name, sheet| {
        let target = targets.get(name).ok_or("its part is missing")?;
        let part = archive.bytes(target).map_err(|failure| failure.message)?.ok_or("its part is missing")?;
        cells(&part, sheet, &strings, &formats);
        match &mut sheet.aside {
            Some(aside) => aside.read_related(&mut archive, target).map_err(|failure| failure.message),
            None => Ok(()),
        }
    })
}

/// The number format and the font of each style, and the looks of fonts.
#[derive(Default)]
struct Styles {
    formats: Vec<NumberFormat>,
    font_of: Vec<u16>,
    fonts: Vec<Look>,
}

impl Styles {
    fn read(part: &[u8]) -> Self {
        let (mut codes, mut styles, mut in_cells) = (HashMap::new(), Self::default(), false);
        for (kind, body) in parts(part) {
            match kind {
                0x2C => drop(codes.insert(u32::from(short(body, 0)), string(body.get(2..).unwrap_or_default()).0)),
                0x2B => styles.fonts.push(Look::of(short(body, 2), short(body, 6))),
                0x269 | 0x26A => in_cells = kind == 0x269,
                0x2F if in_cells => {
                    let number = short(body, 2).into();
                    let own: Option<&str> = codes.get(&number).map(String::as_str);
                    styles.formats.push(NumberFormat::read(own.or_else(|| code(number)).unwrap_or_default()));
                    styles.font_of.push(short(body, 4));
                }
                _ => {}
            }
        }
        styles
    }

    fn look(&self, font: u16) -> Look {
        self.fonts.get(usize::from(font)).copied().unwrap_or_default()
    }

    /// Reads a text, with marks if its parts look different.
    fn text(&self, body: &[u8]) -> Text {
        let (text, behind) = string(body.get(1..).unwrap_or_default());
        let is_rich = body.first().is_some_and(|flags| flags & 1 != 0);
        let count = if is_rich { (long(behind, 0) as usize).saturating_mul(4) } else { 0 };
        let runs = behind.get(4..).unwrap_or_default();
        let parts = runs[..count.min(runs.len())].chunks_exact(4).map(|run| (short(run, 0).into(), self.look(short(run, 2))));
        Text { marked: marked(&text, Look::default(), parts), plain: text }
    }
}

/// A text, and the same with marks if its parts look different.
struct Text {
    plain: String,
    marked: Option<String>,
}

fn cells(part: &[u8], sheet: &mut Filled, strings: &[Text], formats: &Formats) {
    let (mut row, mut column) = (0, 0);
    for (kind, body) in parts(part) {
        // Short records have no column. They stand behind their neighbour.
        let (at, kind) = match kind {
            1..=11 | 62 => {
                column = long(body, 0);
                (4, kind)
            }
            12..=18 => {
                column = column.wrapping_add(1);
                (0, kind - 11)
            }
            _ => {
                match kind {
                    0 => {
                        (row, column) = (long(body, 0), u32::MAX);
                        aside(sheet, |aside| aside.hidden |= body.get(11).is_some_and(|flags| flags & 0x10 != 0));
                    }
                    60 => aside(sheet, |aside| aside.hidden |= short(body, 16) & 1 != 0),
                    176 => aside(sheet, |aside| {
                        aside.merged.push(Region { rows: (long(body, 0), long(body, 4)), columns: (long(body, 8), long(body, 12)) });
                    }),
                    _ => {}
                }
                continue;
            }
        };
        let style = usize::try_from(long(body, at) & 0x00FF_FFFF).ok();
        let value = body.get(at + 4..).unwrap_or_default();
        let value = match kind {
            2 => Data::Float(compressed(long(value, 0))),
            3 | 11 => Data::String(error(value.first().copied().unwrap_or(0)).to_owned()),
            4 | 10 => Data::Bool(value.first().is_some_and(|byte| *byte != 0)),
            5 | 9 => Data::Float(double(value, 0)),
            6 | 8 => Data::String(string(value).0),
            7 => {
                let text = strings.get(long(value, 0) as usize);
                let marked = text.and_then(|text| text.marked.as_ref()).filter(|_| sheet.aside.is_some());
                Data::String(marked.or(text.map(|text| &text.plain)).cloned().unwrap_or_default())
            }
            62 => Data::String(string(value.get(1..).unwrap_or_default()).0),
            _ => continue,
        };
        if !sheet.put((row, column), &value, style, formats) {
            return;
        }
    }
}

fn aside(sheet: &mut Filled, fact: impl FnOnce(&mut Aside)) {
    if let Some(aside) = &mut sheet.aside {
        fact(aside);
    }
}

/// What a cell shows instead of a value.
fn error(code: u8) -> &'static str {
    match code {
        0x00 => "#NULL!",
        0x07 => "#DIV/0!",
        0x0F => "#VALUE!",
        0x17 => "#REF!",
        0x1D => "#NAME?",
        0x24 => "#NUM!",
        0x2A => "#N/A",
        _ => "#ERROR",
    }
}
