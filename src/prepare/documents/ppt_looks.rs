//! Looks of text on slides of PowerPoint files up to 2003 (PPT): raised letters, and bullets.
//!
//! undoc reads the text alone. Its looks follow it in the file, so docmill finds them by the text.

use super::little_endian::{long, offset, short};
use super::ppt_tables::{DEPTH, Record, TEXT, WIDE_TEXT, records};
use super::script::Script;
use std::collections::{HashMap, VecDeque};

/// Types of records: the kind of a text, and its looks.
const KIND: u16 = 0x0F9F;
const LOOKS: u16 = 0x0FA1;
/// The styles of a master, and their number for texts of slides.
const MASTER: u16 = 0x0FA3;
const BODY: u16 = 1;
/// Kinds of texts that have the bullets of the master, unless they say otherwise.
const BODIES: [u32; 3] = [1, 7, 8];

/// The look of a paragraph.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Look {
    /// The level of a paragraph with a bullet.
    pub bullet: Option<usize>,
    /// Positions of letters in UTF-16 units at which raised, lowered or plain text begins.
    pub scripts: Vec<(usize, Script)>,
}

impl Look {
    /// The script of the letter at a position.
    pub fn script(&self, at: usize) -> Script {
        self.scripts[..self.scripts.partition_point(|(from, _)| *from <= at)].last().map_or(Script::Normal, |(_, script)| *script)
    }
}

/// The looks of paragraphs by their text, in the order of the file.
#[derive(Default)]
pub(super) struct Looks(HashMap<String, VecDeque<Look>>);

impl Looks {
    pub fn read(stream: &[u8]) -> Self {
        let records = atoms(stream);
        let master = records.iter().find(|record| record.kind == MASTER && record.instance == BODY);
        // The first level comes behind the number of levels.
        let has_bullets = master.is_some_and(|master| bullet(master.body, 2).0 == Some(true));
        let (mut looks, mut is_body, mut text) = (Self::default(), false, Vec::new());
        for record in records {
            match record.kind {
                KIND => is_body = BODIES.contains(&long(record.body, 0)),
                WIDE_TEXT => text = record.body.chunks_exact(2).map(|unit| short(unit, 0)).collect(),
                TEXT => text = record.body.iter().map(|byte| u16::from(*byte)).collect(),
                LOOKS => {
                    for (paragraph, look) in of_text(&std::mem::take(&mut text), record.body, is_body && has_bullets) {
                        looks.0.entry(paragraph).or_default().push_back(look);
                    }
                }
                _ => {}
            }
        }
        looks
    }

    /// The look of the next paragraph with this text.
    pub fn take(&mut self, text: &str) -> Look {
        let Some(looks) = self.0.get_mut(&key(text)) else { return Look::default() };
        // Some programs write a text twice, so the last look stays.
        if looks.len() > 1 { looks.pop_front() } else { looks.front().cloned() }.unwrap_or_default()
    }
}

/// The records that contain no others, in the order of the file.
fn atoms(stream: &[u8]) -> Vec<Record<'_>> {
    let mut atoms = Vec::new();
    let mut open: Vec<(Record<'_>, u32)> = records(stream).map(|record| (record, 0)).collect();
    open.reverse();
    while let Some((record, depth)) = open.pop() {
        if !record.is_container {
            atoms.push(record);
        } else if depth < DEPTH {
            let from = open.len();
            open.extend(records(record.body).map(|inner| (inner, depth + 1)));
            open[from..].reverse();
        }
    }
    atoms
}

/// A text without line breaks, which undoc leaves out.
fn key(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, '\u{B}' | '\n')).collect::<String>().trim().to_owned()
}

