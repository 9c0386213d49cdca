//! Folds letters that look alike, so that disguised words read like plain ones.

use unicode_normalization::char::{decompose_compatible, is_combining_mark};

/// Passes the plain lower-case forms of a character on. Accents and invisible characters disappear.
pub(super) fn fold(c: char, mut take: impl FnMut(char)) {
    if c.is_ascii() {
        take(c.to_ascii_lowercase());
    } else if let Some(alike) = look_alike(c) {
        take(alike);
    } else if !is_invisible(c) {
        decompose_compatible(c, |part| {
            if let Some(alike) = look_alike(part) {
                take(alike);
            } else if !is_combining_mark(part) && !is_invisible(part) {
                part.to_lowercase().for_each(&mut take);
            }
        });
    }
}

/// Whether a reader does not see the character at all.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
        | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}'
        | '\u{FEFF}' | '\u{FFA0}' | '\u{E0000}'..='\u{E0FFF}')
}

/// The Latin letter that looks like this letter of another script.
fn look_alike(c: char) -> Option<char> {
    Some(match c {
        // Greek, then Cyrillic.
        'Α' | 'α' | 'А' | 'а' | 'ᴀ' | 'ɑ' => 'a',
        'Β' | 'β' | 'В' | 'в' | 'Ь' | 'ь' | 'ʙ' => 'b',
        'С' | 'с' | 'ᴄ' | 'ϲ' => 'c',
        'ԁ' | 'ᴅ' | 'đ' | 'Đ' => 'd',
        'Ε' | 'ε' | 'Е' | 'е' | 'Э' | 'э' | 'ᴇ' => 'e',
        'ꜰ' | 'Ғ' | 'ғ' => 'f',
        'ɡ' | 'ɢ' => 'g',
        'Η' | 'Н' | 'н' | 'һ' | 'Һ' | 'ʜ' => 'h',
        'Ι' | 'ι' | 'І' | 'і' | 'ı' | 'ɪ' | 'Ӏ' | 'ӏ' => 'i',
        'Ј' | 'ј' | 'ᴊ' => 'j',
        'Κ' | 'κ' | 'К' | 'к' | 'ᴋ' => 'k',
        'ʟ' | 'ł' | 'Ł' => 'l',
        'Μ' | 'М' | 'м' | 'ᴍ' => 'm',
        'Ν' | 'η' | 'П' | 'п' | 'ո' | 'ɴ' => 'n',
        'Ο' | 'ο' | 'О' | 'о' | 'σ' | 'օ' | 'ø' | 'Ø' | 'ᴏ' => 'o',
        'Ρ' | 'ρ' | 'Р' | 'р' | 'ᴘ' => 'p',
        'ԛ' | 'Ԛ' => 'q',
        'Г' | 'г' | 'ʀ' => 'r',
        'Ѕ' | 'ѕ' | 'ꜱ' => 's',
        'Τ' | 'τ' | 'Т' | 'т' | 'ᴛ' => 't',
        'υ' | 'И' | 'и' | 'ᴜ' | 'ս' => 'u',
        'ν' | 'ѵ' | 'Ѵ' | 'ᴠ' => 'v',
        'ω' | 'Ш' | 'ш' | 'ԝ' | 'Ԝ' | 'ᴡ' => 'w',
        'Χ' | 'χ' | 'Х' | 'х' => 'x',
        'Υ' | 'γ' | 'У' | 'у' | 'Ү' | 'ү' | 'ʏ' => 'y',
        'Ζ' | 'ᴢ' => 'z',
        // Letters in black circles and squares.
        '\u{1F150}'..='\u{1F169}' => letter(c, '\u{1F150}'),
        '\u{1F170}'..='\u{1F189}' => letter(c, '\u{1F170}'),
        _ => return None,
    })
}

fn letter(c: char, first: char) -> char {
    char::from_u32('a' as u32 + c as u32 - first as u32).unwrap_or(c)
}

/// A word with digits and signs in place of letters, such as `1gn0re`, in letters.
pub(super) fn without_digits(word: &str) -> Option<String> {
    const LETTERS: usize = 3;
    let digits = word.bytes().any(|byte| byte.is_ascii_digit());
    (digits && word.bytes().filter(u8::is_ascii_alphabetic).count() >= LETTERS).then(|| {
        let letter = |c| match c {
            '0' => 'o',
            '1' => 'i',
            '3' => 'e',
            '4' => 'a',
            '5' => 's',
            '7' => 't',
            c => c,
        };
        word.chars().map(letter).collect()
    })
}
