//! Detects text whose font declares a Latin encoding, but whose bytes are in another one.

/// Minimum length of a word that is suspicious, and minimum number of such characters on a page.
const LONG: usize = 4;
const MANY: usize = 12;

/// Whether words of this text consist of accented letters and signs.
///
/// Words of Latin scripts have a few of them. Chinese, Russian or Greek bytes have hardly anything
/// else.
pub(super) fn is_misread(text: &str) -> bool {
    let (mut suspicious, mut letters) = (0, 0);
    for word in text.split_whitespace() {
        let all = word.chars().count();
        let upper = word.chars().filter(|c| matches!(c, '\u{A1}'..='\u{FF}' | 'Œ' | 'œ' | 'Š' | 'š' | 'Ž' | 'ž' | 'Ÿ' | 'ƒ')).count();
        let accented = word.chars().filter(|c| matches!(c, '\u{C0}'..='\u{FF}')).count();
        let mut kinds: Vec<char> = word.chars().take(16).collect();
        kinds.sort_unstable();
        kinds.dedup();
        if all >= LONG && upper * 10 >= all * 8 && accented * 2 >= all && kinds.len() >= 3 {
            suspicious += upper;
        }
        letters += word.chars().filter(|c| c.is_alphabetic()).count();
    }
    suspicious >= MANY && suspicious * 5 >= letters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_other_scripts_are_told_from_accented_words() {
        for bytes in [encoding_rs::GBK.encode("中华人民共和国国务院办公厅").0, encoding_rs::WINDOWS_1251.encode("Привет, дорогие друзья").0]
        {
            assert!(is_misread(&encoding_rs::WINDOWS_1252.decode(&bytes).0));
        }
        for text in ["été créée à Noël, où l’œuvre naïve", "Þórður áði í ánni á Íslandi æ ö", "ÀÉÎÕÜ", "•••••••••••••• ———————— ………………"]
        {
            assert!(!is_misread(text), "{text}");
        }
    }
}
