//! DOC and PPT documents (Office up to 2003), read by `undoc`.

use super::cell_edges::CellEdges;
use super::compound::{self, Compound};
use super::markdown::{Markdown, Script};
use super::numbering::BinaryLists;
use super::ppt_looks::Looks;
use super::ppt_tables::{self, SlideTable};
use super::{Extract, ImageLimits, Page, PrepareSettings, Reader, symbols, verdict};
use super::{doc_comments, doc_forms, doc_looks, doc_properties, ppt_slides};
use crate::model::Failure;
use std::collections::VecDeque;
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
    let (marked, found) = marked(&sound).unwrap_or_else(|| (sound.to_vec(), Found::default()));
    let document = undoc::doc::DocParser::from_bytes(marked).and_then(|mut parser| parser.parse());
    extract(DOC_NAME, &sound, document, found).map(|extract| Compound::noted(extract, &sound, bytes))
}

/// The file with marks for what undoc does not read.
fn marked(bytes: &[u8]) -> Option<(Vec<u8>, Found)> {
    let mut file = Compound::open(bytes, DOC_NAME).ok()?;
    let (mut document, table) = doc_properties::streams(&mut file);
    let choices = file.stream("Data").map(|data| doc_forms::mark_all(&mut document, &table, &data)).unwrap_or_default();
    let looks = doc_looks::with_looks(&document, &table);
    let (has_fonts, hidden) = looks.as_ref().map_or((false, false), |(_, hidden)| (true, *hidden));
    let document = looks.map_or(document, |(changed, _)| changed);
    Some((compound::replaced(bytes, "WordDocument", &document).ok()?, Found { choices, has_fonts, hidden, ..Found::default() }))
}

fn read_ppt(bytes: &[u8], _: &PrepareSettings, _: &ImageLimits) -> Result<Extract, Failure> {
    let sound = Compound::sound(bytes);
    let document = undoc::ppt::PptParser::from_bytes(sound.to_vec()).and_then(|mut parser| parser.parse());
    let stream = Compound::open(&sound, PPT_NAME)?.stream("PowerPoint Document").unwrap_or_default();
    let found = Found { tables: ppt_tables::tables(&stream), looks: Looks::read(&stream), paged: true, ..Found::default() };
    let mut extract = extract(PPT_NAME, &sound, document, found)?;
    extract.notes.extend(ppt_slides::notes(&stream, extract.pages.len()));
    Ok(Compound::noted(extract, &sound, bytes))
}

/// What undoc does not read.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "facts that do not depend on each other")]
struct Found {
    /// The choices in the forms of a document, which have marks in its text.
    choices: Vec<String>,
    tables: Vec<SlideTable>,
    looks: Looks,
    lists: BinaryLists,
    /// Number of cells of tables so far.
    cells: usize,
    comments: Vec<String>,
    /// The right edges of the cells of each row that is still to come.
    rows: VecDeque<Vec<i32>>,
    /// Whether sections are slides.
    paged: bool,
    /// Whether the document has tracked deletions.
    deletions: bool,
    /// Whether bold and similar properties name symbol fonts, and how many signs are unknown.
    has_fonts: bool,
    symbols: usize,
    /// Whether the document has hidden text.
    hidden: bool,
}

