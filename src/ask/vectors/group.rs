//! Kinds of vectors: calls of one kind share requests.

use crate::ask::packing::Encoding;
use crate::model::VectorForm;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
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
    /// Dimensions of the vectors in the store.
    stored: Option<usize>,
    /// Tokens that the server counts for texts that it has cut.
    cut_at: OnceLock<u64>,
    /// Estimated tokens of the longest text that the server has proved to read to its end.
    pub whole: tokio::sync::Mutex<u64>,
    /// Texts that failed alone since the last response.
    broken: AtomicU32,
    /// Whether the last response for several texts could not be used.
    pub is_doubtful: AtomicBool,
    /// Tokens of packs whose responses could not be used.
    pub wasted: AtomicU64,
    /// Whether the user knows that the server answers packs wrongly.
    pub is_noted: AtomicBool,
    encoding: Mutex<EncodingState>,
}

/// The encoding to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EncodingState {
    /// A list of numbers. Its response shows the dimensions, and that the server works. So many trials of
    /// base64 have failed.
    List { failed: u32 },
    /// The next request tries base64.
    Trial { failed: u32 },
    /// This encoding, for good.
    Settled(Encoding),
}

impl Default for EncodingState {
    fn default() -> Self {
        Self::List { failed: 0 }
    }
}

/// Number of trials of base64. A text, or chance, may be the cause of a failure.
const TRIALS: u32 = 2;

/// Number of texts that fail one after the other before whole packs fail: the server is down.
const DOWN: u32 = 3;

impl GroupState {
    /// The state of a group whose stored vectors have these dimensions, if there are any.
    pub fn new(stored: Option<usize>) -> Self {
        Self { stored, ..Self::default() }
    }

    /// Dimensions of the vectors in the store, if there are any.
    pub fn stored(&self) -> Option<usize> {
        self.stored
    }

    /// Records a response, or a text that fails alone after all retries.
    pub fn works(&self, works: bool) {
        if works {
            self.broken.store(0, Relaxed);
        } else {
            self.broken.fetch_add(1, Relaxed);
        }
    }

    /// Whether the server seems to fail for every text.
    pub fn is_down(&self) -> bool {
        self.broken.load(Relaxed) >= DOWN
    }

    /// The server cuts texts silently, and counts so many tokens for them.
    pub fn cuts_at(&self, tokens: u64) {
        let _the_first_counts = self.cut_at.set(tokens);
    }

    /// Tokens that the server counts for texts that it has cut, if it was seen to cut any.
    pub fn cut_at(&self) -> Option<u64> {
        self.cut_at.get().copied()
    }

    /// Dimensions of the vectors, if known.
    pub fn dimensions(&self) -> Option<usize> {
        self.dimensions.get().copied()
    }

    /// The encoding for the next request.
    pub fn encoding(&self) -> Encoding {
        match *self.encoding.lock() {
            EncodingState::List { .. } => Encoding::Float,
            EncodingState::Trial { .. } => Encoding::Base64,
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
            EncodingState::List { failed } => EncodingState::Trial { failed },
            EncodingState::Trial { .. } => EncodingState::Settled(encoding),
            settled @ EncodingState::Settled(_) => settled,
        };
    }

    /// A request for base64 has failed. Returns whether it was the trial, so that lists may work.
    /// `is_cause` tells whether the encoding is the cause for sure.
    pub fn trial_failed(&self, is_cause: bool) -> bool {
        let mut state = self.encoding.lock();
        let EncodingState::Trial { failed } = *state else { return false };
        let failed = failed + 1;
        *state = if is_cause || failed >= TRIALS { EncodingState::Settled(Encoding::Float) } else { EncodingState::List { failed } };
        true
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
        assert_eq!((other.encoding(), other.trial_failed(true)), (Encoding::Base64, false), "it has worked");
    }

    #[test]
    fn base64_is_tried_once_more_if_another_cause_is_possible() {
        for (is_cause, trials) in [(true, 1), (false, 2)] {
            let state = GroupState::default();
            for _ in 0..trials {
                state.accepted(3, Encoding::Float);
                assert_eq!((state.encoding(), state.is_settled()), (Encoding::Base64, false));
                assert!(state.trial_failed(is_cause));
            }
            assert_eq!((state.encoding(), state.is_settled()), (Encoding::Float, true));
        }
    }
}
