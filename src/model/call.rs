//! One question to a model about one document.

use super::{FenceMark, Picture, Schema};
use serde_json::Value;
use std::fmt;
use std::sync::{Arc, LazyLock};

/// One question to a model about one document. It is independent of any provider's wire format.
#[derive(Debug, Clone)]
pub struct Call {
    /// The task's id; `combine` for the aggregation.
    pub task: Arc<str>,
    /// One value for each axis of the task: `[("material", "metal")]`. The order is that of the job
    /// file.
    pub axes: Vec<(String, String)>,
    /// The model's id at the provider.
    pub model: String,
    /// Instructions that come before everything else.
    pub system: Arc<str>,
    /// Contents of the user message. Parts that several calls share come first.
    pub parts: Vec<MessagePart>,
    /// Secret marks in `parts`, and the text that the key covers instead.
    pub marks: Arc<[FenceMark]>,
    /// The kind of result that it requests.
    pub want: Want,
    /// Reasoning effort in the provider's words; `None` uses the provider's default.
    pub effort: Option<Arc<str>>,
    /// Estimated input tokens. Not part of the key.
    pub tokens: u64,
    /// Chunk number, from 1, and number of chunks; `None` for whole documents. Not part of the key.
    pub place: Option<(u32, u32)>,
    /// Number of leading parts shared with other calls on the document. A hint for prompt caches;
    /// not part of the key.
    pub shared: usize,
}

/// The kind of result that a call requests.
///
/// Code that handles results destructures this enum. The compiler then finds all places that a new
/// variant affects.
#[derive(Debug, Clone)]
pub enum Want {
    /// An answer that follows a schema.
    Answer {
        /// JSON schema of the answer.
        schema: Arc<Schema>,
        /// Token limit for the answer itself. The dialect adds room for thinking.
        max_output_tokens: u32,
    },
    /// A vector of the call's text.
    Vector {
        /// The form of the request and of the vector.
        form: Arc<VectorForm>,
        /// The page where the text begins, from 1, if the document has pages. Not part of the key.
        page: Option<u32>,
    },
}

/// How texts become vectors.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct VectorForm {
    /// Text before each text, such as `passage: `.
    pub prefix: String,
    /// Dimensions to request; `None` for the model's own.
    pub dimensions: Option<u32>,
    /// Whether docmill scales vectors to unit length.
    pub normalize: bool,
    /// Further fields of the request, as JSON without braces.
    pub body: String,
}

/// The schema of calls without an answer.
static NO_SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(|| Arc::new(Value::Bool(true).into()));

impl Want {
    /// Schema and token limit of the answer. A vector has the schema `true` and no output tokens.
    pub fn answer(&self) -> (&Arc<Schema>, u32) {
        match self {
            Self::Answer { schema, max_output_tokens } => (schema, *max_output_tokens),
            Self::Vector { .. } => (&NO_SCHEMA, 0),
        }
    }
}

/// Assumed bytes per token, for text that no tokenizer has counted.
const BYTES_PER_TOKEN: u64 = 4;

/// A part of a user message.
#[derive(Debug, Clone)]
pub enum MessagePart {
    /// Text.
    Text(Arc<str>),
    /// An image.
    Picture(Arc<Picture>),
}

