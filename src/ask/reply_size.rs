//! Bounds the memory of replies: of each one, and of all that are read at a time.
//!
//! A reply of a few megabytes can describe a JSON tree of gigabytes, as in `[[],[],...]`. The size
//! of the tree is therefore estimated before it is built.

use super::fault::{Class, Fault};
use crate::model::FailureCode;
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Maximum size of a reply that is kept while it is read, in bytes.
pub(super) const MAX_REPLY: usize = 32 << 20;
/// Maximum bytes that a stream sends. Most of them are JSON around the text and are not kept.
const MAX_STREAM: usize = 128 << 20;
/// Maximum estimated size of the JSON tree of a reply, in bytes.
const MAX_TREE: usize = 256 << 20;
/// Size up to which replies are read at any concurrency, in bytes.
///
/// An answer of 128,000 tokens has about half of it.
pub(super) const SMALL: usize = 1 << 20;
/// Maximum number of larger replies that are read at a time.
const LARGE_AT_ONCE: usize = 2;

/// The memory for replies of a run.
#[derive(Debug)]
pub(super) struct ReplyMemory {
    large: Semaphore,
}

impl Default for ReplyMemory {
    fn default() -> Self {
        Self { large: Semaphore::new(LARGE_AT_ONCE) }
    }
}

impl ReplyMemory {
    /// The memory of one reply.
    pub fn reply(&self) -> Held<'_> {
        Held { memory: self, large: None }
    }
}

/// The memory of one reply until the end of its reading.
#[derive(Debug)]
pub(super) struct Held<'m> {
    memory: &'m ReplyMemory,
    large: Option<SemaphorePermit<'m>>,
}

impl Held<'_> {
    /// Accounts for `bytes` of the reply, which are kept until its end.
    ///
    /// Waits if other large replies are being read. Fails if the reply is too large.
    pub async fn bytes(&mut self, bytes: usize) -> Result<(), Fault> {
        if bytes > MAX_REPLY {
            return Err(too_large(&format!("is larger than {} MiB", MAX_REPLY >> 20)));
        }
        self.admit(bytes).await;
        Ok(())
    }

    /// Accounts for the JSON tree that is about to be built from `body`.
    pub async fn tree(&mut self, body: &[u8]) -> Result<(), Fault> {
        if !fits(body) {
            return Err(too_large("has too many JSON values"));
        }
        self.admit(tree_bytes(body) / 16).await;
        Ok(())
    }

    async fn admit(&mut self, bytes: usize) {
        if bytes > SMALL && self.large.is_none() {
            // The semaphore is never closed.
            self.large = self.memory.large.acquire().await.ok();
        }
    }
}

/// Fails if a stream has sent too many bytes.
pub(super) fn check_stream(sent: usize) -> Result<(), Fault> {
    if sent > MAX_STREAM { Err(too_large(&format!("is a stream of more than {} MiB", MAX_STREAM >> 20))) } else { Ok(()) }
}

/// Whether the JSON tree of `json` is small enough to be built.
pub(super) fn fits(json: &[u8]) -> bool {
    tree_bytes(json) <= MAX_TREE
}

/// Estimates the size of the tree of a JSON text from above, in bytes.
///
/// Marks inside strings count too: telling them apart would cost as much as parsing.
fn tree_bytes(json: &[u8]) -> usize {
    // An object allocates a table and room for four entries, a list room for four values.
    let bytes = json.iter().map(|byte| match byte {
        b'{' => 512,
        b'[' => 160,
        b',' => 128,
        _ => 1,
    });
    bytes.sum()
}

/// Bytes that a tree takes, about.
pub(super) fn taken(value: &Value) -> usize {
    let inner = match value {
        Value::Array(items) => items.iter().map(taken).sum(),
        Value::Object(fields) => 64 + fields.iter().map(|(name, value)| 40 + name.len() + taken(value)).sum::<usize>(),
        Value::String(text) => text.len(),
        _ => 0,
    };
    size_of::<Value>() + inner
}

fn too_large(what: &str) -> Fault {
    Fault::new(Class::Ambiguous, FailureCode::BadReply, format!("the response {what}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_estimate_covers_trees_of_every_shape() {
        for piece in ["[]", "{}", "0", "\"\"", "{\"a\":0}", "[[[]]]", "{\"a\":{\"b\":[1,2]}}", "\"a long text of an answer\""] {
            let json = format!("[{}]", vec![piece; 1000].join(","));
            let tree: Value = serde_json::from_str(&json).unwrap();
            assert!(taken(&tree) <= tree_bytes(json.as_bytes()), "{piece}: {} of {}", taken(&tree), tree_bytes(json.as_bytes()));
        }
    }

    #[tokio::test]
    async fn few_large_replies_are_read_at_a_time_and_small_ones_always() {
        let memory = ReplyMemory::default();
        let mut large: Vec<Held<'_>> = (0..LARGE_AT_ONCE).map(|_| memory.reply()).collect();
        for reply in &mut large {
            reply.bytes(SMALL + 1).await.unwrap();
            reply.bytes(2 * SMALL).await.unwrap();
        }
        memory.reply().bytes(SMALL).await.unwrap();
        let mut next = memory.reply();
        {
            let mut waiting = std::pin::pin!(next.bytes(SMALL + 1));
            assert!(futures::poll!(&mut waiting).is_pending());
            large.pop();
            assert!(futures::poll!(&mut waiting).is_ready());
        }
        assert!(next.bytes(MAX_REPLY + 1).await.unwrap_err().message.contains("larger than 32 MiB"));
    }

    #[tokio::test]
    async fn a_reply_with_too_many_values_is_refused_before_it_is_parsed() {
        let memory = ReplyMemory::default();
        let many = "[],".repeat(3 << 20);
        assert!(memory.reply().tree(many.as_bytes()).await.unwrap_err().message.contains("too many JSON values"));
        let long = format!("{{\"text\":\"{}\"}}", "word ".repeat(1 << 20));
        memory.reply().tree(long.as_bytes()).await.unwrap();
    }
}
