//! Computes the numbers of Word's lists.
//!
//! Documents do not store these numbers. Word counts when it shows a list.

use super::xml::{self, Node, attribute, number};
use std::collections::HashMap;

/// Maximum number of list levels in Word.
const LEVELS: usize = 9;

/// The number formats of lists, and their current counts.
#[derive(Default)]
pub(super) struct Numbering {
    /// The list for each id that paragraphs use.
    lists: HashMap<String, String>,
    /// The levels, by list and depth.
    levels: HashMap<(String, usize), Level>,
    counts: HashMap<String, [Option<u32>; LEVELS]>,
}

#[derive(Default, Clone)]
struct Level {
    start: u32,
    format: String,
    /// The pattern of the number, such as `%1.%2)`.
    text: String,
}

impl Numbering {
    /// Reads `word/numbering.xml`.
    pub fn read(text: &str) -> Result<Self, quick_xml::Error> {
        let mut all = Self::default();
        let (mut list, mut key, mut at) = (String::new(), String::new(), 0);
        let mut level = Level::default();
        xml::read(text, |node| match node {
            Node::Open(tag) => {
                let value = || attribute(tag, "w:val").unwrap_or_default();
                match tag.local_name().as_ref() {
                    "abstractNum" => list = attribute(tag, "w:abstractNumId").unwrap_or_default(),
                    "lvl" => (at, level) = (number(tag, "w:ilvl").unwrap_or(0), Level { start: 1, ..Level::default() }),
                    "start" => level.start = value().parse().unwrap_or(1),
                    "numFmt" => level.format = value(),
                    "lvlText" => level.text = value(),
                    "num" => key = attribute(tag, "w:numId").unwrap_or_default(),
                    "abstractNumId" => {
                        all.lists.insert(std::mem::take(&mut key), value());
                    }
                    _ => {}
                }
            }
            // A level within `<w:num>` overrides only one list. This is rare and ignored.
            Node::Close(name) if name.ends_with(":lvl") => {
                all.levels.entry((list.clone(), at)).or_insert_with(|| std::mem::take(&mut level));
            }
            Node::Close(_) | Node::Text(_) => {}
        })?;
        Ok(all)
    }

    /// The number before the next paragraph of this list and level.
    ///
    /// Examples are `2.1` and `a)`. Bullets are `-`.
    pub fn next(&mut self, key: &str, level: usize) -> Option<String> {
        let list = self.lists.get(key)?;
        let at = level.min(LEVELS - 1);
        let Some(own) = self.levels.get(&(list.clone(), at)) else { return Some("-".to_owned()) };
        let counts = self.counts.entry(list.clone()).or_default();
        counts[at] = Some(counts[at].map_or(own.start, |count| count.saturating_add(1)));
        counts[at + 1..].fill(None);
        if matches!(own.format.as_str(), "bullet" | "none") || own.text.is_empty() {
            return Some("-".to_owned());
        }
        let mut text = own.text.clone();
        for (above, count) in counts.iter().enumerate().take(at + 1) {
            let place = format!("%{}", above + 1);
            if text.contains(&place) {
                let level = self.levels.get(&(list.clone(), above));
                let count = count.unwrap_or_else(|| level.map_or(1, |level| level.start));
                text = text.replace(&place, &shown(count, level.map_or("", |level| &level.format)));
            }
        }
        Some(text)
    }
}

fn shown(number: u32, format: &str) -> String {
    match format {
        "lowerLetter" => letters(number).to_lowercase(),
        "upperLetter" => letters(number),
        "lowerRoman" => roman(number).to_lowercase(),
        "upperRoman" => roman(number),
        "decimalZero" => format!("{number:02}"),
        _ => number.to_string(),
    }
}

/// Returns A to Z, then AA, BB and so on.
fn letters(number: u32) -> String {
    let index = number.saturating_sub(1);
    let letter = char::from(b'A' + u8::try_from(index % 26).unwrap_or(0));
    String::from(letter).repeat((index / 26 + 1).min(10) as usize)
}

fn roman(number: u32) -> String {
    const SIGNS: [(u32, &str); 13] = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    if number == 0 || number > 3999 {
        return number.to_string();
    }
    let mut left = number;
    let mut text = String::new();
    for (value, sign) in SIGNS {
        while left >= value {
            text.push_str(sign);
            left -= value;
        }
    }
    text
}
