//! Reads a part of the input that was listed before, in place of a walk.

use super::roots::Roots;
use super::slice::Slice;
use crate::model::{Document, Failure, FailureCode, Place};
use std::sync::Arc;

/// Documents with their places.
type Sliced = Box<dyn Iterator<Item = (String, Place, Option<Failure>)> + Send>;

impl Roots {
    /// The same inputs, of which only these documents are read. Nothing is listed, except tables and
    /// containers, which are read up to the last document.
    #[must_use]
    pub fn only(&self, slice: Slice) -> Self {
        Self(Arc::clone(&self.0), Arc::clone(&self.1), Some(Arc::new(slice)))
    }

    /// The documents of the slice; `None` if all documents are walked.
    pub(super) fn sliced(&self) -> Option<Sliced> {
        let slice = Arc::clone(self.2.as_ref()?);
        let whole = Self(Arc::clone(&self.0), Arc::clone(&self.1), None);
        if whole.has_rows() || whole.1.reads {
            // Rows and members of containers have no place of their own.
            let (from, to) = (slice.from, slice.from + slice.documents.len() as u64);
            let walk =
                whole.walk().skip_while(move |(document, _)| document.index < from).take_while(move |(document, _)| document.index < to);
            return Some(Box::new(walk.map(move |(document, failure)| {
                let Document { index, name, place } = document;
                let listed = usize::try_from(index - from).ok().and_then(|at| slice.documents.get(at));
                let moved = listed.is_none_or(|(listed, _)| *listed != name);
                (name, place, if moved { Some(vanished("the table has changed since it was listed")) } else { failure })
            })));
        }
        let mut at = 0;
        Some(Box::new(std::iter::from_fn(move || {
            let (name, stamp) = slice.documents.get(at)?;
            at += 1;
            Some(match whole.locate(name) {
                Some(Place::Object { input, key, listed }) => (name.clone(), Place::Object { input, key, listed: listed.or(*stamp) }, None),
                Some(place) => (name.clone(), place, None),
                None => (name.clone(), Place::File(name.into()), Some(vanished("no input has a document of this name"))),
            })
        })))
    }

    /// Number of documents of the slice.
    pub(super) fn slice_len(&self) -> Option<usize> {
        self.2.as_ref().map(|slice| slice.documents.len())
    }
}

fn vanished(why: &str) -> Failure {
    Failure::new(FailureCode::Vanished, why)
}
