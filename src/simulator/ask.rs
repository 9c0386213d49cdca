//! What both dialects reduce a request to.
//!
//! Promises: equal requests have equal hashes, whatever the dialect; the token limit is not part of it, so a
//! call that is asked again with more room is the same call. Never keeps image data.

use serde_json::Value;
use std::ops::Range;

/// BLAKE3 of the seed, the model, all texts with their roles, the image data and the schema.
pub(super) type CallHash = [u8; 32];

/// The form of the wanted answer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form<'a> {
    /// Prose.
    Text,
    /// Any JSON object.
    Json,
    /// JSON that satisfies this schema.
    Schema(&'a Value),
}

/// A request for an answer.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    pub(super) model: &'a str,
    pub(super) form: Form<'a>,
    /// The most output tokens; `u64::MAX` without a limit.
    pub(super) max_tokens: u64,
    /// All texts of the user role, joined by line breaks.
    pub(super) user_text: String,
    longest: Range<usize>,
    /// Input tokens, estimated.
    pub(super) input_tokens: u64,
    pub(super) hash: CallHash,
}

impl Ask<'_> {
    /// The longest text of the user, which is the document if there is one.
    pub(super) fn document(&self) -> &str {
        self.user_text.get(self.longest.clone()).unwrap_or_default()
    }

    /// The first `docid:...` token of the user text.
    pub(super) fn docid(&self) -> Option<&str> {
        const MARK: &str = "docid:";
        let mut from = 0;
        while let Some(found) = self.user_text[from..].find(MARK) {
            let start = from + found;
            let name = start + MARK.len();
            let rest = &self.user_text[name..];
            let length = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')).count();
            if length > 0 {
                return Some(&self.user_text[start..name + length]);
            }
            from = name;
        }
        None
    }
}

/// Collects the parts of a request in their order.
pub(super) struct AskBuilder {
    hasher: blake3::Hasher,
    chars: u64,
    image_tokens: u64,
    user_text: String,
    longest: Range<usize>,
}

impl AskBuilder {
    pub(super) fn new(seed: u64, model: &str) -> Self {
        let mut builder = Self { hasher: blake3::Hasher::new(), chars: 0, image_tokens: 0, user_text: String::new(), longest: 0..0 };
        builder.hash("seed", &seed.to_le_bytes());
        builder.hash("model", model.as_bytes());
        builder
    }

    fn hash(&mut self, tag: &str, bytes: &[u8]) {
        for part in [tag.as_bytes(), bytes] {
            self.hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
    }

    /// A text by one of the roles.
    pub(super) fn text(&mut self, role: &str, text: &str) {
        // `developer` is what newer OpenAI models call `system`.
        self.hash(if role == "developer" { "system" } else { role }, text.as_bytes());
        self.chars += text.chars().count() as u64;
        if role == "user" {
            if !self.user_text.is_empty() {
                self.user_text.push('\n');
            }
            let start = self.user_text.len();
            self.user_text.push_str(text);
            if text.len() > self.longest.len() {
                self.longest = start..self.user_text.len();
            }
        }
    }

    /// An image or another attachment: its data as it was sent, and what it costs.
    pub(super) fn attachment(&mut self, data: &str, tokens: u64) {
        self.hash("attachment", data.as_bytes());
        self.image_tokens += tokens;
    }

    pub(super) fn finish<'a>(mut self, model: &'a str, form: Form<'a>, max_tokens: u64) -> Ask<'a> {
        match form {
            Form::Text => self.hash("form", b"text"),
            Form::Json => self.hash("form", b"json"),
            Form::Schema(schema) => {
                let text = schema.to_string();
                self.hash("schema", text.as_bytes());
            }
        }
        Ask {
            model,
            form,
            max_tokens,
            input_tokens: self.chars.div_ceil(4) + self.image_tokens,
            hash: *self.hasher.finalize().as_bytes(),
            user_text: self.user_text,
            longest: self.longest,
        }
    }
}

/// About how many tokens a text is.
pub(super) fn tokens(text: &str) -> u64 {
    (text.chars().count() as u64).div_ceil(4)
}
