//! PowerPoint presentations (PPTX), with a page for each slide.
//!
//! Slides are in presentation order. The title of a slide is its heading. Texts, tables, charts and
//! diagrams follow in file order, then speaker notes and comments. Hidden slides are included, with
//! a note.
//!
//! Measured on a slide with text, group, table, chart, diagram, picture, notes and comment: this
//! reader finds all of them. The crate undoc 0.27.1 misses diagram, picture and comment.

use super::archive::{self, Archive};
use super::markdown::{Markdown, Script};
use super::parts::{self, Relation};
use super::xml::{self, Node, attribute, number};
use super::{Extract, ImageLimits, Page, PrepareSettings, Reader, verdict};
use crate::model::Failure;
use quick_xml::events::BytesStart;

pub(super) const READER: Reader = Reader { format: "pptx", name: NAME, recognises, read };

const NAME: &str = "a PowerPoint presentation (PPTX)";
const MAIN: &str = "ppt/presentation.xml";

fn recognises(bytes: &[u8], extension: &str) -> bool {
    archive::holds(bytes, |name| name == MAIN, matches!(extension, "pptx" | "pptm" | "ppsx" | "ppsm" | "potx"))
}

fn read(bytes: &[u8], settings: &PrepareSettings, _: &ImageLimits) -> Result<Extract, Failure> {
    let mut archive = Archive::open(bytes, NAME, settings.document_mb)?;
    let main = archive.needed(MAIN)?;
    let relations = parts::relations(&mut archive, MAIN)?;
    let mut order = Vec::new();
    xml::read(&main, |node| {
        if let Node::Open(tag) = node
            && tag.local_name().as_ref() == "sldId"
        {
            order.extend(attribute(tag, "r:id"));
        }
    })
    .map_err(damaged)?;
    let (mut pages, mut notes, mut pictures) = (Vec::new(), Vec::new(), 0);
    for (at, id) in order.iter().enumerate() {
        let slide = relations.iter().find(|relation| relation.id == *id);
        let Some((slide, text)) = slide.and_then(|slide| Some((slide, archive.text(&slide.target).transpose()?))) else {
            pages.push(Page::Text(String::new()));
            notes.push(format!("slide {} is missing in the file", at + 1));
            continue;
        };
        let shown = Slide::read(&text?, false)?;
        pictures += shown.pictures;
        if shown.hidden {
            notes.push(format!("slide {} is hidden", at + 1));
        }
        let mut page = vec![shown.markdown.finish()];
        for relation in parts::relations(&mut archive, &slide.target)? {
            page.push(related_text(&mut archive, &relation)?);
        }
        page.retain(|part| !part.is_empty());
        pages.push(Page::Text(page.join("\n\n")));
    }
    if pictures > 0 {
        notes.push(format!("{} left out", verdict::counted(pictures, "picture")));
    }
    verdict::readable(NAME, Extract { pages, paged: true, notes })
}

/// Reads the text of a part that a slide references.
fn related_text(archive: &mut Archive, relation: &Relation) -> Result<String, Failure> {
    if !matches!(&*relation.kind, "notesSlide" | "chart" | "diagramData" | "comments") {
        return Ok(String::new());
    }
    let Some(text) = archive.text(&relation.target)? else { return Ok(String::new()) };
    let labelled = |before: &str, text: String| if text.is_empty() { text } else { format!("{before}{text}") };
    Ok(match &*relation.kind {
        "notesSlide" => labelled("Notes: ", Slide::read(&text, true)?.markdown.finish()),
        "chart" => parts::chart(&text),
        "comments" => labelled("Comments:\n", parts::words(&text)),
        _ => parts::words(&text),
    })
}

fn damaged(error: impl std::fmt::Display) -> Failure {
    verdict::damaged(NAME, error)
}

