//! Texts that match a `pattern`.

use regex::Regex;
use regex_syntax::Parser;
use regex_syntax::hir::{Class, Hir, HirKind};

/// Maximum length of a made text, and number of repetitions without an upper bound.
const LONGEST: usize = 200;

/// A part of `text` that matches, or else a made text, and whether it is from the text. `None` for
/// a pattern that cannot be read.
pub fn matching(pattern: &str, text: &str) -> Option<(String, bool)> {
    let whole = Regex::new(pattern).ok()?;
    let inner = pattern.strip_prefix('^').unwrap_or(pattern);
    let inner = inner.strip_suffix('$').filter(|inner| !inner.ends_with('\\')).unwrap_or(inner);
    let within = Regex::new(&format!(r"(?:^|\b|\s)({inner})(?:$|\b|\s)")).ok();
    let found = within.and_then(|within| {
        within.captures_iter(text).filter_map(|found| Some(found.get(1)?.as_str())).find(|found| !found.is_empty() && whole.is_match(found))
    });
    if let Some(found) = found {
        return Some((found.to_owned(), true));
    }
    let mut made = String::new();
    make(&Parser::new().parse(pattern).ok()?, &mut made);
    whole.is_match(&made).then_some((made, false))
}

/// Whether a whole text matches.
pub fn matches(pattern: &str, text: &str) -> bool {
    Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text))
}

/// Appends the simplest text that matches.
fn make(hir: &Hir, text: &mut String) {
    if text.len() > LONGEST {
        return;
    }
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => text.push_str(&String::from_utf8_lossy(&literal.0)),
        HirKind::Class(class) => text.extend(member(class)),
        HirKind::Repetition(repetition) => (0..repetition.min).for_each(|_| make(&repetition.sub, text)),
        HirKind::Capture(capture) => make(&capture.sub, text),
        HirKind::Concat(parts) => parts.iter().for_each(|part| make(part, text)),
        HirKind::Alternation(parts) => parts.iter().take(1).for_each(|part| make(part, text)),
    }
}

/// A plain character of a class.
fn member(class: &Class) -> Option<char> {
    let ranges: Vec<(char, char)> = match class {
        Class::Unicode(class) => class.ranges().iter().map(|range| (range.start(), range.end())).collect(),
        Class::Bytes(class) => class.ranges().iter().map(|range| (char::from(range.start()), char::from(range.end()))).collect(),
    };
    let plain = ['a', 'A', '0', ' ', '-', '_'].into_iter().find(|c| ranges.iter().any(|(start, end)| (start..=end).contains(&c)));
    plain
        .or_else(|| ranges.iter().flat_map(|(start, _)| [*start]).find(|c| !c.is_control()))
        .or_else(|| ranges.first().map(|(start, _)| *start))
}
