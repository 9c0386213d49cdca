//! What styles of web pages hide and strike: embedded style sheets, and `style` attributes.
//!
//! Selectors may name an element, classes and an id. Other selectors depend on the elements around,
//! which are unknown without a tree, so their rules are ignored.

use super::tokens::{raw, tokenized};
use html5ever::tokenizer::{TagKind, Token, TokenSink, TokenSinkResult};
use std::cell::RefCell;
use std::collections::HashMap;

/// Maximum bytes of the style sheets of a page. Further ones are ignored.
pub(super) const MOST_BYTES: usize = 1 << 20;
/// Maximum rules that hide or strike, and maximum of those for one element, class or id.
const MOST_RULES: usize = 4000;
const MOST_EQUAL: usize = 50;
/// Maximum classes of an element that count.
const CLASSES: usize = 50;

/// A property that a style sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Declared {
    on: bool,
    important: bool,
}

/// What a style says about hidden and struck text.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Style {
    /// Whether the element is not displayed, is invisible, or has letters without size or colour.
    undisplayed: Option<Declared>,
    invisible: Option<Declared>,
    faint: Option<Declared>,
    struck: Option<Declared>,
}

impl Style {
    /// Reads declarations such as `display: none; color: red`.
    pub fn of(declarations: &str) -> Self {
        let mut style = Self::default();
        for (property, value) in declarations.split(';').filter_map(|rule| rule.split_once(':')) {
            let value = value.to_ascii_lowercase();
            let (value, important) = value.split_once('!').map_or((&*value, false), |(value, mark)| (value, mark.trim() == "important"));
            let declared = |on| Some(Declared { on, important });
            let value = value.trim();
            let own = match &*property.trim().to_ascii_lowercase() {
                "display" => Self { undisplayed: declared(value == "none"), ..Self::default() },
                "visibility" => Self { invisible: declared(matches!(value, "hidden" | "collapse")), ..Self::default() },
                "font-size" | "opacity" => Self { faint: declared(is_zero(value)), ..Self::default() },
                "text-decoration" | "text-decoration-line" => Self { struck: declared(value.contains("line-through")), ..Self::default() },
                _ => continue,
            };
            style = own.over(style);
        }
        style
    }

    /// This style, and what a weaker one adds or insists on.
    pub fn over(self, weaker: Self) -> Self {
        let stronger = |own: Option<Declared>, other: Option<Declared>| match (own, other) {
            (Some(own), Some(other)) if other.important && !own.important => Some(other),
            (own, other) => own.or(other),
        };
        Self {
            undisplayed: stronger(self.undisplayed, weaker.undisplayed),
            invisible: stronger(self.invisible, weaker.invisible),
            faint: stronger(self.faint, weaker.faint),
            struck: stronger(self.struck, weaker.struck),
        }
    }

    /// Whether the style hides an element, which may be one within a line.
    pub fn hides(self, is_inline: bool) -> bool {
        let is_on = |declared: Option<Declared>| declared.is_some_and(|declared| declared.on);
        // Blocks without a size often only remove gaps, and scripts fade in those without opacity.
        is_on(self.undisplayed) || is_on(self.invisible) || is_inline && is_on(self.faint)
    }

    /// Whether the style strikes text.
    pub fn strikes(self) -> bool {
        self.struck.is_some_and(|declared| declared.on)
    }
}

fn is_zero(value: &str) -> bool {
    value.trim_end_matches(|c: char| c.is_alphabetic() || c == '%').parse::<f64>().is_ok_and(|value| value <= 0.0)
}

/// The rules of the style sheets of a page.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    rules: HashMap<Selector, (usize, Style)>,
    /// The selectors that end in an element, `.class` or `#id`.
    by_name: HashMap<String, Vec<Selector>>,
}

#[derive(Debug, Default, Clone, PartialEq, Eq, Hash)]
struct Selector {
    element: String,
    id: String,
    classes: Vec<String>,
}

