//! Kinds of vectors: calls of one kind share requests.

use crate::ask::packing::Encoding;
use crate::model::VectorForm;
use parking_lot::Mutex;
use std::sync::{Arc, OnceLock};

/// Calls with the same model and form share requests.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Group {
    pub model: String,
    pub form: Arc<VectorForm>,
}

/// What responses have shown about a group.
#[derive(Debug, Default)]
pub(super) struct GroupState {
    /// Dimensions of all vectors.
    dimensions: OnceLock<usize>,
    encoding: Mutex<EncodingState>,
}

/// The encoding to ask for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum EncodingState {
    /// The first response shows the dimensions, as lists of numbers.
    #[default]
    First,
    /// The next request tries base64.
    Trial,
    /// This encoding, for good.
    Settled(Encoding),
}

impl GroupState {
    /// Dimensions of the vectors, if known.
    pub fn dimensions(&self) -> Option<usize> {
        self.dimensions.get().copied()
    }

    /// The encoding for the next request.
    pub fn encoding(&self) -> Encoding {
        match *self.encoding.lock() {
            EncodingState::First => Encoding::Float,
            EncodingState::Trial => Encoding::Base64,
            EncodingState::Settled(encoding) => encoding,
        }
    }

    /// Whether several requests may be in flight.
    pub fn is_settled(&self) -> bool {
        matches!(*self.encoding.lock(), EncodingState::Settled(_))
    }

    /// Learns from vectors that passed all checks.
    pub fn accepted(&self, dimensions: usize, encoding: Encoding) {
        let _the_first_counts = self.dimensions.set(dimensions);
        let mut state = self.encoding.lock();
        *state = match *state {
            EncodingState::First => EncodingState::Trial,
            EncodingState::Trial => EncodingState::Settled(encoding),
            settled @ EncodingState::Settled(_) => settled,
        };
    }

    /// The server does not honour base64. Returns whether that is new.
    pub fn without_base64(&self) -> bool {
        let mut state = self.encoding.lock();
        let is_new = *state != EncodingState::Settled(Encoding::Float);
        *state = EncodingState::Settled(Encoding::Float);
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_tried_only_after_a_response_without_it() {
        let state = GroupState::default();
        assert_eq!((state.encoding(), state.is_settled()), (Encoding::Float, false));
        state.accepted(3, Encoding::Float);
        assert_eq!((state.encoding(), state.is_settled(), state.dimensions()), (Encoding::Base64, false, Some(3)));
        state.accepted(3, Encoding::Float);
        assert_eq!((state.encoding(), state.is_settled()), (Encoding::Float, true), "the server ignores base64");
        let other = GroupState::default();
        other.accepted(3, Encoding::Float);
        other.accepted(3, Encoding::Base64);
        assert_eq!(other.encoding(), Encoding::Base64);
        assert!(other.without_base64() && !other.without_base64());
    }
}
