//! Text in the XML of a workbook.

use std::fmt::Write as _;

/// Maximum length of a cell's text, in units of UTF-16.
pub(super) const MAX_TEXT: usize = 32_767;

/// The text that fits into a cell; `None` if all of it fits.
pub(super) fn cut(text: &str) -> Option<&str> {
    if text.len() <= MAX_TEXT {
        return None;
    }
    let mut units = 0;
    let mut fits = text.char_indices().skip_while(|(_, c)| {
        units += c.len_utf16();
        units <= MAX_TEXT
    });
    fits.next().map(|(at, _)| &text[..at])
}

/// Appends text to XML. Characters that XML cannot hold become `_xHHHH_`, and so do texts that look
/// like that.
pub(super) fn push(to: &mut String, text: &str) {
    let escape = |to: &mut String, c: char| {
        let _never_fails = write!(to, "_x{:04X}_", u32::from(c));
    };
    for (at, c) in text.char_indices() {
        match c {
            '&' => to.push_str("&amp;"),
            '<' => to.push_str("&lt;"),
            '>' => to.push_str("&gt;"),
            '"' => to.push_str("&quot;"),
            '_' if is_escape(&text[at..]) => escape(to, '_'),
            '\n' | '\t' => to.push(c),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escape(to, c),
            c => to.push(c),
        }
    }
}

/// Whether a text begins with `_xHHHH_`.
fn is_escape(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 7 && bytes[1] == b'x' && bytes[6] == b'_' && bytes[2..6].iter().all(u8::is_ascii_hexdigit)
}

/// The name of a column, from 0: `A`, `Z`, `AA`.
pub(super) fn column_name(mut at: usize) -> String {
    const LETTERS: &[u8; 26] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut name = String::new();
    loop {
        name.insert(0, char::from(LETTERS[at % 26]));
        if at < 26 {
            return name;
        }
        at = at / 26 - 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_letters() {
        assert_eq!([0, 25, 26, 701, 702, 16_383].map(column_name), ["A", "Z", "AA", "ZZ", "AAA", "XFD"]);
    }

    #[test]
    fn characters_that_xml_cannot_hold_are_escaped() {
        let xml = |text: &str| {
            let mut xml = String::new();
            push(&mut xml, text);
            xml
        };
        assert_eq!(xml("a\0\u{b}\r\n<&>\"_x000D_ _x00_"), "a_x0000__x000B__x000D_\n&lt;&amp;&gt;&quot;_x005F_x000D_ _x00_");
    }

    #[test]
    fn texts_are_cut_between_characters() {
        let long = "😀".repeat(MAX_TEXT / 2 + 1);
        assert_eq!(cut(&long).map(str::len), Some(MAX_TEXT / 2 * 4));
        assert_eq!((cut(&"ä".repeat(MAX_TEXT)), cut("short")), (None, None));
    }
}
