//! PowerPoint presentations (PPTX), with a page for each slide.
//!
//! Slides are in presentation order. The title of a slide is its heading. Texts, tables, charts and
//! diagrams follow in file order, then speaker notes and comments. Fixed text of a layout or master
//! stands on the first slide that shows it. Hidden slides are included, with a note.
//!
//! Of 42 files of python-pptx and pandoc, this reader keeps all cells, list numbers and powers. undoc,
//! pandoc and markitdown keep the cells, but no list number.

mod bullets;

use super::archive::{self, Archive};
use super::markdown::{Markdown, Script};
use super::numbering::{Bullet, Counter};
use super::omml::Omml;
use super::parts::{self, Relation};
use super::xml::{self, Node, attribute, number};
use super::{Extract, ImageLimits, Page, PrepareSettings, Reader, chart, verdict};
use crate::model::Failure;
use bullets::{Bullets, Levels, bullet, level_of};
use quick_xml::events::BytesStart;
use std::collections::{BTreeSet, HashMap};

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
    let mut concealed = false;
    let mut frames = Frames::default();
    for (at, id) in order.iter().enumerate() {
        let slide = relations.iter().find(|relation| relation.id == *id);
        let Some((slide, text)) = slide.and_then(|slide| Some((slide, archive.text(&slide.target).transpose()?))) else {
            pages.push(Page::Text(String::new()));
            notes.push(format!("slide {} is missing in the file", at + 1));
            continue;
        };
        let text = text?;
        let related = parts::relations(&mut archive, &slide.target)?;
        let frame = frames.of(&mut archive, &related)?;
        let shown = Slide { bullets: frame.bullets.clone(), ..Slide::default() }.read(&text)?;
        pictures += shown.pictures;
        concealed |= shown.concealed;
        if shown.hidden {
            notes.push(format!("slide {} is hidden", at + 1));
        }
        let mut page = vec![shown.markdown.finish()];
        if shown.shows_master {
            page.extend(frames.fixed(&frame));
        }
        for relation in related {
            page.push(related_text(&mut archive, &relation)?);
        }
        page.retain(|part| !part.is_empty());
        pages.push(Page::Text(page.join("\n\n")));
    }
    if pictures > 0 {
        notes.push(format!("{} left out", verdict::counted(pictures, "picture")));
    }
    if concealed {
        notes.push(verdict::HIDDEN.to_owned());
    }
    verdict::readable(NAME, Extract { pages, paged: true, notes })
}

/// What the layout and the master of a slide add to it.
#[derive(Default, Clone)]
struct Frame {
    bullets: Bullets,
    /// Fixed texts.
    texts: Vec<String>,
}

/// Layouts and masters that have been read.
#[derive(Default)]
struct Frames {
    by_layout: HashMap<String, Frame>,
    /// Fixed texts that stand on an earlier slide.
    shown: BTreeSet<String>,
}

impl Frames {
    /// Reads the layout and the master of a slide, once each.
    fn of(&mut self, archive: &mut Archive, related: &[Relation]) -> Result<Frame, Failure> {
        let Some(layout) = related.iter().find(|relation| relation.kind == "slideLayout") else { return Ok(Frame::default()) };
        if let Some(frame) = self.by_layout.get(&layout.target) {
            return Ok(frame.clone());
        }
        let mut frame = Frame::default();
        let master = parts::relations(archive, &layout.target)?.into_iter().find(|relation| relation.kind == "slideMaster");
        let mut shows = true;
        for part in [Some(&layout.target), master.as_ref().map(|master| &master.target)].into_iter().flatten() {
            let Some(text) = archive.text(part)? else { continue };
            frame.bullets.learn(&text);
            let fixed = Slide { fixed: true, ..Slide::default() }.read(&text)?;
            let shows_master = fixed.shows_master;
            let words = fixed.markdown.finish();
            if shows && !words.is_empty() {
                frame.texts.push(words);
            }
            shows = shows_master;
        }
        self.by_layout.insert(layout.target.clone(), frame.clone());
        Ok(frame)
    }

    /// The fixed texts that no earlier slide has.
    fn fixed(&mut self, frame: &Frame) -> Vec<String> {
        frame.texts.iter().filter(|text| self.shown.insert((*text).clone())).cloned().collect()
    }
}

