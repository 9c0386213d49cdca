//! Workbooks of Excel 2003 in one XML file.

use super::aside::comment;
use super::cells::{Filled, Formats};
use super::rich::{Look, marked};
use super::written;
use crate::model::Failure;
use crate::prepare::documents::grid::{Grid, Region};
use crate::prepare::documents::markdown::Script;
use crate::prepare::documents::number_format::NumberFormat;
use crate::prepare::documents::xml::{self, Node, attribute, number};
use crate::prepare::documents::{Extract, ImageLimits, Page, PrepareSettings, Reader, encoding, verdict};
use calamine::Data;
use quick_xml::events::BytesStart;
use std::collections::HashMap;

pub(in crate::prepare::documents) const READER: Reader = Reader { format: "excel-xml", name: NAME, recognises, read };

const NAME: &str = "an Excel workbook (XML)";
/// Maximum changes of the look of a text.
const MOST_LOOKS: usize = 1000;
/// The last row and column of Excel.
const LAST: u32 = 1 << 20;

fn recognises(bytes: &[u8], _: &str) -> bool {
    let is_workbook = |root: &str| root.starts_with("<Workbook") || root.starts_with("<ss:Workbook");
    xml::root(bytes).is_some_and(|root| is_workbook(&root) && root.contains("urn:schemas-microsoft-com:office:spreadsheet"))
}

fn read(bytes: &[u8], _: &PrepareSettings, _: &ImageLimits) -> Result<Extract, Failure> {
    let mut book = Book { left: Grid::MOST, ..Book::default() };
    xml::read(&encoding::decode(bytes).text, |node| match node {
        Node::Open(tag) => book.open(tag),
        Node::Close(name) => book.close(xml::local(name)),
        Node::Text(text) if book.in_data => book.text.push_str(text),
        Node::Text(text) if book.in_visible => book.hidden = text.contains("Hidden"),
        Node::Text(_) => {}
    })
    .map_err(|error| verdict::damaged(NAME, error))?;
    verdict::readable(NAME, Extract { pages: vec![Page::Text(book.parts.join("\n\n"))], paged: false, notes: book.notes })
}

/// A workbook that is being read.
#[expect(clippy::struct_excessive_bools, reason = "independent states")]
#[derive(Default)]
struct Book {
    parts: Vec<String>,
    notes: Vec<String>,
    left: usize,
    formats: Formats,
    /// Positions in [`Formats::by_style`].
    styles: HashMap<String, usize>,
    sheet: Option<(String, Filled)>,
    hidden: bool,
    in_visible: bool,
    /// The open row and cell, the style of the cell, and the kind of its data.
    row: u32,
    column: u32,
    cell_style: Option<usize>,
    width: u32,
    kind: String,
    text: String,
    /// Where the looks of the text change, in UTF-16, and the elements that are open at the end.
    looks: Vec<(usize, Look)>,
    /// The bytes of the text that are counted, and their UTF-16 units.
    counted: (usize, usize),
    raised: usize,
    lowered: usize,
    struck: usize,
    in_data: bool,
    in_comment: bool,
}

impl Book {
    fn open(&mut self, tag: &BytesStart) {
        let name = tag.local_name();
        let index = |name: &str| number(tag, name).and_then(|index| u32::try_from(index).ok());
        match name.as_ref() {
            "Style" => {
                let parent = attribute(tag, "ss:Parent").and_then(|parent| self.styles.get(&parent)).copied();
                let format = parent.and_then(|parent| self.formats.by_style.get(parent)).cloned();
                self.styles.insert(attribute(tag, "ss:ID").unwrap_or_default(), self.formats.by_style.len());
                self.formats.by_style.push(format.unwrap_or_else(|| NumberFormat::read("")));
                self.formats.struck.push(parent.is_some_and(|parent| self.formats.struck[parent]));
            }
            "NumberFormat" => {
                if let Some(format) = self.formats.by_style.last_mut() {
                    *format = NumberFormat::read(&code(&attribute(tag, "ss:Format").unwrap_or_default()));
                }
            }
            name if self.in_data => self.look(name, true),
            "Font" => {
                let struck = attribute(tag, "ss:StrikeThrough").map(|struck| struck == "1");
                if let (Some(own), Some(struck)) = (self.formats.struck.last_mut(), struck) {
                    *own = struck;
                }
            }
            "Worksheet" => {
                let name = attribute(tag, "ss:Name").unwrap_or_default();
                self.sheet = Some((name, Filled::new(Grid::new(self.left), true)));
                (self.row, self.hidden) = (0, false);
            }
            "Column" => self.note_hidden(tag),
            "Row" => {
                self.row = index("ss:Index").unwrap_or(self.row + 1).clamp(1, LAST);
                self.column = 0;
                self.note_hidden(tag);
            }
            "Cell" => {
                self.column = index("ss:Index").unwrap_or(self.column + 1).clamp(1, LAST);
                self.cell_style = attribute(tag, "ss:StyleID").and_then(|style| self.styles.get(&style)).copied();
                self.width = index("ss:MergeAcross").unwrap_or(0).min(LAST);
            }
            "Comment" => self.in_comment = true,
            "Data" => {
                self.kind = attribute(tag, "ss:Type").unwrap_or_default();
                self.text.clear();
                self.looks.clear();
                self.counted = (0, 0);
                (self.raised, self.lowered, self.struck) = (0, 0, 0);
                self.in_data = true;
            }
            "Visible" => self.in_visible = true,
            _ => {}
        }
    }

