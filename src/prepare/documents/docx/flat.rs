//! Word documents in one XML file: Word 2003, and packages with all parts in one file.

use super::{NAME, Numbering, Page, Styles, Word, damaged};
use crate::model::Failure;
use crate::prepare::documents::xml::{self, Node, attribute, section};
use crate::prepare::documents::{Extract, ImageLimits, PrepareSettings, Reader, encoding, verdict};
use std::io::{Cursor, Write};
use zip::write::SimpleFileOptions;

pub(in crate::prepare::documents) const READER: Reader = Reader { format: "word-xml", name: "a Word document (XML)", recognises, read };

fn recognises(bytes: &[u8], _: &str) -> bool {
    xml::root(bytes).is_some_and(|root| is_2003(&root) || is_package(&root))
}

fn is_2003(root: &str) -> bool {
    root.starts_with("<w:wordDocument")
}

fn is_package(root: &str) -> bool {
    root.starts_with("<pkg:package") && root.contains("xmlPackage")
}

fn read(bytes: &[u8], settings: &PrepareSettings, limits: &ImageLimits) -> Result<Extract, Failure> {
    let text = encoding::decode(bytes).text;
    if xml::root(bytes).is_some_and(|root| is_package(&root)) {
        return super::read(&archived(&text).map_err(damaged)?, settings, limits);
    }
    let mut word = Word::default();
    if let Some(styles) = section(&text, "w:styles") {
        word.styles = Styles::read(styles).map_err(damaged)?;
    }
    if let Some(lists) = section(&text, "w:lists") {
        word.numbering = Numbering::read(lists).map_err(damaged)?;
    }
    let body = section(&text, "w:body").ok_or_else(|| damaged("it has no text"))?;
    let text = word.story(body)?;
    verdict::readable(NAME, Extract { notes: word.left_out(&[]), pages: vec![Page::Text(text)], paged: false })
}

/// Puts the parts of a package into an archive.
///
/// Pictures are left out, because only their number counts, which the text shows.
fn archived(package: &str) -> zip::result::ZipResult<Vec<u8>> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let mut rest = package;
    while let Some(at) = rest.find("<pkg:part ") {
        rest = &rest[at..];
        let end = rest.find("</pkg:part>").unwrap_or(rest.len());
        let part = &rest[..end];
        rest = &rest[end..];
        let mut name = None;
        let _damage = xml::read(&part[..part.find('>').map_or(0, |at| at + 1)], |node| {
            if let Node::Open(tag) = node {
                name = attribute(tag, "pkg:name");
            }
        });
        if let (Some(name), Some(data)) = (name, section(part, "pkg:xmlData")) {
            archive.start_file(name.trim_start_matches('/'), SimpleFileOptions::default())?;
            archive.write_all(data.as_bytes())?;
        }
    }
    Ok(archive.finish()?.into_inner())
}
