//! What attributes of HTML tags mean: hidden text, tables of other elements, and looks of text.

use super::markdown::{Markdown, Script};
use super::style_sheet::{Display, Style};
use super::symbols;

/// Elements within a line.
const INLINE: [&str; 10] = ["a", "b", "em", "font", "i", "p", "small", "span", "strong", "u"];

/// Whether a tag hides its content from readers.
///
/// `html` and `body` do not count, because scripts may show such a page.
pub(super) fn is_hidden(name: &str, style: Style, attribute: &impl Fn(&str) -> Option<String>) -> bool {
    !matches!(name, "html" | "body")
        && (attribute("hidden").is_some_and(|value| value != "until-found")
            || style.hides(INLINE.contains(&name))
            || name == "dialog" && attribute("open").is_none())
}

/// The element of a table that another element stands for, by its role or style. `open` has the
/// elements that are open within such a table.
pub(super) fn role(
    name: &str,
    style: Style,
    attribute: &impl Fn(&str) -> Option<String>,
    open: &[(String, Option<&'static str>)],
) -> Option<&'static str> {
    if matches!(name, "table" | "tr" | "td" | "th" | "thead" | "tbody" | "tfoot" | "html" | "body") {
        return None;
    }
    let by_role = attribute("role").and_then(|role| match &*role.to_ascii_lowercase() {
        "table" | "grid" | "treegrid" => Some("table"),
        "row" => Some("tr"),
        "cell" | "gridcell" | "columnheader" | "rowheader" => Some("td"),
        _ => None,
    });
    // A cell in another table only arranges its text.
    let table = || open.iter().rev().find(|(name, role)| name == "table" || *role == Some("table"));
    let is_inside = || table().is_some_and(|(_, role)| *role == Some("table"));
    by_role.or_else(|| match style.display() {
        Display::Table => Some("table"),
        Display::Row if is_inside() => Some("tr"),
        Display::Cell if is_inside() => Some("td"),
        _ => None,
    })
}

/// Maximum number of open elements to track.
const DEPTH: usize = 64;

/// How an element shows its text, and what a style adds behind it.
#[derive(Debug, Default)]
struct Look {
    name: String,
    struck: bool,
    script: Option<Script>,
    /// The symbol font; "" for another font inside one.
    font: Option<&'static str>,
    after: Option<String>,
}

/// The first element with a different look, then the elements that are open within it.
#[derive(Debug, Default)]
pub(super) struct Looks(Vec<Look>);

impl Looks {
    /// Opens an element with its style, and the text that the style adds behind it.
    pub fn open(&mut self, name: &str, style: Style, face: Option<&str>, after: Option<&str>, markdown: &mut Markdown) {
        let by_name = match name {
            "sup" => Some(Script::Raised),
            "sub" => Some(Script::Lowered),
            _ => None,
        };
        let font = style.font().or_else(|| face.map(symbols::first_font)).filter(|font| !font.is_empty() || self.font().is_some());
        let look = Look {
            name: name.to_owned(),
            struck: style.strikes() || matches!(name, "s" | "strike" | "del"),
            // Page authors shift `sup` elements by other means.
            script: by_name.or_else(|| style.script().filter(|_| is_in_line(name))),
            font,
            after: after.map(str::to_owned),
        };
        let is_plain = !look.struck && look.script.is_none() && look.font.is_none() && look.after.is_none();
        if self.0.len() < DEPTH && !(is_plain && self.0.is_empty()) {
            // Raised text in raised text begins anew.
            if look.script.is_some() {
                markdown.script(Script::Normal);
            }
            self.0.push(look);
            self.apply(markdown);
        }
    }

    /// Ends the elements that the start of `next` ends.
    pub fn end_before(&mut self, next: &str, is_ended: impl Fn(&str, &str) -> bool, markdown: &mut Markdown) {
        let is_around = |look: &&Look| !matches!(&*look.name, "table" | "ul" | "ol" | "dl");
        let inside = self.0.iter().rev().take_while(is_around).count();
        let from = self.0.len() - inside;
        if let Some(at) = self.0[from..].iter().position(|look| is_ended(&look.name, next)) {
            self.end(from + at, markdown);
        }
    }

    /// Closes an element. One without a different look may be around all those that have one.
    pub fn close(&mut self, name: &str, is_block: bool, markdown: &mut Markdown) {
        match self.0.iter().rposition(|look| look.name == name) {
            Some(at) => self.end(at, markdown),
            None if is_block => self.end(0, markdown),
            None => {}
        }
    }

    fn end(&mut self, at: usize, markdown: &mut Markdown) {
        while self.0.len() > at {
            if let Some(after) = self.0.last_mut().and_then(|look| look.after.take()) {
                let sign = self.font().map(|font| symbols::signs(font, &after).0);
                markdown.text(sign.as_deref().unwrap_or(&after));
            }
            self.0.pop();
            self.apply(markdown);
        }
    }

    fn apply(&self, markdown: &mut Markdown) {
        markdown.strike(self.0.iter().any(|look| look.struck));
        markdown.script(self.0.iter().rev().find_map(|look| look.script).unwrap_or_default());
    }

    /// The symbol font of the text.
    pub fn font(&self) -> Option<&'static str> {
        self.0.iter().rev().find_map(|look| look.font).filter(|font| !font.is_empty())
    }
}

/// Whether an element is within a line, so that it can be raised.
fn is_in_line(name: &str) -> bool {
    INLINE.contains(&name) && name != "p"
        || matches!(name, "abbr" | "cite" | "code" | "del" | "ins" | "mark" | "s" | "strike" | "tt" | "var")
}
