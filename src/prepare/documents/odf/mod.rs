//! OpenDocument texts (ODT) and presentations (ODP).
//!
//! Headings, paragraphs, lists, tables, notes and comments appear at their anchors. Headers and
//! footers come first. Slides are pages. Tracked changes count as accepted. Files may be archives, or
//! one XML file (FODT, FODP).

mod begin;

use super::archive;
use super::markdown::{Markdown, Script};
use super::numbering::Lists;
use super::odf_comments::Comments;
use super::odf_file::{is_flat, is_type, left_out, open};
use super::odf_looks::{Form, Look, look};
use super::odf_objects::{self, Object};
use super::xml::{self, Node, attribute};
use super::{Extract, ImageLimits, Page, PrepareSettings, Reader, encoding, symbols, verdict};
use crate::model::Failure;
use std::collections::{HashMap, HashSet};
use std::fmt::Write;

pub(super) const ODT: Reader = Reader { format: "odt", name: NAME, recognises: is_odt, read };
pub(super) const ODP: Reader = Reader { format: "odp", name: NAME, recognises: is_odp, read };
pub(super) const FODT: Reader = Reader { format: "fodt", name: NAME, recognises: is_fodt, read: read_flat };
pub(super) const FODP: Reader = Reader { format: "fodp", name: NAME, recognises: is_fodp, read: read_flat };

const NAME: &str = "an OpenDocument file (ODT or ODP)";

fn is_odt(bytes: &[u8], extension: &str) -> bool {
    archive::has_type(bytes, |text| is_type(text, "text"), matches!(extension, "odt" | "ott"))
}

fn is_odp(bytes: &[u8], extension: &str) -> bool {
    let presentation = |text: &str| is_type(text, "presentation") || is_type(text, "graphics");
    archive::has_type(bytes, presentation, matches!(extension, "odp" | "otp" | "odg"))
}

fn is_fodt(bytes: &[u8], _: &str) -> bool {
    is_flat(bytes, "text")
}

fn is_fodp(bytes: &[u8], _: &str) -> bool {
    is_flat(bytes, "presentation") || is_flat(bytes, "graphics")
}

fn read(bytes: &[u8], settings: &PrepareSettings, _: &ImageLimits) -> Result<Extract, Failure> {
    let mut archive = open(bytes, NAME, settings.document_mb)?;
    let content = archive.needed("content.xml")?;
    let styles = archive.text("styles.xml")?;
    let objects = odf_objects::texts(&mut archive)?;
    let file = File::read(styles.as_deref(), &content, objects)?;
    let notes = left_out(&archive, file.pictures);
    file.extract(notes)
}

fn read_flat(bytes: &[u8], _: &PrepareSettings, _: &ImageLimits) -> Result<Extract, Failure> {
    let text = encoding::decode(bytes).text;
    let file = File::read(xml::section(&text, "office:master-styles"), &text, HashMap::new())?;
    let pictures = (file.pictures > 0).then(|| format!("{} left out", verdict::counted(file.pictures, "picture")));
    file.extract(pictures.into_iter().collect())
}

/// A document that is being read.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "facts that do not depend on each other")]
struct File {
    pages: Vec<String>,
    slides: usize,
    /// Styles of hidden slides, and the numbers of these slides.
    unseen: HashSet<String>,
    unseen_slides: Vec<usize>,
    pictures: usize,
    deletions: bool,
    /// Deleted changes, of which some files keep the text in its place, and those that are open.
    deleted: HashSet<String>,
    change: String,
    in_deleted: HashSet<String>,
    /// Whether text was hidden.
    hidden: bool,
    /// Number of signs of symbol fonts without a known meaning.
    symbols: usize,
    form: Form,
    /// The text that is being written, then its open notes and comments.
    bodies: Vec<Markdown>,
    footnotes: Vec<String>,
    comments: Comments,
    /// Texts of charts and formulas by name. In a frame with one, the picture only repeats it.
    objects: HashMap<String, String>,
    in_object: bool,
    /// Whether the object of the open frame has no text, and the number of those without a picture.
    is_unread: bool,
    unread: usize,
    /// The open object of a file without an archive.
    object: Option<Object>,
    /// How often each open row and cell of a table is repeated.
    repeated: Vec<usize>,
    /// Number of open elements whose text counts.
    paragraphs: usize,
    /// Name and nesting depth of the skipped element.
    skipping: Option<(String, usize)>,
    /// Whether the next paragraph is the title of a slide.
    title: bool,
    /// Text to write before the next word.
    lead: &'static str,
    /// The looks of styles by name. `spans` has the looks of the open spans.
    styles: HashMap<String, Look>,
    spans: Vec<Look>,
    lists: Lists,
}

