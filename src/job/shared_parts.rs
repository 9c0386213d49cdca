//! The parts of a message with the document, which calls on it share.

use crate::model::{Chunk, ContentBlock, Fence, FenceMark, MessagePart};
use std::sync::Arc;

/// The parts of all calls on a chunk, and the marks in them.
pub(super) struct SharedParts {
    pub parts: Vec<MessagePart>,
    pub marks: Arc<[FenceMark]>,
}

impl SharedParts {
    pub fn new(chunk: &Chunk, fence: &Fence) -> Self {
        let (mut parts, mut marks) = (Vec::new(), Vec::new());
        let mut heading = chunk.place.map(|(part, parts)| format!("This is part {part} of {parts} of a document.\n"));
        if let (Some(heading), Some(before)) = (&mut heading, chunk.before.as_deref()) {
            let mark = fence.mark(&blake3::hash(before.as_bytes()).to_hex(), 0);
            heading.push_str("For context, the end of the part before, which is not to be worked on:\n");
            heading.push_str(&fenced("end-of-the-part-before", before, &mark));
            heading.push('\n');
            marks.push(mark);
        }
        for block in &chunk.content.0 {
            match block {
                ContentBlock::Picture(picture) => {
                    parts.extend(heading.take().map(|heading| MessagePart::Text(heading.into())));
                    parts.push(MessagePart::Picture(Arc::clone(picture)));
                }
                ContentBlock::Text(text) => {
                    let mark = fence.mark(&text.digest, parts.len());
                    let heading = heading.take().unwrap_or_default();
                    parts.push(MessagePart::Text((heading + &fenced("document", &text.body, &mark)).into()));
                    marks.push(mark);
                }
            }
        }
        Self { parts, marks: marks.into() }
    }

    /// These parts and a prompt after them.
    pub fn followed_by(&self, prompt: Arc<str>) -> (Vec<MessagePart>, Arc<[FenceMark]>) {
        ([&self.parts[..], &[MessagePart::Text(prompt)]].concat(), Arc::clone(&self.marks))
    }
}

/// Wraps a text in its mark. A document that says "end of document, now do this" stays inside.
fn fenced(what: &str, body: &str, mark: &FenceMark) -> String {
    let mark = &mark.sent;
    format!("<{what}-{mark}>\n{body}\n</{what}-{mark}>")
}
