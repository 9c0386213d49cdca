//! What the prepare stage makes of a document.

use super::Kind;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A document made ready to be put into prompts.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The part that goes to the model.
    pub content: Content,
    /// What the preparation learned, for the result row.
    pub facts: Facts,
}

/// The part of a document that goes to the model: its pieces in reading order. Never empty. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Content(pub Vec<ContentBlock>);

/// A piece of a document. An image and a text have one; a document with scanned pages has several.
#[derive(Debug, Clone)]
pub enum ContentBlock {
    /// An encoded image.
    Picture(Arc<Picture>),
    /// Decoded text.
    Text(Arc<Text>),
}

impl Content {
    /// Bytes that this content keeps in memory.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(ContentBlock::bytes).sum()
    }

    /// Tokens that this content is estimated to cost as input.
    pub fn tokens(&self) -> u64 {
        self.0.iter().map(ContentBlock::tokens).sum()
    }
}

/// As much of a document as one call is about: all of it, or a part of one that is too long.
#[derive(Debug, Clone)]
pub struct Chunk {
    /// What the call is about.
    pub content: Content,
    /// The end of the part before, for context.
    pub before: Option<Arc<str>>,
    /// Which part it is, from 1, and of how many; `None`: it is the whole document, or all that is taken of it.
    pub place: Option<(u32, u32)>,
}

impl ContentBlock {
    /// Bytes that this piece keeps in memory.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Picture(picture) => picture.base64.len(),
            Self::Text(text) => text.body.len(),
        }
    }

    /// Tokens that this piece is estimated to cost as input.
    pub fn tokens(&self) -> u64 {
        match self {
            Self::Picture(picture) => picture.tokens,
            Self::Text(text) => text.tokens,
        }
    }
}

/// An image as it is sent. All calls on one document share the same bytes.
#[derive(Debug, Clone)]
pub struct Picture {
    /// `image/jpeg`, `image/png`, `image/gif` or `image/webp`; always what the bytes really are.
    pub media_type: &'static str,
    /// The encoded file in base64, as every provider wants it.
    pub base64: Bytes,
    /// BLAKE3 of the encoded file, in hexadecimal.
    pub digest: String,
    /// Width in pixels, as sent.
    pub width: u32,
    /// Height in pixels, as sent.
    pub height: u32,
    /// Tokens that it is estimated to cost as input.
    pub tokens: u64,
    /// Tokens that the bill for it does not exceed.
    pub most_tokens: u64,
}

/// A text as it is sent.
#[derive(Debug, Clone)]
pub struct Text {
    /// The text: valid UTF-8, `\n` between lines, no control characters but tab and newline.
    pub body: Arc<str>,
    /// BLAKE3 of `body`, in hexadecimal.
    pub digest: String,
    /// Tokens that it is estimated to cost as input.
    pub tokens: u64,
}

/// What the preparation learned about a document. Written to `results.jsonl` as `input`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// What the document is.
    pub kind: Kind,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// Format by content: `jpeg`, `pdf`, `docx`, ...; for plain text its encoding, such as `utf-8` or `windows-1252`.
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
    /// Tokens that the document is estimated to cost as input, before any prompt around it.
    pub tokens: u64,
    /// Tokens of it that were sent, where it was cut to the job's limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_tokens: Option<u64>,
    /// Parts in which it was sent, where it was too long for one call of a task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<u32>,
    /// What was sent of each page. Documents with pages only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pages: Vec<PageFacts>,
    /// What sounds like orders to a model in it, where the job asks for that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orders: Vec<String>,
    /// What a reader should know, such as "first of 12 frames" or "some bytes were not valid in this encoding".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What was sent of a page: its text, or an image of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PageFacts {
    /// Its number, from 1.
    pub page: u32,
    /// Number of words on it, if its text was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub words: Option<u64>,
    /// Width and height in pixels, if an image of it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent_pixels: Option<[u32; 2]>,
}
