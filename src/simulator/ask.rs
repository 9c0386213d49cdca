//! The common form of all dialects' requests.
//!
//! Equal requests have equal hashes in every dialect. The token limit is not part of the hash, so a
//! call that is repeated with more room is the same call. Two prefixes are equal if everything
//! before their ends is equal: model, form of the answer, effort, and all parts. The hash leaves out
//! the marks around documents, because they differ between run stores.

use serde_json::Value;
use std::ops::Range;

/// BLAKE3 of the seed, the model, all texts with their roles, the image data and the schema.
pub(super) type CallHash = [u8; 32];

/// BLAKE3 of everything up to a mark.
pub(super) type PrefixHash = [u8; 32];

/// The end of a prefix to be cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) prefix: PrefixHash,
    /// Length of the prefix in tokens.
    pub(super) tokens: u64,
}

/// How the answer is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Delivery {
    /// As a stream of pieces.
    pub(super) stream: bool,
    /// With the usage at the end of the stream, if the dialect has that choice.
    pub(super) usage: bool,
}

/// The requested form of the answer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form<'a> {
    /// Prose.
    Text,
    /// Any JSON object.
    Json,
    /// JSON that satisfies this schema.
    Schema(&'a Value),
    /// A vector for each text.
    Vectors(VectorForm),
}

/// The requested form of vectors.
#[derive(Debug, Clone, Copy)]
pub(super) struct VectorForm {
    /// Dimensions; `None` for the scenario's.
    pub(super) dimensions: Option<usize>,
    /// As base64 of little-endian numbers instead of lists. Not part of the hash.
    pub(super) base64: bool,
}

/// A text of the user.
#[derive(Debug, Clone)]
struct Part {
    range: Range<usize>,
    tokens: u64,
}

/// A request for an answer.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    pub(super) model: &'a str,
    pub(super) form: Form<'a>,
    /// Maximum output tokens; `u64::MAX` without a limit.
    pub(super) max_tokens: u64,
    /// All texts of the user role, joined by line breaks.
    pub(super) user_text: String,
    parts: Vec<Part>,
    /// Base64 data of the first image.
    pub(super) picture: Option<&'a str>,
    /// Estimated input tokens.
    pub(super) input_tokens: u64,
    pub(super) hash: CallHash,
    /// Marks in order.
    pub(super) marks: Vec<Mark>,
    pub(super) delivery: Delivery,
}

impl Ask<'_> {
    /// The start of the hash, for ids that are equal for equal requests.
    pub(super) fn short_id(&self) -> String {
        let hex = blake3::Hash::from_bytes(self.hash).to_hex();
        hex.chars().take(24).collect()
    }

    /// The user's longest text, which is the document if there is one.
    pub(super) fn document(&self) -> &str {
        // The first of equally long ones.
        let longest = self.parts.iter().rev().max_by_key(|part| part.range.len());
        longest.and_then(|part| self.user_text.get(part.range.clone())).unwrap_or_default()
    }

    /// The user's texts with their tokens.
    pub(super) fn inputs(&self) -> impl ExactSizeIterator<Item = (&str, u64)> {
        self.parts.iter().map(|part| (self.user_text.get(part.range.clone()).unwrap_or_default(), part.tokens))
    }

    /// Counts at most this many tokens of every input.
    pub(super) fn cut_inputs(&mut self, max_tokens: u64) {
        for part in &mut self.parts {
            part.tokens = part.tokens.min(max_tokens);
        }
        self.input_tokens = self.parts.iter().map(|part| part.tokens).sum();
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

/// Collects the parts of a request in order.
pub(super) struct AskBuilder<'a> {
    model: &'a str,
    form: Form<'a>,
    hasher: blake3::Hasher,
    prefix: blake3::Hasher,
    marks: Vec<Mark>,
    chars: u64,
    image_tokens: u64,
    user_text: String,
    parts: Vec<Part>,
    picture: Option<&'a str>,
}

impl<'a> AskBuilder<'a> {
    /// Creates a builder. `effort` holds all settings of the model's reasoning.
    pub(super) fn new(seed: u64, model: &'a str, form: Form<'a>, effort: &[&Value]) -> Self {
        let mut hasher = blake3::Hasher::new();
        feed(&mut hasher, "seed", &seed.to_le_bytes());
        feed(&mut hasher, "model", model.as_bytes());
        let mut prefix = hasher.clone();
        feed_form(&mut prefix, form);
        for part in effort {
            feed(&mut prefix, "effort", part.to_string().as_bytes());
        }
        Self {
            model,
            form,
            hasher,
            prefix,
            marks: Vec::new(),
            chars: 0,
            image_tokens: 0,
            user_text: String::new(),
            parts: Vec::new(),
            picture: None,
        }
    }

