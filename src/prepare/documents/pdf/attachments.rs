//! Names the files attached to a document, also those of portfolios and of notes on pages.

use super::super::Attachment;
use super::strings::words;
use hayro::hayro_syntax::Pdf;
use hayro::hayro_syntax::object::{Array, Dict, Name, Object, ObjectIdentifier, Stream};
use std::collections::{BTreeSet, HashSet};

/// Maximum depth of the tree of names, and number of its nodes and of files.
const DEPTH: usize = 16;
const MOST: usize = 1000;
/// Maximum sum of the sizes of files whose content is read.
const MOST_BYTES: usize = 256 << 20;

/// Returns the names of attached files.
pub(super) fn names(pdf: &Pdf) -> Vec<String> {
    files(pdf, false).names
}

/// Returns the attached files. Files that cannot be decoded are left out.
pub(super) fn contents(pdf: &Pdf) -> Vec<Attachment> {
    files(pdf, true).contents
}

fn files(pdf: &Pdf, with_contents: bool) -> Files {
    let root = pdf.xref().get::<Dict<'_>>(pdf.xref().root_id()).unwrap_or_default();
    let mut files = Files { with_contents, ..Files::default() };
    if let Some(tree) = root.get::<Dict<'_>>(b"Names").and_then(|names| names.get::<Dict<'_>>(b"EmbeddedFiles")) {
        files.tree(&tree, 0);
    }
    files.all(root.get::<Array<'_>>(b"AF").as_ref());
    for page in pdf.pages().iter() {
        files.all(page.raw().get::<Array<'_>>(b"AF").as_ref());
        for annotation in page.raw().get::<Array<'_>>(b"Annots").iter().flat_map(Array::iter::<Dict<'_>>) {
            if annotation.get::<Name<'_>>(b"Subtype").is_some_and(|kind| kind.as_str() == "FileAttachment") {
                files.add(annotation.get::<Dict<'_>>(b"FS").as_ref(), None);
            }
        }
    }
    files
}

#[derive(Default)]
struct Files {
    names: Vec<String>,
    contents: Vec<Attachment>,
    with_contents: bool,
    seen: BTreeSet<String>,
    nodes: usize,
    /// File specifications whose content was read. Many lists may name one.
    read: HashSet<ObjectIdentifier>,
    /// Sum of the sizes of all contents.
    bytes: usize,
}

impl Files {
    fn tree(&mut self, node: &Dict<'_>, depth: usize) {
        if let Some(names) = node.get::<Array<'_>>(b"Names") {
            let mut entries = names.iter::<Object<'_>>();
            while let (Some(name), Some(file)) = (entries.next(), entries.next()) {
                self.add(file.into_dict().as_ref(), words(&name));
            }
        }
        for kid in node.get::<Array<'_>>(b"Kids").iter().flat_map(Array::iter::<Dict<'_>>) {
            self.nodes += 1;
            if depth >= DEPTH || self.nodes > MOST {
                return;
            }
            self.tree(&kid, depth + 1);
        }
    }

    fn all(&mut self, files: Option<&Array<'_>>) {
        for file in files.into_iter().flat_map(Array::iter::<Dict<'_>>).take(MOST) {
            self.add(Some(&file), None);
        }
    }

    fn add(&mut self, file: Option<&Dict<'_>>, name: Option<String>) {
        let text = |file: &Dict<'_>| [&b"UF"[..], b"F"].into_iter().find_map(|key| words(&file.get::<Object<'_>>(key)?));
        let own = file.and_then(text);
        let Some(name) = own.or(name).map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()) else { return };
        if self.with_contents
            && self.contents.len() < MOST
            && self.bytes < MOST_BYTES
            && file.and_then(Dict::obj_id).is_none_or(|id| self.read.insert(id))
            && let Some(content) = file.and_then(content)
            // Several lists may name one file.
            && !self.contents.iter().any(|other| other.name == name && other.content == content)
        {
            self.bytes += content.len();
            self.contents.push(Attachment { name: name.clone(), content });
        }
        if self.names.len() < MOST && self.seen.insert(name.clone()) {
            self.names.push(name);
        }
    }
}

/// The decoded content of an attached file.
fn content(file: &Dict<'_>) -> Option<Vec<u8>> {
    let embedded = file.get::<Dict<'_>>(b"EF")?;
    let stream = [&b"UF"[..], b"F"].into_iter().find_map(|key| embedded.get::<Stream<'_>>(key))?;
    Some(stream.decoded_data().ok()?.into_owned())
}
