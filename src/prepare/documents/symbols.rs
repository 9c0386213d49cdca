//! Signs that documents store as codes of a symbol font.

use super::verdict;

/// Signs of the font Symbol: the codes 0x20 to 0x7E, 0xA0 to 0xEF, and 0xF1 to 0xFE.
const LOW: &str = " !∀#∃%&∋()∗+,−./0123456789:;<=>?≅ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_‾αβχδεφγηιϕκλμνοπθρστυϖωξψζ{|}∼";
const HIGH: &str = "€ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…⏐⎯↵ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊⟨®©™∑⎛⎜⎝⎡⎢⎣⎧⎨⎩⎪";
const END: &str = "⟩∫⌠⎮⌡⎞⎟⎠⎤⎥⎦⎫⎬⎭";
/// Signs of Wingdings, and their codes in the same order.
const WINGDINGS: &str = " ✏✂✁☎✆✉⌛☺😐☹☠✈✠✡☪☯●❍■☐☐❑❒⬧⧫◆❖⬥☒⌘❀✿•○▪☐★➢←→↑↓➔⇦⇨⇧⇩✗✓☒☑";
const CODES: [u8; 52] = [
    0x20, 0x21, 0x22, 0x23, 0x28, 0x29, 0x2A, 0x36, 0x4A, 0x4B, 0x4C, 0x4E, 0x51, 0x58, 0x59, 0x5A, 0x5B, 0x6C, 0x6D, 0x6E, 0x6F, 0x70,
    0x71, 0x72, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x7A, 0x7B, 0x7C, 0x9F, 0xA1, 0xA7, 0xA8, 0xAB, 0xD8, 0xDF, 0xE0, 0xE1, 0xE2, 0xE8,
    0xEF, 0xF0, 0xF1, 0xF2, 0xFB, 0xFC, 0xFD, 0xFE,
];

/// Returns the character for a common sign of a symbol font, by its code in hexadecimal.
pub(super) fn character(font: &str, code: &str) -> Option<char> {
    // Word stores codes with or without the offset of Unicode's private use area.
    let code = u16::from_str_radix(code, 16).ok()?;
    sign(font, u8::try_from(code & 0x0FFF).ok()?)
}

fn sign(font: &str, code: u8) -> Option<char> {
    let nth = |signs: &str, first: u8| signs.chars().nth(code.checked_sub(first)?.into());
    match &*font.to_ascii_lowercase() {
        "symbol" | "symbolmt" => match code {
            0x20..=0x7E => nth(LOW, 0x20),
            0xA0..=0xEF => nth(HIGH, 0xA0),
            0xF1..=0xFE => nth(END, 0xF1),
            _ => None,
        },
        "wingdings" => match code {
            0x81..=0x8A => nth("①②③④⑤⑥⑦⑧⑨⑩", 0x81),
            0x8C..=0x95 => nth("❶❷❸❹❺❻❼❽❾❿", 0x8C),
            _ => CODES.iter().position(|other| *other == code).and_then(|at| WINGDINGS.chars().nth(at)),
        },
        "wingdings 2" => match code {
            0x4F | 0x53 | 0x54 => Some('☒'),
            0x50 => Some('✓'),
            0x52 => Some('☑'),
            0x2A | 0xA3 => Some('☐'),
            0x97 => Some('•'),
            _ => None,
        },
        _ => None,
    }
}

/// Fonts that show other signs than their text says.
const FONTS: [&str; 6] = ["symbol", "symbolmt", "wingdings", "wingdings 2", "wingdings 3", "webdings"];

/// Whether a font shows other signs than its text says.
pub(super) fn is_symbol_font(font: &str) -> bool {
    FONTS.iter().any(|known| known.eq_ignore_ascii_case(font))
}

/// The symbol font that comes first in a list such as `'Wingdings', serif`, or "".
///
/// LibreOffice numbers its declarations of the same font: `Symbol1`.
pub(super) fn first_font(list: &str) -> &'static str {
    let first = list.split(',').next().unwrap_or_default().trim().trim_matches(['"', '\'']).trim();
    let plain = first.trim_end_matches(|c: char| c.is_ascii_digit());
    FONTS.into_iter().find(|known| known.eq_ignore_ascii_case(first) || known.eq_ignore_ascii_case(plain)).unwrap_or_default()
}

/// Whether a character is a code of a symbol font.
pub(super) fn is_code(character: char) -> bool {
    ('\u{F020}'..='\u{F0FF}').contains(&character)
}

/// Replaces the codes of a symbol font by their signs. Also returns how many are unknown.
pub(super) fn signs(font: &str, text: &str) -> (String, usize) {
    let signs: Vec<Option<char>> = text.chars().map(|code| typed(font, code)).collect();
    let lost = signs.iter().filter(|sign| sign.is_none()).count();
    (signs.into_iter().flatten().collect(), lost)
}

/// The note about signs without a known meaning.
pub(super) fn note(lost: usize) -> Option<String> {
    (lost > 0).then(|| format!("{} of symbol fonts left out", verdict::counted(lost, "sign")))
}

/// Returns the sign for a typed character; `None` if its meaning is unknown.
///
/// Text may name no font, and Word then takes Symbol for the code.
pub(super) fn typed(font: &str, character: char) -> Option<char> {
    let is_code = is_code(character);
    let code = u8::try_from(u32::from(character) & if is_code { 0xFF } else { u32::MAX });
    match code {
        _ if !is_code && !is_symbol_font(font) => Some(character),
        Err(_) => Some(character),
        Ok(0x7F..) if !is_code => Some(character),
        Ok(0..=b' ') => Some(if is_code { ' ' } else { character }),
        Ok(code) => sign(if is_symbol_font(font) { font } else { "Symbol" }, code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_are_found_with_and_without_the_private_use_area() {
        for (font, code, found) in [
            ("Symbol", "61", Some('α')),
            ("Symbol", "F0E5", Some('∑')),
            ("Symbol", "F0F2", Some('∫')),
            ("Symbol", "B3", Some('≥')),
            ("Symbol", "FE", Some('⎭')),
            ("Symbol", "F0F0", None),
            ("Wingdings", "F0FC", Some('✓')),
            ("Wingdings", "82", Some('②')),
            ("Wingdings", "FE", Some('☑')),
            ("Arial", "61", None),
        ] {
            assert_eq!(character(font, code), found, "{font} {code}");
        }
        let read = |font: &str, text: &str| text.chars().filter_map(|c| typed(font, c)).collect::<String>();
        assert_eq!(read("Symbol", "\u{F061}\u{F062}"), "αβ");
        assert_eq!(read("Symbol", "ab\n\té"), "αβ\n\té");
        assert_eq!(read("Arial", "ab"), "ab");
        assert_eq!(read("", "\u{F0B7}"), "•");
        assert_eq!(signs("Wingdings", "\u{F0FE}\u{F001}\u{F025}"), ("☑\u{F001}".to_owned(), 1));
    }

    #[test]
    fn the_first_font_of_a_list_counts() {
        for (list, font) in [
            ("Wingdings, serif", "wingdings"),
            ("'Symbol1'", "symbol"),
            ("\"Wingdings 2\"", "wingdings 2"),
            ("Arial, Symbol", ""),
            ("", ""),
        ] {
            assert_eq!(first_font(list), font, "{list}");
        }
    }
}