fn extract(name: &'static str, bytes: &[u8], document: undoc::Result<Document>, mut found: Found) -> Result<Extract, Failure> {
    let document = document.map_err(|error| match error {
        Error::Encrypted => verdict::encrypted(name),
        error => verdict::damaged(name, error),
    })?;
    found.learn(bytes, name, &document);
    let mut sections: Vec<String> = document.sections.iter().map(|each| section(each, &mut found)).collect();
    sections.extend((!found.comments.is_empty()).then(|| found.comments.join("\n")));
    let paged = found.paged;
    let pages: Vec<Page> = if paged { sections.into_iter().map(Page::Text).collect() } else { vec![Page::Text(sections.join("\n\n"))] };
    let mut notes = Vec::new();
    let pictures = document.resources.values().filter(|resource| resource.is_image()).count();
    if pictures > 0 {
        notes.push(format!("{} left out", verdict::counted(pictures, "picture")));
    }
    if Compound::open(bytes, name).is_ok_and(|file| file.has_storage("Macros")) {
        notes.push("macros left out".to_owned());
    }
    if found.deletions {
        notes.push(verdict::DELETIONS.to_owned());
    }
    if found.hidden {
        notes.push(verdict::HIDDEN.to_owned());
    }
    notes.extend(symbols::note(found.symbols));
    verdict::readable(name, Extract { pages, paged, notes })
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

fn section(section: &Section, found: &mut Found) -> String {
    let mut text = Text { markdown: Markdown::new(), found };
    text.paragraphs(section.header.as_ref());
    let mut at = 0;
    while let Some(block) = section.content.get(at) {
        at += 1;
        if let Some((table, blocks)) = text.found.table(&section.content[at - 1..]) {
            table.write(&mut text.markdown);
            at += blocks - 1;
            continue;
        }
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

impl Found {
    /// Reads the lists and tables of a Word document.
    fn learn(&mut self, bytes: &[u8], name: &str, parsed: &Document) {
        let (mut levels, mut rows) = (Vec::new(), Vec::new());
        for block in parsed.sections.iter().flat_map(|section| &section.content) {
            match block {
                Block::Paragraph(paragraph) => levels.extend(level(paragraph)),
                Block::Table(table) => {
                    table_levels(table, &mut levels);
                    rows.extend(table.rows.iter().map(|row| row.cells.len()));
                }
                _ => {}
            }
        }
        let Ok(mut file) = Compound::open(bytes, name) else { return };
        let (document, table) = doc_properties::streams(&mut file);
        self.comments = doc_comments::comments(&document, &table).into_iter().map(|comment| format!("[{comment}]")).collect();
        self.lists = BinaryLists::read(&document, &table, &levels);
        let found = doc_properties::table_rows(&document, &table);
        // Tables of headers and notes follow those of the text.
        if found.len() >= rows.len() && found.iter().zip(&rows).all(|(edges, cells)| edges.len() == *cells) {
            self.rows = found.into_iter().take(rows.len()).collect();
        }
    }

    /// The table that begins a sequence of blocks, and the number of its blocks.
    fn table(&mut self, blocks: &[Block]) -> Option<(SlideTable, usize)> {
        if self.tables.is_empty() {
            return None;
        }
        let text = |block: &Block| match block {
            Block::Paragraph(paragraph) => Some(ppt_tables::squeezed(&paragraph.plain_text())),
            _ => None,
        };
        let first = text(blocks.first()?)?;
        let is_here = |table: &SlideTable| {
            let texts = &table.texts;
            texts[0] == first
                && blocks.len() >= texts.len()
                && blocks.iter().zip(texts).skip(1).all(|(block, squeezed)| text(block).as_ref() == Some(squeezed))
        };
        let table = self.tables.remove(self.tables.iter().position(is_here)?);
        let count = table.texts.len();
        Some((table, count))
    }
}

/// A section that is being written.
struct Text<'a> {
    markdown: Markdown,
    found: &'a mut Found,
}

impl Text<'_> {
    fn paragraphs(&mut self, paragraphs: Option<&Vec<Paragraph>>) {
        for each in paragraphs.into_iter().flatten() {
            self.paragraph(each);
        }
    }

    fn paragraph(&mut self, paragraph: &Paragraph) {
        if self.found.paged {
            return self.slide_paragraph(paragraph);
        }
        let heading = paragraph.heading.is_heading().then(|| paragraph.heading.level());
        let list = paragraph.list_info.as_ref().filter(|list| list.list_type != ListType::None);
        let mark = list.map(|list| self.found.lists.mark(list.level.into(), list.number.filter(|_| list.list_type == ListType::Numbered)));
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

    /// Writes a paragraph of a slide.
    fn slide_paragraph(&mut self, paragraph: &Paragraph) {
        let look = self.found.looks.take(&paragraph.plain_text());
        match look.bullet {
            _ if paragraph.heading.is_heading() => self.markdown.heading(paragraph.heading.level().into()),
            Some(level) => self.markdown.list_line(level, "-"),
            None => self.markdown.paragraph(),
        }
        let mut at = 0;
        for run in &paragraph.runs {
            for character in run.text.chars() {
                self.markdown.script(look.script(at));
                // Without a named font, codes are those of Symbol.
                let sign = symbols::typed("", character);
                self.found.symbols += usize::from(sign.is_none());
                self.markdown.text(sign.map_or(String::new(), String::from).as_str());
                at += character.len_utf16();
            }
            if run.line_break {
                self.markdown.line();
                at += 1;
            }
        }
        self.markdown.script(Script::Normal);
        self.markdown.mark(String::new());
    }

    fn runs(&mut self, paragraph: &Paragraph) {
        for run in &paragraph.runs {
            if run.revision == RevisionType::Deleted {
                self.found.deletions = true;
                continue;
            }
            self.markdown.script(match &run.style {
                style if style.superscript => Script::Raised,
                style if style.subscript => Script::Lowered,
                _ => Script::Normal,
            });
            self.markdown.strike(run.style.strikethrough);
            let font = doc_looks::font(&run.style).filter(|_| self.found.has_fonts);
            if font.is_some() || run.text.contains(symbols::is_code) {
                let (signs, lost) = symbols::signs(font.unwrap_or_default(), &run.text);
                self.found.symbols += lost;
                self.markdown.text(&signs);
            } else {
                self.markdown.text(&doc_forms::shown(&run.text, &self.found.choices));
            }
            if let Some(label) = &run.note {
                self.markdown.verbatim(&format!("[^{label}]"));
            }
            if run.line_break || run.page_break {
                self.markdown.line();
            }
        }
    }

    fn table(&mut self, table: &Table) {
        let count = table.rows.len().min(self.found.rows.len());
        let rows: Vec<Vec<i32>> = self.found.rows.drain(..count).collect();
        let edges = CellEdges::of(&rows);
        self.markdown.open_table();
        for (at, row) in table.rows.iter().enumerate() {
            self.markdown.row();
            for (place, cell) in row.cells.iter().enumerate() {
                let columns = rows.get(at).map_or(cell.col_span as usize, |row| edges.span(row, place));
                self.markdown.cell(columns, cell.row_span as usize);
                if cell.content.is_empty() && cell.nested_tables.is_empty() {
                    for mark in self.found.lists.marks_of_cell(self.found.cells) {
                        self.markdown.mark(mark);
                    }
                }
                self.found.cells += 1;
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
        let extract = extract(DOC_NAME, b"", Ok(document), Found::default()).unwrap_or_default();
        assert_eq!(extract.pages, [Page::Text("The price is 750 EUR.".to_owned())]);
        assert_eq!(extract.notes, [verdict::DELETIONS]);
    }
}
