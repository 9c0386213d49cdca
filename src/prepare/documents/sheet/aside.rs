//! Facts about a sheet in addition to its cells: comments, text boxes, hidden rows, merged cells.

use super::biff::{long, parts as records, string};
use crate::model::Failure;
use crate::prepare::documents::archive::Archive;
use crate::prepare::documents::grid::Region;
use crate::prepare::documents::xml::{self, Node, attribute};
use crate::prepare::documents::{parts, verdict};

/// Facts about a sheet in addition to its cells.
#[derive(Default, Clone)]
pub(in crate::prepare::documents) struct Aside {
    pub comments: Vec<String>,
    /// Texts of text boxes and shapes.
    pub boxes: Vec<String>,
    /// Number of formulas without a result in the file.
    ///
    /// Some programs leave the calculation to Excel.
    pub unsolved: usize,
    /// Whether rows or columns are hidden.
    pub hidden: bool,
    /// Number of values that their number format hides.
    pub unseen: usize,
    pub merged: Vec<Region>,
    /// Number of values that other cells cover.
    pub covered: usize,
    /// Number of whole numbers that may have lost digits.
    pub inexact: usize,
}

impl Aside {
    pub fn notes(&self, sheet: &str) -> Vec<String> {
        let mut notes = Vec::new();
        if self.unsolved > 0 {
            let formulas = verdict::counted(self.unsolved, "formula");
            notes.push(format!("sheet {sheet} has {formulas} without a result, sent as empty cells: save it in a spreadsheet program"));
        }
        if self.hidden {
            notes.push(format!("sheet {sheet} has hidden rows or columns, which were sent"));
        }
        if self.unseen > 0 {
            notes.push(format!("sheet {sheet} has {} hidden by the number format, left out", verdict::counted(self.unseen, "value")));
        }
        if self.covered > 0 {
            notes.push(format!("sheet {sheet} has {} covered by merged cells, left out", verdict::counted(self.covered, "value")));
        }
        if self.inexact > 0 {
            let numbers = verdict::counted(self.inexact, "whole number");
            notes.push(format!("sheet {sheet} has {numbers} above 2^53, whose last digits a workbook does not keep"));
        }
        notes
    }

    /// Collects facts from the XML of a sheet.
    pub fn read(&mut self, sheet: &str) {
        if !sheet.contains("<f") && !sheet.contains("hidden=") && !sheet.contains("mergeCell") {
            return;
        }
        let (mut formula, mut value, mut in_value) = (false, false, false);
        let _damage = xml::read(sheet, |node| match node {
            Node::Open(tag) => match tag.local_name().as_ref() {
                "c" => (formula, value) = (false, attribute(tag, "t").is_some_and(|kind| kind == "str")),
                "f" => formula = true,
                "v" => in_value = true,
                "row" | "col" => self.hidden |= matches!(attribute(tag, "hidden").as_deref(), Some("1" | "true")),
                "mergeCell" => self.merged.extend(attribute(tag, "ref").and_then(|range| Region::read(&range))),
                _ => {}
            },
            Node::Close(name) => match xml::local(name) {
                "c" => self.unsolved += usize::from(formula && !value),
                "v" => in_value = false,
                _ => {}
            },
            Node::Text(_) => value |= in_value,
        });
    }

    /// Collects comments and text boxes of the sheet in this part.
    pub fn read_related(&mut self, archive: &mut Archive, part: &str) -> Result<(), Failure> {
        for related in parts::relations(archive, part)? {
            if related.kind == "comments" && related.target.rsplit_once('.').is_some_and(|(_, kind)| kind == "bin") {
                let bytes = archive.bytes(&related.target)?.unwrap_or_default();
                self.comments.extend(binary_remarks(&bytes));
            } else if related.kind == "comments" {
                self.comments.extend(archive.text(&related.target)?.as_deref().map(remarks).into_iter().flatten());
            } else if related.kind == "drawing"
                && let Some(text) = archive.text(&related.target)?
            {
                self.boxes.extend(boxes(&text));
            }
        }
        Ok(())
    }
}

/// A comment on a cell.
pub(super) fn comment(cell: &str, text: &str) -> String {
    format!("Comment on {cell}: {}", text.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn remarks(text: &str) -> Vec<String> {
    let (mut remarks, mut in_text) = (Vec::<(String, String)>::new(), false);
    let _damage = xml::read(text, |node| match node {
        Node::Open(tag) => match tag.local_name().as_ref() {
            "comment" => remarks.push((attribute(tag, "ref").unwrap_or_default(), String::new())),
            // The reading of Asian words is in a group of its own.
            "t" => in_text = true,
            "rPh" => in_text = false,
            _ => {}
        },
        Node::Close(_) => in_text = false,
        Node::Text(text) if in_text => {
            if let Some((_, remark)) = remarks.last_mut() {
                remark.push_str(text);
            }
        }
        Node::Text(_) => {}
    });
    remarks.iter().map(|(cell, text)| comment(cell, text)).collect()
}

/// The comments of a sheet in XLSB.
fn binary_remarks(part: &[u8]) -> Vec<String> {
    let (mut cell, mut remarks) = (String::new(), Vec::new());
    for (kind, body) in records(part) {
        match kind {
            635 => cell = Region::cell(long(body, 4), long(body, 12)),
            637 => remarks.push(comment(&cell, &string(body.get(1..).unwrap_or_default()).0)),
            _ => {}
        }
    }
    remarks
}

/// The texts of the shapes of a drawing.
fn boxes(drawing: &str) -> Vec<String> {
    let (mut boxes, mut in_text, mut fallback) = (Vec::<String>::new(), false, 0_usize);
    let _damage = xml::read(drawing, |node| match node {
        Node::Open(tag) => match tag.local_name().as_ref() {
            "Fallback" => fallback += 1,
            "sp" if fallback == 0 => boxes.push(String::new()),
            "t" => in_text = fallback == 0,
            _ => {}
        },
        Node::Close(name) => match xml::local(name) {
            "Fallback" => fallback = fallback.saturating_sub(1),
            "t" => in_text = false,
            "p" => boxes.last_mut().into_iter().for_each(|text| text.push('\n')),
            _ => {}
        },
        Node::Text(text) if in_text => boxes.last_mut().into_iter().for_each(|shape| shape.push_str(text)),
        Node::Text(_) => {}
    });
    boxes.iter().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect()
}
