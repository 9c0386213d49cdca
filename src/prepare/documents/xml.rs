//! XML, event by event: no tree, hence no depth that could be too deep.
//!
//! Promises: entities that a document declares are never expanded; end tags without a start do no harm.

use quick_xml::Reader;
use quick_xml::escape::{resolve_predefined_entity, unescape};
use quick_xml::events::{BytesRef, BytesStart, Event};

/// What stands next in a document.
#[derive(Clone, Copy)]
pub(super) enum Node<'a> {
    Open(&'a BytesStart<'a>),
    Close(&'a str),
    Text(&'a str),
}

/// Shows the whole document to `visit`, in order. An element without content opens and closes like any other.
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

/// What an attribute says.
pub(super) fn attribute(tag: &BytesStart, name: &str) -> Option<String> {
    let attribute = tag.try_get_attribute(name).ok()??;
    let value: &str = &attribute.value;
    Some(unescape(value).map_or_else(|_| value.to_owned(), std::borrow::Cow::into_owned))
}

/// The number that an attribute says.
pub(super) fn number(tag: &BytesStart, name: &str) -> Option<usize> {
    attribute(tag, name)?.trim().parse().ok()
}

/// The character behind `&amp;` or `&#8211;`. What else there is stays as it was written.
fn resolved(reference: &BytesRef) -> String {
    if let Ok(Some(character)) = reference.resolve_char_ref() {
        return character.to_string();
    }
    let name: &str = reference;
    resolve_predefined_entity(name).map_or_else(|| format!("&{name};"), str::to_owned)
}
