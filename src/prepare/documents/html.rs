//! Converts HTML pages, book chapters and mail bodies to Markdown.
//!
//! The title comes first, then all text that a browser shows, in order. Links keep absolute
//! addresses. Scripts and navigation are omitted. Text that a tag or a style sheet of the page
//! hides is omitted with a note.
//!
//! Tags are processed one after another without a tree. Therefore deep nesting is harmless, and
//! broken nesting almost so.

use super::encoding::{self, Decoded};
use super::style_sheet::{self, Sheet};
use super::tags::converted;
use super::{Extract, ImageLimits, PrepareSettings, Reader, symbols, verdict};
use crate::model::Failure;
use crate::prepare::dos;
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use std::borrow::Cow;
use std::rc::Rc;

pub(super) const READER: Reader = Reader { format: "html", name: NAME, recognises, read };

const NAME: &str = "an HTML page";
/// Maximum bytes that declare the type and the encoding of a page.
const HEAD: usize = 4096;
/// Maximum places in a tag where an attribute may start.
const MOST_ATTRIBUTES: usize = 2000;
fn recognises(bytes: &[u8], extension: &str) -> bool {
    let head = encoding::decode(&bytes[..bytes.len().min(HEAD)]).text;
    if head.contains('\0') {
        return false;
    }
    let mut rest = head.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{FEFF}');
    // Comments and the XML declaration precede the first tag.
    while let Some((_, behind)) = [("<!--", "-->"), ("<?xml", "?>")]
        .iter()
        .find_map(|(open, close)| rest.strip_prefix(open).map(|inner| inner.split_once(close).unwrap_or((inner, ""))))
    {
        rest = behind.trim_start();
    }
    let begins = |tag: &str| {
        rest.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag))
            && rest[tag.len()..].starts_with(|c: char| c.is_whitespace() || matches!(c, '>' | '/'))
    };
    let extension = matches!(extension, "html" | "htm" | "xhtml");
    ["<!doctype html", "<html", "<head", "<body"].iter().any(|tag| begins(tag)) || (extension && head.contains('<'))
}

fn read(bytes: &[u8], _: &PrepareSettings, _: &ImageLimits) -> Result<Extract, Failure> {
    let (decoded, misdeclared) = decoded(bytes);
    let page = markdown(&decoded.text);
    let mut extract = Extract::text(page.text);
    if page.hidden {
        extract.notes.push(verdict::HIDDEN.to_owned());
    }
    extract.notes.extend(symbols::note(page.symbols));
    if is_cut(&decoded.text) {
        extract.notes.push(verdict::CUT.to_owned());
    }
    if misdeclared {
        extract.notes.push(format!("the declared encoding does not fit the page; docmill detected {}", decoded.encoding));
    }
    extract.notes.extend(Decoded { guessed: decoded.guessed && !misdeclared, ..decoded }.notes());
    verdict::readable(NAME, extract)
}