/// A slide or its notes while being read.
#[expect(clippy::struct_excessive_bools, reason = "independent states")]
#[derive(Default)]
struct Slide {
    markdown: Markdown,
    pictures: usize,
    hidden: bool,
    /// Whether to read only the speaker's text.
    ///
    /// The rest of the printed notes page is then skipped.
    notes: bool,
    /// Placeholder type of the shape: `title`, `body`, `sldNum`.
    ///
    /// Other shapes have none.
    place: String,
    level: Option<usize>,
    begun: bool,
    script: Script,
    struck: bool,
    in_text: bool,
    /// Number of open alternatives for old programs.
    fallback: usize,
    tables: usize,
}

impl Slide {
    fn read(text: &str, notes: bool) -> Result<Self, Failure> {
        let mut slide = Self { markdown: Markdown::new(), notes, ..Self::default() };
        xml::read(text, |node| match node {
            Node::Open(tag) => slide.open(tag),
            Node::Close(name) => slide.close(name.rsplit(':').next().unwrap_or(name)),
            Node::Text(text) => {
                if slide.in_text {
                    slide.begin();
                    slide.markdown.script(slide.script);
                    slide.markdown.strike(slide.struck);
                    slide.markdown.text(text);
                }
            }
        })
        .map_err(damaged)?;
        Ok(slide)
    }

    fn open(&mut self, tag: &BytesStart) {
        let name = tag.local_name();
        let name: &str = name.as_ref();
        if self.fallback > 0 || name == "Fallback" {
            self.fallback += usize::from(name == "Fallback");
            return;
        }
        match name {
            "sld" => self.hidden = attribute(tag, "show").is_some_and(|show| show == "0" || show == "false"),
            "sp" => self.place.clear(),
            "ph" => self.place = attribute(tag, "type").unwrap_or_else(|| "body".to_owned()),
            "p" => (self.begun, self.level) = (false, None),
            "pPr" => self.level = number(tag, "lvl"),
            // The properties of a run precede its text and apply only to it.
            "r" | "fld" => (self.script, self.struck) = (Script::Normal, false),
            "rPr" => {
                let above: f64 = attribute(tag, "baseline").and_then(|percent| percent.trim_end_matches('%').parse().ok()).unwrap_or(0.0);
                self.script = if above > 0.0 {
                    Script::Raised
                } else if above < 0.0 {
                    Script::Lowered
                } else {
                    Script::Normal
                };
                self.struck = attribute(tag, "strike").is_some_and(|strike| strike != "noStrike");
            }
            "t" => self.in_text = self.place != "sldNum" && (!self.notes || self.place == "body"),
            "br" => self.markdown.line(),
            "tab" => self.markdown.text(" "),
            "cNvPr" if !self.notes => {
                if let Some(description) = attribute(tag, "descr").filter(|text| !text.trim().is_empty()) {
                    self.markdown.paragraph();
                    self.markdown.text(&format!("[image: {}]", description.trim()));
                }
            }
            "pic" => self.pictures += 1,
            "tbl" => {
                self.tables += 1;
                self.markdown.open_table();
            }
            "tr" => self.markdown.row(),
            "tc" => self.markdown.cell(1, 1),
            _ => {}
        }
    }

    fn close(&mut self, name: &str) {
        match name {
            "Fallback" => self.fallback = self.fallback.saturating_sub(1),
            _ if self.fallback > 0 => {}
            "t" => self.in_text = false,
            "p" | "sp" => {
                self.markdown.script(Script::Normal);
                self.markdown.strike(false);
                self.markdown.mark(String::new());
            }
            "tc" => self.markdown.close_cell(),
            "tbl" => {
                self.tables = self.tables.saturating_sub(1);
                self.markdown.close_table();
            }
            _ => {}
        }
    }

    /// Writes the heading or list mark before a paragraph's first word.
    fn begin(&mut self) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let place = if self.tables > 0 || self.notes { "" } else { &*self.place };
        match (place, self.level) {
            ("title" | "ctrTitle", _) => self.markdown.heading(1),
            ("body" | "obj", level) => self.markdown.list_line(level.unwrap_or(0), "-"),
            (_, Some(level)) if level > 0 => self.markdown.list_line(level, "-"),
            _ => self.markdown.paragraph(),
        }
    }
}
