//! Computes the numbers of Word's lists.

use super::template::{Level, Levels};
use crate::prepare::documents::xml::{self, Node, attribute, number};
use std::collections::{HashMap, HashSet};

/// The number formats of lists, and their current counts.
#[derive(Default)]
pub(in crate::prepare::documents) struct Numbering {
    /// The list of each id that paragraphs use.
    lists: HashMap<String, List>,
    /// The definitions that lists share.
    definitions: HashMap<String, Definition>,
    /// The definition that a numbering style names.
    by_style: HashMap<String, String>,
    /// Counts by definition, because lists of one definition count on.
    counts: HashMap<String, Levels>,
    /// Levels whose own start has been used, by list.
    started: HashSet<(String, usize)>,
}

#[derive(Default)]
struct List {
    definition: String,
    starts: HashMap<usize, u32>,
    levels: HashMap<usize, Level>,
}

#[derive(Default)]
struct Definition {
    levels: HashMap<usize, Level>,
    /// The level that belongs to a paragraph style.
    of_style: HashMap<String, usize>,
    /// The numbering style that has the levels instead.
    style: Option<String>,
}

impl Numbering {
    /// Reads `word/numbering.xml`, or `w:lists` of Word 2003.
    pub fn read(text: &str) -> Result<Self, quick_xml::Error> {
        let mut all = Self::default();
        let (mut id, mut definition, mut list) = (String::new(), Definition::default(), None::<(String, List)>);
        let (mut at, mut level) = (0, Level::default());
        let mut in_fallback = false;
        xml::read(text, |node| match node {
            Node::Open(tag) => {
                in_fallback |= tag.local_name().as_ref() == "Fallback";
                let value = || attribute(tag, "w:val").unwrap_or_default();
                match tag.local_name().as_ref() {
                    "abstractNum" | "listDef" => {
                        id = attribute(tag, "w:abstractNumId").or_else(|| attribute(tag, "w:listDefId")).unwrap_or_default();
                        definition = Definition::default();
                    }
                    "num" | "list" => {
                        let key = attribute(tag, "w:numId").or_else(|| attribute(tag, "w:ilfo"));
                        list = key.map(|key| (key, List::default()));
                    }
                    "abstractNumId" | "ilst" => list.iter_mut().for_each(|(_, list)| list.definition = value()),
                    "numStyleLink" | "listStyleLink" => definition.style = Some(value()),
                    "styleLink" => drop(all.by_style.insert(value(), id.clone())),
                    "lvlOverride" => at = number(tag, "w:ilvl").unwrap_or(0),
                    "startOverride" => {
                        if let Some((_, list)) = &mut list {
                            list.starts.insert(at, value().parse().unwrap_or(1));
                        }
                    }
                    "lvl" => {
                        (at, level) =
                            (number(tag, "w:ilvl").unwrap_or(0), Level { start: 1, kind: "decimal".to_owned(), ..Level::default() });
                    }
                    "start" => level.start = value().parse().unwrap_or(1),
                    "numFmt" if !in_fallback => level.kind = own_kind(value(), attribute(tag, "w:format").as_deref()),
                    "nfc" => kind(value().parse().unwrap_or(0)).clone_into(&mut level.kind),
                    "lvlText" => level.text = value(),
                    "lvlRestart" => level.restart = number(tag, "w:val"),
                    "isLgl" => level.is_legal = !matches!(&*value(), "0" | "false" | "off"),
                    "pStyle" => {
                        definition.of_style.insert(value(), at);
                    }
                    _ => {}
                }
            }
            Node::Close(name) => match xml::local(name) {
                "lvl" => {
                    let levels = list.as_mut().map_or(&mut definition.levels, |(_, list)| &mut list.levels);
                    levels.insert(at, std::mem::take(&mut level));
                }
                "Fallback" => in_fallback = false,
                "abstractNum" | "listDef" => drop(all.definitions.insert(std::mem::take(&mut id), std::mem::take(&mut definition))),
                "num" | "list" => all.lists.extend(list.take()),
                _ => {}
            },
            Node::Text(_) => {}
        })?;
        Ok(all)
    }

    /// The level that a list gives to a paragraph style.
    pub fn level_of(&self, key: &str, style: &str) -> Option<usize> {
        self.definitions.get(self.definition(key)?)?.of_style.get(style).copied()
    }

    /// The definition that has the levels of a list.
    fn definition(&self, key: &str) -> Option<&str> {
        let own = &self.lists.get(key)?.definition;
        let linked = self.definitions.get(own).and_then(|definition| self.by_style.get(definition.style.as_ref()?));
        Some(linked.unwrap_or(own))
    }

    /// The number before the next paragraph of this list and level.
    ///
    /// Examples are `2.1` and `a)`. Bullets are `-`. A list may show nothing.
    pub fn next(&mut self, key: &str, at: usize) -> Option<String> {
        let definition = self.definition(key)?.to_owned();
        let list = self.lists.get(key)?;
        let levels = self.definitions.get(&definition).map(|definition| &definition.levels);
        let level = |at: usize| list.levels.get(&at).or_else(|| levels?.get(&at)).cloned();
        let start = list.starts.get(&at).filter(|_| !self.started.contains(&(key.to_owned(), at))).copied();
        if start.is_some() {
            self.started.insert((key.to_owned(), at));
        }
        let counts = self.counts.entry(definition).or_default();
        counts.count(at, start, level);
        Some(counts.number(at, level))
    }
}

/// The kind of number. Programs write some kinds as `custom`, with a list of their first numbers.
fn own_kind(kind: String, format: Option<&str>) -> String {
    match (&*kind, format.and_then(|format| format.split(',').next())) {
        ("custom", Some("01")) => "decimalZero".to_owned(),
        ("custom", Some("001")) => "decimalZero3".to_owned(),
        ("custom", Some("0001")) => "decimalZero4".to_owned(),
        ("custom", Some("00001")) => "decimalZero5".to_owned(),
        _ => kind,
    }
}

/// The kind of number that binary Word files and RTF call by this code.
pub(in crate::prepare::documents) fn kind(code: u32) -> &'static str {
    match code {
        1 => "upperRoman",
        2 => "lowerRoman",
        3 => "upperLetter",
        4 => "lowerLetter",
        5 => "ordinal",
        6 => "cardinalText",
        7 => "ordinalText",
        10 => "ideographDigital",
        11 => "japaneseCounting",
        12 => "aiueo",
        13 => "iroha",
        14 => "decimalFullWidth",
        18 => "decimalEnclosedCircle",
        22 => "decimalZero",
        23 => "bullet",
        255 => "none",
        _ => "decimal",
    }
}
