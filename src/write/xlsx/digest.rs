//! What `docmill verify` compares of a workbook.

use super::archive::COMMENT;
use super::cells::Style;
use crate::model::Digest;
use crate::write::hashed::Hashed;
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write as _};
use zip::ZipArchive;

/// Digest of the cells of results and failures.
///
/// Links and pictures do not count: they depend on files that may have moved since.
pub(in crate::write) fn digest(file: File) -> io::Result<Digest> {
    let mut archive = ZipArchive::new(BufReader::new(file))?;
    let [results, failures] = ["xl/worksheets/sheet1.xml", "xl/worksheets/sheet2.xml"];
    let results = rows(BufReader::new(archive.by_name(results)?))?;
    Ok(combined(results, rows(BufReader::new(archive.by_name(failures)?))?))
}

/// The digest of a workbook with these rows.
pub(super) fn combined(results: Hashed<io::Sink>, failures: Hashed<io::Sink>) -> Digest {
    Digest::of(&[results.finish().2.0, failures.finish().2.0].concat())
}

/// A row without the formats that depend on files.
pub(super) fn comparable(xml: &str) -> Cow<'_, str> {
    let mut xml = Cow::Borrowed(xml);
    for style in [Style::Link, Style::Quoted] {
        let attribute = format!(" s=\"{}\"", style as u8);
        // Text has no quotation marks, because they are escaped.
        if xml.contains(&attribute) {
            xml = Cow::Owned(xml.replace(&attribute, ""));
        }
    }
    xml
}

/// Hashes the lines between the marks of a sheet's rows.
fn rows(mut sheet: impl BufRead) -> io::Result<Hashed<io::Sink>> {
    let (mut hashed, mut line, mut is_inside) = (Hashed::new(io::sink()), String::new(), false);
    loop {
        line.clear();
        if sheet.read_line(&mut line)? == 0 || line.starts_with("</sheetData>") {
            return Ok(hashed);
        }
        if is_inside {
            hashed.write_all(comparable(&line).as_bytes())?;
        }
        is_inside |= line.ends_with("<sheetData>\n");
    }
}

/// The version of docmill that wrote a workbook.
pub(in crate::write) fn version_of(file: File) -> Option<String> {
    let archive = ZipArchive::new(BufReader::new(file)).ok()?;
    std::str::from_utf8(archive.comment()).ok()?.strip_prefix(COMMENT).map(ToOwned::to_owned)
}
