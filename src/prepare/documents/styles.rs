//! Word's styles: headings, lists, hidden, raised and struck text.

use super::markdown::Script;
use super::xml::{self, Node, attribute, number};
use quick_xml::events::BytesStart;
use std::collections::HashMap;

/// The styles of a document, by id.
#[derive(Default)]
pub(super) struct Styles(HashMap<String, Style>);

/// The properties of paragraphs with a style.
#[derive(Default, Clone)]
pub(super) struct Style {
    pub heading: Option<usize>,
    pub list: Option<(String, usize)>,
    pub hidden: Option<bool>,
    pub font: Option<String>,
    pub script: Option<Script>,
    pub position: Option<Script>,
    pub struck: Option<bool>,
    based_on: Option<String>,
}

/// Whether a property element switches its property on.
pub(super) fn is_on(tag: &BytesStart) -> bool {
    !matches!(attribute(tag, "w:val").as_deref(), Some("0" | "false" | "off"))
}

/// The vertical position that a `w:vertAlign` element sets.
pub(super) fn script(tag: &BytesStart) -> Script {
    match attribute(tag, "w:val").as_deref() {
        Some("superscript") => Script::Raised,
        Some("subscript") => Script::Lowered,
        _ => Script::Normal,
    }
}

/// The vertical position that a `w:position` element sets, in half points.
pub(super) fn position(tag: &BytesStart) -> Script {
    Script::shifted(attribute(tag, "w:val").and_then(|value| value.trim_end_matches("pt").parse().ok()).unwrap_or(0))
}

impl Styles {
    /// Reads `word/styles.xml`.
    pub fn read(text: &str) -> Result<Self, quick_xml::Error> {
        let mut styles = HashMap::new();
        let (mut id, mut style) = (String::new(), Style::default());
        xml::read(text, |node| match node {
            Node::Open(tag) => {
                let value = || attribute(tag, "w:val");
                match tag.local_name().as_ref() {
                    "style" => (id, style) = (attribute(tag, "w:styleId").unwrap_or_default(), Style::default()),
                    "name" => {
                        let name = value().unwrap_or_default().to_lowercase();
                        let level = name.strip_prefix("heading ").and_then(|level| level.parse().ok());
                        style.heading = if name == "title" { Some(1) } else { level };
                    }
                    "outlineLvl" => {
                        style.heading = style.heading.or(number(tag, "w:val").filter(|level| *level < 9).map(|level| level + 1));
                    }
                    "vertAlign" => style.script = Some(script(tag)),
                    "position" => style.position = Some(position(tag)),
                    "strike" | "dstrike" => style.struck = Some(style.struck == Some(true) || is_on(tag)),
                    "vanish" => style.hidden = Some(is_on(tag)),
                    "rFonts" => style.font = attribute(tag, "w:ascii").or_else(|| attribute(tag, "w:hAnsi")),
                    "basedOn" => style.based_on = value(),
                    "numId" | "ilfo" => style.list = Some((value().unwrap_or_default(), style.list.take().map_or(0, |list| list.1))),
                    "ilvl" => {
                        style.list = Some((style.list.take().map_or_else(String::new, |list| list.0), number(tag, "w:val").unwrap_or(0)));
                    }
                    _ => {}
                }
            }
            Node::Close(name) if xml::local(name) == "style" => {
                styles.insert(std::mem::take(&mut id), std::mem::take(&mut style));
            }
            _ => {}
        })?;
        Ok(Self(styles))
    }

    /// Finds a property of a style or of its base styles.
    ///
    /// References to base styles may be cyclic, so the search ends after 16 steps.
    pub fn find<T>(&self, id: &str, what: impl Fn(&Style) -> Option<T>) -> Option<T> {
        self.chain(id).find_map(|id| what(self.0.get(id)?))
    }

    /// The style and its base styles.
    pub fn chain<'s>(&'s self, id: &'s str) -> impl Iterator<Item = &'s str> {
        std::iter::successors(Some(id), |id| self.0.get(*id)?.based_on.as_deref()).take(16)
    }
}