/// Reads the text of a part that a slide references.
fn related_text(archive: &mut Archive, relation: &Relation) -> Result<String, Failure> {
    if !matches!(&*relation.kind, "notesSlide" | "chart" | "diagramData" | "comments") {
        return Ok(String::new());
    }
    let Some(text) = archive.text(&relation.target)? else { return Ok(String::new()) };
    let labelled = |before: &str, text: String| if text.is_empty() { text } else { format!("{before}{text}") };
    Ok(match &*relation.kind {
        "notesSlide" => labelled("Notes: ", Slide { notes: true, ..Slide::default() }.read(&text)?.markdown.finish()),
        "chart" => chart::chart(&text),
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
    /// Whether to read only texts outside of placeholders: the fixed ones of a layout or master.
    fixed: bool,
    /// Whether the shapes of the master are shown.
    shows_master: bool,
    /// Placeholder type of the shape: `title`, `body`, `sldNum`.
    ///
    /// Other shapes have none.
    place: String,
    index: Option<String>,
    /// Bullets of placeholders, of the levels of the shape, and of the paragraph.
    bullets: Bullets,
    levels: Levels,
    list_level: Option<usize>,
    bullet: Option<Bullet>,
    counter: Counter,
    math: Option<Omml>,
    level: Option<usize>,
    begun: bool,
    script: Script,
    struck: bool,
    in_text: bool,
    /// Number of open alternatives for old programs.
    fallback: usize,
    tables: usize,
    /// Whether each open shape is hidden, and whether a hidden one has text.
    shapes: Vec<bool>,
    concealed: bool,
}

impl Slide {
    fn read(self, text: &str) -> Result<Self, Failure> {
        let mut slide = Self { markdown: Markdown::new(), shows_master: true, ..self };
        xml::read(text, |node| match node {
            Node::Open(tag) => slide.open(tag),
            Node::Close(name) => slide.close(xml::local(name)),
            Node::Text(text) => {
                if let Some(math) = &mut slide.math {
                    math.text(text);
                } else if slide.in_text && slide.shapes.contains(&true) {
                    slide.concealed |= !text.trim().is_empty();
                } else if slide.in_text {
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
        if name == "oMath" && self.math.is_none() && self.is_read() {
            self.math = Some(Omml::default());
        }
        if let Some(math) = &mut self.math {
            return math.open(tag);
        }
        match name {
            "sld" | "sldLayout" => {
                self.shows_master = !attribute(tag, "showMasterSp").is_some_and(|shows| shows == "0" || shows == "false");
                self.hidden = attribute(tag, "show").is_some_and(|show| show == "0" || show == "false");
            }
            "grpSp" => self.shapes.push(false),
            "sp" | "cxnSp" | "pic" | "graphicFrame" => {
                self.shapes.push(false);
                self.pictures += usize::from(name == "pic" && !self.fixed);
                (self.place, self.index, self.levels, self.counter) = (String::new(), None, Levels::new(), Counter::default());
            }
            "ph" => {
                self.place = attribute(tag, "type").unwrap_or_else(|| "body".to_owned());
                self.index = attribute(tag, "idx");
            }
            "p" => (self.begun, self.level, self.bullet) = (false, None, None),
            "pPr" => self.level = number(tag, "lvl"),
            name if level_of(name).is_some() => self.list_level = level_of(name),
            "buNone" | "buChar" | "buBlip" | "buAutoNum" => match (self.list_level, bullet(tag)) {
                (Some(level), Some(bullet)) => drop(self.levels.insert(level, bullet)),
                (None, bullet) => self.bullet = bullet,
                _ => {}
            },
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
            "t" => self.in_text = self.is_read(),
            "br" => self.markdown.line(),
            "tab" => self.markdown.text(" "),
            "cNvPr" if matches!(attribute(tag, "hidden").as_deref(), Some("1" | "true")) => {
                self.shapes.last_mut().into_iter().for_each(|hidden| *hidden = true);
            }
            "cNvPr" if !self.notes && !self.fixed => {
                if let Some(description) = attribute(tag, "descr").filter(|text| !text.trim().is_empty()) {
                    self.markdown.paragraph();
                    self.markdown.text(&format!("[image: {}]", description.trim()));
                }
            }
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
            name if self.math.is_some() => {
                if let Some(formula) = self.math.as_mut().and_then(|math| math.close(name)) {
                    self.math = None;
                    self.begin();
                    self.markdown.formula(&formula);
                }
            }
            name if level_of(name).is_some() => self.list_level = None,
            "t" => self.in_text = false,
            "grpSp" | "cxnSp" | "pic" | "graphicFrame" => drop(self.shapes.pop()),
            "p" | "sp" => {
                if name == "sp" {
                    self.shapes.pop();
                }
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

    /// Whether the text of the open shape is read.
    fn is_read(&self) -> bool {
        self.place != "sldNum" && (!self.notes || self.place == "body") && (!self.fixed || self.place.is_empty())
    }

    /// Writes the heading or list mark before a paragraph's first word.
    fn begin(&mut self) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let place = if self.tables > 0 || self.notes { "" } else { &*self.place };
        if matches!(place, "title" | "ctrTitle") {
            return self.markdown.heading(1);
        }
        let level = self.level.unwrap_or(0);
        let own = self.bullet.as_ref().or_else(|| self.levels.get(&level));
        let passed_on =
            || Some(place).filter(|place| !place.is_empty()).and_then(|place| self.bullets.find(place, self.index.as_deref(), level));
        let usual = if matches!(place, "body" | "obj") || level > 0 { Bullet::Sign } else { Bullet::None };
        let bullet = own.or_else(passed_on).cloned().unwrap_or(usual);
        match self.counter.next(level, &bullet) {
            Some(mark) => self.markdown.list_line(level, &mark),
            None => self.markdown.paragraph(),
        }
    }
}