/// Whether a whole page breaks off inside a tag.
fn is_cut(html: &str) -> bool {
    let end = html.rfind('<').filter(|at| html.rfind('>').is_some_and(|end| end < *at)).map(|at| &html[at + 1..]);
    end.is_some_and(|tag| tag.is_empty() || tag.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!')))
}

/// Decodes a page by its declared encoding. Valid UTF-8 has priority. Also returns whether the
/// declared encoding does not fit, and another one was detected.
pub(super) fn decoded(bytes: &[u8]) -> (Decoded<'_>, bool) {
    let is_marked = encoding::has_byte_order_mark(bytes) || encoding::utf16_without_mark(bytes).is_some();
    let unicode = std::str::from_utf8(bytes).is_ok() && !bytes.is_ascii();
    let labels = if is_marked || unicode { Vec::new() } else { labels(&bytes[..bytes.len().min(HEAD)]) };
    if let Some((label, text)) = labels.first().and_then(|label| Some((label, dos::decoded(label, bytes)?))) {
        return (Decoded { text: text.into(), encoding: label.clone(), damaged: false, guessed: false }, false);
    }
    match labels.iter().find_map(|label| Encoding::for_label(label.as_bytes())) {
        // The page was readable up to its declaration, so it is not UTF-16.
        Some(declared) if declared == UTF_16LE || declared == UTF_16BE => encoding::decode_declared(bytes, UTF_8),
        Some(declared) => encoding::decode_declared(bytes, declared),
        None => (encoding::decode(bytes), false),
    }
}

/// Finds the declared encodings: `charset=` in a `<meta>` tag, or `encoding=` in the XML declaration.
fn labels(head: &[u8]) -> Vec<String> {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let xml = head.split_once("<?xml").and_then(|(_, rest)| rest.split_once("?>")).map(|(line, _)| (line, "encoding"));
    let metas = head.split("<meta").skip(1).map(|rest| (rest.split('>').next().unwrap_or(rest), "charset"));
    let label = |(tag, key): (&str, &str)| {
        let value = tag.split_once(key)?.1.trim_start().strip_prefix('=')?;
        value.trim_start_matches([' ', '"', '\'']).split(['"', '\'', ';', ' ', '/']).next().map(str::to_owned)
    };
    xml.into_iter().chain(metas).filter_map(label).collect()
}

/// A page as Markdown.
pub(super) struct Shown {
    pub text: String,
    /// Whether the page has hidden text.
    pub hidden: bool,
    /// Number of signs of symbol fonts without a known meaning.
    pub symbols: usize,
}

/// Converts a page to Markdown.
pub(super) fn markdown(html: &str) -> Shown {
    styled(html, Sheet::default())
}

/// The addresses of the style sheets that the head of a page links.
pub(super) fn linked(html: &str) -> Vec<String> {
    style_sheet::linked(&tamed(html.split("<body").next().unwrap_or(html)))
}

/// Converts a page that links the rules `linked`.
pub(super) fn styled(html: &str, linked: Sheet) -> Shown {
    let html = &*tamed(html);
    let sheet = Rc::new(Sheet::of(html, linked));
    let mut page = converted(html, true, &sheet);
    // A skipped element without an end would remove the rest of the page. The table of contents of
    // a book consists only of navigation.
    if !page.skipping.is_empty() || page.markdown.is_empty() {
        page = converted(html, false, &sheet);
    }
    // A script shows a page that its style sheets hide.
    if page.markdown.is_empty() && !sheet.is_empty() {
        page = converted(html, true, &Rc::default());
    }
    let (hidden, symbols) = (page.hidden, page.symbols);
    let title = page.title.split_whitespace().collect::<Vec<_>>().join(" ");
    let body = page.markdown.finish();
    let has_title = body.lines().any(|line| line.strip_prefix('#').is_some_and(|line| line.trim_start_matches('#').trim() == title));
    let text = if title.is_empty() || has_title { body } else { format!("# {title}\n\n{body}").trim_end().to_owned() };
    Shown { text, hidden, symbols }
}

/// Escapes each `<` that starts a tag with too many attributes.
///
/// The tokenizer compares each attribute with all earlier ones. This would take hours for a million
/// attributes.
fn tamed(html: &str) -> Cow<'_, str> {
    let mut tame = String::new();
    let mut copied = 0;
    for (at, _) in html.match_indices('<') {
        if overloaded(&html.as_bytes()[at + 1..]) {
            tame.push_str(&html[copied..at]);
            tame.push_str("&lt;");
            copied = at + 1;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(html);
    }
    tame.push_str(&html[copied..]);
    Cow::Owned(tame)
}

/// Whether `tag` has too many places for attributes.
fn overloaded(tag: &[u8]) -> bool {
    let (mut places, mut quote, mut value) = (0, None, false);
    if !tag.first().is_some_and(u8::is_ascii_alphabetic) {
        return false;
    }
    for byte in tag {
        match (quote, byte) {
            (None, b'>') => return false,
            (None, b'"' | b'\'') if value => quote = Some(*byte),
            (None, b'/' | b' ' | b'\t' | b'\n' | b'\r' | 0x0C) => places += 1,
            (Some(open), byte) if open == *byte => (quote, places) = (None, places + 1),
            _ => {}
        }
        value = *byte == b'=' || (value && byte.is_ascii_whitespace());
        if places > MOST_ATTRIBUTES {
            return true;
        }
    }
    false
}
