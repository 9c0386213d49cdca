//! Texts of cells whose parts look different: raised, lowered or struck.

use crate::prepare::documents::grid::Region;
use crate::prepare::documents::markdown::{Markdown, Script};
use crate::prepare::documents::xml::{self, Node, attribute};
use quick_xml::events::BytesStart;
use std::borrow::Cow;
use std::collections::HashMap;

/// The look of a part of a text.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    pub script: Script,
    pub struck: bool,
}

impl Look {
    /// The look of a font in a binary workbook, by its flags and its position on the line.
    pub fn of(flags: u16, position: u16) -> Self {
        let script = match position {
            1 => Script::Raised,
            2 => Script::Lowered,
            _ => Script::Normal,
        };
        Self { script, struck: flags & 8 != 0 }
    }
}

/// Writes a text with marks, if a part looks different. Parts begin at positions in UTF-16.
pub(super) fn marked(text: &str, first: Look, parts: impl IntoIterator<Item = (usize, Look)>) -> Option<String> {
    let units: Vec<u16> = text.encode_utf16().collect();
    let mut rich = Rich { markdown: Markdown::new(), in_text: true, ..Rich::default() };
    let mut from = 0;
    let mut push = |to: usize, look: Look| {
        (rich.script, rich.struck) = (look.script, look.struck);
        let to = to.clamp(from, units.len());
        rich.push(&String::from_utf16_lossy(&units[from..to]));
        from = to;
    };
    let mut look = first;
    for (at, next) in parts {
        push(at, std::mem::replace(&mut look, next));
    }
    push(units.len(), look);
    rich.finish()
}

/// The parts of a text, written with marks: `10^6`, `~~old~~ new`.
#[derive(Default)]
struct Rich {
    markdown: Markdown,
    script: Script,
    struck: bool,
    is_marked: bool,
    /// Whether the reader is within a text that is shown.
    in_text: bool,
    readings: usize,
}

impl Rich {
    fn open(&mut self, tag: &BytesStart) {
        let is_off = |tag| matches!(attribute(tag, "val").as_deref(), Some("0" | "false"));
        match tag.local_name().as_ref() {
            "si" | "is" => *self = Self { markdown: Markdown::new(), ..Self::default() },
            "r" => (self.script, self.struck) = (Script::Normal, false),
            "rPh" => self.readings += 1,
            "vertAlign" => {
                self.script = match attribute(tag, "val").as_deref() {
                    Some("superscript") => Script::Raised,
                    Some("subscript") => Script::Lowered,
                    _ => Script::Normal,
                }
            }
            "strike" => self.struck = !is_off(tag),
            "t" => self.in_text = self.readings == 0,
            _ => {}
        }
    }

    fn close(&mut self, name: &str) {
        match name {
            "rPh" => self.readings = self.readings.saturating_sub(1),
            "t" => self.in_text = false,
            _ => {}
        }
    }

    fn push(&mut self, text: &str) {
        if !self.in_text {
            return;
        }
        let struck = self.struck && !text.trim().is_empty();
        self.is_marked |= struck || self.script != Script::Normal;
        self.markdown.script(self.script);
        self.markdown.strike(struck);
        self.markdown.verbatim(text);
    }

    /// The text, if a part of it looks different.
    fn finish(&mut self) -> Option<String> {
        let text = std::mem::take(&mut self.markdown).finish();
        std::mem::take(&mut self.is_marked).then_some(text)
    }
}

fn has_looks(part: &str) -> bool {
    part.contains("vertAlign") || part.contains("strike")
}

/// The shared texts with marks, by their number.
pub(super) fn shared(part: &str) -> HashMap<usize, String> {
    let (mut texts, mut rich, mut at) = (HashMap::new(), Rich::default(), 0);
    if !has_looks(part) {
        return texts;
    }
    let _damage = xml::read(part, |node| match node {
        Node::Open(tag) => rich.open(tag),
        Node::Text(text) => rich.push(text),
        Node::Close(name) => {
            let name = xml::local(name);
            rich.close(name);
            if name == "si" {
                texts.extend(rich.finish().map(|text| (at, text)));
                at += 1;
            }
        }
    });
    texts
}

/// The texts of a sheet with marks, by row and column.
pub(super) fn cells<'s>(sheet: &str, shared: &'s HashMap<usize, String>) -> HashMap<(u32, u32), Cow<'s, str>> {
    let mut cells = HashMap::new();
    if shared.is_empty() && !has_looks(sheet) {
        return cells;
    }
    let (mut rich, mut cell, mut is_shared, mut in_value) = (Rich::default(), None, false, false);
    let mut value = String::new();
    let _damage = xml::read(sheet, |node| match node {
        Node::Open(tag) => match tag.local_name().as_ref() {
            "c" => {
                cell = attribute(tag, "r")
                    .and_then(|cell| Region::read(&format!("{cell}:{cell}")))
                    .map(|region| (region.rows.0, region.columns.0));
                is_shared = attribute(tag, "t").is_some_and(|kind| kind == "s");
            }
            "v" => {
                in_value = is_shared;
                value.clear();
            }
            _ => rich.open(tag),
        },
        Node::Text(text) if in_value => value.push_str(text),
        Node::Text(text) => rich.push(text),
        Node::Close(name) => match xml::local(name) {
            "v" if std::mem::take(&mut in_value) => {
                let text = value.trim().parse().ok().and_then(|number: usize| shared.get(&number));
                cells.extend(cell.zip(text.map(|text| Cow::Borrowed(&**text))));
            }
            "is" => cells.extend(cell.zip(rich.finish().map(Cow::Owned))),
            name => rich.close(name),
        },
    });
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_text_have_the_looks_of_their_fonts() {
        let (raised, struck) = (Look::of(0, 1), Look::of(8, 0));
        assert_eq!(marked("ü·106 N", Look::default(), [(4, raised), (5, Look::default())]).as_deref(), Some("ü·10^6 N"));
        assert_eq!(marked("old new", struck, [(3, Look::default()), (2, raised), (99, raised)]).as_deref(), Some("~~old~~ new"));
        assert_eq!(marked("plain", Look::default(), [(2, Look::default())]), None);
    }

    #[test]
    fn parts_of_a_cell_keep_their_position_and_strike() {
        let power = "<r><t>5·10</t></r><r><rPr><vertAlign val='superscript'/></rPr><t>6</t></r><r><t> N</t></r><rPh><t>x</t></rPh>";
        let struck = "<r><rPr><strike/></rPr><t>R&amp;D</t></r><r><rPr><strike val='0'/></rPr><t> yes</t></r>";
        let texts = shared(&format!("<sst><si><t>106</t></si><si>{power}</si></sst>"));
        assert_eq!(texts, HashMap::from([(1, "5·10^6 N".to_owned())]));
        let sheet = format!(
            "<row><c r='A1' t='s'><v>0</v></c><c r='B1' t='s'><v>1</v></c><c r='C1'><v>1</v></c></row>\
             <row><c r='A2' t='inlineStr'><is>{struck}</is></c></row>"
        );
        let expected = HashMap::from([((0, 1), "5·10^6 N".into()), ((1, 0), "~~R&D~~ yes".into())]);
        assert_eq!(cells(&sheet, &texts), expected);
    }
}
