//! DOCX: Word documents, read directly from their XML.
//!
//! Paragraphs, headings, lists, tables, text boxes, notes and comments appear at their anchors.
//! Headers come first and footers last, each once. Tracked changes count as accepted. Pictures are
//! counted, and their descriptions are kept. Hidden text is omitted with a note.
//!
//! Measured on the 13 test files of python-docx with 248 visible words: this reader misses none.
//! The crate undoc 0.27.1 misses 45 words by default, and 24 (comments) with headers and footers.

use super::archive::{self, Archive};
use super::markdown::{Markdown, Script};
use super::numbering::Numbering;
use super::styles::{self, Styles};
use super::symbols;
use super::xml::{self, Node, attribute, number};
use super::{Extract, ImageLimits, Page, PrepareSettings, Reader, verdict};
use crate::model::Failure;
use quick_xml::events::BytesStart;
use std::collections::{BTreeSet, HashMap};

pub(super) const READER: Reader = Reader { format: "docx", name: NAME, recognises, read };

const NAME: &str = "a Word document (DOCX)";

fn recognises(bytes: &[u8], extension: &str) -> bool {
    archive::holds(bytes, is_main, matches!(extension, "docx" | "docm" | "dotx" | "dotm"))
}

/// Whether this is the main part, whose name may contain a number.
fn is_main(name: &str) -> bool {
    is_numbered(name, "word/document")
}

/// Matches names such as `word/header.xml` and `word/header12.xml`.
fn is_numbered(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix)
        .and_then(|rest| rest.strip_suffix(".xml"))
        .is_some_and(|number| number.parse::<u32>().is_ok() || number.is_empty())
}

fn read(bytes: &[u8], settings: &PrepareSettings, _: &ImageLimits) -> Result<Extract, Failure> {
    let mut archive = Archive::open(bytes, NAME, settings.document_mb)?;
    let names: Vec<String> = archive.names().collect();
    let main = names.iter().find(|name| is_main(name)).ok_or_else(|| verdict::damaged(NAME, "it has no text"))?;
    let mut word = Word::default();
    if let Some(styles) = archive.text("word/styles.xml")? {
        word.styles = Styles::read(&styles).map_err(damaged)?;
    }
    if let Some(numbering) = archive.text("word/numbering.xml")? {
        word.numbering = Numbering::read(&numbering).map_err(damaged)?;
    }
    if let Some(comments) = archive.text("word/comments.xml")? {
        word.comments = word.entries(&comments)?;
    }
    let main = archive.needed(main)?;
    let mut parts = vec![word.repeated(&mut archive, &names, "word/header")?, word.story(&main)?];
    for (file, prefix) in [("word/footnotes.xml", ""), ("word/endnotes.xml", "e")] {
        let Some(notes) = archive.text(file)? else { continue };
        let texts = word.entries(&notes)?;
        let anchors = std::mem::take(&mut word.anchors);
        let ours = anchors.iter().filter(|(of, _)| *of == prefix);
        let notes = ours.enumerate().map(|(at, (_, id))| format!("[^{prefix}{}]: {}", at + 1, texts.get(id).map_or("", String::as_str)));
        parts.push(notes.collect::<Vec<_>>().join("\n"));
        word.anchors = anchors;
    }
    parts.push(word.repeated(&mut archive, &names, "word/footer")?);
    parts.retain(|part| !part.is_empty());
    let extract = Extract { pages: vec![Page::Text(parts.join("\n\n"))], paged: false, notes: word.left_out(&names) };
    verdict::readable(NAME, extract)
}

fn damaged(error: impl std::fmt::Display) -> Failure {
    verdict::damaged(NAME, error)
}

