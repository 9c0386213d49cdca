//! Reads XML event by event, without a tree.
//!
//! The nesting depth is not limited. Entities declared in a document are never expanded. End tags
//! without a start tag are ignored.

use super::encoding;
use quick_xml::Reader;
use quick_xml::escape::{resolve_predefined_entity, unescape};
use quick_xml::events::{BytesRef, BytesStart, Event};

/// The next item of a document.
#[derive(Clone, Copy)]
pub(super) enum Node<'a> {
    Open(&'a BytesStart<'a>),
    Close(&'a str),
    Text(&'a str),
}

/// Visits the whole document in order.
///
/// An empty element produces a start and an end, like any other element.
pub(super) fn read(xml: &str, mut visit: impl FnMut(Node)) -> Result<(), quick_xml::Error> {
    let mut reader = Reader::from_str(xml);
    let config = reader.config_mut();
    config.expand_empty_elements = true;
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    config.allow_dangling_amp = true;
    loop {
        match reader.read_event()? {
            Event::Start(tag) => visit(Node::Open(&tag)),
            Event::End(tag) => visit(Node::Close(tag.name().as_ref())),
            Event::Text(text) => visit(Node::Text(&text)),
            Event::CData(text) => visit(Node::Text(&text)),
            Event::GeneralRef(reference) => visit(Node::Text(&resolved(&reference))),
            Event::Eof => return Ok(()),
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
}

/// The name without the prefix of its namespace.
pub(super) fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

/// Reads the value of an attribute.
pub(super) fn attribute(tag: &BytesStart, name: &str) -> Option<String> {
    let attribute = tag.try_get_attribute(name).ok()??;
    let value: &str = &attribute.value;
    Some(unescape(value).map_or_else(|_| value.to_owned(), std::borrow::Cow::into_owned))
}

/// Reads the value of an attribute as a number.
pub(super) fn number(tag: &BytesStart, name: &str) -> Option<usize> {
    attribute(tag, name)?.trim().parse().ok()
}

/// Returns the character for `&amp;` or `&#8211;`.
///
/// Other references stay unchanged.
fn resolved(reference: &BytesRef) -> String {
    if let Ok(Some(character)) = reference.resolve_char_ref() {
        return character.to_string();
    }
    let name: &str = reference;
    resolve_predefined_entity(name).map_or_else(|| format!("&{name};"), str::to_owned)
}

/// Maximum bytes before the end of the first tag of a file.
const HEAD: usize = 16 << 10;

/// The first tag of an XML file; `None` for other files.
pub(super) fn root(bytes: &[u8]) -> Option<String> {
    let head = encoding::decode(&bytes[..bytes.len().min(HEAD)]).text;
    let mut rest = head.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{FEFF}');
    while let Some((open, close)) = [("<?", "?>"), ("<!--", "-->"), ("<!", ">")].into_iter().find(|(open, _)| rest.starts_with(open)) {
        rest = rest[open.len()..].split_once(close)?.1.trim_start();
    }
    let end = rest.starts_with('<').then(|| rest.find('>').unwrap_or(rest.len()))?;
    Some(rest[..end].to_owned())
}

/// The first element of this name, with its tags.
pub(super) fn section<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let open = format!("<{name}");
    let ends_name = |at: &usize| text[at + open.len()..].starts_with(|c: char| c.is_whitespace() || matches!(c, '>' | '/'));
    let from = text.match_indices(&open).map(|(at, _)| at).find(ends_name)?;
    let close = format!("</{name}>");
    let end = text[from..].find(&close).map_or(text.len(), |at| from + at + close.len());
    Some(&text[from..end])
}
