//! The delivery of a response body: which bytes, when, and how it ends.
//!
//! The module is pure. It changes the timing and the extent of a body, and never its words. The
//! first step is sent at once.

use bytes::Bytes;
use std::time::Duration;

/// A part of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// Delay after the previous step.
    pub(super) after: Duration,
    pub(super) bytes: Bytes,
    /// Output tokens in this step.
    pub(super) tokens: u64,
}

/// What follows the last step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tail {
    /// The body is complete.
    End,
    /// The connection closes.
    Break,
    /// Silence until the client disconnects.
    Silence,
}

/// A response body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Script {
    pub(super) steps: Vec<Step>,
    pub(super) tail: Tail,
    /// The `content-length`; `None` for a stream.
    pub(super) length: Option<u64>,
}

/// The events of a stream: before the answer, its pieces, and after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Events {
    pub(super) head: String,
    /// Pieces with their output tokens.
    pub(super) pieces: Vec<(String, u64)>,
    pub(super) tail: String,
}

impl Script {
    /// A body in one piece.
    pub(super) fn whole(body: String, tokens: u64) -> Self {
        let bytes = Bytes::from(body);
        let length = Some(bytes.len() as u64);
        Self { steps: vec![Step { after: Duration::ZERO, bytes, tokens }], tail: Tail::End, length }
    }

    /// Number of output tokens in the body.
    pub(super) fn tokens(&self) -> u64 {
        self.steps.iter().map(|step| step.tokens).sum()
    }

    /// A stream: the first event is sent at once, and the last after `span`.
    pub(super) fn stream(events: Events, span: Duration) -> Self {
        let Events { head, pieces: mut texts, tail } = events;
        let after = span / u32::try_from(texts.len()).unwrap_or(u32::MAX).max(1);
        match texts.last_mut() {
            Some((last, _)) => last.push_str(&tail),
            None => texts.push((tail, 0)), // an answer without a word
        }
        let mut steps = vec![Step { after: Duration::ZERO, bytes: head.into(), tokens: 0 }];
        steps.extend(texts.into_iter().map(|(text, tokens)| Step { after, bytes: text.into(), tokens }));
        Self { steps, tail: Tail::End, length: None }
    }

    /// The first half of a stream's steps, or of a body's bytes, followed by `tail`.
    pub(super) fn half(mut self, tail: Tail) -> Self {
        self.tail = tail;
        match self.steps.as_mut_slice() {
            [only] => only.bytes.truncate(only.bytes.len() / 2),
            steps => {
                let half = steps.len().div_ceil(2);
                self.steps.truncate(half);
                // A break or a silence comes in the middle of an event.
                if let Some(last) = self.steps.last_mut() {
                    last.bytes.truncate(last.bytes.len() / 2);
                }
            }
        }
        self
    }

    /// The first half of a stream, followed by this event.
    pub(super) fn half_and(mut self, event: String) -> Self {
        let half = self.steps.len().div_ceil(2);
        self.steps.truncate(half);
        self.steps.push(Step { after: Duration::ZERO, bytes: event.into(), tokens: 0 });
        self
    }

    /// Sends every byte separately, `after` apart. The tokens of a step come with its first byte.
    pub(super) fn drip(mut self, after: Duration) -> Self {
        let single = |step: &Step| {
            let (bytes, tokens) = (step.bytes.clone(), step.tokens);
            (0..bytes.len()).map(move |at| Step { after, bytes: bytes.slice(at..=at), tokens: if at == 0 { tokens } else { 0 } })
        };
        self.steps = self.steps.iter().flat_map(single).collect();
        if let Some(first) = self.steps.first_mut() {
            first.after = Duration::ZERO;
        }
        self
    }
}

/// Splits a text into at most 64 pieces, each with its tokens, as models produce them.
pub(super) fn pieces(text: &str) -> Vec<(&str, u64)> {
    const MAX_PIECES: usize = 64;
    let chars = text.chars().count();
    // A token is 4 characters, so that the tokens of the pieces add up to those of the text.
    let tokens = chars.div_ceil(4).div_ceil(MAX_PIECES).max(4);
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.char_indices().nth(tokens * 4).map_or(rest.len(), |(end, _)| end);
        let (piece, after) = rest.split_at(end);
        pieces.push((piece, super::ask::tokens(piece)));
        rest = after;
    }
    pieces
}
