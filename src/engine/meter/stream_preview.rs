//! The part of a streamed answer that watchers show.

use crate::model::Call;
use std::time::{Duration, Instant};

/// One of the answers in progress. Users can read only one at a time.
#[derive(Debug, Default)]
pub struct StreamPreview {
    /// Address of the call, because calls on several documents share a label.
    address: usize,
    call: String,
    text: String,
    updated: Option<Instant>,
}

impl StreamPreview {
    /// Another answer replaces this one if it has not grown for this long.
    const PATIENCE: Duration = Duration::from_secs(1);
    /// Maximum number of characters kept, from the end of the answer.
    const KEPT: usize = 200;

    /// Adds text of an answer. Ignores it while another answer is shown.
    pub fn add(&mut self, call: &Call, text: &str) {
        let address = std::ptr::from_ref(call).addr();
        if self.address != address {
            if self.updated.is_some_and(|at| at.elapsed() < Self::PATIENCE) {
                return;
            }
            *self = Self { address, call: call.label(), ..Self::default() };
        }
        self.updated = Some(Instant::now());
        self.text.push_str(text);
        if let Some((at, _)) = self.text.char_indices().nth_back(Self::KEPT) {
            self.text.drain(..at);
        }
    }

    /// The call and the end of its text; `None` if it has not grown for five seconds.
    pub fn shown(&self) -> Option<String> {
        let fresh = self.updated?.elapsed() < 5 * Self::PATIENCE;
        fresh.then(|| format!("{}: {}", self.call, self.text))
    }
}
