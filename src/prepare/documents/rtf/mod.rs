//! RTF documents: rich text in ASCII that word processors exchange.
//!
//! The reader supports all Windows code pages, tables, list numbers, footnotes and text boxes. It
//! skips pictures and internal data of programs. Groups may be nested to any depth.
//!
//! Of 52 files of LibreOffice and pandoc, this reader keeps the columns of all cells and all
//! list numbers. pandoc keeps 91 % and 23 %, and striprtf 52 % and all; undoc reads no RTF.

mod forms;
mod group;
mod headings;
mod lists;
mod text;

use super::cell_edges::CellEdges;
use super::codepage::{CodePage, of_charset, of_number};
use super::markdown::{Markdown, Script};
use super::quoted_printable::escaped;
use super::{Extract, ImageLimits, PrepareSettings, Reader, symbols, verdict};
use crate::model::Failure;
use forms::Form;
use group::{Group, KEPT, NO_FONT, SKIPPED};
use headings::Headings;
use lists::Lists;
use std::collections::HashMap;

pub(super) const READER: Reader = Reader { format: "rtf", name: NAME, recognises, read };

const NAME: &str = "an RTF document";
fn recognises(bytes: &[u8], _: &str) -> bool {
    bytes.trim_ascii_start().starts_with(b"{\\rtf")
}

fn read(bytes: &[u8], _: &PrepareSettings, _: &ImageLimits) -> Result<Extract, Failure> {
    let mut page = Page::new();
    page.read(bytes);
    // Columns are known when all rows have been read.
    if page.tables.iter().any(|rows| rows.iter().any(|row| *row != rows[0])) {
        let known = page.tables.iter().map(CellEdges::of).collect();
        page = Page { known, ..Page::new() };
        page.read(bytes);
    }
    let mut notes = Vec::new();
    if page.pictures > 0 {
        notes.push(format!("{} left out", verdict::counted(page.pictures, "picture")));
    }
    if page.formulas > 0 {
        notes.push(format!("{} left out", verdict::counted(page.formulas, "formula")));
    }
    if page.hidden {
        notes.push(verdict::HIDDEN.to_owned());
    }
    if page.deletions {
        notes.push(verdict::DELETIONS.to_owned());
    }
    notes.extend(symbols::note(page.symbols));
    if page.groups.len() > 1 {
        notes.push(verdict::CUT.to_owned());
    }
    let extract = Extract { notes, ..Extract::text(page.markdown.finish()) };
    verdict::readable(NAME, extract)
}

/// Maximum number of cells of a row whose edges count.
const CELLS: usize = 1000;

#[expect(clippy::struct_excessive_bools, reason = "independent states")]
struct Page {
    markdown: Markdown,
    groups: Vec<Group>,
    /// Encoding of the whole file.
    standard: CodePage,
    fonts: HashMap<i32, CodePage>,
    /// Names of fonts, and the font whose entry in the table is being read.
    font_names: HashMap<i32, String>,
    font: i32,
    /// Bytes of one encoding that are not decoded yet.
    bytes: Vec<u8>,
    /// UTF-16 units that may continue.
    units: Vec<u16>,
    /// Number of characters that are still to be skipped.
    substitutes: usize,
    table: bool,
    /// The right edges of the cells of the open row, and number of its cells so far.
    edges: Vec<i32>,
    cells: usize,
    /// The edges of each row, by table, and those of all rows of a table if they are known.
    tables: Vec<Vec<Vec<i32>>>,
    known: Vec<CellEdges>,
    pictures: usize,
    formulas: usize,
    /// Whether the file has deleted text.
    deletions: bool,
    /// Whether the file has hidden text.
    hidden: bool,
    /// Whether a paragraph has ended and the next one has not begun.
    ended: bool,
    lists: Lists,
    /// The number of the open paragraph as its text has it.
    number: Option<String>,
    headings: Headings,
    /// Number of signs of unknown fonts.
    symbols: usize,
    form: Form,
}

impl Page {
    fn new() -> Self {
        Self {
            markdown: Markdown::new(),
            groups: vec![Group::default()],
            standard: CodePage::default(),
            fonts: HashMap::new(),
            font_names: HashMap::new(),
            font: 0,
            bytes: Vec::new(),
            units: Vec::new(),
            substitutes: 0,
            table: false,
            edges: Vec::new(),
            cells: 0,
            tables: Vec::new(),
            known: Vec::new(),
            pictures: 0,
            formulas: 0,
            deletions: false,
            hidden: false,
            ended: false,
            lists: Lists::default(),
            number: None,
            headings: Headings::default(),
            symbols: 0,
            form: Form::default(),
        }
    }

