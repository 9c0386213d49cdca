//! The result of the prepare stage.

use super::Kind;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A document that is ready for prompts.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The content for the model.
    pub content: Content,
    /// Facts about the document, for the result row.
    pub facts: Facts,
}

/// The content of a document for the model, in reading order. Never empty. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Content(pub Vec<ContentBlock>);

/// A block of a document. Images and texts have one; a document with scanned pages has several.
#[derive(Debug, Clone)]
pub enum ContentBlock {
    /// An encoded image.
    Picture(Arc<Picture>),
    /// Decoded text.
    Text(Arc<Text>),
}

impl Content {
    /// Size in memory, in bytes.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(ContentBlock::bytes).sum()
    }

    /// Estimated input tokens.
    pub fn tokens(&self) -> u64 {
        self.0.iter().map(ContentBlock::tokens).sum()
    }
}

/// The part of a document that one call covers. It is the whole document, or a chunk of a long one.
#[derive(Debug, Clone)]
pub struct Chunk {
    /// The content of the call.
    pub content: Content,
    /// The end of the previous chunk, for context.
    pub before: Option<Arc<str>>,
    /// Chunk number, from 1, and number of chunks. `None` for a whole or truncated document.
    pub place: Option<(u32, u32)>,
}

impl ContentBlock {
    /// Size in memory, in bytes.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Picture(picture) => picture.base64.len(),
            Self::Text(text) => text.body.len(),
        }
    }

    /// Estimated input tokens.
    pub fn tokens(&self) -> u64 {
        match self {
            Self::Picture(picture) => picture.tokens,
            Self::Text(text) => text.tokens,
        }
    }
}

/// An image as sent. All calls on one document share the same bytes.
#[derive(Debug, Clone)]
pub struct Picture {
    /// `image/jpeg`, `image/png`, `image/gif` or `image/webp`; always the actual format of the
    /// bytes.
    pub media_type: &'static str,
    /// The encoded file in base64.
    pub base64: Bytes,
    /// BLAKE3 of the encoded file, in hexadecimal.
    pub digest: String,
    /// Width in pixels, as sent.
    pub width: u32,
    /// Height in pixels, as sent.
    pub height: u32,
    /// Estimated input tokens.
    pub tokens: u64,
    /// Upper bound of the billed tokens.
    pub most_tokens: u64,
}

/// A text as sent.
#[derive(Debug, Clone)]
pub struct Text {
    /// The text in valid UTF-8 with `\n` line ends. It has no control characters except tab and
    /// newline.
    pub body: Arc<str>,
    /// BLAKE3 of `body`, in hexadecimal.
    pub digest: String,
    /// Estimated input tokens.
    pub tokens: u64,
}

/// Facts about a prepared document. Written to `results.jsonl` as `input`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Kind of the document.
    pub kind: Kind,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// Format by content: `jpeg`, `pdf`, `docx`, ... For plain text, its encoding, such as `utf-8`
    /// or `windows-1252`.
    pub format: String,
    /// Width and height in pixels as stored in the file, after orientation. Images only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pixels: Option<[u32; 2]>,
    /// Width and height in pixels as sent to the model. Images only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent_pixels: Option<[u32; 2]>,
    /// Number of words. Texts only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub words: Option<u64>,
    /// Estimated input tokens of the document, without the prompt around it.
    pub tokens: u64,
    /// Number of tokens sent, if the document was truncated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_tokens: Option<u64>,
    /// Number of chunks sent, if the document was split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<u32>,
    /// How each page was sent. Only for documents with pages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pages: Vec<PageFacts>,
    /// Passages that look like instructions, if the job flags them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orders: Vec<String>,
    /// A remark for the reader. Examples are "first of 12 frames" and "some bytes were not valid in
    /// this encoding".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// How a page was sent: as text or as an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PageFacts {
    /// Page number, from 1.
    pub page: u32,
    /// Number of words, if the text was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub words: Option<u64>,
    /// Width and height in pixels, if an image was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent_pixels: Option<[u32; 2]>,
}
