//! Reads a part of the input that was listed before, in place of a walk.

use super::path_names::unprintable;
use super::roots::{Root, RootKind, Roots};
use super::slice::Slice;
use crate::model::{Failure, FailureCode, Place};
use std::collections::HashSet;
use std::sync::Arc;

/// Documents with their places.
type Sliced = Box<dyn Iterator<Item = (String, Place, Option<Failure>)> + Send>;

impl Roots {
    /// The same inputs, of which only these documents are read. Nothing is listed, except tables and
    /// containers, which are read up to the last document.
    #[must_use]
    pub fn only(&self, slice: Slice) -> Self {
        Self { slice: Some(Arc::new(slice)), ..self.clone() }
    }

    /// The documents of the slice; `None` if all documents are walked.
    pub(super) fn sliced(&self) -> Option<Sliced> {
        let slice = Arc::clone(self.slice.as_ref()?);
        let whole = Self { slice: None, ..self.clone() };
        // Only a walk finds rows and members of containers.
        let mut walk = (whole.has_rows() || whole.containers.reads).then(|| {
            let wanted: HashSet<String> = slice.documents.iter().map(|(name, _)| name.clone()).collect();
            whole.walk().filter(move |(document, _)| wanted.contains(&document.name)).peekable()
        });
        let mut at = 0;
        Some(Box::new(std::iter::from_fn(move || {
            let (name, stamp) = slice.documents.get(at)?;
            at += 1;
            let gone = |why| (name.clone(), Place::File(name.into()), Some(Failure::new(FailureCode::Vanished, why)));
            let (place, failure) = match &mut walk {
                Some(walk) => match walk.next_if(|(document, _)| document.name == *name) {
                    Some((document, failure)) => (document.place, failure),
                    None => return Some(gone("the input has other documents here than when it was listed".to_owned())),
                },
                None => match whole.locate(name).or_else(|| whole.place_of(name)) {
                    Some(Place::Object { input, key, listed }) => (Place::Object { input, key, listed: listed.or(*stamp) }, None),
                    Some(place) => (place, None),
                    None => return Some(gone("no input has a document of this name".to_owned())),
                },
            };
            // Copies of a file may have other times.
            let size = whole.stamp_of(&place).map(|stamp| stamp.size);
            if let (Some(now), Some(before)) = (size, stamp.map(|stamp| stamp.size))
                && now != before
            {
                return Some(gone(format!("the document has changed since it was listed: {now} bytes instead of {before}")));
            }
            Some((name.clone(), place, failure))
        })))
    }

    /// The place of a file below a directory, whatever the rules of the directory say now.
    fn place_of(&self, name: &str) -> Option<Place> {
        let path = |root: &Root| {
            let relative = if root.prefix.is_empty() { name } else { name.strip_prefix(&root.prefix)?.strip_prefix('/')? };
            let path = root.path.join(unprintable(relative).unwrap_or_else(|| relative.into()));
            (matches!(root.kind, RootKind::Directory(_)) && path.is_file()).then_some(Place::File(path))
        };
        self.inputs.iter().find_map(path)
    }

    /// Number of documents of the slice.
    pub(super) fn slice_len(&self) -> Option<usize> {
        self.slice.as_ref().map(|slice| slice.documents.len())
    }
}
