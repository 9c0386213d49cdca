//! Text that style sheets add before and after elements.

use super::MOST_EQUAL;
use super::selector::Selector;
use super::style::{Declared, Property, Style, stronger};
use std::collections::HashMap;
use std::rc::Rc;

/// Maximum rules about text before and after elements, and maximum bytes of such a text.
const MOST_RULES: usize = 1000;
const LONGEST: usize = 200;

/// Where a rule adds its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::prepare::documents) enum Side {
    Before,
    After,
}

/// A rule: its position in the style sheets, its text, and what else it says about it.
#[derive(Debug, Clone)]
struct Rule {
    order: usize,
    content: Property<Option<Rc<str>>>,
    style: Style,
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
        let sides: Vec<_> = selectors.split(',').filter_map(side).collect();
        if sides.is_empty() {
            return;
        }
        let rule = Rule { order: 0, content: content(declarations), style: Style::of(declarations) };
        for (selector, side) in sides {
            if let Some(selector) = Selector::read(selector) {
                self.add((side, selector.key()), selector, rule.clone());
            }
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
        if self.1 == MOST_RULES || (rule.content.is_none() && rule.style == Style::default()) {
            return;
        }
        self.1 += 1;
        let (order, rules) = (self.1, self.0.entry(key).or_default());
        let is_full = rules.len() == MOST_EQUAL;
        match rules.get_mut(&selector) {
            Some(known) => {
                let content = stronger(rule.content, known.content.take());
                *known = Rule { order, content, style: rule.style.over(known.style) };
            }
            None if is_full => {}
            None => drop(rules.insert(selector, Rule { order, ..rule })),
        }
    }

    /// The text on a side of an element. `keys` are its name, its id and its classes as selectors.
    pub fn text(&self, side: Side, keys: impl Iterator<Item = String>, matches: impl Fn(&Selector) -> bool) -> Option<Rc<str>> {
        let rules = keys.filter_map(|key| self.0.get(&(side, key))).flatten();
        let mut rules: Vec<_> = rules.filter(|(selector, _)| matches(selector)).collect();
        rules.sort_by_key(|(selector, rule)| (selector.weight(), rule.order));
        let (content, style) = rules.into_iter().fold((None, Style::default()), |(content, style), (_, rule)| {
            (stronger(rule.content.clone(), content), rule.style.over(style))
        });
        // Signs of symbol fonts only decorate.
        let is_seen = !style.hides(true) && style.font().is_none_or(str::is_empty);
        content?.value.filter(|_| is_seen)
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

/// The text that declarations add. Values other than strings add none.
fn content(declarations: &str) -> Property<Option<Rc<str>>> {
    let lower = declarations.to_ascii_lowercase();
    let begins = |at: &usize| lower[..*at].chars().next_back().is_none_or(|before| before == ';' || before.is_whitespace());
    let at = lower.rmatch_indices("content:").map(|(at, _)| at).find(begins)?;
    let value = declarations[at + "content:".len()..].trim_start();
    let (text, rest) = strings(value);
    let important = rest.trim_start().to_ascii_lowercase().starts_with("!important");
    // Fonts of icons draw words and characters for private use as pictures.
    let has_icons = lower.contains("font") && (lower.contains("icon") || lower.contains("awesome"));
    let text = text.filter(|text| !has_icons && !text.is_empty() && text.len() <= LONGEST && !text.contains(is_icon));
    Some(Declared { value: text.map(Rc::from), important })
}

/// Whether a character is a picture of an icon font.
fn is_icon(character: char) -> bool {
    matches!(character, '\u{E000}'..='\u{F8FF}' | '\u{F0000}'..)
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
             @media print{.p::after{content:'p'}} .l::before{content:'l' / 'ear'} .q::before{content:'a;b'}\
             td.name::before{content:'Name'} @media (min-width:48rem){td.name::before{display:none}} .tip::before,.tip::after{opacity:0}\
             .tip::after{content:'Copied!'} .tick::before{font-family:Wingdings;content:'J'} .mdi::before{content:'\\F0156'}\
             .more::after{font-family:'Material Icons';content:'expand_more'}",
        );
        for (classes, before, after) in [
            ("neg", Some("-"), None),
            ("par", Some("("), Some(");")),
            ("e", Some("−\""), None),
            ("w", Some("w"), None),
            ("l", Some("l"), None),
            ("q", Some("a;b"), None),
            ("n i off clear a t p x", None, None),
            ("name tip tick mdi more", None, None),
        ] {
            let text = |side| sheet.generated(side, "td", None, Some(classes));
            assert_eq!((text(Side::Before).as_deref(), text(Side::After).as_deref()), (before, after), "{classes}");
        }
    }
}
