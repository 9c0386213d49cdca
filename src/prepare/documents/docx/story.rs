//! Reads one part of a Word document: its text, a header, a note.

use super::Word;
use super::fields::Field;
use super::symbols;
use crate::prepare::documents::markdown::{Markdown, Script};
use crate::prepare::documents::omml::Omml;
use crate::prepare::documents::styles::{self, Style};
use crate::prepare::documents::xml::{self, Node, attribute, number};
use quick_xml::events::BytesStart;

/// One part of the document that is being read.
#[expect(clippy::struct_excessive_bools, reason = "independent states")]
#[derive(Default)]
pub(super) struct Story {
    pub markdown: Markdown,
    /// Whether the paragraph has text.
    ///
    /// Before the text, its style and list are collected.
    begun: bool,
    style: String,
    list: Option<(String, usize)>,
    level: Option<usize>,
    /// Whether the mark of the paragraph is a tracked deletion.
    removed: bool,
    /// Hidden property of the open run, if set, its style, and its font.
    hidden: Option<bool>,
    run_style: String,
    font: Option<String>,
    script: Option<Script>,
    position: Option<Script>,
    struck: Option<bool>,
    /// Whether the reader is within `<w:t>`, or within the code of a field.
    in_text: bool,
    in_code: bool,
    /// Whether the reader is within a paragraph.
    in_paragraph: bool,
    /// Name and nesting depth of the skipped element.
    skipping: Option<(String, usize)>,
    /// Whether the reader is within the properties of a paragraph.
    in_properties: bool,
    in_row_properties: bool,
    /// The formula that is being read.
    math: Option<Omml>,
    fields: Vec<Field>,
    /// The reading of a word, and whether it is being read.
    reading: String,
    in_reading: bool,
}

/// Maximum nesting of fields.
const FIELDS: usize = 64;

impl Story {
    pub fn new() -> Self {
        Self { markdown: Markdown::new(), ..Self::default() }
    }

    /// The field whose code contains the open text, which is the result of an inner field.
    fn field_in_code(&mut self) -> Option<&mut Field> {
        let (_, outer) = self.fields.split_last_mut()?;
        outer.iter_mut().rev().find(|field| !field.has_result)
    }
}

impl Word {
    pub(super) fn visit(&mut self, story: &mut Story, node: Node) {
        match node {
            Node::Open(tag) => self.open(story, tag),
            Node::Close(name) => self.close(story, xml::local(name)),
            Node::Text(text) => {
                if story.skipping.is_some() {
                } else if let Some(math) = &mut story.math {
                    math.text(text);
                } else if story.in_code {
                    story.fields.last_mut().into_iter().for_each(|field| field.code.push_str(text));
                } else if !story.in_text {
                } else if self.hides(story) {
                    self.hidden |= !text.trim().is_empty();
                } else if let Some(field) = story.field_in_code() {
                    field.code.push_str(text);
                } else if story.in_reading {
                    story.reading.push_str(text);
                } else {
                    let text = self.signs(story, text);
                    self.write(story, &text);
                }
            }
        }
    }

    fn write(&mut self, story: &mut Story, text: &str) {
        if text.is_empty() {
            return;
        }
        self.begin(story);
        story.fields.iter_mut().for_each(|field| field.has_text |= !text.trim().is_empty());
        let styles = [&*story.run_style, &*story.style];
        let of_style = |what: fn(&Style) -> Option<Script>| styles.iter().find_map(|id| self.styles.find(id, what));
        let script = story.script.or_else(|| of_style(|style| style.script)).filter(|script| *script != Script::Normal);
        let script = script.or(story.position).or_else(|| of_style(|style| style.position));
        let struck = story.struck.or_else(|| styles.iter().find_map(|id| self.styles.find(id, |style| style.struck)));
        story.markdown.script(script.unwrap_or_default());
        story.markdown.strike(struck.unwrap_or_default());
        story.markdown.text(text);
    }

