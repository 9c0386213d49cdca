//! EPUB books: archives of web pages with a list of their order.
//!
//! The title and the authors come first, then the chapters in reading order. Copy-protected books
//! are distinguished from damaged ones.

use super::archive::{self, Archive};
use super::markdown::Markdown;
use super::style_sheet::Sheet;
use super::xml::{self, Node, attribute};
use super::{Extract, ImageLimits, Page, PrepareSettings, Reader, html, parts, symbols, verdict};
use crate::model::{Failure, FailureCode};
use std::collections::HashMap;

pub(super) const READER: Reader = Reader { format: "epub", name: NAME, recognises, read };

const NAME: &str = "an EPUB book";
/// Maximum bytes of the style sheets of a book. Further ones are ignored.
const MOST_BYTES: usize = 1 << 20;

fn recognises(bytes: &[u8], extension: &str) -> bool {
    let damaged = extension == "epub";
    archive::has_type(bytes, |text| text == "application/epub+zip", damaged)
        || archive::holds(bytes, |name| name == "META-INF/container.xml", damaged)
}

fn read(bytes: &[u8], settings: &PrepareSettings, _: &ImageLimits) -> Result<Extract, Failure> {
    let mut archive = Archive::open(bytes, NAME, settings.document_mb)?;
    let container = archive.needed("META-INF/container.xml")?;
    let mut package = None;
    xml::read(&container, |node| {
        if let Node::Open(tag) = node
            && tag.local_name().as_ref() == "rootfile"
        {
            package = package.take().or_else(|| attribute(tag, "full-path"));
        }
    })
    .map_err(damaged)?;
    let package = package.ok_or_else(|| damaged("it does not name its package"))?;
    let book = Book::read(&archive.needed(&package)?)?;
    let folder = package.rsplit_once('/').map_or("", |(folder, _)| folder);
    let place = |files: &[String]| files.iter().map(|file| parts::join(folder, &plain(file))).collect::<Vec<_>>();
    let chapters = place(&book.chapters);
    // Encrypted fonts do not affect the text.
    let scrambled = archive.text("META-INF/encryption.xml")?.unwrap_or_default();
    if chapters.iter().any(|chapter| scrambled.contains(chapter.as_str())) {
        let message = format!("cannot read this as {NAME}: it has copy protection, so only its seller's program can open it. Exclude it");
        return Err(Failure::new(FailureCode::Encrypted, message));
    }
    let (mut texts, mut notes, mut hidden, mut lost) = (vec![book.head()], Vec::new(), false, 0);
    let mut styles = Styles::default();
    for chapter in &chapters {
        match archive.text(chapter)? {
            Some(text) => {
                let linked = styles.linked(&text, chapter, &mut archive)?;
                let page = html::styled(&text, linked);
                hidden |= page.hidden;
                lost += page.symbols;
                texts.push(page.text);
            }
            None => notes.push(format!("chapter {chapter} is missing in the file")),
        }
    }
    let pictures = book.pictures;
    if pictures > 0 {
        notes.push(format!("{} left out", verdict::counted(pictures, "picture")));
    }
    if hidden {
        notes.push(verdict::HIDDEN.to_owned());
    }
    notes.extend(symbols::note(lost));
    if texts.iter().skip(1).all(String::is_empty) {
        texts.clear();
    }
    texts.retain(|text| !text.is_empty());
    verdict::readable(NAME, Extract { pages: vec![Page::Text(texts.join("\n\n"))], paged: false, notes })
}

fn damaged(error: impl std::fmt::Display) -> Failure {
    verdict::damaged(NAME, error)
}

/// The style sheets of a book that its chapters link, by their names.
#[derive(Default)]
struct Styles {
    sheets: HashMap<String, Sheet>,
    bytes: usize,
}

impl Styles {
    /// The rules of the style sheets that a chapter links. Missing and damaged ones have none.
    fn linked(&mut self, text: &str, chapter: &str, archive: &mut Archive) -> Result<Sheet, Failure> {
        let folder = chapter.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut linked = Sheet::default();
        for address in html::linked(text) {
            let name = parts::join(folder, &plain(&address));
            if !self.sheets.contains_key(&name) {
                let css = archive.optional(&name)?.filter(|css| self.bytes + css.len() <= MOST_BYTES).unwrap_or_default();
                self.bytes += css.len();
                let mut sheet = Sheet::default();
                sheet.learn(&css);
                self.sheets.insert(name.clone(), sheet);
            }
            if let Some(sheet) = self.sheets.get(&name) {
                linked.join(sheet);
            }
        }
        Ok(linked)
    }
}

/// The metadata and the contents of the package.
#[derive(Default)]
struct Book {
    title: String,
    authors: Vec<String>,
    /// Files in reading order.
    chapters: Vec<String>,
    pictures: usize,
}

impl Book {
    fn read(text: &str) -> Result<Self, Failure> {
        let mut book = Self::default();
        let mut files = HashMap::new();
        let mut order = Vec::new();
        let mut inside = String::new();
        xml::read(text, |node| match node {
            Node::Open(tag) => {
                tag.local_name().as_ref().clone_into(&mut inside);
                match &*inside {
                    "creator" => book.authors.push(String::new()),
                    "item" => {
                        book.pictures += usize::from(attribute(tag, "media-type").is_some_and(|kind| kind.starts_with("image/")));
                        files.extend(attribute(tag, "id").zip(attribute(tag, "href")));
                    }
                    "itemref" => order.extend(attribute(tag, "idref")),
                    _ => {}
                }
            }
            Node::Close(_) => inside.clear(),
            Node::Text(text) if inside == "title" => book.title.push_str(text),
            Node::Text(text) if inside == "creator" => {
                if let Some(author) = book.authors.last_mut() {
                    author.push_str(text);
                }
            }
            Node::Text(_) => {}
        })
        .map_err(damaged)?;
        book.chapters = order.iter().filter_map(|id| files.get(id).cloned()).collect();
        Ok(book)
    }

    fn head(&self) -> String {
        let mut head = Markdown::new();
        head.heading(1);
        head.text(&self.title);
        head.mark(String::new());
        head.paragraph();
        head.text(&self.authors.join(", "));
        head.finish()
    }
}

/// Removes percent encoding and the fragment from an address.
fn plain(address: &str) -> String {
    let address = address.split('#').next().unwrap_or_default();
    let mut bytes = Vec::new();
    let mut rest = address.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let coded = behind.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(byte) = coded.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            bytes.push(byte);
            rest = &behind[2..];
        } else {
            bytes.push(*first);
            rest = behind;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