impl File {
    fn read(styles: Option<&str>, content: &str, objects: HashMap<String, String>) -> Result<Self, Failure> {
        let mut file = Self { bodies: vec![Markdown::new()], objects, ..Self::default() };
        // Headers and footers are in page styles. In presentations, they are only placeholders.
        if let Some(styles) = styles {
            file.learn(styles)?;
            if content.contains("<office:text") {
                file.walk(styles, &["style:header", "style:footer"])?;
            }
        }
        file.learn(content)?;
        file.walk(content, &["office:body"])?;
        file.turn_page();
        Ok(file)
    }

    fn extract(self, mut notes: Vec<String>) -> Result<Extract, Failure> {
        notes.extend(self.unseen_slides.iter().map(|slide| format!("slide {slide} is hidden")));
        if self.hidden {
            notes.push(verdict::HIDDEN.to_owned());
        }
        if self.deletions {
            notes.push(verdict::DELETIONS.to_owned());
        }
        if self.unread > 0 {
            notes.push(format!("{} left out", verdict::counted(self.unread, "embedded object")));
        }
        notes.extend(symbols::note(self.symbols));
        verdict::readable(NAME, Extract { pages: self.pages.into_iter().map(Page::Text).collect(), paged: self.slides > 0, notes })
    }

    /// Records the looks of the styles of a part.
    ///
    /// They replace styles of earlier parts with the same name.
    fn learn(&mut self, text: &str) -> Result<(), Failure> {
        let mut name = String::new();
        xml::read(text, |node| {
            let Node::Open(tag) = node else { return };
            self.lists.learn(tag);
            self.comments.learn(tag);
            match tag.name().as_ref() {
                "style:style" => {
                    name = attribute(tag, "style:name").unwrap_or_default();
                    let parent = attribute(tag, "style:parent-style-name").and_then(|parent| self.styles.get(&parent));
                    self.styles.insert(name.clone(), parent.copied().unwrap_or_default());
                }
                "style:drawing-page-properties" if attribute(tag, "presentation:visibility").as_deref() == Some("hidden") => {
                    self.unseen.insert(name.clone());
                }
                "style:text-properties" => {
                    let look = look(tag, self.look(Some(&name)));
                    self.styles.insert(name.clone(), look);
                }
                _ => {}
            }
        })
        .map_err(|error| verdict::damaged(NAME, error))
    }

    /// Reads the content of the elements called `within`.
    fn walk(&mut self, text: &str, within: &[&str]) -> Result<(), Failure> {
        let mut inside = 0_usize;
        xml::read(text, |node| match node {
            node if self.is_of_object(node) => {}
            Node::Open(tag) if within.contains(&tag.name().as_ref()) => inside += 1,
            Node::Close(name) if within.contains(&name) => inside = inside.saturating_sub(1),
            _ if inside == 0 => {}
            Node::Open(tag) => self.open(tag),
            Node::Close(name) => self.close(name),
            Node::Text(text) if self.paragraphs > 0 && self.skipping.is_none() => {
                let look = self.spans.last().copied().unwrap_or_default();
                let Look { script, struck, hidden, .. } = look;
                if hidden || !self.in_deleted.is_empty() {
                    let has_text = !text.trim().is_empty();
                    self.hidden |= hidden && has_text;
                    self.deletions |= !hidden && has_text;
                    return;
                }
                let (text, lost) = look.signs(text);
                self.symbols += lost;
                let lead = if text.trim().is_empty() { "" } else { std::mem::take(&mut self.lead) };
                self.write(|body| {
                    body.text(lead);
                    body.script(script);
                    body.strike(struck);
                    body.text(&text);
                });
            }
            Node::Text(_) => {}
        })
        .map_err(|error| verdict::damaged(NAME, error))
    }

    /// The look of a style.
    fn look(&self, style: Option<&str>) -> Look {
        style.and_then(|style| self.styles.get(style)).copied().unwrap_or_default()
    }

    fn write(&mut self, how: impl FnOnce(&mut Markdown)) {
        if let Some(body) = self.bodies.last_mut() {
            how(body);
        }
    }

