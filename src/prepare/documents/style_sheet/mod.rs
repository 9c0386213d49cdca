//! What styles of web pages hide, strike, raise and add: style sheets, and `style` attributes.
//!
//! Selectors may name an element, classes and an id. Other selectors depend on the elements around,
//! which are unknown without a tree. Their rules count only if they show text.

mod blocks;
mod generated;
mod selector;
mod style;

use super::tokens::{raw, tokenized};
use blocks::{declarations, divided, is_for_screens, is_met};
use generated::Generated;
pub(super) use generated::Side;
use html5ever::tokenizer::{TagKind, Token, TokenSink, TokenSinkResult};
use selector::Selector;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
pub(super) use style::{Display, Style};

/// Maximum bytes of the style sheets of a page. Further ones are ignored.
const MOST_BYTES: usize = 1 << 20;
/// Maximum rules with such styles, and maximum of those for one element, class or id.
const MOST_RULES: usize = 4000;
const MOST_EQUAL: usize = 50;
/// Maximum classes of an element that count.
const CLASSES: usize = 50;
/// Maximum style sheets that a page links.
const MOST_LINKS: usize = 20;

/// The rules of the style sheets of a page.
#[derive(Debug, Default, Clone)]
pub(super) struct Sheet {
    /// Each rule with its position.
    rules: HashMap<Selector, (usize, Style)>,
    count: usize,
    /// The selectors that end in an element, `.class` or `#id`.
    by_name: HashMap<String, Vec<Selector>>,
    generated: Generated,
    /// Whether rules count the items of lists by themselves.
    has_counters: bool,
}

impl Sheet {
    /// Reads the style sheets inside a page, after those that it links.
    pub fn of(html: &str, linked: Self) -> Self {
        let mut sheet = linked;
        if html.as_bytes().windows(6).any(|tag| tag.eq_ignore_ascii_case(b"<style")) {
            let styles = tokenized(html, Styles::default()).0.into_inner();
            sheet.learn(&styles.text);
        }
        sheet
    }

    /// Adds the rules of a later style sheet.
    pub fn join(&mut self, other: &Self) {
        let mut rules: Vec<_> = other.rules.iter().collect();
        rules.sort_by_key(|(_, (order, _))| *order);
        for (selector, (_, style)) in rules {
            self.add(selector.clone(), *style);
        }
        self.generated.join(&other.generated);
        self.has_counters |= other.has_counters;
    }

    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The kind of the numbers that a style gives to a list. Pages that count by themselves set none.
    pub fn list(&self, style: Style) -> Option<&'static str> {
        style.list().filter(|kind| *kind != "none" || !self.has_counters)
    }

    /// The text that rules add on a side of an element.
    pub fn generated(&self, side: Side, name: &str, id: Option<&str>, classes: Option<&str>) -> Option<Rc<str>> {
        if self.generated.is_empty() {
            return None;
        }
        let classes = listed(classes);
        self.generated.text(side, keys(name, id, &classes), |selector| selector.matches(name, id, &classes))
    }

    /// The style of an element by its name, id and classes.
    pub fn style(&self, name: &str, id: Option<&str>, classes: Option<&str>) -> Style {
        if self.is_empty() {
            return Style::default();
        }
        let classes = listed(classes);
        let selectors = keys(name, id, &classes).filter_map(|key| self.by_name.get(&key)).flatten();
        let mut rules: Vec<_> = selectors
            .filter(|selector| selector.matches(name, id, &classes))
            .filter_map(|selector| Some((selector.weight(), *self.rules.get(selector)?)))
            .collect();
        rules.sort_by_key(|(weight, (order, _))| (*weight, *order));
        rules.into_iter().fold(Style::default(), |style, (_, (_, rule))| rule.over(style))
    }

    /// Reads the rules of a style sheet.
    pub fn learn(&mut self, css: &str) {
        let css = uncommented(css);
        self.has_counters |= css.contains("counter(") || css.contains("counters(");
        let mut rest = css.as_str();
        while let Some((selectors, behind)) = rest.split_once('{') {
            // Statements such as `@import` end before the selectors, and so do blocks around rules.
            let selectors = selectors.rsplit([';', '}']).next().unwrap_or_default().trim();
            if let Some(condition) = selectors.strip_prefix('@') {
                rest = if is_met(condition) { behind } else { divided(behind).1 };
                continue;
            }
            let (block, after) = divided(behind);
            rest = after;
            let block = declarations(block);
            self.generated.learn(selectors, &block);
            let style = Style::of(&block);
            if style == Style::default() {
                continue;
            }
            for text in selectors.split(',') {
                match Selector::read(text) {
                    Some(selector) if selector.is_named() => self.add(selector, style),
                    Some(selector) => self.add(selector, style.without_reset()),
                    None => {
                        if let Some(selector) = Selector::read_last(text) {
                            let is_named = selector.is_named();
                            self.add(selector, style.shown(is_named));
                        }
                    }
                }
            }
        }
    }

    fn add(&mut self, selector: Selector, style: Style) {
        if style == Style::default() {
            return;
        }
        let order = self.count;
        self.count += 1;
        if let Some(known) = self.rules.get_mut(&selector) {
            *known = (order, style.over(known.1));
            return;
        }
        let names = self.by_name.entry(selector.key()).or_default();
        if self.rules.len() < MOST_RULES && names.len() < MOST_EQUAL {
            names.push(selector.clone());
            self.rules.insert(selector, (order, style));
        }
    }
}

