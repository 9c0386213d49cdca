//! Looks of text and fields of old forms in OpenDocument files.

use super::markdown::Script;
use super::symbols;
use super::xml::attribute;
use quick_xml::events::BytesStart;
use std::borrow::Cow;

/// The vertical position of text, and whether it is struck or hidden.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Look {
    pub script: Script,
    pub struck: bool,
    pub hidden: bool,
    /// The symbol font; "" for another font.
    pub font: Option<&'static str>,
}

impl Look {
    /// The look inside text of look `outer`.
    pub(super) fn inside(self, outer: Self) -> Self {
        let script = if self.script == Script::Normal { outer.script } else { self.script };
        Self { script, struck: self.struck || outer.struck, hidden: self.hidden || outer.hidden, font: self.font.or(outer.font) }
    }

    /// The text with the signs of symbol fonts, and how many of them are unknown.
    pub(super) fn signs(self, text: &str) -> (Cow<'_, str>, usize) {
        let font = self.font.unwrap_or_default();
        if font.is_empty() && !text.contains(symbols::is_code) {
            return (Cow::Borrowed(text), 0);
        }
        let (text, lost) = symbols::signs(font, text);
        (Cow::Owned(text), lost)
    }
}

/// Reads the look that text properties define. Other properties are those of the parent style.
///
/// Examples of positions are `super 58%` and `-33% 58%`.
pub(super) fn look(tag: &BytesStart, parent: Look) -> Look {
    let position = attribute(tag, "style:text-position");
    let script = position.map(|position| match position.split(' ').next().unwrap_or_default() {
        "" | "0%" => Script::Normal,
        low if low == "sub" || low.starts_with('-') => Script::Lowered,
        _ => Script::Raised,
    });
    let is_set = |name: &str| attribute(tag, name).map(|value| value != "none");
    let font = attribute(tag, "style:font-name").or_else(|| attribute(tag, "fo:font-family"));
    Look {
        font: font.map(|font| symbols::first_font(&font)).or(parent.font),
        script: script.unwrap_or(parent.script),
        struck: is_set("style:text-line-through-style").or_else(|| is_set("style:text-line-through-type")).unwrap_or(parent.struck),
        hidden: attribute(tag, "text:display").map_or(parent.hidden, |display| display == "none"),
    }
}

/// A field of an old form: a box to tick, or a choice.
#[derive(Default)]
pub(super) struct Form {
    pub kind: String,
    pub ticked: bool,
    pub entries: Vec<String>,
    pub choice: usize,
}

impl Form {
    pub fn read(&mut self, name: &str, value: String) {
        match name {
            "Checkbox_Checked" => self.ticked = value == "true",
            "Dropdown_Selected" => self.choice = value.parse().unwrap_or(0),
            "Dropdown_ListEntry" => self.entries.push(value),
            _ => {}
        }
    }

    pub fn shown(self) -> String {
        match self.kind.rsplit('.').next().unwrap_or_default() {
            "FORMCHECKBOX" => if self.ticked { "☒" } else { "☐" }.to_owned(),
            "FORMDROPDOWN" => self.entries.get(self.choice).cloned().unwrap_or_default(),
            _ => String::new(),
        }
    }
}
