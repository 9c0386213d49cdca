//! Jupyter notebooks (IPYNB): the cells in order, code in fences, and the text of outputs.
//!
//! An output may have several forms of the same content. Plain text comes first, unless it only names
//! an object; then Markdown, LaTeX, HTML and JSON.

use super::{Extract, ImageLimits, PrepareSettings, Reader, html, verdict};
use crate::model::Failure;
use serde::Deserialize;
use serde_json::{Map, Value};

pub(super) const READER: Reader = Reader { format: "ipynb", name: NAME, recognises, read };

const NAME: &str = "a notebook (IPYNB)";
/// Bytes in which the keys of a notebook are searched, at the beginning and the end.
const HEAD: usize = 4096;

#[derive(Deserialize)]
struct Notebook {
    cells: Option<Vec<Cell>>,
    /// Where notebooks before version 4 have their cells.
    worksheets: Option<Vec<Worksheet>>,
    #[serde(default)]
    metadata: Value,
}

#[derive(Deserialize)]
struct Worksheet {
    #[serde(default)]
    cells: Vec<Cell>,
}

#[derive(Deserialize)]
struct Cell {
    #[serde(rename = "cell_type")]
    kind: String,
    #[serde(alias = "input", default)]
    source: Value,
    /// The level of a heading before version 4, and the language of code.
    #[serde(default)]
    level: Value,
    #[serde(default)]
    language: Value,
    #[serde(default)]
    outputs: Vec<Map<String, Value>>,
    /// Pictures of the text.
    #[serde(default)]
    attachments: Value,
}

fn recognises(bytes: &[u8], extension: &str) -> bool {
    let has = |key: &[u8]| {
        let ends = [&bytes[..bytes.len().min(HEAD)], &bytes[bytes.len().saturating_sub(HEAD)..]];
        ends.iter().any(|end| end.windows(key.len()).any(|window| window == key))
    };
    bytes.trim_ascii_start().starts_with(b"{") && (extension == "ipynb" || (has(b"\"nbformat\"") && has(b"\"cell")))
}

fn read(bytes: &[u8], _: &PrepareSettings, _: &ImageLimits) -> Result<Extract, Failure> {
    let Notebook { cells, worksheets, metadata } = serde_json::from_slice(bytes).map_err(|error| verdict::damaged(NAME, error))?;
    let old = worksheets.map(|sheets| sheets.into_iter().flat_map(|sheet| sheet.cells).collect());
    let cells: Vec<Cell> = cells.or(old).ok_or_else(|| verdict::damaged(NAME, "it has no cells"))?;
    let language = metadata["kernelspec"]["language"].as_str().or_else(|| metadata["language_info"]["name"].as_str()).unwrap_or("");
    let (mut parts, mut found) = (Vec::new(), Found::default());
    for Cell { kind, source, level, language: own, outputs, attachments } in cells {
        let source = text(&source);
        found.pictures += attachments.as_object().map_or(0, Map::len);
        if !source.trim().is_empty() {
            parts.push(match &*kind {
                "code" => fenced(own.as_str().unwrap_or(language), &source),
                "heading" => {
                    format!("{} {}", "#".repeat(usize::try_from(level.as_u64().unwrap_or(1).clamp(1, 6)).unwrap_or(1)), source.trim())
                }
                _ => source,
            });
        }
        parts.extend(outputs.iter().filter_map(|output| found.shown(output)).map(|shown| fenced("output", &shown)));
    }
    let mut extract = Extract::text(parts.join("\n\n"));
    extract.notes = found.notes();
    verdict::readable(NAME, extract)
}

/// What outputs have besides text.
#[derive(Default)]
struct Found {
    pictures: usize,
    /// Number of outputs without text and picture.
    unread: usize,
    hidden: bool,
}

impl Found {
    fn notes(&self) -> Vec<String> {
        let counts = [(self.pictures, "picture"), (self.unread, "output of a program")];
        let counted = |(count, one): &(usize, &str)| match *count {
            0 => None,
            1 => Some(format!("1 {one} left out")),
            count => Some(format!("{count} {} left out", one.replacen("picture", "pictures", 1).replacen("output", "outputs", 1))),
        };
        counts.iter().filter_map(counted).chain(self.hidden.then(|| verdict::HIDDEN.to_owned())).collect()
    }

    /// The text of an output.
    fn shown(&mut self, output: &Map<String, Value>) -> Option<String> {
        // Before version 4, outputs had their forms directly, with short names.
        let data = output.get("data").and_then(Value::as_object).unwrap_or(output);
        let pictures = data.keys().filter(|kind| kind.starts_with("image/") || matches!(&***kind, "png" | "jpeg" | "svg")).count();
        self.pictures += pictures;
        let form = |kinds: [&str; 2]| kinds.iter().find_map(|kind| data.get(*kind)).map(text).filter(|text| !text.trim().is_empty());
        let plain = form(["text/plain", "text"]);
        let error = || Some(format!("{}: {}", output.get("ename")?.as_str()?, output.get("evalue")?.as_str()?));
        let shown = plain
            .clone()
            .filter(|text| !is_name(text))
            .or_else(|| form(["text/markdown", "markdown"]))
            .or_else(|| form(["text/latex", "latex"]))
            .or_else(|| form(["text/html", "html"]).and_then(|page| self.page(&page)))
            .or_else(|| ["application/json", "json"].iter().find_map(|kind| data.get(*kind)).map(ToString::to_string))
            .or(plain)
            .or_else(error);
        self.unread += usize::from(shown.is_none() && pictures == 0 && has_content(data));
        shown
    }

    fn page(&mut self, page: &str) -> Option<String> {
        let page = html::markdown(page);
        self.hidden |= page.hidden;
        Some(page.text).filter(|text| !text.trim().is_empty())
    }
}

/// Whether a text is only the name of an object: `<Styler at 0x7f>`.
fn is_name(text: &str) -> bool {
    let text = text.trim();
    text.starts_with('<') && text.ends_with('>') && !text.contains('\n')
}

/// Whether an output has a form that is not empty.
fn has_content(data: &Map<String, Value>) -> bool {
    data.iter().any(|(kind, value)| kind.contains('/') && !(value.is_null() || value.is_string() && text(value).trim().is_empty()))
}

/// A text that is written as one string or as its lines.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect(),
        _ => String::new(),
    }
}

fn fenced(language: &str, text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}{language}\n{}\n{fence}", text.trim_end())
}
