//! Makes text from documents, models and servers safe to show.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Makes control characters and characters that change the text direction visible. Line ends and
/// tabs stay.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unseen) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match (u32::from(c), is_unseen(c)) {
            (_, false) => out.push(c),
            // Unicode has a picture for each control character.
            (code @ 0..0x20, _) => out.extend(char::from_u32(0x2400 + code)),
            (0x7f, _) => out.push('\u{2421}'),
            (code, _) => {
                // Writing to a String cannot fail.
                let _infallible = write!(out, "[U+{code:04X}]");
            }
        }
    }
    Cow::Owned(out)
}

fn is_unseen(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || (c.is_control() && !matches!(c, '\n' | '\t'))
}

/// Visible text as HTML.
pub fn escaped(text: &str) -> String {
    minijinja::HtmlEscape(&visible(text)).to_string()
}

/// Visible text, cut to `most` characters. An ellipsis marks a cut.
pub fn short(text: &str, most: usize) -> String {
    let text = visible(text);
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invisible_characters_become_visible_and_markup_is_escaped() {
        assert_eq!(visible("a\0b\u{7f}\u{202e}c\u{85}\td\n"), "a␀b␡[U+202E]c[U+0085]\td\n");
        assert!(matches!(visible("plain Ω"), Cow::Borrowed(_)));
        let hostile = escaped("</script><img src=x onerror='a()'>\"&");
        assert!(!hostile.contains(['<', '>', '"', '\'']), "{hostile}");
        assert_eq!((short("äöü", 3), short("äöüß", 3)), ("äöü".to_owned(), "äöü…".to_owned()));
    }
}