#[derive(Default)]
struct Word {
    styles: Styles,
    numbering: Numbering,
    comments: HashMap<String, String>,
    /// References to notes, in order.
    ///
    /// Each has the prefix `""` or `"e"`, and the id of the note.
    anchors: Vec<(&'static str, String)>,
    pictures: usize,
    /// Number of symbol font characters with unknown meaning.
    symbols: usize,
    deletions: bool,
    hidden: bool,
}

/// One part of the document that is being read.
#[expect(clippy::struct_excessive_bools, reason = "independent states")]
#[derive(Default)]
struct Story {
    markdown: Markdown,
    /// Whether the paragraph has text.
    ///
    /// Before the text, its style and list are collected.
    begun: bool,
    style: String,
    list: Option<(String, usize)>,
    level: Option<usize>,
    /// Hidden property of the open run, if set, and its style.
    hidden: Option<bool>,
    run_style: String,
    script: Script,
    struck: bool,
    /// Whether the reader is within `<w:t>`.
    in_text: bool,
    /// Name and nesting depth of the skipped element.
    skipping: Option<(String, usize)>,
    /// Whether the reader is within the properties of a paragraph.
    in_properties: bool,
    in_row_properties: bool,
}

impl Word {
    /// Converts a part to Markdown.
    fn story(&mut self, text: &str) -> Result<String, Failure> {
        let mut story = Story { markdown: Markdown::new(), ..Story::default() };
        xml::read(text, |node| self.visit(&mut story, node)).map_err(damaged)?;
        Ok(story.markdown.finish())
    }

    /// Reads the texts of a part with many entries, by id.
    ///
    /// The entries are notes, or comments with their authors.
    fn entries(&mut self, text: &str) -> Result<HashMap<String, String>, Failure> {
        let mut entries = HashMap::new();
        let mut story = Story::default();
        let (mut key, mut author) = (String::new(), String::new());
        xml::read(text, |node| match node {
            Node::Open(tag) if matches!(tag.local_name().as_ref(), "footnote" | "endnote" | "comment") => {
                story = Story { markdown: Markdown::new(), ..Story::default() };
                key = attribute(tag, "w:id").unwrap_or_default();
                author = attribute(tag, "w:author").map_or_else(String::new, |author| format!("{author}: "));
            }
            Node::Close(name) if matches!(local(name), "footnote" | "endnote" | "comment") => {
                let text = std::mem::take(&mut story.markdown).finish();
                let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
                entries.insert(std::mem::take(&mut key), format!("{author}{}", lines.join(" ")));
            }
            node => self.visit(&mut story, node),
        })
        .map_err(damaged)?;
        Ok(entries)
    }

    /// Reads the headers or footers. Equal ones appear once.
    fn repeated(&mut self, archive: &mut Archive, names: &[String], prefix: &str) -> Result<String, Failure> {
        let mut seen = Vec::new();
        let files: BTreeSet<&String> = names.iter().filter(|name| is_numbered(name, prefix)).collect();
        for file in files {
            let text = match archive.text(file)? {
                Some(text) => self.story(&text)?,
                None => continue,
            };
            if !text.is_empty() && !seen.contains(&text) {
                seen.push(text);
            }
        }
        Ok(seen.join("\n\n"))
    }

    fn visit(&mut self, story: &mut Story, node: Node) {
        match node {
            Node::Open(tag) => self.open(story, tag),
            Node::Close(name) => Self::close(story, local(name)),
            Node::Text(text) => {
                if !story.in_text || story.skipping.is_some() {
                } else if self.hides(story) {
                    self.hidden |= !text.trim().is_empty();
                } else {
                    self.begin(story);
                    story.markdown.script(story.script);
                    story.markdown.strike(story.struck);
                    story.markdown.text(text);
                }
            }
        }
    }

