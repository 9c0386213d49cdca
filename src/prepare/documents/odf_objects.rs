//! Charts, formulas and sheets inside other OpenDocument files.

use super::archive::Archive;
use super::markdown::Markdown;
use super::math::MathMl;
use super::xml::{self, Node, attribute, number};
use crate::model::Failure;
use std::collections::HashMap;

/// Maximum copies of a cell. Sheets repeat the last one up to their edge.
const COPIES: usize = 16;

/// The texts of the objects of an archive by name.
pub(super) fn texts(archive: &mut Archive) -> Result<HashMap<String, String>, Failure> {
    let names: Vec<String> = archive.names().filter_map(|name| name.strip_suffix("/content.xml").map(str::to_owned)).collect();
    let mut texts = HashMap::new();
    for name in names {
        if let Some(content) = archive.text(&format!("{name}/content.xml"))? {
            let text = text(&content);
            texts.insert(name, text);
        }
    }
    Ok(texts)
}

/// Writes the text of an object: a formula within its line, others as paragraphs.
pub(super) fn write(body: &mut Markdown, text: &str) {
    if text.contains('\n') {
        body.paragraph();
        body.verbatim(text);
        body.paragraph();
    } else {
        body.formula(text);
    }
}

/// The text of an object: its formula, or its titles and tables.
fn text(content: &str) -> String {
    let mut math = MathMl::default();
    let (mut formula, mut in_math, mut in_text) = (None, false, false);
    let (mut markdown, mut copies) = (Markdown::new(), 1);
    let _damage = xml::read(content, |node| match node {
        Node::Open(tag) => match xml::local(tag.name().as_ref()) {
            name if in_math || name == "math" => {
                in_math = true;
                math.open(name, |name| attribute(tag, name));
            }
            "p" => {
                markdown.paragraph();
                in_text = true;
            }
            "table" => markdown.open_table(),
            "table-row" => markdown.row(),
            "table-cell" | "covered-table-cell" => {
                copies = number(tag, "table:number-columns-repeated").unwrap_or(1).min(COPIES);
                markdown.cell(1, 1);
            }
            _ => {}
        },
        Node::Close(name) => match xml::local(name) {
            name if in_math => {
                if let Some(whole) = math.close(name) {
                    (formula, in_math) = (Some(whole), false);
                }
            }
            "p" => in_text = false,
            "table" => markdown.close_table(),
            "table-cell" | "covered-table-cell" => markdown.close_repeated_cell(copies),
            _ => {}
        },
        Node::Text(text) if in_math => math.text(text),
        Node::Text(text) if in_text => markdown.text(text),
        Node::Text(_) => {}
    });
    // The picture of a formula has its source too.
    formula.unwrap_or_else(|| markdown.finish())
}