/// The classes of an element.
fn listed(classes: Option<&str>) -> Vec<&str> {
    let mut classes: Vec<&str> = classes.unwrap_or_default().split_ascii_whitespace().take(CLASSES).collect();
    classes.sort_unstable();
    classes.dedup();
    classes
}

/// The keys of the selectors that may match an element.
fn keys(name: &str, id: Option<&str>, classes: &[&str]) -> impl Iterator<Item = String> {
    classes.iter().map(|class| format!(".{class}")).chain(id.map(|id| format!("#{id}"))).chain([name.to_owned()])
}

/// Whether a link of this kind is a style sheet that applies at first.
fn is_sheet(relation: &str) -> bool {
    let relation = relation.to_ascii_lowercase();
    relation.contains("stylesheet") && !relation.contains("alternate")
}

/// The addresses of the style sheets that a page links.
pub(super) fn linked(html: &str) -> Vec<String> {
    tokenized(html, Styles::default()).0.into_inner().links
}

fn uncommented(css: &str) -> String {
    let css = css.replace("<!--", "").replace("-->", "").replace("<![CDATA[", "");
    let mut parts = css.split("/*");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once("*/").map_or("", |(_, behind)| behind))
}

/// The text of all style sheets inside a page, and the addresses of those that it links.
#[derive(Default)]
struct Styles(RefCell<Found>);

