//! DOC and PPT documents (Office up to 2003), read by `undoc`.

use super::compound::{self, Compound};
use super::markdown::{Markdown, Script};
use super::numbering::BinaryLists;
use super::{Extract, ImageLimits, Page, PrepareSettings, Reader, verdict};
use crate::model::Failure;
use std::borrow::Cow;
use undoc::model::RevisionType;
use undoc::{Block, Document, Error, ListType, Paragraph, Section, Table};

pub(super) const DOC: Reader = Reader { format: "doc", name: DOC_NAME, recognises: is_doc, read: read_doc };
pub(super) const PPT: Reader = Reader { format: "ppt", name: PPT_NAME, recognises: is_ppt, read: read_ppt };

const DOC_NAME: &str = "a Word document (DOC)";
const PPT_NAME: &str = "a PowerPoint presentation (PPT)";

fn is_doc(bytes: &[u8], extension: &str) -> bool {
    compound::holds(bytes, &["WordDocument"], matches!(extension, "doc" | "dot"))
}

fn is_ppt(bytes: &[u8], extension: &str) -> bool {
    compound::holds(bytes, &["PowerPoint Document"], matches!(extension, "ppt" | "pps" | "pot"))
}

fn read_doc(bytes: &[u8], _: &PrepareSettings, _: &ImageLimits) -> Result<Extract, Failure> {
    let sound = Compound::sound(bytes);
    let (is_repaired, bytes) = (matches!(sound, Cow::Owned(_)), &*sound);
    let document = undoc::doc::DocParser::from_bytes(bytes.to_vec()).and_then(|mut parser| parser.parse());
    extract(DOC_NAME, bytes, document, false).map(|extract| noted(extract, is_repaired))
}

fn read_ppt(bytes: &[u8], _: &PrepareSettings, _: &ImageLimits) -> Result<Extract, Failure> {
    let sound = Compound::sound(bytes);
    let (is_repaired, bytes) = (matches!(sound, Cow::Owned(_)), &*sound);
    let document = undoc::ppt::PptParser::from_bytes(bytes.to_vec()).and_then(|mut parser| parser.parse());
    extract(PPT_NAME, bytes, document, true).map(|extract| noted(extract, is_repaired))
}

/// Adds a note if docmill repaired the file.
fn noted(mut extract: Extract, is_repaired: bool) -> Extract {
    if is_repaired {
        extract.notes.push("the tables of the file are damaged; docmill repaired them, and text may be missing".to_owned());
    }
    extract
}

fn extract(name: &'static str, bytes: &[u8], document: undoc::Result<Document>, paged: bool) -> Result<Extract, Failure> {
    let document = document.map_err(|error| match error {
        Error::Encrypted => verdict::encrypted(name),
        error => verdict::damaged(name, error),
    })?;
    let (mut deletions, mut lists) = (false, lists(bytes, name, &document));
    let sections = document.sections.iter().map(|each| section(each, &mut deletions, &mut lists));
    let pages: Vec<Page> =
        if paged { sections.map(Page::Text).collect() } else { vec![Page::Text(sections.collect::<Vec<_>>().join("\n\n"))] };
    let mut notes = Vec::new();
    let pictures = document.resources.values().filter(|resource| resource.is_image()).count();
    if pictures > 0 {
        notes.push(format!("{} left out", verdict::counted(pictures, "picture")));
    }
    if Compound::open(bytes, name).is_ok_and(|file| file.has_storage("Macros")) {
        notes.push("macros left out".to_owned());
    }
    if deletions {
        notes.push(verdict::DELETIONS.to_owned());
    }
    verdict::readable(name, Extract { pages, paged, notes })
}

/// The lists of a Word document.
fn lists(bytes: &[u8], name: &str, parsed: &Document) -> BinaryLists {
    let mut levels = Vec::new();
    for block in parsed.sections.iter().flat_map(|section| &section.content) {
        match block {
            Block::Paragraph(paragraph) => levels.extend(level(paragraph)),
            Block::Table(table) => table_levels(table, &mut levels),
            _ => {}
        }
    }
    let Ok(mut file) = Compound::open(bytes, name) else { return BinaryLists::default() };
    let document = file.stream("WordDocument").unwrap_or_default();
    let is_first = document.get(0x0B).is_some_and(|flags| flags & 2 != 0);
    let table = file.stream(if is_first { "1Table" } else { "0Table" }).unwrap_or_default();
    BinaryLists::read(&document, &table, &levels)
}

/// The level of a paragraph with a number or bullet.
fn level(paragraph: &Paragraph) -> Option<usize> {
    paragraph.list_info.as_ref().filter(|list| list.list_type != ListType::None).map(|list| list.level.into())
}

