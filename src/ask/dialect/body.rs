//! A request body framed around shared bytes.

use crate::model::{Part, Picture};
use bytes::Bytes;
use serde::Serialize;
use std::sync::Arc;

/// A JSON body in pieces. Six calls on one image share the image's base64 bytes; only the frame around them is their own.
#[derive(Debug, Clone)]
pub struct Body {
    pieces: Vec<Bytes>,
}

impl Body {
    /// Serialises `json`, in which images stand as placeholders.
    pub fn new(json: &impl Serialize, parts: &[Part]) -> Self {
        // Strings, numbers, lists and maps with string keys: there is nothing in a request that cannot be written.
        let frame = Bytes::from(serde_json::to_vec(json).unwrap_or_default());
        let mut pieces = Vec::new();
        let mut rest = frame;
        for picture in pictures(parts) {
            let mark = placeholder(picture);
            let Some(at) = find(&rest, mark.as_bytes()) else { continue };
            pieces.push(rest.split_to(at));
            pieces.push(picture.base64.clone());
            let _mark = rest.split_to(mark.len());
        }
        pieces.push(rest);
        Self { pieces }
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pieces in order.
    pub fn into_pieces(self) -> Vec<Bytes> {
        self.pieces
    }
}

/// What stands for an image's data until the body is framed. It holds the hash of the image, so no prompt contains
/// it by accident, and none can be made that does.
pub(super) fn placeholder(picture: &Picture) -> String {
    format!("docmill-image-{}", picture.digest)
}

fn pictures(parts: &[Part]) -> impl Iterator<Item = &Arc<Picture>> {
    parts.iter().filter_map(|part| if let Part::Picture(picture) = part { Some(picture) } else { None })
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