    fn open(&mut self, story: &mut Story, tag: &BytesStart) {
        let name = tag.local_name();
        let name: &str = name.as_ref();
        if let Some((skipped, times)) = &mut story.skipping {
            *times += usize::from(skipped == name);
            return;
        }
        let value = || attribute(tag, "w:val");
        match name {
            // These are alternatives for old programs, moved text, and the pronunciation of words.
            "Fallback" | "moveFrom" | "rt" => story.skipping = Some((name.to_owned(), 1)),
            "p" => *story = Story { markdown: std::mem::take(&mut story.markdown), ..Story::default() },
            "pPrChange" | "rPrChange" | "tcPrChange" | "trPrChange" | "sectPrChange" => story.skipping = Some((name.to_owned(), 1)),
            "pPr" => story.in_properties = true,
            "pStyle" => story.style = value().unwrap_or_default(),
            "numId" if story.in_properties => story.list = value().map(|id| (id, story.list.take().map_or(0, |list| list.1))),
            "ilvl" if story.in_properties => story.level = number(tag, "w:val"),
            "r" => (story.hidden, story.run_style, story.script, story.struck) = (None, String::new(), Script::Normal, false),
            "vertAlign" if !story.in_properties => {
                story.script = match value().as_deref() {
                    Some("superscript") => Script::Raised,
                    Some("subscript") => Script::Lowered,
                    _ => Script::Normal,
                }
            }
            "strike" | "dstrike" if !story.in_properties => story.struck |= styles::is_on(tag),
            // The properties of a paragraph apply only to its mark.
            "vanish" if !story.in_properties => story.hidden = Some(styles::is_on(tag)),
            "rStyle" if !story.in_properties => story.run_style = value().unwrap_or_default(),
            "tab" | "ptab" | "br" | "cr" | "noBreakHyphen" | "footnoteReference" | "endnoteReference" | "commentReference" | "docPr"
            | "sym"
                if self.hides(story) => {}
            "outlineLvl" => {}
            "t" => story.in_text = true,
            "tab" | "ptab" if !story.in_properties => story.markdown.text(" "),
            "br" if matches!(attribute(tag, "w:type").as_deref(), Some("page" | "column")) => story.markdown.paragraph(),
            "br" | "cr" => story.markdown.line(),
            "noBreakHyphen" => story.markdown.verbatim("-"),
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
            "sym" => match symbols::character(&attribute(tag, "w:font").unwrap_or_default(), &attribute(tag, "w:char").unwrap_or_default())
            {
                Some(sign) => {
                    self.begin(story);
                    story.markdown.text(sign.encode_utf8(&mut [0; 4]));
                }
                None => self.symbols += 1,
            },
            "blip" | "imagedata" => self.pictures += 1,
            // For a row, this element is in its properties. For a paragraph mark, it is empty.
            "del" | "cellDel" => {
                self.deletions = true;
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
            "tbl" => story.markdown.open_table(),
            "tr" => story.markdown.row(),
            "tc" => story.markdown.cell(1, 1),
            "gridSpan" => story.markdown.widen(number(tag, "w:val").unwrap_or(1)),
            _ => {}
        }
    }

    fn close(story: &mut Story, name: &str) {
        if let Some((skipped, times)) = &mut story.skipping {
            *times -= usize::from(skipped == name);
            if *times == 0 {
                story.skipping = None;
            }
            return;
        }
        match name {
            "pPr" => story.in_properties = false,
            "trPr" => story.in_row_properties = false,
            "t" => story.in_text = false,
            "p" => {
                story.markdown.script(Script::Normal);
                story.markdown.strike(false);
                story.markdown.mark(String::new());
                story.begun = true;
            }
            "txbxContent" => {
                story.markdown.paragraph();
                story.begun = true;
            }
            "tc" => story.markdown.close_cell(),
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

    /// Writes the heading or list mark before a paragraph's first word.
    fn begin(&mut self, story: &mut Story) {
        if std::mem::replace(&mut story.begun, true) {
            return;
        }
        let heading = self.styles.find(&story.style, |style| style.heading);
        let of_style = || self.styles.find(&story.style, |style| style.list.clone());
        let list = story.list.clone().or_else(of_style).filter(|(id, _)| !id.is_empty() && id != "0");
        let item = list.and_then(|(id, level)| {
            let level = story.level.unwrap_or(level);
            Some((level, self.numbering.next(&id, level)?))
        });
        match (heading, item) {
            (Some(level), item) => {
                story.markdown.heading(level);
                if let Some((_, number)) = item.filter(|(_, number)| number != "-") {
                    story.markdown.text(&format!("{number} "));
                }
            }
            (None, Some((level, number))) => story.markdown.list_line(level, &number),
            (None, None) => story.markdown.paragraph(),
        }
    }

    fn left_out(&self, names: &[String]) -> Vec<String> {
        let mut notes = Vec::new();
        if self.pictures > 0 {
            notes.push(format!("{} left out", verdict::counted(self.pictures, "picture")));
        }
        let charts = names.iter().filter(|name| name.starts_with("word/charts/chart")).count();
        if charts > 0 {
            notes.push(format!("{} left out", verdict::counted(charts, "chart")));
        }
        let embedded = names.iter().filter(|name| name.starts_with("word/embeddings/") || name.starts_with("word/afchunk")).count();
        if embedded > 0 {
            notes.push(format!("{} left out", verdict::counted(embedded, "embedded file")));
        }
        if self.symbols > 0 {
            notes.push(format!("{} of symbol fonts left out", verdict::counted(self.symbols, "sign")));
        }
        if self.deletions {
            notes.push(verdict::DELETIONS.to_owned());
        }
        if self.hidden {
            notes.push(verdict::HIDDEN.to_owned());
        }
        notes
    }
}

fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}