impl Sheet {
    /// Reads the style sheets inside a page, after `linked` ones.
    pub fn of(html: &str, linked: &str) -> Self {
        let mut sheet = Self::default();
        sheet.learn(linked);
        if html.as_bytes().windows(6).any(|tag| tag.eq_ignore_ascii_case(b"<style")) {
            let styles = tokenized(html, Styles::default()).0.into_inner();
            sheet.learn(&styles.text);
        }
        sheet
    }

    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The style of an element by its name, id and classes.
    pub fn style(&self, name: &str, id: Option<&str>, classes: Option<&str>) -> Style {
        if self.is_empty() {
            return Style::default();
        }
        let classes: Vec<&str> = classes.unwrap_or_default().split_ascii_whitespace().take(CLASSES).collect();
        let keys = classes.iter().map(|class| format!(".{class}")).chain(id.map(|id| format!("#{id}"))).chain([name.to_owned()]);
        let selectors = keys.filter_map(|key| self.by_name.get(&key)).flatten();
        let mut rules: Vec<_> = selectors
            .filter(|selector| selector.matches(name, id, &classes))
            .filter_map(|selector| Some((selector.weight(), *self.rules.get(selector)?)))
            .collect();
        rules.sort_by_key(|(weight, (order, _))| (*weight, *order));
        rules.into_iter().fold(Style::default(), |style, (_, (_, rule))| rule.over(style))
    }

    fn learn(&mut self, css: &str) {
        let css = uncommented(css);
        let mut rest = css.as_str();
        while let Some((selectors, behind)) = rest.split_once('{') {
            // Statements such as `@import` end before the selectors, and so do blocks around rules.
            let selectors = selectors.rsplit([';', '}']).next().unwrap_or_default().trim();
            if let Some(condition) = selectors.strip_prefix('@') {
                let is_met = condition.strip_prefix("media").map_or(condition.starts_with("layer"), is_for_screens);
                rest = if is_met { behind } else { behind_block(behind) };
                continue;
            }
            let (declarations, after) = behind.split_once('}').unwrap_or((behind, ""));
            rest = after;
            let style = Style::of(declarations);
            if style != Style::default() {
                selectors.split(',').filter_map(Selector::read).for_each(|selector| self.add(selector, style));
            }
        }
    }

    fn add(&mut self, selector: Selector, style: Style) {
        let order = self.rules.len();
        if let Some(known) = self.rules.get_mut(&selector) {
            *known = (order, style.over(known.1));
            return;
        }
        let names = self.by_name.entry(selector.key()).or_default();
        if order < MOST_RULES && names.len() < MOST_EQUAL {
            names.push(selector.clone());
            self.rules.insert(selector, (order, style));
        }
    }
}

impl Selector {
    /// Reads a selector such as `p.note`. Selectors that depend on other elements give `None`.
    fn read(text: &str) -> Option<Self> {
        let mut selector = Self::default();
        let mut rest = text.trim();
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_') || !c.is_ascii();
        let mut kind = None;
        while !rest.is_empty() {
            let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
            let name = &rest[..end];
            match kind {
                None => selector.element = name.to_ascii_lowercase(),
                Some(_) if name.is_empty() => return None,
                Some('.') => selector.classes.push(name.to_owned()),
                Some(_) => name.clone_into(&mut selector.id),
            }
            kind = rest[end..].chars().next();
            match kind {
                None => break,
                Some('.' | '#') if end + 1 < rest.len() => rest = &rest[end + 1..],
                Some(_) => return None,
            }
        }
        (selector != Self::default()).then_some(selector)
    }

    fn matches(&self, name: &str, id: Option<&str>, classes: &[&str]) -> bool {
        (self.element.is_empty() || self.element == name)
            && (self.id.is_empty() || id == Some(&self.id))
            && self.classes.iter().all(|class| classes.contains(&class.as_str()))
    }

    fn weight(&self) -> (bool, usize, bool) {
        (!self.id.is_empty(), self.classes.len(), !self.element.is_empty())
    }

    fn key(&self) -> String {
        match self.classes.last() {
            Some(class) => format!(".{class}"),
            None if self.id.is_empty() => self.element.clone(),
            None => format!("#{}", self.id),
        }
    }
}

/// Whether a list of media holds for a screen of any size.
fn is_for_screens(media: &str) -> bool {
    let is_screen = |medium: &str| matches!(medium.trim().trim_start_matches("only ").trim(), "screen" | "all" | "");
    media.to_ascii_lowercase().split(',').any(is_screen)
}