    /// Replaces the codes of symbol fonts by their signs.
    fn signs(&mut self, story: &Story, text: &str) -> String {
        let of_style = |id: &str| self.styles.find(id, |style| style.font.clone());
        let has_code = text.contains(symbols::is_code);
        let font = story.font.clone().or_else(|| of_style(&story.run_style)).or_else(|| of_style(&story.style)).unwrap_or_default();
        if !has_code && !symbols::is_symbol_font(&font) {
            return text.to_owned();
        }
        let (signs, lost) = symbols::signs(&font, text);
        self.symbols += lost;
        signs
    }

    fn open(&mut self, story: &mut Story, tag: &BytesStart) {
        let name = tag.local_name();
        let name: &str = name.as_ref();
        if let Some((skipped, times)) = &mut story.skipping {
            *times += usize::from(skipped == name);
            return;
        }
        if matches!(name, "oMath" | "oMathPara") && story.math.is_none() {
            story.math = Some(Omml::default());
        }
        if let Some(math) = &mut story.math {
            match name {
                "del" | "moveFrom" => story.skipping = Some((name.to_owned(), 1)),
                _ => math.open(tag),
            }
            return;
        }
        if self.open_run(story, name, tag) || self.open_object(story, name, tag) {
            return;
        }
        let value = || attribute(tag, "w:val");
        match name {
            // These are alternatives for old programs, moved text, and programs' own data.
            "Fallback" | "moveFrom" | "pPrChange" | "rPrChange" | "tcPrChange" | "trPrChange" | "sectPrChange" | "binData" => {
                story.skipping = Some((name.to_owned(), 1));
            }
            "p" => {
                let fields = std::mem::take(&mut story.fields);
                *story = Story { markdown: std::mem::take(&mut story.markdown), fields, in_paragraph: true, ..Story::default() };
            }
            "pPr" => story.in_properties = true,
            "pStyle" => story.style = value().unwrap_or_default(),
            "numId" | "ilfo" if story.in_properties => story.list = value().map(|id| (id, story.list.take().map_or(0, |list| list.1))),
            "ilvl" if story.in_properties => story.level = number(tag, "w:val"),
            "altChunk" => self.object(story, tag, "r:id"),
            // For a row, this element is in its properties. For a paragraph mark, it is empty.
            "del" | "cellDel" => {
                self.deletions = true;
                story.removed |= story.in_properties;
                let deleted = if name == "cellDel" {
                    "tc"
                } else if story.in_row_properties {
                    "tr"
                } else {
                    "del"
                };
                story.skipping = Some((deleted.to_owned(), 1));
            }
            "trPr" => story.in_row_properties = true,
            "gridBefore" if story.in_row_properties && number(tag, "w:val") != Some(0) => {
                story.markdown.cell(number(tag, "w:val").unwrap_or(1), 1);
                story.markdown.close_cell();
            }
            "hidden" if story.in_row_properties && styles::is_on(tag) => {
                self.hidden = true;
                story.skipping = Some(("tr".to_owned(), 1));
            }
            "tbl" => story.markdown.open_table(),
            "tr" => story.markdown.row(),
            "tc" => {
                self.merged = false;
                story.markdown.cell(1, 1);
            }
            "vMerge" | "hMerge" => self.merged = !matches!(value().as_deref(), Some("restart")),
            "gridSpan" => story.markdown.widen(number(tag, "w:val").unwrap_or(1)),
            _ => {}
        }
    }

