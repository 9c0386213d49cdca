//! Converts glyphs to ordinary characters, and detects the reading direction.
//!
//! Fonts name shapes. A ligature stands for several letters, and an Arabic letter has up to four
//! shapes. These shapes have separate code points that searches and most models do not know.

/// Replacement for a glyph whose character is unknown.
pub(super) const UNKNOWN: char = '\u{FFFD}';

/// First presentation form of each Arabic letter, with the letter.
const ARABIC_SHAPES: [(u32, &str); 40] = [
    (0xFE80, "ء"),
    (0xFE81, "آ"),
    (0xFE83, "أ"),
    (0xFE85, "ؤ"),
    (0xFE87, "إ"),
    (0xFE89, "ئ"),
    (0xFE8D, "ا"),
    (0xFE8F, "ب"),
    (0xFE93, "ة"),
    (0xFE95, "ت"),
    (0xFE99, "ث"),
    (0xFE9D, "ج"),
    (0xFEA1, "ح"),
    (0xFEA5, "خ"),
    (0xFEA9, "د"),
    (0xFEAB, "ذ"),
    (0xFEAD, "ر"),
    (0xFEAF, "ز"),
    (0xFEB1, "س"),
    (0xFEB5, "ش"),
    (0xFEB9, "ص"),
    (0xFEBD, "ض"),
    (0xFEC1, "ط"),
    (0xFEC5, "ظ"),
    (0xFEC9, "ع"),
    (0xFECD, "غ"),
    (0xFED1, "ف"),
    (0xFED5, "ق"),
    (0xFED9, "ك"),
    (0xFEDD, "ل"),
    (0xFEE1, "م"),
    (0xFEE5, "ن"),
    (0xFEE9, "ه"),
    (0xFEED, "و"),
    (0xFEEF, "ى"),
    (0xFEF1, "ي"),
    (0xFEF5, "لآ"),
    (0xFEF7, "لأ"),
    (0xFEF9, "لإ"),
    (0xFEFB, "لا"),
];

/// Appends the text of `character`. Returns whether it is known.
pub(super) fn append(text: &mut String, character: char) -> bool {
    match character {
        ' '..='~' => text.push(character),
        '\u{FB00}' => text.push_str("ff"),
        '\u{FB01}' => text.push_str("fi"),
        '\u{FB02}' => text.push_str("fl"),
        '\u{FB03}' => text.push_str("ffi"),
        '\u{FB04}' => text.push_str("ffl"),
        '\u{FB05}' | '\u{FB06}' => text.push_str("st"),
        '\u{FE80}'..='\u{FEFC}' => {
            let next = ARABIC_SHAPES.partition_point(|(first, _)| *first <= u32::from(character));
            text.push_str(ARABIC_SHAPES[next - 1].1);
        }
        // Word processors write these codes for bullets of Symbol, Wingdings and OpenSymbol.
        '\u{F095}' | '\u{F0B7}' | '\u{F0A7}' | '\u{F06C}' => text.push('•'),
        '\u{E000}'..='\u{F8FF}' | UNKNOWN => {
            text.push(UNKNOWN);
            return false;
        }
        _ if character.is_whitespace() => text.push(' '),
        '\u{FEFF}' => {}
        _ if character.is_control() => {
            text.push(UNKNOWN);
            return false;
        }
        _ => text.push(character),
    }
    true
}

/// Whether this is a letter of a right-to-left script.
pub(super) fn is_right_to_left(character: char) -> bool {
    matches!(character,
        '\u{0590}'..='\u{065F}' | '\u{066D}'..='\u{06EF}' | '\u{06FA}'..='\u{08FF}'
        | '\u{FB1D}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFC}' | '\u{10800}'..='\u{10FFF}' | '\u{1E800}'..='\u{1EFFF}')
}

/// Whether this character's script has no spaces between words.
pub(super) fn is_unspaced(character: char) -> bool {
    matches!(character,
        '\u{2E80}'..='\u{30FF}' | '\u{3100}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{FF00}'..='\u{FFEF}'
        | '\u{20000}'..='\u{3FFFF}')
}

/// Converts `text` to superscript characters, if all of them exist.
pub(super) fn raised(text: &str) -> Option<String> {
    shifted(text, |character| {
        Some(match character {
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            '0' | '4'..='9' => char::from_u32(0x2070 + u32::from(character) - u32::from('0'))?,
            '+' => '⁺',
            '-' | '−' => '⁻',
            _ => return None,
        })
    })
}

/// Converts `text` to subscript characters, if all of them exist.
pub(super) fn lowered(text: &str) -> Option<String> {
    shifted(text, |character| match character {
        '0'..='9' => char::from_u32(0x2080 + u32::from(character) - u32::from('0')),
        _ => None,
    })
}

fn shifted(text: &str, shift: impl Fn(char) -> Option<char>) -> Option<String> {
    text.contains(|c: char| c.is_ascii_digit()).then(|| text.chars().map(shift).collect()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(characters: &str) -> String {
        let mut text = String::new();
        for character in characters.chars() {
            append(&mut text, character);
        }
        text
    }

    #[test]
    fn shapes_become_letters() {
        assert_eq!(shown("e\u{FB03}cient \u{FB01}sh"), "efficient fish");
        assert_eq!(shown("\u{FEB3}\u{FEFC}\u{FEE1}"), "سلام");
        assert_eq!(shown("\u{F0B7}\u{F095} \u{E123}\u{1}"), "•• \u{FFFD}\u{FFFD}");
    }

    #[test]
    fn digits_can_be_raised_and_lowered_and_words_cannot() {
        assert_eq!(raised("-12"), Some("⁻¹²".into()));
        assert_eq!(lowered("2"), Some("₂".into()));
        assert_eq!(raised("th"), None);
        assert_eq!(raised("+"), None);
    }
}