    fn read(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some((first, behind)) = rest.split_first() {
            rest = match first {
                b'{' => self.open(behind),
                b'}' => self.close(behind),
                b'\\' => self.control(behind),
                b'\r' | b'\n' => behind,
                byte => self.byte(*byte, behind),
            };
        }
        self.flush();
        self.flush_units();
    }

    fn open<'a>(&mut self, rest: &'a [u8]) -> &'a [u8] {
        self.flush();
        self.substitutes = 0;
        if let Some(group) = self.groups.last() {
            let inner = Group { fresh: true, optional: false, ending: "", ..group.clone() };
            if inner.in_styles {
                self.headings.begin_style();
            }
            self.groups.push(inner);
        }
        rest
    }

    fn close<'a>(&mut self, rest: &'a [u8]) -> &'a [u8] {
        self.flush();
        self.form.in_entry = false;
        self.substitutes = 0;
        if let Some((choice, _)) = self.form.choice.take_if(|(_, depth)| *depth == self.groups.len()) {
            self.write(&choice);
        }
        // The outermost group is kept, so that a state always exists.
        if self.groups.len() > 1
            && let Some(group) = self.groups.pop()
            && !group.skipped
            && !group.ending.is_empty()
        {
            self.ended = false;
            self.lists.resume();
            self.markdown.glue();
            self.markdown.verbatim(group.ending);
        }
        rest
    }

    fn group(&mut self) -> &mut Group {
        if self.groups.is_empty() {
            self.groups = Self::new().groups;
        }
        let last = self.groups.len() - 1;
        &mut self.groups[last]
    }

    fn byte<'a>(&mut self, byte: u8, rest: &'a [u8]) -> &'a [u8] {
        self.group().fresh = false;
        if self.substitutes > 0 {
            self.substitutes -= 1;
        } else if self.group().in_pattern {
            self.lists.pattern(char::from(byte));
        } else {
            self.flush_units();
            self.bytes.push(byte);
        }
        rest
    }

    /// Reads the control word or symbol after a backslash.
    fn control<'a>(&mut self, rest: &'a [u8]) -> &'a [u8] {
        let Some((first, behind)) = rest.split_first() else { return rest };
        match first {
            b'\'' => {
                let Some(byte) = escaped(behind) else { return behind };
                self.byte(byte, &behind[2..])
            }
            // The mark means a group only at its beginning. LibreOffice also writes it further behind.
            b'*' => {
                self.group().optional = self.group().fresh;
                behind
            }
            b'~' => self.byte(b' ', behind),
            b'_' => self.byte(b'-', behind),
            b'{' | b'}' | b'\\' => self.byte(*first, behind),
            b'\r' | b'\n' => {
                self.word("par", None);
                behind
            }
            byte if byte.is_ascii_alphabetic() => {
                let length = rest.iter().take(32).take_while(|byte| byte.is_ascii_alphabetic()).count();
                let (word, mut rest) = rest.split_at(length);
                let signed = usize::from(rest.first() == Some(&b'-'));
                let digits = rest.iter().skip(signed).take(10).take_while(|byte| byte.is_ascii_digit()).count();
                let mut number = None;
                if digits > 0 {
                    let (text, behind) = rest.split_at(signed + digits);
                    number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
                    rest = behind;
                }
                rest = rest.strip_prefix(b" ").unwrap_or(rest);
                let word = std::str::from_utf8(word).unwrap_or_default();
                if word == "bin" {
                    let length = usize::try_from(number.unwrap_or(0)).unwrap_or(0);
                    return rest.get(length..).unwrap_or_default();
                }
                self.word(word, number);
                rest
            }
            _ => behind,
        }
    }

    fn word(&mut self, word: &str, number: Option<i32>) {
        if word == "u" {
            if self.group().in_pattern {
                let [low, high, ..] = number.unwrap_or(0).to_le_bytes();
                self.substitutes = self.group().substitutes;
                return self.lists.pattern(char::from_u32(u16::from_le_bytes([low, high]).into()).unwrap_or('?'));
            }
            return self.unit(number.unwrap_or(0));
        }
        self.flush();
        self.substitutes = 0;
        self.group().fresh = false;
        let optional = std::mem::take(&mut self.group().optional);
        if matches!(word, "listtable" | "listoverridetable") {
            self.group().in_lists = true;
        } else if word == "leveltext" {
            self.group().in_pattern = self.group().in_lists;
        }
        if self.group().in_lists {
            self.lists.learn(word, number.unwrap_or(0));
        } else if self.group().in_styles {
            self.headings.learn(word, number.unwrap_or(0));
        } else if !self.group().is_silent() && !self.group().in_number {
            self.lists.note(word, number.unwrap_or(0));
            self.headings.note(word, number.unwrap_or(0));
        }
        if KEPT.contains(&word) {
            if matches!(word, "footnote" | "annotation") {
                self.settle();
            }
            let group = self.group();
            group.skipped = false;
            (group.ending, group.optional) = ("]", false);
            match word {
                "footnote" => self.markdown.text(" [Note: "),
                "annotation" => self.markdown.text(" [Comment: "),
                _ => self.group().ending = "",
            }
            return;
        }
        // A group may contain a copy of the picture for old programs. Skipped groups do not count.
        if matches!(word, "shppict" | "pict") {
            self.pictures += usize::from(!self.group().skipped);
        }
        // Some programs write a picture of the formula besides.
        if matches!(word, "moMath" | "moMathPara") {
            self.formulas += usize::from(!self.group().skipped);
        }
        if optional || SKIPPED.contains(&word) {
            self.group().skipped = true;
        }
        let on = number != Some(0);
        match word {
            "formfield" | "fftype" | "ffdefres" | "ffres" | "ffl" => self.form.learn(word, number.unwrap_or(0)),
            "fldrslt" => self.form_result(),
            "fonttbl" => self.group().in_fonts = true,
            "stylesheet" => self.group().in_styles = true,
            "upr" => self.group().skipped = true,
            "ansicpg" | "mac" | "pc" | "pca" => {
                let page = match word {
                    "mac" => Some(10000),
                    "pc" => Some(437),
                    "pca" => Some(850),
                    _ => number,
                };
                self.standard = page.and_then(of_number).unwrap_or_default();
                self.group().encoding = self.standard;
            }
            "f" | "deff" => {
                self.font = number.unwrap_or(0);
                self.group().font = self.font;
                self.group().encoding = self.fonts.get(&self.font).copied().unwrap_or(self.standard);
            }
            "fcharset" => drop(number.and_then(of_charset).map(|encoding| self.fonts.insert(self.font, encoding))),
            "plain" => {
                self.group().encoding = self.standard;
                let group = self.group();
                (group.hidden, group.deleted, group.script, group.struck) = (false, false, Script::Normal, false);
                (group.font, group.position) = (NO_FONT, Script::Normal);
            }
            "uc" => self.group().substitutes = number.and_then(|number| usize::try_from(number).ok()).unwrap_or(1),
            "super" => self.group().script = if on { Script::Raised } else { Script::Normal },
            "sub" => self.group().script = if on { Script::Lowered } else { Script::Normal },
            "nosupersub" => self.group().script = Script::Normal,
            // The distance is in half points.
            "up" => self.group().position = Script::shifted(number.unwrap_or(6)),
            "dn" => self.group().position = Script::shifted(number.unwrap_or(6).saturating_neg()),
            "strike" | "striked" => self.group().struck = on,
            "v" => self.group().hidden = on,
            "deleted" => self.group().deleted = on,
            "listtext" | "pntext" => {
                self.group().in_number = true;
                self.number = Some(String::new());
            }
            "pard" if self.group().in_number => {}
            "pard" => self.group().in_table = false,
            "intbl" => self.group().in_table = on,
            _ if self.group().is_silent() => {}
            "trowd" => self.edges.clear(),
            "cellx" if self.edges.len() < CELLS => self.edges.extend(number),
            _ => self.layout(word),
        }
    }

    /// Writes the text or layout of a control word.
    fn layout(&mut self, word: &str) {
        let sign = match word {
            "emdash" => "\u{2014}",
            "endash" => "\u{2013}",
            "lquote" => "\u{2018}",
            "rquote" => "\u{2019}",
            "ldblquote" => "\u{201C}",
            "rdblquote" => "\u{201D}",
            "bullet" => "\u{2022}",
            "tab" | "emspace" | "enspace" | "qmspace" | "nestcell" => " ",
            _ => "",
        };
        if !sign.is_empty() {
            return self.write(sign);
        }
        let number = self.number.take_if(|_| matches!(word, "par" | "page" | "sect" | "cell" | "row"));
        match word {
            "par" | "page" | "sect" | "column" => self.ended = true,
            "line" | "softline" | "nestrow" => self.markdown.line(),
            "cell" => {
                self.ended = false;
                // LibreOffice ends some rows with one cell too many.
                let is_extra = !self.edges.is_empty() && self.cells >= self.edges.len() && self.markdown.between_cells();
                if !is_extra {
                    self.in_table();
                    self.number_alone(number);
                    self.markdown.close_cell();
                }
            }
            "row" => {
                // Rows with the edges of the row before say nothing new.
                let rows = self.tables.last_mut().filter(|rows| rows.last() != Some(&self.edges));
                if let Some(rows) = rows {
                    rows.push(self.edges.clone());
                }
                self.cells = 0;
                self.markdown.row();
            }
            _ => {}
        }
    }
}