/// The paragraphs of a text, with their looks.
fn of_text(text: &[u16], looks: &[u8], is_body: bool) -> Vec<(String, Look)> {
    let (mut at, mut bullets, mut letters) = (0, Vec::new(), Vec::new());
    let mut done = 0;
    while done <= text.len() && at < looks.len() {
        let level = usize::from(short(looks, at + 4));
        let (bullet, end) = bullet(looks, at + 6);
        bullets.push((done, bullet.unwrap_or(is_body).then_some(level)));
        (done, at) = (done.saturating_add(offset(looks, at).max(1)), end);
    }
    done = 0;
    while done <= text.len() && at < looks.len() {
        let (script, end) = position(looks, at + 4);
        letters.push((done, script));
        (done, at) = (done.saturating_add(offset(looks, at).max(1)), end);
    }
    let mut found = Vec::new();
    let mut from = 0;
    for paragraph in text.split(|unit| *unit == u16::from(b'\r')) {
        let end = from + paragraph.len();
        let bullet = bullets[..bullets.partition_point(|(at, _)| *at <= from)].last().and_then(|(_, bullet)| *bullet);
        let begun = letters.partition_point(|(at, _)| *at <= from);
        let before = letters[..begun].last().map(|(_, script)| (0, *script));
        let inside = letters[begun..].iter().take_while(|(at, _)| *at < end).map(|(at, script)| (at - from, *script));
        let look = Look { bullet, scripts: before.into_iter().chain(inside).collect() };
        found.push((key(&String::from_utf16_lossy(paragraph)), look));
        from = end + 1;
    }
    found
}

/// Whether the properties of a paragraph have a bullet, if they say so, and where they end.
fn bullet(looks: &[u8], at: usize) -> (Option<bool>, usize) {
    let mask = long(looks, at);
    let has = |bits: u32| mask & bits != 0;
    let mut end = at + 4;
    let is_on = has(1).then(|| short(looks, end) & 1 != 0);
    // The flags of the bullet, and its sign, font and size.
    end += [0xF, 1 << 7, 1 << 4, 1 << 6].into_iter().filter(|bits| has(*bits)).count() * 2;
    end += usize::from(has(1 << 5)) * 4;
    // Alignment, distances, margin, indent, and the width of tabs.
    end += [11, 12, 13, 14, 8, 10, 15].into_iter().filter(|bit| has(1 << bit)).count() * 2;
    if has(1 << 20) {
        end += 2 + usize::from(short(looks, end)) * 4;
    }
    // The alignment of fonts, the wrapping of lines, and the direction.
    end += [1 << 16, 0b111 << 17, 1 << 21].into_iter().filter(|bits| has(*bits)).count() * 2;
    (is_on, end)
}

/// The vertical position that the properties of letters set, and where they end.
fn position(looks: &[u8], at: usize) -> (Script, usize) {
    let mask = long(looks, at);
    let has = |bits: u32| mask & bits != 0;
    // The style, four fonts and the size.
    let mut end = at + 4 + [0x3EB7, 1 << 16, 1 << 21, 1 << 22, 1 << 23, 1 << 17].into_iter().filter(|bits| has(*bits)).count() * 2;
    end += usize::from(has(1 << 18)) * 4;
    let script = match short(looks, end).cast_signed() {
        1.. if has(1 << 19) => Script::Raised,
        ..=-1 if has(1 << 19) => Script::Lowered,
        _ => Script::Normal,
    };
    (script, end + usize::from(has(1 << 19)) * 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_have_their_bullets_and_raised_letters() {
        let text: Vec<u16> = "x2 is\rplain".encode_utf16().collect();
        let paragraphs =
            [&6_u32.to_le_bytes()[..], &[1, 0], &0_u32.to_le_bytes(), &6_u32.to_le_bytes(), &[0, 0], &0x801_u32.to_le_bytes(), &[0; 4]];
        let letters = [
            &1_u32.to_le_bytes()[..],
            &0_u32.to_le_bytes(),
            &1_u32.to_le_bytes(),
            &0x8_0001_u32.to_le_bytes(),
            &[1, 0, 30, 0],
            &10_u32.to_le_bytes(),
            &0_u32.to_le_bytes(),
        ];
        let looks = of_text(&text, &[paragraphs.concat(), letters.concat()].concat(), true);
        let scripts = vec![(0, Script::Normal), (1, Script::Raised), (2, Script::Normal)];
        assert_eq!(looks[0], ("x2 is".to_owned(), Look { bullet: Some(1), scripts }));
        assert_eq!(looks[1], ("plain".to_owned(), Look { bullet: None, scripts: vec![(0, Script::Normal)] }));
    }
}
