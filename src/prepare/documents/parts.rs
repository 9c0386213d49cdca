//! Resolves relations between parts of Office documents, and reads drawings.

use super::archive::Archive;
use super::markdown::Markdown;
use super::xml::{self, Node, attribute};
use crate::model::Failure;

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
