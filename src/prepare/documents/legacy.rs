//! DOC and PPT: Word and PowerPoint as they were until 2007. One file with streams in it, read by the crate undoc.

use super::compound::{self, Compound};
use super::markdown::Markdown;
use super::{Extract, ImageLimits, Page, PrepareSettings, Reader, verdict};
use crate::model::Failure;
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
    let sections = document.sections.iter().map(section);
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
    verdict::readable(name, Extract { pages, paged, notes })
}

fn section(section: &Section) -> String {
    let mut markdown = Markdown::new();
    let all = |paragraphs: &Option<Vec<Paragraph>>, markdown: &mut Markdown| {
        paragraphs.iter().flatten().for_each(|each| paragraph(markdown, each));
    };
    all(&section.header, &mut markdown);
    for block in &section.content {
        match block {
            Block::Paragraph(text) => paragraph(&mut markdown, text),
            Block::Table(rows) => table(&mut markdown, rows),
            Block::Note { label, content } => {
                markdown.paragraph();
                markdown.text(&format!("[^{label}]: "));
                content.iter().flat_map(|each| &each.runs).for_each(|run| markdown.text(&run.text));
            }
            Block::PageBreak | Block::SectionBreak | Block::Image { .. } => markdown.paragraph(),
        }
    }
    if section.notes.as_ref().is_some_and(|notes| notes.iter().any(|note| !note.is_empty())) {
        markdown.paragraph();
        markdown.text("Notes: ");
        all(&section.notes, &mut markdown);
    }
    all(&section.footer, &mut markdown);
    markdown.finish()
}

fn paragraph(markdown: &mut Markdown, paragraph: &Paragraph) {
    match &paragraph.list_info {
        _ if paragraph.heading.is_heading() => markdown.heading(paragraph.heading.level().into()),
        Some(list) if list.list_type != ListType::None => {
            let number = list.number.filter(|_| list.list_type == ListType::Numbered);
            markdown.list_line(list.level.into(), &number.map_or_else(|| "-".to_owned(), |number| format!("{number}.")));
        }
        _ => markdown.paragraph(),
    }
    for run in &paragraph.runs {
        markdown.text(&run.text);
        if let Some(label) = &run.note {
            markdown.verbatim(&format!("[^{label}]"));
        }
        if run.line_break || run.page_break {
            markdown.line();
        }
    }
    markdown.mark(String::new());
}

fn table(markdown: &mut Markdown, table: &Table) {
    markdown.open_table();
    for row in &table.rows {
        markdown.row();
        for cell in &row.cells {
            markdown.cell(cell.col_span as usize, cell.row_span as usize);
            cell.content.iter().for_each(|each| paragraph(markdown, each));
            cell.nested_tables.iter().for_each(|each| self::table(markdown, each));
        }
    }
    markdown.close_table();
}