    /// Ends a page, and appends its notes.
    fn turn_page(&mut self) {
        for comment in self.comments.left() {
            self.comment(&comment);
        }
        let body = std::mem::replace(&mut self.bodies, vec![Markdown::new()]).into_iter().next().unwrap_or_default();
        let mut page = body.finish();
        for (at, note) in std::mem::take(&mut self.footnotes).iter().enumerate() {
            let _infallible = write!(page, "{}[^{}]: {note}", if at == 0 { "\n\n" } else { "\n" }, at + 1);
        }
        self.pages.push(page);
    }

    fn close(&mut self, name: &str) {
        if let Some((skipped, times)) = &mut self.skipping {
            *times -= usize::from(skipped == name);
            if *times == 0 {
                self.skipping = None;
            }
            return;
        }
        match name {
            "text:span" => drop(self.spans.pop()),
            "draw:frame" => {
                self.in_object = false;
                self.unread += usize::from(std::mem::take(&mut self.is_unread));
            }
            "field:fieldmark" => {
                let shown = std::mem::take(&mut self.form).shown();
                self.write(|body| body.text(&shown));
            }
            "text:h" | "text:p" => {
                self.paragraphs = self.paragraphs.saturating_sub(1);
                self.spans.pop();
                self.write(|body| {
                    body.script(Script::Normal);
                    body.strike(false);
                    body.mark(String::new());
                    body.paragraph();
                });
            }
            "dc:creator" => {
                self.paragraphs = self.paragraphs.saturating_sub(1);
                self.write(|body| body.verbatim(":"));
            }
            "svg:title" | "svg:desc" => {
                self.paragraphs = self.paragraphs.saturating_sub(1);
                self.write(|body| body.verbatim("] "));
            }
            "text:list" => {
                self.lists.close_list();
                self.write(Markdown::close_list);
            }
            "text:ruby-text" => {
                self.paragraphs = self.paragraphs.saturating_sub(1);
                self.write(|body| body.verbatim(")"));
            }
            "text:note" if self.bodies.len() > 1 => {
                let note = self.closed_body();
                self.footnotes.push(note);
                let mark = format!("[^{}]", self.footnotes.len());
                self.write(|body| body.verbatim(&mark));
            }
            "office:annotation" if self.bodies.len() > 1 => {
                let comment = self.closed_body();
                if let Some(comment) = self.comments.close(comment) {
                    self.comment(&comment);
                }
            }
            "table:table" => self.write(Markdown::close_table),
            "table:table-cell" | "table:covered-table-cell" => {
                if name == "table:covered-table-cell" {
                    self.write(Markdown::forget_numbers);
                }
                let times = self.repeated.pop().unwrap_or(1);
                self.write(|body| body.close_repeated_cell(times));
            }
            "table:table-row" => {
                let times = self.repeated.pop().unwrap_or(1);
                self.write(|body| body.repeat_row(times));
            }
            _ => {}
        }
    }

    /// Reads the open object, if there is one.
    fn is_of_object(&mut self, node: Node) -> bool {
        let Some(mut object) = self.object.take() else { return false };
        if matches!(node, Node::Close("draw:object")) {
            self.write_object(&object.finish());
        } else {
            object.take(node);
            self.object = Some(object);
        }
        true
    }

    /// Writes the text of an object. The picture in the same frame repeats it.
    fn write_object(&mut self, text: &str) {
        self.is_unread = text.is_empty();
        if !text.is_empty() {
            self.in_object = true;
            self.write(|body| odf_objects::write(body, text));
        }
    }

    fn comment(&mut self, comment: &str) {
        self.write(|body| body.text(&format!(" [Comment by {comment}] ")));
    }

    fn closed_body(&mut self) -> String {
        let text = self.bodies.pop().map(Markdown::finish).unwrap_or_default();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_slides_have_a_note() {
        let properties = r#"<style:drawing-page-properties presentation:visibility="hidden"/>"#;
        let style = format!(r#"<style:style style:name="d2" style:family="drawing-page">{properties}</style:style>"#);
        let slide = |style: &str, text: &str| format!(r#"<draw:page draw:style-name="{style}"><text:p>{text}</text:p></draw:page>"#);
        let body =
            format!("<office:body><office:presentation>{}{}</office:presentation></office:body>", slide("d1", "one"), slide("d2", "two"));
        let extract = File::read(None, &format!("<office:document>{style}{body}</office:document>"), HashMap::new())
            .unwrap()
            .extract(Vec::new())
            .unwrap();
        assert_eq!(extract.pages, [Page::Text("one".to_owned()), Page::Text("two".to_owned())]);
        assert_eq!(extract.notes, ["slide 2 is hidden"]);
    }
}
