//! LaTeX documents: their text, with sections as headings, tables as Markdown and formulas as they
//! are written.
//!
//! Comments and commands are left out. Simple macros of the document are expanded. Files that the
//! document includes are named, and not read.

mod commands;
mod environments;
mod macros;
mod scanner;
mod words;

use super::{Extract, ImageLimits, Page, PrepareSettings, Reader, encoding, verdict};
use crate::model::{Failure, FailureCode};
use commands::Writer;
use macros::Macros;

pub(super) const READER: Reader = Reader { format: "tex", name: "a LaTeX document", recognises, read };

/// Bytes in which a LaTeX document shows itself.
const START: usize = 64 * 1024;

fn recognises(bytes: &[u8], extension: &str) -> bool {
    let start = &bytes[..bytes.len().min(START)];
    let has = |word: &[u8]| start.windows(word.len()).any(|window| window == word);
    let is_text = !start.contains(&0);
    matches!(extension, "tex" | "latex" | "ltx") && is_text && has(b"\\")
}

fn read(bytes: &[u8], _: &PrepareSettings, _: &ImageLimits) -> Result<Extract, Failure> {
    if let Some(what) = encoding::undecodable(bytes) {
        let message = format!("cannot read this encoding: {what}. Save the text as UTF-8, or exclude it");
        return Err(Failure::new(FailureCode::Undecodable, message));
    }
    let decoded = encoding::decode(bytes);
    let source = scanner::without_comments(&decoded.text.replace("\r\n", "\n"));
    let (preamble, body, is_cut) = match source.split_once("\\begin{document}") {
        Some((preamble, body)) => (preamble, body.split("\\end{document}").next().unwrap_or(body), !body.contains("\\end{document}")),
        None => ("", source.as_str(), false),
    };
    let mut macros = Macros::default();
    macros.learn(preamble);
    let body = macros.expanded(body);
    let mut writer = Writer::new(&body);
    writer.title(&macros.expanded(preamble));
    writer.write(&body);
    let (text, mut notes) = writer.finish();
    notes.extend(decoded.notes());
    if is_cut {
        notes.push(verdict::CUT.to_owned());
    }
    verdict::readable(READER.name, Extract { pages: vec![Page::Text(text)], paged: false, notes })
}