    /// Opens an element of a run: its properties and its text. Returns whether it is one.
    fn open_run(&mut self, story: &mut Story, name: &str, tag: &BytesStart) -> bool {
        let value = || attribute(tag, "w:val");
        let in_run = !story.in_properties;
        match name {
            "r" => {
                (story.hidden, story.run_style, story.font) = (None, String::new(), None);
                (story.script, story.position, story.struck) = (None, None, None);
            }
            "vertAlign" if in_run => {
                story.script = Some(styles::script(tag));
            }
            "position" if in_run => story.position = Some(styles::position(tag)),
            "strike" | "dstrike" if in_run => story.struck = Some(story.struck == Some(true) || styles::is_on(tag)),
            // The properties of a paragraph apply only to its mark.
            "vanish" if in_run => story.hidden = Some(styles::is_on(tag)),
            "rStyle" if in_run => story.run_style = value().unwrap_or_default(),
            "rFonts" if in_run => story.font = attribute(tag, "w:ascii").or_else(|| attribute(tag, "w:hAnsi")),
            "rt" => story.in_reading = true,
            "t" => story.in_text = true,
            "instrText" => story.in_code = true,
            "tab" | "ptab" | "br" | "cr" | "noBreakHyphen" | "footnoteReference" | "endnoteReference" | "commentReference" | "docPr"
            | "sym"
                if self.hides(story) || story.field_in_code().is_some() => {}
            "fldChar" => self.field(story, tag),
            "fldSimple" if story.fields.len() < FIELDS => {
                let code = attribute(tag, "w:instr").unwrap_or_default();
                story.fields.push(Field::simple(code));
            }
            "tab" | "ptab" if in_run => story.markdown.text(" "),
            "br" if matches!(attribute(tag, "w:type").as_deref(), Some("page" | "column")) => story.markdown.paragraph(),
            "br" | "cr" => story.markdown.line(),
            "noBreakHyphen" => story.markdown.verbatim("-"),
            "sym" => {
                let (font, code) = (attribute(tag, "w:font").unwrap_or_default(), attribute(tag, "w:char").unwrap_or_default());
                match symbols::character(&font, &code) {
                    Some(sign) => self.write(story, sign.encode_utf8(&mut [0; 4])),
                    None => self.symbols += 1,
                }
            }
            _ => return false,
        }
        true
    }

    /// Opens an object: a note, a comment, a picture, a chart. Returns whether it is one.
    fn open_object(&mut self, story: &mut Story, name: &str, tag: &BytesStart) -> bool {
        match name {
            "footnoteReference" | "endnoteReference" => {
                let prefix = if name == "endnoteReference" { "e" } else { "" };
                self.anchors.push((prefix, attribute(tag, "w:id").unwrap_or_default()));
                let number = self.anchors.iter().filter(|(of, _)| *of == prefix).count();
                story.markdown.verbatim(&format!("[^{prefix}{number}]"));
            }
            "commentReference" => {
                if let Some(comment) = attribute(tag, "w:id").and_then(|id| self.comments.get(&id)) {
                    story.markdown.text(&format!(" [Comment by {comment}] "));
                }
            }
            "docPr" => {
                if let Some(description) = attribute(tag, "descr").filter(|text| !text.trim().is_empty()) {
                    self.begin(story);
                    story.markdown.text(&format!("[image: {}]", description.trim()));
                }
            }
            "blip" | "imagedata" => self.pictures += 1,
            "chart" => self.object(story, tag, "r:id"),
            "relIds" => self.object(story, tag, "r:dm"),
            "checkBox" | "ddList" | "result" | "listEntry" | "checked" | "default" => match story.fields.last_mut() {
                Some(field) if !story.in_properties => field.property(tag),
                _ => return false,
            },
            _ => return false,
        }
        true
    }

    /// Writes the text of another part, by its relation.
    fn object(&mut self, story: &mut Story, tag: &BytesStart, by: &str) {
        if let Some(text) = attribute(tag, by).and_then(|id| self.related.remove(&id)).filter(|text| !text.is_empty()) {
            story.markdown.paragraph();
            story.markdown.verbatim(&text);
            story.markdown.paragraph();
            story.begun = true;
        }
    }

    /// Begins a field, its result, or ends it.
    fn field(&mut self, story: &mut Story, tag: &BytesStart) {
        match attribute(tag, "w:fldCharType").as_deref() {
            Some("begin") if story.fields.len() < FIELDS => story.fields.push(Field::default()),
            Some("separate") => story.fields.last_mut().into_iter().for_each(|field| field.has_result = true),
            Some("end") => self.end_field(story),
            _ => {}
        }
    }

