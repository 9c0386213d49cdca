//! What is seen of answers while they come.

use crate::model::Call;
use std::time::{Duration, Instant};

/// One of the answers that are coming: people can read one at a time.
#[derive(Debug, Default)]
pub struct StreamPreview {
    call: String,
    text: String,
    heard: Option<Instant>,
}

impl StreamPreview {
    /// An answer that says nothing for this long makes way for another.
    const PATIENCE: Duration = Duration::from_secs(1);
    /// Characters of its end that are kept.
    const KEPT: usize = 200;

    /// Takes more of an answer.
    pub fn hear(&mut self, call: &Call, text: &str) {
        let label = call.label();
        if self.call != label {
            if self.heard.is_some_and(|at| at.elapsed() < Self::PATIENCE) {
                return;
            }
            (self.call, self.text) = (label, String::new());
        }
        self.heard = Some(Instant::now());
        self.text.push_str(text);
        if let Some((at, _)) = self.text.char_indices().nth_back(Self::KEPT) {
            self.text.drain(..at);
        }
    }

    /// What people read now.
    pub fn shown(&self) -> Option<String> {
        let fresh = self.heard?.elapsed() < 5 * Self::PATIENCE;
        fresh.then(|| format!("{}: {}", self.call, self.text))
    }
}
