//! Signs that Word stores as codes of a symbol font.

/// Greek capital letters in the order of the font Symbol.
///
/// `SMALL` has the small letters.
const CAPITALS: &str = "ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ";
const SMALL: &str = "αβχδεφγηιϕκλμνοπθρστυϖωξψζ";

/// Returns the character for a common sign of a symbol font.
pub(super) fn character(font: &str, code: &str) -> Option<char> {
    // Word stores codes with or without the offset of Unicode's private use area.
    let code = u8::try_from(u16::from_str_radix(code, 16).ok()? & 0x0FFF).ok()?;
    match (font, code) {
        ("Symbol", b'A'..=b'Z') => CAPITALS.chars().nth((code - b'A').into()),
        ("Symbol", b'a'..=b'z') => SMALL.chars().nth((code - b'a').into()),
        ("Symbol", _) => Some(match code {
            0xA3 => '≤',
            0xA5 => '∞',
            0xAC => '←',
            0xAE => '→',
            0xB0 => '°',
            0xB1 => '±',
            0xB3 => '≥',
            0xB4 => '×',
            0xB7 => '•',
            0xB8 => '÷',
            0xB9 => '≠',
            0xBB => '≈',
            0xD5 => '∏',
            0xD6 => '√',
            0xE5 => '∑',
            0xF2 => '∫',
            _ => return None,
        }),
        ("Wingdings", _) => Some(match code {
            0x6F | 0xA8 => '☐',
            0x78 | 0xFD => '☒',
            0xA7 => '▪',
            0xDF => '←',
            0xE0 => '→',
            0xFB => '✗',
            0xFC => '✓',
            0xFE => '☑',
            _ => return None,
        }),
        _ => None,
    }
}