    fn end_field(&mut self, story: &mut Story) {
        let Some(text) = story.fields.pop().and_then(|field| field.text()) else { return };
        if self.hides(story) {
        } else if let Some(outer) = story.fields.iter_mut().rev().find(|field| !field.has_result) {
            outer.code.push_str(&text);
        } else {
            self.write(story, &text);
        }
    }

    fn close(&mut self, story: &mut Story, name: &str) {
        if let Some((skipped, times)) = &mut story.skipping {
            *times -= usize::from(skipped == name);
            if *times == 0 {
                story.skipping = None;
            }
            return;
        }
        if let Some(math) = &mut story.math {
            if let Some(formula) = math.close(name) {
                story.math = None;
                self.begin(story);
                story.markdown.script(Script::Normal);
                story.markdown.formula(&formula);
            }
            return;
        }
        match name {
            "pPr" => story.in_properties = false,
            "trPr" => story.in_row_properties = false,
            "t" => story.in_text = false,
            "instrText" => story.in_code = false,
            "fldSimple" => self.end_field(story),
            "rt" => story.in_reading = false,
            "rubyBase" => {
                let reading = std::mem::take(&mut story.reading);
                if !reading.is_empty() {
                    story.markdown.verbatim(&format!("({reading})"));
                }
            }
            "p" => {
                // An empty item has a number too.
                if story.in_paragraph
                    && !story.begun
                    && !story.removed
                    && let Some((_, number)) = self.item(story)
                {
                    story.markdown.mark(number);
                }
                story.markdown.script(Script::Normal);
                story.markdown.strike(false);
                story.markdown.mark(String::new());
                (story.begun, story.in_paragraph) = (true, false);
            }
            "txbxContent" => {
                story.markdown.paragraph();
                story.begun = true;
            }
            "tc" => {
                // Word does not show the content of cells that a cell above or before covers.
                if std::mem::take(&mut self.merged) {
                    story.markdown.forget_numbers();
                }
                story.markdown.close_cell();
            }
            "tbl" => story.markdown.close_table(),
            _ => {}
        }
    }

    /// Whether the open text is hidden.
    ///
    /// Its run decides first, then the run's style, then the paragraph's style.
    fn hides(&self, story: &Story) -> bool {
        let of_style = |id: &str| self.styles.find(id, |style| style.hidden);
        story.hidden.or_else(|| of_style(&story.run_style)).or_else(|| of_style(&story.style)).unwrap_or(false)
    }

    /// Counts the paragraph if it is an item of a list. Returns its level and number.
    fn item(&mut self, story: &Story) -> Option<(usize, String)> {
        let of_style = || self.styles.find(&story.style, |style| style.list.clone());
        let (id, level) = story.list.clone().or_else(of_style).filter(|(id, _)| !id.is_empty() && id != "0")?;
        let by_style = || self.styles.chain(&story.style).find_map(|style| self.numbering.level_of(&id, style));
        let level = story.level.or_else(by_style).unwrap_or(level);
        Some((level, self.numbering.next(&id, level)?))
    }

    /// Writes the heading or list mark before a paragraph's first word.
    fn begin(&mut self, story: &mut Story) {
        if std::mem::replace(&mut story.begun, true) {
            return;
        }
        let heading = self.styles.find(&story.style, |style| style.heading);
        match (heading, self.item(story)) {
            (Some(level), item) => {
                story.markdown.heading(level);
                if let Some((_, number)) = item.filter(|(_, number)| !matches!(&**number, "" | "-")) {
                    story.markdown.text(&format!("{number} "));
                }
            }
            (None, Some((level, number))) if !number.is_empty() => story.markdown.list_line(level, &number),
            (None, _) => story.markdown.paragraph(),
        }
    }
}
