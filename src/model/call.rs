//! One question to a model about one document.

use super::Picture;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

/// One question to a model about one document, independent of any provider's wire format.
#[derive(Debug, Clone)]
pub struct Call {
    /// The task that it belongs to; `combine` for the aggregation.
    pub task: Arc<str>,
    /// One value for each axis of the task, in the job file's order: `[("material", "metal")]`.
    pub axes: Vec<(String, String)>,
    /// The model's id at the provider.
    pub model: String,
    /// Instructions that come before everything else.
    pub system: Arc<str>,
    /// What the user message holds. What calls on one document share stands first, what differs last.
    pub parts: Vec<MessagePart>,
    /// JSON schema of the answer.
    pub schema: Arc<Value>,
    /// Limit for the answer itself, in tokens; room for thinking is added by the dialect.
    pub max_output_tokens: u32,
    /// How hard the model should think, in the provider's words; `None` leaves it to the provider.
    pub effort: Option<Arc<str>>,
    /// Input tokens that it is estimated to take. Not part of the key.
    pub tokens: u64,
    /// Which part of a document that is too long for one call, from 1, and of how many. Not part of the key.
    pub place: Option<(u32, u32)>,
    /// How many of the leading parts other calls on the same document share: a hint for prompt caches, not part of the key.
    pub shared: usize,
}

/// The rule of thumb for text that nobody has counted.
const BYTES_PER_TOKEN: u64 = 4;

/// A piece of a user message.
#[derive(Debug, Clone)]
pub enum MessagePart {
    /// Text.
    Text(Arc<str>),
    /// An image.
    Picture(Arc<Picture>),
}

impl Call {
    /// The key of this call: equal for two calls exactly if a provider could not tell them apart.
    ///
    /// It covers the endpoint (the provider's name), model, messages, image bytes, schema, effort and token limit, and nothing
    /// of the machine, the document's name or the time. It is taken from these nouns and not from the
    /// request body, so that a change of wire details does not make paid answers useless.
    pub fn key(&self, endpoint: &str) -> CallKey {
        let mut hash = blake3::Hasher::new();
        let mut field = |bytes: &[u8]| {
            // Length first, so that no two different lists of fields give the same bytes.
            hash.update(&(bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        field(b"docmill call 1");
        field(endpoint.as_bytes());
        field(self.model.as_bytes());
        field(self.system.as_bytes());
        field(self.schema.to_string().as_bytes());
        field(&self.max_output_tokens.to_le_bytes());
        field(self.effort.as_deref().unwrap_or("").as_bytes());
        for part in &self.parts {
            match part {
                MessagePart::Text(text) => {
                    field(b"text");
                    field(text.as_bytes());
                }
                MessagePart::Picture(picture) => {
                    field(picture.media_type.as_bytes());
                    field(picture.digest.as_bytes());
                }
            }
        }
        CallKey(*hash.finalize().as_bytes())
    }

    /// Input tokens that no model exceeds: none cuts text into pieces smaller than a byte, and pictures have bounds of their own.
    /// What the provider wraps around a prompt is included.
    pub fn most_input_tokens(&self) -> u64 {
        const WRAPPING: usize = 1000;
        let schema = self.schema.to_string().len();
        let parts = self.parts.iter().map(|part| match part {
            MessagePart::Text(text) => text.len() as u64,
            MessagePart::Picture(picture) => picture.most_tokens,
        });
        (self.system.len() + schema + WRAPPING) as u64 + parts.sum::<u64>()
    }

    /// Input tokens that its images are estimated to take.
    pub fn image_tokens(&self) -> u64 {
        let images = self.parts.iter().map(|part| match part {
            MessagePart::Text(_) => 0,
            MessagePart::Picture(picture) => picture.tokens,
        });
        images.sum()
    }

    /// Input tokens of the beginning that it shares with other calls on its document, estimated.
    pub fn shared_tokens(&self) -> u64 {
        let own = self.parts.iter().skip(self.shared).map(|part| match part {
            MessagePart::Text(text) => text.len() as u64 / BYTES_PER_TOKEN,
            MessagePart::Picture(picture) => picture.tokens,
        });
        self.tokens.saturating_sub(own.sum())
    }

    /// Tokens of the texts that it shares with other calls on its document, estimated: those of the document.
    pub fn document_tokens(&self) -> u64 {
        let texts = self.parts.iter().take(self.shared).map(|part| if let MessagePart::Text(text) = part { text.len() as u64 } else { 0 });
        texts.sum::<u64>() / BYTES_PER_TOKEN
    }

    /// For messages: `assess (material=metal)`.
    pub fn label(&self) -> String {
        let place = self.place.map(|(part, parts)| format!("part {part} of {parts}"));
        let about: Vec<String> = self.axes.iter().map(|(axis, value)| format!("{axis}={value}")).chain(place).collect();
        if about.is_empty() { self.task.to_string() } else { format!("{} ({})", self.task, about.join(", ")) }
    }
}

/// BLAKE3 of a canonical request. See [`Call::key`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CallKey(pub [u8; 32]);

impl fmt::Display for CallKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for CallKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn call() -> Call {
        Call {
            task: "assess".into(),
            axes: vec![("material".into(), "metal".into())],
            model: "m".into(),
            system: "s".into(),
            parts: vec![MessagePart::Text("a".into()), MessagePart::Text("b".into())],
            schema: Arc::new(json!({"type": "object"})),
            max_output_tokens: 100,
            effort: None,
            tokens: 0,
            place: None,
            shared: 0,
        }
    }

    #[test]
    fn everything_that_a_provider_sees_changes_the_key() {
        let base = call().key("anthropic");
        let changes: [fn(&mut Call); 6] = [
            |c| c.model = "n".into(),
            |c| c.system = "t".into(),
            |c| c.parts = vec![MessagePart::Text("ab".into())],
            |c| c.schema = Arc::new(json!({"type": "array"})),
            |c| c.max_output_tokens = 101,
            |c| c.effort = Some("low".into()),
        ];
        for change in changes {
            let mut changed = call();
            change(&mut changed);
            assert_ne!(changed.key("anthropic"), base);
        }
        assert_ne!(call().key("openai"), base);
    }

    #[test]
    fn names_that_a_provider_does_not_see_leave_the_key_alone() {
        let mut renamed = call();
        renamed.task = "judge".into();
        renamed.axes[0].0 = "stuff".into();
        assert_eq!(renamed.key("anthropic"), call().key("anthropic"));
    }
}