fn uncommented(css: &str) -> String {
    let css = css.replace("<!--", "").replace("-->", "").replace("<![CDATA[", "");
    let mut parts = css.split("/*");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once("*/").map_or("", |(_, behind)| behind))
}

/// What follows a block whose start has been read.
fn behind_block(css: &str) -> &str {
    let mut depth = 1_usize;
    let end = css.char_indices().find(|(_, c)| {
        depth = match c {
            '{' => depth + 1,
            '}' => depth - 1,
            _ => depth,
        };
        depth == 0
    });
    end.map_or("", |(at, _)| &css[at + 1..])
}

/// The text of all style sheets inside a page.
#[derive(Default)]
struct Styles(RefCell<Found>);

#[derive(Default)]
struct Found {
    text: String,
    in_style: bool,
    /// Whether the page is in a part for programs without scripts.
    in_noscript: bool,
}

impl TokenSink for Styles {
    type Handle = ();

    fn process_token(&self, token: Token, _: u64) -> TokenSinkResult<()> {
        let mut found = self.0.borrow_mut();
        match token {
            Token::CharacterTokens(text) if found.in_style && found.text.len() + text.len() <= MOST_BYTES => found.text.push_str(&text),
            Token::TagToken(tag) => {
                let is_start = tag.kind == TagKind::StartTag && !tag.self_closing;
                match &*tag.name {
                    "noscript" => found.in_noscript = is_start,
                    "style" => {
                        let media = tag.attrs.iter().find(|attribute| &*attribute.name.local == "media");
                        let is_met = media.is_none_or(|media| is_for_screens(&media.value));
                        found.in_style = is_start && is_met && !found.in_noscript;
                        found.text.push('\n');
                    }
                    _ => {}
                }
                if let Some(raw) = raw(&tag.name).filter(|_| is_start) {
                    return TokenSinkResult::RawData(raw);
                }
            }
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_apply_by_weight_and_order() {
        let css = "@import 'x.css'; /* p { display: none } */ .a, #b { display: none } p.a { display: block } .c{VISIBILITY:Hidden}\
            @media print { .p { display: none } } @media screen { .s { display: none } } @media (max-width: 9px) { .m { display: none } }\
            .x .y, .z:hover, .w > p { display: none } .d { display: none !important } #d { display: block }\
            .e { display: none } .e { display: block } .f.g { text-decoration: underline line-through } i { font-size: 0 }";
        let sheet = Sheet::of("<p>", css);
        let hides = |name: &str, id: &str, classes: &str| sheet.style(name, Some(id), Some(classes)).hides(name == "i");
        for (name, id, classes) in [("div", "", "a"), ("p", "b", ""), ("p", "", "x c"), ("p", "", "s"), ("p", "d", "d"), ("i", "", "")] {
            assert!(hides(name, id, classes), "{name}#{id}.{classes}");
        }
        for (name, id, classes) in
            [("p", "", "a"), ("p", "", "p"), ("p", "", "m"), ("p", "", "y"), ("p", "", "z"), ("p", "", "w"), ("p", "", "e")]
        {
            assert!(!hides(name, id, classes), "{name}#{id}.{classes}");
        }
        assert!(sheet.style("b", None, Some("g f")).strikes() && !sheet.style("b", None, Some("g")).strikes());
    }

    #[test]
    fn style_sheets_are_found_only_where_browsers_apply_them() {
        let sheet = |html: &str| Sheet::of(html, "").style("p", None, Some("x")).hides(false);
        assert!(sheet("<STYLE type=text/css><!-- .x{display:none} --></STYLE>"));
        assert!(sheet("<p>late<style>.x{display:none}"));
        assert!(!sheet("<style media=print>.x{display:none}</style>"));
        assert!(!sheet("<noscript><style>.x{display:none}</style></noscript>"));
        assert!(!sheet("<script>'<style>.x{display:none}</style>'</script>"));
        assert!(!sheet(&format!("<style>.x{{{}", "@media x{".repeat(50_000))));
    }
}
