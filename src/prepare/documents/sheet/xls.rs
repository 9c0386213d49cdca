//! XLS (Excel up to 2003): values read by calamine, formats and texts from the records.

use super::aside::{Aside, comment};
use super::biff::{long, records, short, wide};
use super::cells::Formats;
use super::{Fill, NAME, Tab, text};
use crate::model::Failure;
use crate::prepare::documents::compound::Compound;
use crate::prepare::documents::grid::Region;
use crate::prepare::documents::number_format::{NumberFormat, code};
use crate::prepare::documents::{codepage, verdict};
use calamine::{Reader as _, SheetVisible, Xls, XlsError};
use encoding_rs::{Encoding, WINDOWS_1252};
use std::collections::HashMap;
use std::io::Cursor;

/// Names of the stream with the sheets, in new and old workbooks.
pub(super) const STREAMS: [&str; 2] = ["Workbook", "Book"];

/// Opens a workbook for `with`, which reads sheets by name.
pub(in crate::prepare::documents) fn with_sheets<T>(
    bytes: &[u8],
    with: impl FnOnce(&[Tab], Fill<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut compound = Compound::open(bytes, NAME)?;
    let clean = compound.only(&STREAMS).map_err(|error| verdict::damaged(NAME, error))?;
    let stream = STREAMS.iter().find_map(|name| compound.stream(name)).unwrap_or_default();
    let mut book: Xls<Cursor<&[u8]>> = Xls::new(Cursor::new(clean.as_slice())).map_err(|error| match error {
        XlsError::Password => verdict::encrypted(NAME),
        error => verdict::damaged(NAME, error),
    })?;
    let tabs: Vec<Tab> = (book.sheets_metadata().iter())
        .map(|sheet| Tab { name: sheet.name.clone(), kind: sheet.typ, hidden: sheet.visible != SheetVisible::Visible })
        .collect();
    let main = Globals::read(&stream);
    with(&tabs, &mut |name, sheet| {
        let position = tabs.iter().position(|tab| tab.name == name).and_then(|at| main.sheets.get(at).copied());
        let styles = position.map(|at| main.walk(&stream, at, sheet.aside.as_mut())).unwrap_or_default();
        let range = book.worksheet_range(name).map_err(text)?;
        let (top, left) = range.start().unwrap_or((0, 0));
        for (row, column, value) in range.used_cells() {
            let far = |start: u32, steps: usize| start.saturating_add(u32::try_from(steps).unwrap_or(u32::MAX));
            let position = (far(top, row), far(left, column));
            let style = styles.get(&position).copied().map(usize::from);
            if !sheet.put(position, value, style, &main.formats) {
                break;
            }
        }
        Ok(())
    })
}

/// Formats, encoding and sheet positions of the workbook.
struct Globals {
    formats: Formats,
    /// Position of each sheet in the stream.
    sheets: Vec<usize>,
    /// Encoding of texts before Excel 97.
    encoding: &'static Encoding,
    is_old: bool,
}

impl Globals {
    fn read(stream: &[u8]) -> Self {
        let mut main = Self { formats: Formats::default(), sheets: Vec::new(), encoding: WINDOWS_1252, is_old: false };
        let (mut codes, mut styles) = (HashMap::new(), Vec::new());
        for (kind, body) in records(stream, 0) {
            match kind {
                0x0809 => main.is_old = short(body, 0) < 0x0600,
                0x0042 => main.encoding = codepage::of_number(short(body, 0).into()).unwrap_or(WINDOWS_1252),
                0x0022 => main.formats.from_1904 = short(body, 0) == 1,
                0x041E => drop(codes.insert(u32::from(short(body, 0)), main.string(body, 2))),
                0x00E0 => styles.push(u32::from(short(body, 2))),
                0x0085 => main.sheets.extend(usize::try_from(long(body, 0))),
                0x000A => break,
                _ => {}
            }
        }
        let format = |number: u32| codes.get(&number).map(String::as_str).or_else(|| code(number)).unwrap_or_default();
        // Struck text is not marked: a cell can be struck in part, which its style does not say.
        main.formats.by_style = styles.into_iter().map(|number| NumberFormat::read(format(number))).collect();
        main
    }

    /// A string with its length in front.
    fn string(&self, body: &[u8], at: usize) -> String {
        if self.is_old {
            let length = body.get(at).copied().unwrap_or(0);
            return self.old(body.get(at + 1..).unwrap_or_default(), length.into());
        }
        characters(body.get(at + 2..).unwrap_or_default(), short(body, at).into())
    }

    fn old(&self, bytes: &[u8], length: usize) -> String {
        self.encoding.decode_without_bom_handling(&bytes[..length.min(bytes.len())]).0.into_owned()
    }

    /// Reads a sheet. Returns the style of each cell with a value.
    fn walk(&self, stream: &[u8], at: usize, aside: Option<&mut Aside>) -> HashMap<(u32, u32), u16> {
        let mut styles = HashMap::new();
        let mut unused = Aside::default();
        let aside = aside.unwrap_or(&mut unused);
        let mut boxes = Boxes::default();
        let mut depth = 0_usize;
        for (kind, body) in records(stream, at) {
            let position = || (u32::from(short(body, 0)), u32::from(short(body, 2)));
            match kind {
                0x0809 => depth += 1,
                0x000A if depth <= 1 => break,
                0x000A => depth -= 1,
                // Records of a chart inside the sheet do not belong to its cells.
                _ if depth > 1 => {}
                0x0203 | 0x0204 | 0x0205 | 0x0006 | 0x0206 | 0x0406 | 0x027E | 0x00D6 | 0x00FD => {
                    styles.insert(position(), short(body, 4));
                }
                0x00BD => {
                    let (row, first) = position();
                    let cells = body.get(4..body.len().saturating_sub(2)).unwrap_or_default().chunks_exact(6);
                    styles.extend(cells.zip(first..).map(|(cell, column)| ((row, column), short(cell, 0))));
                }
                0x0208 => aside.hidden |= short(body, 12) & 0x20 != 0,
                0x007D => aside.hidden |= short(body, 8) & 1 != 0,
                0x00E5 => {
                    let region = |part: &[u8]| Region {
                        rows: (short(part, 0).into(), short(part, 2).into()),
                        columns: (short(part, 4).into(), short(part, 6).into()),
                    };
                    let parts = body.get(2..).unwrap_or_default().chunks_exact(8).take(short(body, 0).into());
                    aside.merged.extend(parts.map(region));
                }
                0x001C if self.is_old => {
                    let text = self.old(body.get(6..).unwrap_or_default(), short(body, 4).into());
                    aside.comments.push(comment(&Region::cell(position().0, position().1), &text));
                }
                0x001C => {
                    boxes.cells.entry(short(body, 6)).or_insert_with(|| Region::cell(position().0, position().1));
                }
                kind => boxes.read(kind, body),
            }
        }
        boxes.give(aside);
        styles
    }
}

/// The texts of the objects of a sheet: comments, text boxes and shapes.
#[derive(Default)]
struct Boxes {
    /// The last object.
    id: u16,
    /// Number of characters that are still to come.
    awaited: usize,
    texts: Vec<(u16, String)>,
    /// The cells of objects that are comments.
    cells: HashMap<u16, String>,
}

impl Boxes {
    fn read(&mut self, kind: u16, body: &[u8]) {
        match kind {
            0x005D => self.id = short(body, 6),
            0x01B6 => {
                self.awaited = short(body, 10).into();
                self.texts.push((self.id, String::new()));
            }
            0x003C if self.awaited > 0 => {
                let text = characters(body, self.awaited);
                self.awaited = self.awaited.saturating_sub(text.encode_utf16().count().max(1));
                self.texts.last_mut().into_iter().for_each(|(_, whole)| whole.push_str(&text));
            }
            _ => {}
        }
    }

    fn give(self, aside: &mut Aside) {
        for (id, text) in self.texts {
            match self.cells.get(&id) {
                Some(cell) => aside.comments.push(comment(cell, &text)),
                None if text.trim().is_empty() => {}
                None => aside.boxes.push(text.trim().replace('\r', "\n")),
            }
        }
    }
}

/// Characters after a byte that states their width.
fn characters(bytes: &[u8], count: usize) -> String {
    let Some((flags, rest)) = bytes.split_first() else { return String::new() };
    if flags & 1 != 0 { wide(rest, count) } else { rest.iter().take(count).map(|byte| char::from(*byte)).collect() }
}
