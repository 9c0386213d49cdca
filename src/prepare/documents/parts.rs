//! Resolves relations between parts of Office documents, and reads drawings.

use super::archive::Archive;
use super::markdown::Markdown;
use super::table;
use super::xml::{self, Node, attribute};
use crate::model::Failure;

/// Maximum number of chart values to send.
const MOST_VALUES: usize = 5000;

/// A reference from one part to another.
pub(super) struct Relation {
    pub id: String,
    /// Last word of the relation type: `slide`, `notesSlide`, `chart`.
    pub kind: String,
    /// Name of the target in the archive.
    pub target: String,
}

/// The relations from the part `name` to other parts of the archive.
pub(super) fn relations(archive: &mut Archive, name: &str) -> Result<Vec<Relation>, Failure> {
    let (folder, file) = name.rsplit_once('/').unwrap_or(("", name));
    let mut relations = Vec::new();
    let Some(text) = archive.text(&join(folder, &format!("_rels/{file}.rels")))? else { return Ok(relations) };
    // Damage in this file loses references, but no text of the part.
    let _damage = xml::read(&text, |node| {
        if let Node::Open(tag) = node
            && tag.local_name().as_ref() == "Relationship"
            && attribute(tag, "TargetMode").as_deref() != Some("External")
        {
            let kind = attribute(tag, "Type").unwrap_or_default();
            relations.push(Relation {
                id: attribute(tag, "Id").unwrap_or_default(),
                kind: kind.rsplit('/').next().unwrap_or_default().to_owned(),
                target: join(folder, &attribute(tag, "Target").unwrap_or_default()),
            });
        }
    });
    Ok(relations)
}

/// Resolves `target` relative to `folder` to the name of an entry.
///
/// Examples of targets are `../media/a.png` and `/ppt/slides/slide1.xml`.
pub(super) fn join(folder: &str, target: &str) -> String {
    let (folder, target) = target.strip_prefix('/').map_or((folder, target), |target| ("", target));
    let mut path: Vec<&str> = Vec::new();
    for step in folder.split('/').chain(target.split('/')) {
        match step {
            "" | "." => {}
            ".." => drop(path.pop()),
            step => path.push(step),
        }
    }
    path.join("/")
}

/// Converts a chart to a table. Series are columns, and categories are rows.
pub(super) fn chart(text: &str) -> String {
    let mut title = Markdown::new();
    let mut columns: Vec<Vec<String>> = Vec::new();
    let (mut categories, mut place, mut values) = (Vec::new(), "", 0_usize);
    let (mut in_value, mut in_title, mut in_text) = (false, false, false);
    let _damage = xml::read(text, |node| match node {
        Node::Open(tag) => match tag.local_name().as_ref() {
            "ser" => columns.push(vec![String::new()]),
            "title" => in_title = true,
            "tx" => place = "name",
            "cat" | "xVal" => place = "category",
            "val" | "yVal" => place = "value",
            "v" => in_value = true,
            "t" => in_text = true,
            _ => {}
        },
        Node::Close(name) => match name.rsplit(':').next().unwrap_or_default() {
            "title" => in_title = false,
            "tx" | "cat" | "val" | "xVal" | "yVal" => place = "",
            "v" => in_value = false,
            "t" => in_text = false,
            _ => {}
        },
        Node::Text(text) if in_text && in_title => title.text(text),
        Node::Text(text) if in_value && values < MOST_VALUES => {
            values += 1;
            let first = columns.len() == 1;
            match (place, columns.last_mut()) {
                ("name", Some(column)) => column[0].push_str(text),
                ("category", Some(_)) if first => categories.push(text.to_owned()),
                ("value", Some(column)) => column.push(text.to_owned()),
                _ => {}
            }
        }
        Node::Text(_) => {}
    });
    let height = columns.iter().map(Vec::len).max().unwrap_or(0);
    let cell = |column: &Vec<String>, row: usize| column.get(row).cloned().unwrap_or_default();
    let rows: Vec<Vec<String>> = (0..height)
        .map(|row| {
            let category = row.checked_sub(1).and_then(|at| categories.get(at)).cloned().unwrap_or_default();
            std::iter::once(category).chain(columns.iter().map(|column| cell(column, row))).collect()
        })
        .collect();
    format!("Chart: {}\n\n{}", title.finish(), table::written(&rows)).trim_end().to_owned()
}

/// Reads the words of a diagram or of comments, line by line.
pub(super) fn words(text: &str) -> String {
    let mut markdown = Markdown::new();
    let mut in_text = false;
    let _damage = xml::read(text, |node| match node {
        Node::Open(tag) => match tag.local_name().as_ref() {
            "t" | "text" => in_text = true,
            "p" | "cm" => markdown.line(),
            _ => {}
        },
        Node::Close(_) => in_text = false,
        Node::Text(text) if in_text => markdown.text(text),
        Node::Text(_) => {}
    });
    markdown.finish()
}
