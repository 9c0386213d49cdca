//! Charts, formulas and sheets inside other OpenDocument files.

use super::archive::Archive;
use super::markdown::Markdown;
use super::math::MathMl;
use super::xml::{self, Node, attribute, number};
use crate::model::Failure;
use std::collections::HashMap;

/// Maximum copies of a cell. Sheets repeat the last one up to their edge.
const COPIES: usize = 16;

/// The texts of the objects of an archive by name. Damaged ones are left out.
pub(super) fn texts(archive: &mut Archive) -> Result<HashMap<String, String>, Failure> {
    let names: Vec<String> = archive.names().filter_map(|name| name.strip_suffix("/content.xml").map(str::to_owned)).collect();
    let mut texts = HashMap::new();
    for name in names {
        if let Some(content) = archive.optional(&format!("{name}/content.xml"))? {
            let text = text(&content);
            texts.insert(name, text);
        }
    }
    Ok(texts)
}

/// The name of an object, by the address of a frame: `./Object 1`, `Formula-0/`.
pub(super) fn name(address: &str) -> &str {
    address.trim_start_matches("./").trim_end_matches('/')
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
    let mut object = Object::new();
    let _damage = xml::read(content, |node| object.take(node));
    object.finish()
}

/// An object that is being read.
pub(super) struct Object {
    math: MathMl,
    formula: Option<String>,
    in_math: bool,
    in_text: bool,
    /// Whether the open cell of a chart has no value, for which LibreOffice writes `NaN`.
    is_missing: bool,
    markdown: Markdown,
    copies: usize,
}

impl Object {
    pub fn new() -> Self {
        Self {
            math: MathMl::default(),
            formula: None,
            in_math: false,
            in_text: false,
            is_missing: false,
            markdown: Markdown::new(),
            copies: 1,
        }
    }

    pub fn take(&mut self, node: Node) {
        match node {
            Node::Open(tag) => match xml::local(tag.name().as_ref()) {
                name if self.in_math || name == "math" => {
                    self.in_math = true;
                    self.math.open(name, |name| attribute(tag, name));
                }
                "p" => {
                    self.markdown.paragraph();
                    self.in_text = true;
                }
                "table" => self.markdown.open_table(),
                "table-row" => self.markdown.row(),
                "table-cell" | "covered-table-cell" => {
                    self.copies = number(tag, "table:number-columns-repeated").unwrap_or(1).min(COPIES);
                    self.is_missing = attribute(tag, "office:value").as_deref() == Some("NaN");
                    self.markdown.cell(1, 1);
                }
                _ => {}
            },
            Node::Close(name) => match xml::local(name) {
                name if self.in_math => {
                    if let Some(whole) = self.math.close(name) {
                        (self.formula, self.in_math) = (Some(whole), false);
                    }
                }
                "p" => self.in_text = false,
                "table" => self.markdown.close_table(),
                "table-cell" | "covered-table-cell" => self.markdown.close_repeated_cell(self.copies),
                _ => {}
            },
            Node::Text(text) if self.in_math => self.math.text(text),
            Node::Text(text) if self.in_text && !(self.is_missing && text == "NaN") => self.markdown.text(text),
            Node::Text(_) => {}
        }
    }

    pub fn finish(self) -> String {
        // The picture of a formula has its source too.
        self.formula.unwrap_or_else(|| self.markdown.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_values_of_charts_are_empty() {
        let cell = |value: &str| format!("<table:table-cell office:value='{value}'><text:p>{value}</text:p></table:table-cell>");
        let row =
            |cells: &[&str]| format!("<table:table-row>{}</table:table-row>", cells.iter().map(|value| cell(value)).collect::<String>());
        let table = format!("<t><table:table>{}{}</table:table></t>", row(&["1", "NaN"]), row(&["2", "3"]));
        assert_eq!(text(&table), "| 1 |  |\n| --- | --- |\n| 2 | 3 |");
    }
}