    fn feed(&mut self, tag: &str, bytes: &[u8]) {
        feed(&mut self.hasher, tag, bytes);
        feed(&mut self.prefix, tag, bytes);
    }

    fn tokens(&self) -> u64 {
        self.chars.div_ceil(4) + self.image_tokens
    }

    /// Adds a text in a role.
    pub(super) fn text(&mut self, role: &str, text: &str) {
        // Newer OpenAI models use `developer` for `system`.
        let role_tag = if role == "developer" { "system" } else { role };
        feed(&mut self.hasher, role_tag, without_marks(text).as_bytes());
        feed(&mut self.prefix, role_tag, text.as_bytes());
        self.chars += text.chars().count() as u64;
        if role == "user" {
            if !self.user_text.is_empty() {
                self.user_text.push('\n');
            }
            let start = self.user_text.len();
            self.user_text.push_str(text);
            self.parts.push(Part { range: start..self.user_text.len(), tokens: tokens(text) });
        }
    }

    /// Adds a text of the user that came as token ids.
    pub(super) fn token_ids(&mut self, ids: &[u64]) {
        let text: String = ids.iter().map(|id| format!("token{id} ")).collect();
        self.text("user", &text);
        if let Some(part) = self.parts.last_mut() {
            part.tokens = ids.len() as u64;
        }
    }

    /// Adds another attachment: its data as sent, and its tokens.
    pub(super) fn attachment(&mut self, data: &str, tokens: u64) {
        self.feed("attachment", data.as_bytes());
        self.image_tokens += tokens;
    }

    /// Adds an image: its data as sent, the base64 text in that, and its tokens.
    pub(super) fn picture(&mut self, data: &str, base64: &'a str, tokens: u64) {
        self.attachment(data, tokens);
        self.picture.get_or_insert(base64);
    }

    /// Marks the end of a prefix to be cached.
    pub(super) fn mark(&mut self) {
        self.marks.push(Mark { prefix: *self.prefix.finalize().as_bytes(), tokens: self.tokens() });
    }

    /// Number of marks.
    pub(super) fn marks(&self) -> usize {
        self.marks.len()
    }

    pub(super) fn finish(mut self, max_tokens: u64, delivery: Delivery) -> Ask<'a> {
        feed_form(&mut self.hasher, self.form);
        Ask {
            model: self.model,
            form: self.form,
            max_tokens,
            // Embeddings count every input for itself, so that usage does not depend on packs.
            input_tokens: match self.form {
                Form::Vectors(_) => self.parts.iter().map(|part| part.tokens).sum(),
                _ => self.tokens(),
            },
            hash: *self.hasher.finalize().as_bytes(),
            marks: self.marks,
            delivery,
            user_text: self.user_text,
            parts: self.parts,
            picture: self.picture,
        }
    }
}

fn feed(hasher: &mut blake3::Hasher, tag: &str, bytes: &[u8]) {
    for part in [tag.as_bytes(), bytes] {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
}

/// A text without the marks around documents, as in `<document-…>`.
fn without_marks(text: &str) -> String {
    text.split_inclusive('>').map(|tag| without_mark(tag).unwrap_or(tag)).collect()
}

/// The beginning of a tag that ends with a mark of 32 digits.
fn without_mark(tag: &str) -> Option<&str> {
    const DIGITS: usize = 32;
    let body = tag.strip_suffix('>')?;
    let (name, digits) = body.split_at_checked(body.len().checked_sub(DIGITS)?)?;
    digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then_some(name)
}

fn feed_form(hasher: &mut blake3::Hasher, form: Form<'_>) {
    match form {
        Form::Text => feed(hasher, "form", b"text"),
        Form::Json => feed(hasher, "form", b"json"),
        Form::Schema(schema) => feed(hasher, "schema", schema.to_string().as_bytes()),
        Form::Vectors(form) => feed(hasher, "vectors", &(form.dimensions.unwrap_or(0) as u64).to_le_bytes()),
    }
}

/// Estimated number of tokens in a text.
pub(super) fn tokens(text: &str) -> u64 {
    (text.chars().count() as u64).div_ceil(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marks_of_run_stores_do_not_change_the_hash() {
        let hash = |text: &str| {
            let mut ask = AskBuilder::new(0, "m", Form::Text, &[]);
            ask.text("user", text);
            ask.finish(u64::MAX, Delivery::default()).hash
        };
        let marked = |mark: &str| format!("<document-{mark}>\n<b>x</b>\n</document-{mark}>\nWhat is it?");
        let [one, other] = ["0123456789abcdef", "fedcba9876543210"].map(|half| half.repeat(2));
        assert_eq!(hash(&marked(&one)), hash(&marked(&other)));
        assert_ne!(hash(&marked(&one)), hash(&marked(&one).replace("<b>", "<i>")));
        assert_ne!(hash("a <b> c"), hash("a <d> c"));
    }
}