    /// Opens or closes an element of HTML in a text.
    fn look(&mut self, name: &str, is_open: bool) {
        let count = match &*name.to_ascii_lowercase() {
            "sup" => &mut self.raised,
            "sub" => &mut self.lowered,
            "s" | "strike" | "del" => &mut self.struck,
            _ => return,
        };
        *count = if is_open { *count + 1 } else { count.saturating_sub(1) };
        let script = match (self.raised, self.lowered) {
            (0, 0) => Script::Normal,
            (0, _) => Script::Lowered,
            _ => Script::Raised,
        };
        if self.looks.len() < MOST_LOOKS {
            let (bytes, units) = self.counted;
            self.counted = (self.text.len(), units + self.text[bytes..].encode_utf16().count());
            self.looks.push((self.counted.1, Look { script, struck: self.struck > 0 }));
        }
    }

    fn note_hidden(&mut self, tag: &BytesStart) {
        let is_hidden = attribute(tag, "ss:Hidden").is_some_and(|hidden| hidden == "1");
        if let Some(aside) = self.sheet.as_mut().and_then(|(_, sheet)| sheet.aside.as_mut()) {
            aside.hidden |= is_hidden;
        }
    }

    fn close(&mut self, name: &str) {
        match name {
            "Data" => self.close_data(),
            name if self.in_data => self.look(name, false),
            "Comment" => self.in_comment = false,
            "Visible" => self.in_visible = false,
            "Cell" => self.column += self.width,
            "Row" if self.row >= LAST => self.row = LAST,
            "Worksheet" => {
                let Some((name, sheet)) = self.sheet.take() else { return };
                let (body, notes, left) = written(&name, self.hidden, sheet);
                self.left = left;
                self.notes.extend(notes);
                self.parts.extend(body);
            }
            _ => {}
        }
    }

    fn close_data(&mut self) {
        self.in_data = false;
        let Some((_, sheet)) = &mut self.sheet else { return };
        let position = (self.row.saturating_sub(1), self.column.saturating_sub(1));
        let text = std::mem::take(&mut self.text);
        if self.in_comment {
            sheet.aside.iter_mut().for_each(|aside| aside.comments.push(comment(&Region::cell(position.0, position.1), &text)));
            return;
        }
        let value = match &*self.kind {
            "Number" => text.trim().parse().map_or(Data::String(text), Data::Float),
            "Boolean" => Data::Bool(text.trim() == "1"),
            "DateTime" => serial(&text).map_or(Data::String(text), Data::Float),
            _ => Data::String(marked(&text, Look::default(), self.looks.drain(..)).unwrap_or(text)),
        };
        sheet.put(position, &value, self.cell_style, &self.formats);
    }
}

/// The number of days of `2026-03-15T18:00:00.000`.
fn serial(text: &str) -> Option<f64> {
    let moment: jiff::civil::DateTime = text.trim().parse().ok()?;
    let days = moment.date().since(jiff::civil::date(1899, 12, 30)).ok()?.get_days();
    // Excel has a 29 February 1900, so earlier days have smaller numbers.
    let days = if days <= 60 { days - 1 } else { days };
    let time = moment.time();
    let seconds = f64::from(time.hour()) * 3600.0 + f64::from(time.minute()) * 60.0 + f64::from(time.second());
    Some(f64::from(days) + seconds / 86_400.0)
}

/// The code of a format that has a name.
fn code(name: &str) -> String {
    match name {
        "General Number" => "General",
        "General Date" => "m/d/yyyy h:mm",
        "Long Date" | "Medium Date" | "Short Date" => "m/d/yyyy",
        "Long Time" => "h:mm:ss AM/PM",
        "Medium Time" => "h:mm AM/PM",
        "Short Time" => "h:mm",
        "Currency" => "$#,##0.00",
        "Euro Currency" => "€#,##0.00",
        "Fixed" => "0.00",
        "Standard" => "#,##0.00",
        "Percent" => "0.00%",
        "Scientific" => "0.00E+00",
        "Yes/No" => "\"Yes\";\"Yes\";\"No\"",
        "True/False" => "\"True\";\"True\";\"False\"",
        "On/Off" => "\"On\";\"On\";\"Off\"",
        code => code,
    }
    .to_owned()
}
