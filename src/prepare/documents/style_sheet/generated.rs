//! Text that style sheets add before and after elements.

use super::Style;
use super::selector::Selector;
use std::collections::HashMap;

/// Maximum rules that add text, and maximum bytes of such a text.
const MOST_RULES: usize = 1000;
const LONGEST: usize = 200;

/// Where a rule adds its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::prepare::documents) enum Side {
    Before,
    After,
}

/// A rule: its position in the style sheets, whether it insists, and its text.
#[derive(Debug, Clone)]
struct Rule {
    order: usize,
    important: bool,
    text: Option<String>,
}

/// The texts of a style sheet, by side and selector.
#[derive(Debug, Default, Clone)]
pub(super) struct Generated(HashMap<(Side, String), HashMap<Selector, Rule>>, usize);

impl Generated {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads a rule whose selectors end in `::before` or `::after`.
    pub fn learn(&mut self, selectors: &str, declarations: &str) {
        let selectors = selectors.split(',').filter_map(side);
        for (selector, side) in selectors {
            let (Some(selector), Some((text, important))) = (Selector::read(selector), content(declarations)) else { continue };
            self.add((side, selector.key()), selector, Rule { order: 0, important, text });
        }
    }

    /// Adds the texts of a later style sheet.
    pub fn join(&mut self, other: &Self) {
        let mut rules: Vec<_> = other.0.iter().flat_map(|(key, rules)| rules.iter().map(move |rule| (key, rule))).collect();
        rules.sort_by_key(|(_, (_, rule))| rule.order);
        for (key, (selector, rule)) in rules {
            self.add(key.clone(), selector.clone(), rule.clone());
        }
    }

    fn add(&mut self, key: (Side, String), selector: Selector, rule: Rule) {
        if self.1 == MOST_RULES {
            return;
        }
        self.1 += 1;
        let rules = self.0.entry(key).or_default();
        if rule.important || rules.get(&selector).is_none_or(|known| !known.important) {
            rules.insert(selector, Rule { order: self.1, ..rule });
        }
    }

    /// The text on a side of an element. `keys` are its name, its id and its classes as selectors.
    pub fn text(&self, side: Side, keys: impl Iterator<Item = String>, matches: impl Fn(&Selector) -> bool) -> Option<&str> {
        let rules = keys.filter_map(|key| self.0.get(&(side, key))).flatten().filter(|(selector, _)| matches(selector));
        rules.max_by_key(|(selector, rule)| (rule.important, selector.weight(), rule.order))?.1.text.as_deref()
    }
}

/// The element of a selector that ends in `::before` or `::after`.
fn side(selector: &str) -> Option<(&str, Side)> {
    let selector = selector.trim();
    let (element, side) = selector.rsplit_once(':')?;
    let side = match &*side.to_ascii_lowercase() {
        "before" => Side::Before,
        "after" => Side::After,
        _ => return None,
    };
    Some((element.strip_suffix(':').unwrap_or(element), side))
}

/// The text that declarations add, and whether they insist. Values other than strings add none.
fn content(declarations: &str) -> Option<(Option<String>, bool)> {
    let lower = declarations.to_ascii_lowercase();
    let begins = |at: &usize| lower[..*at].chars().next_back().is_none_or(|before| before == ';' || before.is_whitespace());
    let at = lower.rmatch_indices("content:").map(|(at, _)| at).find(begins)?;
    let value = declarations[at + "content:".len()..].trim_start();
    let (text, rest) = strings(value);
    let important = rest.trim_start().to_ascii_lowercase().starts_with("!important");
    // Such a block only ends a line of floating elements.
    let is_seen = !Style::of(declarations).hides(true);
    Some((text.filter(|text| is_seen && !text.is_empty() && text.len() <= LONGEST && !text.contains(is_icon)), important))
}

/// Whether a character is a picture of an icon font.
fn is_icon(character: char) -> bool {
    ('\u{E000}'..='\u{F8FF}').contains(&character)
}

/// The strings at the beginning of a value, if nothing else follows them, and the rest.
fn strings(value: &str) -> (Option<String>, &str) {
    let (mut text, mut rest) = (String::new(), value);
    while let Some(quote) = rest.chars().next().filter(|quote| matches!(quote, '"' | '\'')) {
        rest = &rest[1..];
        loop {
            let Some(next) = rest.chars().next() else { return (None, rest) };
            rest = &rest[next.len_utf8()..];
            match next {
                '\\' if rest.starts_with('\n') => rest = &rest[1..],
                '\\' => {
                    let (character, behind) = super::selector::unescaped(rest);
                    text.push(character);
                    rest = behind;
                }
                next if next == quote => break,
                next => text.push(next),
            }
        }
        rest = rest.trim_start();
    }
    // The alternative after a slash is for the ear.
    let is_whole = rest.is_empty() || rest.starts_with([';', '!', '/']);
    (Some(text).filter(|_| is_whole), rest)
}

#[cfg(test)]
mod tests {
    use super::super::Sheet;
    use super::*;

    #[test]
    fn simple_rules_add_strings() {
        let mut sheet = Sheet::default();
        sheet.learn(
            ".neg::before{content:'-'} .par:BEFORE, .x{content:\"(\"} .par::after{ color: red; content: \")\" ';' !important }\
             .e::before{content:\"\\2212 \\\"\"} .n::before{content:counter(i) '. '} .i::before{content:'\\f101'}\
             td.w::before{content:'w'} .w::before{content:'x'} .off::before{content:'y'} .off::before{content:none}\
             .clear::after{content:'.';visibility:hidden} .a:hover::after{content:'h'} .s .t::before{content:'t'}\
             @media print{.p::after{content:'p'}} .l::before{content:'l' / 'ear'} .q::before{content:'a;b'}",
        );
        for (classes, before, after) in [
            ("neg", Some("-"), None),
            ("par", Some("("), Some(");")),
            ("e", Some("−\""), None),
            ("w", Some("w"), None),
            ("l", Some("l"), None),
            ("q", Some("a;b"), None),
            ("n i off clear a t p x", None, None),
        ] {
            let text = |side| sheet.generated(side, "td", None, Some(classes));
            assert_eq!((text(Side::Before), text(Side::After)), (before, after), "{classes}");
        }
    }
}
