//! The part of a streamed answer that watchers show.

use crate::model::Call;
use std::time::{Duration, Instant};

/// One of the answers in progress. Users can read only one at a time.
#[derive(Debug, Default)]
pub struct StreamPreview {
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
        let label = call.label();
        if self.call != label {
            if self.updated.is_some_and(|at| at.elapsed() < Self::PATIENCE) {
                return;
            }
            (self.call, self.text) = (label, String::new());
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
