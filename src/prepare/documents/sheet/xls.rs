//! XLS (Excel up to 2003): values read by calamine, formats and texts from the records.

use super::aside::{Aside, comment};
use super::biff::{long, records, short, wide};
use super::cells::Formats;
use super::rich::{Look, marked};
use super::xls_texts::{RichText, font, look, shared};
use super::{Fill, NAME, Tab, text};
use crate::model::Failure;
use crate::prepare::documents::codepage::{self, CodePage};
use crate::prepare::documents::compound::Compound;
use crate::prepare::documents::grid::Region;
use crate::prepare::documents::number_format::{NumberFormat, code};
use crate::prepare::documents::verdict;
use calamine::{Data, Reader as _, SheetVisible, Xls, XlsError};
use std::collections::HashMap;
use std::io::Cursor;

/// Names of the stream with the sheets, in new and old workbooks.
pub(super) const STREAMS: [&str; 2] = ["Workbook", "Book"];

/// The record of an object on a sheet, and two kinds of objects.
const OBJECT: u16 = 0x005D;
const CHART: u16 = 5;
const PICTURE: u16 = 8;

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
        let Cells { styles, mut marked } = position.map(|at| main.walk(&stream, at, sheet.aside.as_mut())).unwrap_or_default();
        let range = book.worksheet_range(name).map_err(text)?;
        let (top, left) = range.start().unwrap_or((0, 0));
        for (row, column, value) in range.used_cells() {
            let far = |start: u32, steps: usize| start.saturating_add(u32::try_from(steps).unwrap_or(u32::MAX));
            let position = (far(top, row), far(left, column));
            let style = styles.get(&position).copied().map(usize::from);
            let text = marked.remove(&position).map(Data::String);
            if !sheet.put(position, text.as_ref().unwrap_or(value), style, &main.formats) {
                break;
            }
        }
        Ok(())
    })
}

/// Notes about what is left out of a workbook.
pub(super) fn left_out(bytes: &[u8]) -> Vec<String> {
    let Ok(mut compound) = Compound::open(bytes, NAME) else { return Vec::new() };
    let stream = STREAMS.iter().find_map(|name| compound.stream(name)).unwrap_or_default();
    let objects: Vec<u16> = records(&stream, 0).filter(|(kind, _)| *kind == OBJECT).map(|(_, body)| short(body, 4)).collect();
    let count = |wanted: u16| objects.iter().filter(|kind| **kind == wanted).count();
    let counts = [(count(PICTURE), "picture"), (count(CHART), "chart")];
    let noted = counts.iter().filter(|(count, _)| *count > 0).map(|(count, one)| format!("{} left out", verdict::counted(*count, one)));
    let macros = compound.has_storage("_VBA_PROJECT_CUR").then(|| "macros left out".to_owned());
    noted.chain(macros).collect()
}

/// Formats, encoding and sheet positions of the workbook.
struct Globals {
    formats: Formats,
    /// Position of each sheet in the stream.
    sheets: Vec<usize>,
    /// Encoding of texts before Excel 97.
    encoding: CodePage,
    is_old: bool,
    /// The looks of fonts, and the font of each style.
    fonts: Vec<Look>,
    font_of: Vec<u16>,
    shared: Vec<RichText>,
}

/// What the records of a sheet add to the values of its cells.
#[derive(Default)]
struct Cells {
    styles: HashMap<(u32, u32), u16>,
    /// Texts whose parts look different.
    marked: HashMap<(u32, u32), String>,
}

impl Globals {
    fn read(stream: &[u8]) -> Self {
        let mut main = Self {
            formats: Formats::default(),
            sheets: Vec::new(),
            encoding: CodePage::default(),
            is_old: false,
            fonts: Vec::new(),
            font_of: Vec::new(),
            shared: Vec::new(),
        };
        let (mut codes, mut styles, mut texts) = (HashMap::new(), Vec::new(), Vec::new());
        let mut last = 0;
        for (kind, body) in records(stream, 0) {
            match kind {
                0x0809 => main.is_old = short(body, 0) < 0x0600,
                0x0042 => main.encoding = codepage::of_number(short(body, 0).into()).unwrap_or_default(),
                0x0022 => main.formats.from_1904 = short(body, 0) == 1,
                0x041E => drop(codes.insert(u32::from(short(body, 0)), main.string(body, 2))),
                0x0031 => main.fonts.push(look(body)),
                0x00E0 => {
                    main.font_of.push(short(body, 0));
                    styles.push(u32::from(short(body, 2)));
                }
                0x00FC => texts.push(body),
                0x003C if last == 0x00FC => {
                    texts.push(body);
                    continue;
                }
                0x0085 => main.sheets.extend(usize::try_from(long(body, 0))),
                0x000A => break,
                _ => {}
            }
            last = kind;
        }
        main.shared = shared(&texts);
        let format = |number: u32| codes.get(&number).map(String::as_str).or_else(|| code(number)).unwrap_or_default();
        main.formats.struck = main.font_of.iter().map(|number| font(&main.fonts, *number).struck).collect();
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
        self.encoding.decode(&bytes[..length.min(bytes.len())]).into_owned()
    }

    /// Writes a text of a cell with marks, if its parts look different.
    fn marked(&self, style: u16, RichText { text, runs }: &RichText) -> Option<String> {
        let look = |number: u16| font(&self.fonts, number);
        let first = self.font_of.get(usize::from(style)).copied().map(look).unwrap_or_default();
        marked(text, first, runs.iter().map(|(at, number)| (*at, look(*number))))
    }

    /// Reads a sheet: the style of each cell with a value, and its marks.
    fn walk(&self, stream: &[u8], at: usize, aside: Option<&mut Aside>) -> Cells {
        let Cells { mut styles, mut marked } = Cells::default();
        let wants_marks = aside.is_some();
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
                    let own;
                    let text = match kind {
                        0x00FD => {
                            usize::try_from(long(body, 6)).ok().and_then(|at| self.shared.get(at)).filter(|text| !text.runs.is_empty())
                        }
                        0x00D6 if self.is_old => {
                            own = self.rich(body);
                            Some(&own)
                        }
                        _ => None,
                    };
                    let text = text.filter(|_| wants_marks).and_then(|text| self.marked(short(body, 4), text));
                    marked.extend(text.map(|text| (position(), text)));
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
        Cells { styles, marked }
    }

    /// Reads a text with runs of two bytes behind it.
    fn rich(&self, body: &[u8]) -> RichText {
        let length = usize::from(short(body, 6));
        let behind = body.get(8 + length..).unwrap_or_default().chunks_exact(1);
        let bytes: Vec<u16> = behind.skip(1).map(|byte| byte[0].into()).collect();
        let runs = bytes.chunks_exact(2).map(|run| (run[0].into(), run[1])).collect();
        RichText { text: self.old(body.get(8..).unwrap_or_default(), length), runs }
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
