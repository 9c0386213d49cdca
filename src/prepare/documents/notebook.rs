//! Jupyter notebooks (IPYNB): the cells in order, code in fences, and the text of outputs.

use super::{Extract, ImageLimits, PrepareSettings, Reader, verdict};
use crate::model::Failure;
use serde::Deserialize;
use serde_json::{Map, Value};

pub(super) const READER: Reader = Reader { format: "ipynb", name: NAME, recognises, read };

const NAME: &str = "a notebook (IPYNB)";
/// Bytes in which the keys of a notebook are searched, at the beginning and the end.
const HEAD: usize = 4096;

#[derive(Deserialize)]
struct Notebook {
    cells: Vec<Cell>,
    #[serde(default)]
    metadata: Value,
}

#[derive(Deserialize)]
struct Cell {
    #[serde(rename = "cell_type")]
    kind: String,
    source: Value,
    #[serde(default)]
    outputs: Vec<Map<String, Value>>,
}

fn recognises(bytes: &[u8], extension: &str) -> bool {
    let has = |key: &[u8]| {
        let ends = [&bytes[..bytes.len().min(HEAD)], &bytes[bytes.len().saturating_sub(HEAD)..]];
        ends.iter().any(|end| end.windows(key.len()).any(|window| window == key))
    };
    bytes.trim_ascii_start().starts_with(b"{") && (extension == "ipynb" || (has(b"\"nbformat\"") && has(b"\"cell")))
}

fn read(bytes: &[u8], _: &PrepareSettings, _: &ImageLimits) -> Result<Extract, Failure> {
    let Notebook { cells, metadata } = serde_json::from_slice(bytes).map_err(|error| verdict::damaged(NAME, error))?;
    let language = metadata["kernelspec"]["language"].as_str().or_else(|| metadata["language_info"]["name"].as_str()).unwrap_or("");
    let (mut parts, mut pictures) = (Vec::new(), 0);
    for Cell { kind, source, outputs } in cells {
        let source = text(&source);
        if !source.trim().is_empty() {
            parts.push(if kind == "code" { fenced(language, &source) } else { source });
        }
        for output in outputs {
            let data = output.get("data");
            pictures += data.and_then(Value::as_object).map_or(0, |data| data.keys().filter(|kind| kind.starts_with("image/")).count());
            let shown = output.get("text").or_else(|| data?.get("text/plain")).map(text);
            let error = || Some(format!("{}: {}", output.get("ename")?.as_str()?, output.get("evalue")?.as_str()?));
            if let Some(shown) = shown.or_else(error).filter(|shown| !shown.trim().is_empty()) {
                parts.push(fenced("output", &shown));
            }
        }
    }
    let mut extract = Extract::text(parts.join("\n\n"));
    if pictures > 0 {
        extract.notes.push(format!("{} left out", verdict::counted(pictures, "picture")));
    }
    verdict::readable(NAME, extract)
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
