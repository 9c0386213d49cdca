//! Finds documents with identical content, for plans with `llm.share_identical_calls` and for advice
//! about it.
//!
//! Only the first document of each content needs calls. A sample cannot show how many duplicates
//! there are, so a plan counts them over the whole input. That takes 16 bytes of memory for each
//! document. A file is read only if another document has the same size.

use super::list::Found;
use super::position_set::Positions;
use crate::model::{Digest, Place};
use crate::read::Roots;
use crate::store::AnsweredContents;
use tokio_util::sync::CancellationToken;

/// The known contents of documents with their positions.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// Content hash and position.
    known: Vec<(u64, u64)>,
    /// Size and position of files whose content is not known yet.
    unread: Vec<(u64, u64)>,
}

impl Contents {
    /// Adds a document that has work to do.
    pub fn add(&mut self, found: &Found) {
        let place = found.document.index;
        let before = found.versions.iter().find(|version| found.stamp.is_some() && version.stamp == found.stamp);
        let content = match (&found.document.place, before.and_then(|version| version.digest)) {
            (Place::Row(row), _) => Some(row.digest.short()),
            (_, Some(digest)) => Some(digest.short()),
            // The entity tag of an object identifies its content. An object without a tag counts as
            // unique.
            (Place::Object { key, listed, .. }, None) => {
                let tag = listed.filter(|stamp| stamp.changed_ns != 0).map(|stamp| format!("{} {}", stamp.size, stamp.changed_ns));
                Some(Digest::of(tag.as_deref().unwrap_or(key).as_bytes()).short())
            }
            (Place::File(_) | Place::Group(_) | Place::Member(_), None) => None,
        };
        match content {
            Some(content) => self.known.push((content, place)),
            None => self.unread.push((found.stamp.map_or(0, |stamp| stamp.size), place)),
        }
    }

    /// The first document of each content without answers. Blocks. Reads files if `reads`; otherwise a
    /// file of unknown content counts as unique. Ends early if `stop` is cancelled.
    pub fn first(mut self, answered: &AnsweredContents, roots: &Roots, reads: bool, stop: &CancellationToken) -> Positions {
        let mut first = Vec::new();
        self.unread.sort_unstable();
        let mut to_read = Vec::new();
        for same_size in self.unread.chunk_by(|one, other| one.0 == other.0) {
            let places = same_size.iter().map(|(_, place)| *place);
            if reads && (same_size.len() > 1 || answered.may_have_size(same_size[0].0)) {
                to_read.extend(places);
            } else {
                first.extend(places);
            }
        }
        to_read.sort_unstable();
        let mut wanted = to_read.iter().peekable();
        let mut walk = roots.walk().take_while(|_| !stop.is_cancelled());
        while let (Some(_), Some((document, _))) = (wanted.peek(), walk.next()) {
            if wanted.next_if(|place| **place == document.index).is_some() {
                match content_of(&document.place, roots) {
                    Some(content) => self.known.push((content, document.index)),
                    None => first.push(document.index),
                }
            }
        }
        self.known.sort_unstable();
        self.known.dedup_by_key(|(content, _)| *content);
        first.extend(self.known.iter().filter(|(content, _)| !answered.has(*content)).map(|(_, place)| *place));
        first.sort_unstable();
        let mut positions = Positions::default();
        for place in first {
            positions.push(place);
        }
        positions
    }
}

/// The content hash of a file; `None` if it cannot be read.
fn content_of(place: &Place, roots: &Roots) -> Option<u64> {
    let path = match place {
        Place::File(path) => path,
        Place::Member(_) => return roots.digest_elsewhere(place).ok().map(Digest::short),
        _ => return None,
    };
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(std::fs::File::open(path).ok()?).ok()?;
    Some(Digest(*hasher.finalize().as_bytes()).short())
}