fn table_levels(table: &Table, levels: &mut Vec<usize>) {
    for cell in table.rows.iter().flat_map(|row| &row.cells) {
        levels.extend(cell.content.iter().filter_map(level));
        cell.nested_tables.iter().for_each(|table| table_levels(table, levels));
    }
}

fn section(section: &Section, deletions: &mut bool, lists: &mut BinaryLists) -> String {
    let mut text = Text { markdown: Markdown::new(), deletions, lists };
    text.paragraphs(section.header.as_ref());
    for block in &section.content {
        match block {
            Block::Paragraph(paragraph) => text.paragraph(paragraph),
            Block::Table(rows) => text.table(rows),
            Block::Note { label, content } => {
                text.markdown.paragraph();
                text.markdown.text(&format!("[^{label}]: "));
                for each in content {
                    text.runs(each);
                }
            }
            Block::PageBreak | Block::SectionBreak | Block::Image { .. } => text.markdown.paragraph(),
        }
    }
    if section.notes.as_ref().is_some_and(|notes| notes.iter().any(|note| !note.is_empty())) {
        text.markdown.paragraph();
        text.markdown.text("Notes: ");
        text.paragraphs(section.notes.as_ref());
    }
    text.paragraphs(section.footer.as_ref());
    text.markdown.finish()
}

/// A section that is being written.
struct Text<'a> {
    markdown: Markdown,
    /// Whether the document has tracked deletions.
    deletions: &'a mut bool,
    lists: &'a mut BinaryLists,
}

impl Text<'_> {
    fn paragraphs(&mut self, paragraphs: Option<&Vec<Paragraph>>) {
        for each in paragraphs.into_iter().flatten() {
            self.paragraph(each);
        }
    }

    fn paragraph(&mut self, paragraph: &Paragraph) {
        let heading = paragraph.heading.is_heading().then(|| paragraph.heading.level());
        let list = paragraph.list_info.as_ref().filter(|list| list.list_type != ListType::None);
        let mark = list.map(|list| self.lists.mark(list.level.into(), list.number.filter(|_| list.list_type == ListType::Numbered)));
        match (heading, list, mark) {
            (Some(level), _, mark) => {
                self.markdown.heading(level.into());
                if let Some(number) = mark.filter(|mark| mark != "-") {
                    self.markdown.text(&format!("{number} "));
                }
            }
            (None, Some(list), Some(mark)) => self.markdown.list_line(list.level.into(), &mark),
            _ => self.markdown.paragraph(),
        }
        self.runs(paragraph);
        self.markdown.script(Script::Normal);
        self.markdown.strike(false);
        self.markdown.mark(String::new());
    }

    fn runs(&mut self, paragraph: &Paragraph) {
        for run in &paragraph.runs {
            if run.revision == RevisionType::Deleted {
                *self.deletions = true;
                continue;
            }
            self.markdown.script(match &run.style {
                style if style.superscript => Script::Raised,
                style if style.subscript => Script::Lowered,
                _ => Script::Normal,
            });
            self.markdown.strike(run.style.strikethrough);
            self.markdown.text(&run.text);
            if let Some(label) = &run.note {
                self.markdown.verbatim(&format!("[^{label}]"));
            }
            if run.line_break || run.page_break {
                self.markdown.line();
            }
        }
    }

    fn table(&mut self, table: &Table) {
        self.markdown.open_table();
        for row in &table.rows {
            self.markdown.row();
            for cell in &row.cells {
                self.markdown.cell(cell.col_span as usize, cell.row_span as usize);
                cell.content.iter().for_each(|each| self.paragraph(each));
                cell.nested_tables.iter().for_each(|each| self.table(each));
            }
        }
        self.markdown.close_table();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use undoc::TextRun;

    #[test]
    fn tracked_deletions_are_left_out_with_a_note() {
        let run = |text: &str, revision| TextRun { revision, ..TextRun::plain(text) };
        let mut section = Section::new(0);
        section.content.push(Block::Paragraph(Paragraph {
            runs: vec![
                run("The price is ", RevisionType::None),
                run("900", RevisionType::Deleted),
                run("750", RevisionType::Inserted),
                run(" EUR.", RevisionType::None),
            ],
            ..Paragraph::new()
        }));
        let mut document = Document::new();
        document.sections.push(section);
        let extract = extract(DOC_NAME, b"", Ok(document), false).unwrap_or_default();
        assert_eq!(extract.pages, [Page::Text("The price is 750 EUR.".to_owned())]);
        assert_eq!(extract.notes, [verdict::DELETIONS]);
    }
}
