//! Writes text to terminals. Foreign text in it can neither move the cursor nor mislead readers.
//!
//! Names of documents, answers of models and errors of providers are foreign. All messages of
//! docmill pass through here.

use super::fit::wrapped_for_stderr;
use std::borrow::Cow;
use std::io::Write as _;

/// Escapes control characters and marks of writing direction in a line.
///
/// The escapes of characters above ASCII are also valid in JSON strings, and JSON escapes the
/// others itself.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    escaped(text, |_| false)
}

/// Escapes like [`plain`], but keeps line feeds and tabs.
pub(crate) fn plain_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c == '\n' || c == '\t')
}

fn escaped(text: &str, is_kept: impl Fn(char) -> bool) -> Cow<'_, str> {
    let is_hidden = |c: char| is_active(c) && !is_kept(c);
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let show = |c: char| match c {
        c if !is_hidden(c) => c.to_string(),
        c if c < '\u{7f}' => c.escape_default().to_string(),
        c => format!("\\u{:04x}", u32::from(c)),
    };
    text.chars().map(show).collect::<String>().into()
}

/// Whether a terminal obeys the character, or shows other text in another order because of it.
fn is_active(c: char) -> bool {
    let is_mark = |c| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    c.is_control() || is_mark(c)
}

/// Writes an error of docmill to stderr.
pub fn complain(message: &str) {
    say(&wrapped_for_stderr(&format!("docmill: {message}"), 0));
}

/// Writes a message to stderr. If stderr is closed, the message is lost and the run goes on.
pub fn say(message: &str) {
    let _closed = writeln!(std::io::stderr().lock(), "{}", plain_lines(message));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escape_sequences_and_direction_marks_are_shown_as_text() {
        for (text, shown) in [
            ("a\u{1b}[31mred", r"a\u{1b}[31mred"),
            ("a\u{9b}31m", r"a\u009b31m"),
            ("gnp.\u{202e}txt", r"gnp.\u202etxt"),
            ("a\u{2067}b\u{2069}", r"a\u2067b\u2069"),
            ("straße 漢字 😀", "straße 漢字 😀"),
        ] {
            assert_eq!((plain(text), plain_lines(text)), (shown.into(), shown.into()));
        }
        assert_eq!((plain("a\nb\tc\r"), plain_lines("a\nb\tc\r")), (r"a\nb\tc\r".into(), "a\nb\tc\\r".into()));
    }

    proptest! {
        #[test]
        fn no_text_reaches_the_terminal_with_active_characters(text in "(?s).{0,40}|[\u{0}-\u{9f}\u{200e}-\u{206f}]{0,20}") {
            prop_assert!(!plain(&text).contains(is_active));
            prop_assert!(!plain_lines(&text).contains(|c| is_active(c) && c != '\n' && c != '\t'));
        }

        #[test]
        fn json_keeps_its_meaning(text in "(?s).{0,40}|[\u{0}-\u{9f}\u{200e}-\u{206f}]{0,20}") {
            let json = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(serde_json::from_str::<String>(&plain_lines(&json)).unwrap(), text);
        }
    }
}