impl Call {
    /// Returns the key of this call. Calls with the same content for the provider have equal keys.
    ///
    /// The key covers:
    ///
    /// - endpoint (the provider's name) and model
    /// - messages and image bytes
    /// - schema, effort and token limit, or the form of the vector
    ///
    /// The key excludes the machine, the document's name and the time. It is not a hash of the
    /// request body: paid answers stay valid when wire details change.
    pub fn key(&self, endpoint: &str) -> CallKey {
        let mut hash = blake3::Hasher::new();
        let mut field = |bytes: &[u8]| {
            // The length precedes each field, so that different lists of fields never give the same
            // bytes.
            hash.update(&(bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        match &self.want {
            Want::Answer { schema, max_output_tokens } => {
                field(b"docmill call 1");
                field(endpoint.as_bytes());
                field(self.model.as_bytes());
                field(self.system.as_bytes());
                field(schema.text().as_bytes());
                field(&max_output_tokens.to_le_bytes());
                field(self.effort.as_deref().unwrap_or("").as_bytes());
            }
            Want::Vector { form, .. } => {
                let VectorForm { prefix, dimensions, normalize, body } = &**form;
                field(b"docmill vector 1");
                field(endpoint.as_bytes());
                field(self.model.as_bytes());
                field(prefix.as_bytes());
                field(&dimensions.unwrap_or(0).to_le_bytes());
                field(&[u8::from(*normalize)]);
                field(body.as_bytes());
            }
        }
        for (n, part) in self.parts.iter().enumerate() {
            match part {
                MessagePart::Text(text) => {
                    field(b"text");
                    field(FenceMark::keyed(&self.marks, n, text).as_bytes());
                }
                MessagePart::Picture(picture) => {
                    field(picture.media_type.as_bytes());
                    field(picture.digest.as_bytes());
                }
            }
        }
        CallKey(*hash.finalize().as_bytes())
    }

    /// An upper bound of the input tokens for any model. A tokenizer makes at most one token per
    /// byte. Images have their own bound. The bound includes a margin for the provider's additions
    /// to a prompt.
    pub fn most_input_tokens(&self) -> u64 {
        const WRAPPING: usize = 1000;
        let more = match &self.want {
            Want::Answer { schema, .. } => WRAPPING + schema.text().len(),
            Want::Vector { form, .. } => form.prefix.len() + Self::AROUND_INPUT,
        };
        let parts = self.parts.iter().map(|part| match part {
            MessagePart::Text(text) => text.len() as u64,
            MessagePart::Picture(picture) => picture.most_tokens,
        });
        (self.system.len() + more) as u64 + parts.sum::<u64>()
    }

    /// Tokens that a model may add to one text of a request for vectors.
    const AROUND_INPUT: usize = 16;

    /// The text of a call for a vector, without its prefix.
    pub fn text(&self) -> &str {
        self.parts.iter().find_map(|part| if let MessagePart::Text(text) = part { Some(&**text) } else { None }).unwrap_or_default()
    }

    /// Estimated input tokens of its images.
    pub fn image_tokens(&self) -> u64 {
        let images = self.parts.iter().map(|part| match part {
            MessagePart::Text(_) => 0,
            MessagePart::Picture(picture) => picture.tokens,
        });
        images.sum()
    }

    /// Estimated input tokens of the prefix shared with the document's other calls.
    pub fn shared_tokens(&self) -> u64 {
        let own = self.parts.iter().skip(self.shared).map(|part| match part {
            MessagePart::Text(text) => text.len() as u64 / BYTES_PER_TOKEN,
            MessagePart::Picture(picture) => picture.tokens,
        });
        self.tokens.saturating_sub(own.sum())
    }

    /// Estimated tokens of the shared texts, which hold the document.
    pub fn document_tokens(&self) -> u64 {
        let texts = self.parts.iter().take(self.shared).map(|part| if let MessagePart::Text(text) = part { text.len() as u64 } else { 0 });
        texts.sum::<u64>() / BYTES_PER_TOKEN
    }

    /// Label for messages: `assess (material=metal)`.
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
    use super::super::Fence;
    use super::*;
    use serde_json::{Value, json};

    fn schema(value: Value) -> Arc<Schema> {
        Arc::new(value.into())
    }

    fn call() -> Call {
        Call {
            task: "assess".into(),
            axes: vec![("material".into(), "metal".into())],
            model: "m".into(),
            system: "s".into(),
            parts: vec![MessagePart::Text("a".into()), MessagePart::Text("b".into())],
            marks: Arc::default(),
            want: Want::Answer { schema: schema(json!({"type": "object"})), max_output_tokens: 100 },
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
            |c| c.want = Want::Answer { schema: schema(json!({"type": "array"})), max_output_tokens: 100 },
            |c| c.want = Want::Answer { schema: schema(json!({"type": "object"})), max_output_tokens: 101 },
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
    fn everything_that_decides_about_a_vector_changes_its_key() {
        let form = VectorForm { prefix: "passage: ".into(), dimensions: Some(8), normalize: true, body: String::new() };
        let key = |form: VectorForm, text: &str, page| {
            let want = Want::Vector { form: Arc::new(form), page };
            Call { want, parts: vec![MessagePart::Text(text.into())], ..call() }.key("openai")
        };
        let base = key(form.clone(), "a", None);
        assert_eq!(key(form.clone(), "a", Some(3)), base, "a page moves without a change of its text");
        let others = [
            VectorForm { prefix: "query: ".into(), ..form.clone() },
            VectorForm { dimensions: None, ..form.clone() },
            VectorForm { normalize: false, ..form.clone() },
            VectorForm { body: "\"input_type\":\"document\"".into(), ..form.clone() },
        ];
        assert!(others.into_iter().all(|other| key(other, "a", None) != base));
        assert_ne!(key(form, "b", None), base);
    }

    #[test]
    fn the_key_does_not_depend_on_secret_marks() {
        let key = |sent: &str, marks: Arc<[FenceMark]>| {
            let parts = vec![MessagePart::Text("0123".into()), MessagePart::Text(format!("<a-{sent}>x</a-{sent}>").into())];
            Call { parts, marks, ..call() }.key("e")
        };
        let marks = [1, 2].map(|secret| Fence::new([secret; 32]).mark("0123456789abcdef", 1));
        for mark in marks {
            assert_ne!(key(&mark.sent, Arc::default()), key("0123456789ab", Arc::default()));
            assert_eq!(key(&mark.sent, [mark.clone()].into()), key("0123456789ab", Arc::default()));
        }
    }

    #[test]
    fn names_that_a_provider_does_not_see_leave_the_key_alone() {
        let mut renamed = call();
        renamed.task = "judge".into();
        renamed.axes[0].0 = "stuff".into();
        assert_eq!(renamed.key("anthropic"), call().key("anthropic"));
    }
}
