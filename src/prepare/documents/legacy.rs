//! DOC and PPT documents (Office up to 2003), read by `undoc`.

use super::compound::{self, Compound};
use super::markdown::{Markdown, Script};
use super::{Extract, ImageLimits, Page, PrepareSettings, Reader, verdict};
use crate::model::Failure;
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
    let document = undoc::doc::DocParser::from_bytes(bytes.to_vec()).and_then(|mut parser| parser.parse());
    extract(DOC_NAME, bytes, document, false)
}

fn read_ppt(bytes: &[u8], _: &PrepareSettings, _: &ImageLimits) -> Result<Extract, Failure> {
    let document = undoc::ppt::PptParser::from_bytes(bytes.to_vec()).and_then(|mut parser| parser.parse());
    extract(PPT_NAME, bytes, document, true)
}

fn extract(name: &'static str, bytes: &[u8], document: undoc::Result<Document>, paged: bool) -> Result<Extract, Failure> {
    let document = document.map_err(|error| match error {
        Error::Encrypted => verdict::encrypted(name),
        error => verdict::damaged(name, error),
    })?;
    let mut deletions = false;
    let sections = document.sections.iter().map(|each| section(each, &mut deletions));
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

fn section(section: &Section, deletions: &mut bool) -> String {
    let mut text = Text { markdown: Markdown::new(), deletions };
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
}

impl Text<'_> {
    fn paragraphs(&mut self, paragraphs: Option<&Vec<Paragraph>>) {
        for each in paragraphs.into_iter().flatten() {
            self.paragraph(each);
        }
    }

    fn paragraph(&mut self, paragraph: &Paragraph) {
        match &paragraph.list_info {
            _ if paragraph.heading.is_heading() => self.markdown.heading(paragraph.heading.level().into()),
            Some(list) if list.list_type != ListType::None => {
                let number = list.number.filter(|_| list.list_type == ListType::Numbered);
                self.markdown.list_line(list.level.into(), &number.map_or_else(|| "-".to_owned(), |number| format!("{number}.")));
            }
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
