//! Automatic numbers on slides.

use super::shown;

/// Number of levels on slides.
const LEVELS: usize = 9;

/// What stands before a paragraph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::prepare::documents) enum Bullet {
    /// Nothing.
    None,
    /// A sign or a picture.
    Sign,
    /// A number: its type, such as `arabicPeriod`, and the first one.
    Number(String, u32),
}

/// The counts of a text frame.
#[derive(Debug, Default)]
pub(in crate::prepare::documents) struct Counter([Option<(Bullet, u32)>; LEVELS]);

impl Counter {
    /// The mark before the next paragraph of this level; `None` for nothing.
    pub fn next(&mut self, level: usize, bullet: &Bullet) -> Option<String> {
        let level = level.min(LEVELS - 1);
        self.0[level + 1..].fill(None);
        let Bullet::Number(kind, start) = bullet else {
            self.0[level] = None;
            return (*bullet == Bullet::Sign).then(|| "-".to_owned());
        };
        let count = match &self.0[level] {
            Some((last, count)) if last == bullet => count.saturating_add(1),
            _ => *start,
        };
        self.0[level] = Some((bullet.clone(), count));
        Some(auto_numbered(kind, count))
    }
}

/// Shows a number of a type such as `alphaLcParenR`.
pub(in crate::prepare::documents) fn auto_numbered(kind: &str, number: u32) -> String {
    const FAMILIES: [(&str, &str); 12] = [
        ("arabicDb", "decimalFullWidth"),
        ("arabic", "decimal"),
        ("alphaLc", "lowerLetter"),
        ("alphaUc", "upperLetter"),
        ("romanLc", "lowerRoman"),
        ("romanUc", "upperRoman"),
        ("circleNum", "decimalEnclosedCircle"),
        ("ea1Chs", "chineseCounting"),
        ("ea1Cht", "chineseCounting"),
        ("ea1Jpn", "japaneseCounting"),
        ("hebrew2", "hebrew2"),
        ("arabic1", "arabicAlpha"),
    ];
    let family = FAMILIES.iter().find(|(name, _)| kind.starts_with(name)).map_or("decimal", |(_, family)| family);
    let text = shown(number, family);
    if kind.ends_with("ParenBoth") {
        format!("({text})")
    } else if kind.ends_with("ParenR") {
        format!("{text})")
    } else if kind.ends_with("Period") {
        format!("{text}.")
    } else if kind.ends_with("Minus") {
        format!("{text}-")
    } else {
        text
    }
}