#[derive(Default)]
struct Found {
    text: String,
    links: Vec<String>,
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
                let attribute = |name: &str| tag.attrs.iter().find(|attribute| &*attribute.name.local == name).map(|found| &*found.value);
                let is_met = attribute("media").is_none_or(is_for_screens);
                match &*tag.name {
                    "link" if is_met && attribute("rel").is_some_and(is_sheet) && found.links.len() < MOST_LINKS => {
                        found.links.extend(attribute("href").map(str::to_owned));
                    }
                    "noscript" => found.in_noscript = is_start,
                    "style" => {
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

    fn learned(css: &str) -> Sheet {
        let mut sheet = Sheet::default();
        sheet.learn(css);
        sheet
    }

    #[test]
    fn rules_apply_by_weight_and_order() {
        let css = "@import 'x.css'; /* p { display: none } */ .a, #b { display: none } p.a { display: block } .c{VISIBILITY:Hidden}\
            @media print { .p { display: none } } @media screen { .s { display: none } } @media (max-width: 9px) { .m { display: none } }\
            .x .y, .z:hover, .w > p { display: none } .d { display: none !important } #d { display: block }\
            .e { display: none } .e { display: block } .f.g { text-decoration: underline line-through } i { font-size: 0 }";
        let sheet = learned(css);
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
        let sheet = |html: &str| Sheet::of(html, Sheet::default()).style("p", None, Some("x")).hides(false);
        assert!(sheet("<STYLE type=text/css><!-- .x{display:none} --></STYLE>"));
        assert!(sheet("<p>late<style>.x{display:none}"));
        assert!(!sheet("<style media=print>.x{display:none}</style>"));
        assert!(!sheet("<noscript><style>.x{display:none}</style></noscript>"));
        assert!(!sheet("<script>'<style>.x{display:none}</style>'</script>"));
        assert!(!sheet(&format!("<style>.x{{{}", "@media x{".repeat(50_000))));
    }

    #[test]
    fn rules_that_show_text_again_count() {
        let hides = |css: &str, classes: &str| learned(css).style("div", None, Some(classes)).hides(false);
        for (css, classes) in [
            (".side{display:none} @media (min-width:768px){.side{display:block}}", "side"),
            (".side{display:none} @media only screen and (min-width: 48em){.side{display:block}}", "side"),
            (".side{display:none} @media (width >= 48rem){.side{display:block}}", "side"),
            (r".hidden{display:none} @media (min-width:768px){.md\:block{display:block}}", "hidden md:block"),
            (r".hidden{display:none} .\32xl\:block{ @media (width >= 40rem) { display: block; } }", "hidden 2xl:block"),
            (".pane{display:none} .tabs .pane.active{display:block}", "pane active"),
            (".side{display:none} @supports (display:grid){.side{display:grid}}", "side"),
            (".pane{visibility:hidden} .tabs>.pane{visibility:visible}", "pane"),
        ] {
            assert!(!hides(css, classes), "{css}");
        }
        for (css, classes) in [
            (".side{display:none} @media (min-width:2000px){.side{display:block}}", "side"),
            (".side{display:none} @media (min-width:640px) and (max-width:767px){.side{display:block}}", "side"),
            (".side{display:none} @media print and (min-width:64px){.side{display:block}}", "side"),
            ("@media (min-width:768px){.side{display:none}}", "side"),
            (".side{display:none} @supports not (display:grid){.side{display:block}}", "side"),
            (".pane{display:none} .pane:hover, .x[open] .pane{display:block}", "pane"),
            (".hidden{display:none} .nav div{display:block}", "hidden"),
        ] {
            assert!(hides(css, classes), "{css}");
        }
        let sheet = learned(".a .b{display:none} .old{text-decoration:line-through} .x .old{text-decoration:none}");
        assert!(!sheet.style("p", None, Some("b")).hides(false) && sheet.style("p", None, Some("old")).strikes());
    }

    #[test]
    fn rules_inside_a_rule_are_not_those_of_the_outer_one() {
        let hides = |css: &str, classes: &str| learned(css).style("div", None, Some(classes)).hides(false);
        assert!(!hides(".card{color:red; &.closed{opacity:0; display:none}}", "card"));
        assert!(!hides(".card{.x{display:none}}", "card"));
        assert!(hides(".card{&.open{color:red} display:none}", "card"));
        assert!(hides(".card{color:red; &.open{color:red;} } .x{display:none}", "x"));
        assert!(hides(".q::before{content:'{'} .x{display:none}", "x"));
        assert!(!hides(".card{display:none", "x") && hides(".card{display:none", "card"));
    }

    #[test]
    fn styles_raise_and_lower_text() {
        use super::super::markdown::Script::{Lowered, Raised, ShiftedDown, ShiftedUp};
        let sheet = learned(".sup{vertical-align:super} .low{vertical-align:-30%} .n{vertical-align:baseline} .x .sup{vertical-align:top}");
        let script = |classes: &str| sheet.style("span", None, Some(classes)).script();
        assert_eq!([script("sup"), script("low"), script("n")], [Some(Raised), Some(ShiftedDown), None]);
        for (value, found) in [("0.4em", Some(ShiftedUp)), ("-.125em", None), ("4pt !important", Some(ShiftedUp)), ("sub", Some(Lowered))] {
            assert_eq!(Style::of(&format!("vertical-align: {value}")).script(), found, "{value}");
        }
    }

    #[test]
    fn no_size_and_no_opacity_hide_independently() {
        let hides = |style: &str| Style::of(style).hides(true);
        assert!(hides("opacity:0;font-size:12px") && hides("font-size:0;opacity:1") && !hides("opacity:1;font-size:12px"));
        assert!(!hides("opacity:0;opacity:1") && !Style::of("opacity:0").hides(false));
    }

    #[test]
    fn long_selectors_and_repeated_classes_are_bounded() {
        let sheet = learned(&format!("{}{{display:none}} .a.b{{display:none}}", ".a".repeat(100_000)));
        assert_eq!(sheet.rules.len(), 1);
        assert!(sheet.style("p", None, Some(&"a b ".repeat(20))).hides(false));
    }

    proptest::proptest! {
        #[test]
        fn no_style_sheet_panics(css in r#"([.#]?[a-c]|\\[0-9a-fé:]{0,7}|[ >{};:,"'\n]|@media|\(min-width:[0-9]{0,3}(px|em)?\)|display:none){0,40}"#) {
            let _any = learned(&css);
        }
    }
}
