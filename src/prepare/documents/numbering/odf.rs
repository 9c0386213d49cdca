//! Lists of OpenDocument files: styles, starts, and lists that count on.

use super::shown;
use crate::prepare::documents::xml::{attribute, number};
use quick_xml::events::BytesStart;
use std::collections::HashMap;

/// Number of levels in OpenDocument.
const LEVELS: usize = 10;
/// The style of headings, in [`Lists::styles`].
const OUTLINE: &str = "\0outline";

#[derive(Debug, Clone, Default)]
struct Level {
    /// `1`, `a`, `I`; empty for none.
    format: String,
    prefix: String,
    suffix: String,
    start: u32,
    /// Number of levels that the number shows.
    levels: usize,
    is_bullet: bool,
}

#[derive(Debug, Clone, Default)]
struct Counts([Option<u32>; LEVELS]);

/// The counts of a shape of a slide, which belong to its paragraphs and not to its lists.
///
/// A paragraph counts on from the last one of its level with the same kind of number, unless one of
/// a higher level is between them.
#[derive(Debug, Default)]
struct ShapeCounts {
    counts: Counts,
    /// The last level of each depth.
    last: [Option<Level>; LEVELS],
}

impl ShapeCounts {
    /// Forgets a count that does not go on with this level.
    fn prepare(&mut self, level: Option<&Level>, depth: usize) {
        let key = |level: &Level| (level.format.clone(), level.prefix.clone(), level.suffix.clone(), level.is_bullet);
        let goes_on = |last: &Level| level.is_some_and(|own| key(own) == key(last) && last.start >= own.start);
        if !self.last[depth].as_ref().is_some_and(goes_on) {
            self.counts.0[depth] = None;
        }
        self.last[depth] = level.cloned();
    }
}

#[derive(Debug)]
struct List {
    style: Option<String>,
    id: Option<String>,
    /// Whether the open item still awaits its first paragraph.
    awaits: bool,
    is_header: bool,
    start: Option<u32>,
}

/// The list styles of a document, and its open lists.
#[derive(Debug, Default)]
pub(in crate::prepare::documents) struct Lists {
    styles: HashMap<String, HashMap<usize, Level>>,
    /// The list style and the parent of paragraph styles.
    of_paragraphs: HashMap<String, (Option<String>, Option<String>)>,
    open_style: String,
    open: Vec<List>,
    counts: Counts,
    by_style: HashMap<String, Counts>,
    by_id: HashMap<String, Counts>,
    outline: Counts,
    /// The counts of the open shape, on slides.
    of_shape: Option<ShapeCounts>,
}

impl Lists {
    /// Learns a style from its elements.
    pub fn learn(&mut self, tag: &BytesStart) {
        match tag.name().as_ref() {
            "text:list-style" => self.open_style = attribute(tag, "style:name").unwrap_or_default(),
            "text:outline-style" => OUTLINE.clone_into(&mut self.open_style),
            "style:style" => {
                let name = attribute(tag, "style:name").unwrap_or_default();
                self.of_paragraphs.insert(name, (attribute(tag, "style:list-style-name"), attribute(tag, "style:parent-style-name")));
            }
            name @ ("text:list-level-style-number"
            | "text:list-level-style-bullet"
            | "text:list-level-style-image"
            | "text:outline-level-style") => {
                let text = |name: &str| attribute(tag, name).unwrap_or_default();
                let level = Level {
                    format: text("style:num-format"),
                    prefix: text("style:num-prefix"),
                    suffix: text("style:num-suffix"),
                    start: number(tag, "text:start-value").and_then(|start| u32::try_from(start).ok()).unwrap_or(1),
                    levels: number(tag, "text:display-levels").unwrap_or(1).clamp(1, LEVELS),
                    is_bullet: matches!(name, "text:list-level-style-bullet" | "text:list-level-style-image"),
                };
                let at = number(tag, "text:level").unwrap_or(1).clamp(1, LEVELS) - 1;
                self.styles.entry(self.open_style.clone()).or_default().insert(at, level);
            }
            _ => {}
        }
    }

    /// Begins a shape of a slide, which counts anew.
    pub fn begin_shape(&mut self) {
        self.of_shape = Some(ShapeCounts::default());
    }

    /// Opens a list.
    pub fn open_list(&mut self, tag: &BytesStart) {
        let style = attribute(tag, "text:style-name").or_else(|| self.open.last().and_then(|outer| outer.style.clone()));
        let goes_on = attribute(tag, "text:continue-numbering").is_some_and(|value| value == "true");
        let continued = attribute(tag, "text:continue-list").and_then(|id| self.by_id.get(&id));
        let depth = self.open.len().min(LEVELS - 1);
        if depth == 0 {
            let last = style.as_ref().filter(|_| goes_on).and_then(|style| self.by_style.get(style));
            self.counts = continued.or(last).cloned().unwrap_or_default();
        } else if !goes_on {
            self.counts.0[depth] = None;
        }
        self.open.push(List { style, id: attribute(tag, "xml:id"), awaits: false, is_header: false, start: None });
    }

    /// Closes a list.
    pub fn close_list(&mut self) {
        let Some(list) = self.open.pop().filter(|_| self.open.is_empty()) else { return };
        self.by_style.extend(list.style.map(|style| (style, self.counts.clone())));
        self.by_id.extend(list.id.map(|id| (id, self.counts.clone())));
    }

    /// Opens an item or a header, which has no number.
    pub fn item(&mut self, tag: &BytesStart, is_header: bool) {
        if let Some(list) = self.open.last_mut() {
            let start = number(tag, "text:start-value").and_then(|start| u32::try_from(start).ok());
            (list.awaits, list.is_header, list.start) = (true, is_header, start);
        }
    }

    /// The number of the item that begins with this paragraph; `None` inside an item and outside of
    /// lists. Bullets are `-`.
    pub fn begin(&mut self, tag: &BytesStart) -> Option<String> {
        let depth = self.open.len().checked_sub(1)?.min(LEVELS - 1);
        let list = self.open.last_mut()?;
        if !std::mem::take(&mut list.awaits) {
            return None;
        }
        let (is_header, start) = (list.is_header, list.start.take());
        if is_header {
            return Some(String::new());
        }
        let style = list.style.clone().or_else(|| self.of_paragraph(&attribute(tag, "text:style-name")?));
        let levels = style.and_then(|style| self.styles.get(&style));
        let counts = match &mut self.of_shape {
            Some(shape) => {
                shape.prepare(levels.and_then(|levels| levels.get(&depth)), depth);
                &mut shape.counts
            }
            None => &mut self.counts,
        };
        Some(counted(counts, levels, depth, start))
    }

    /// The number of a heading by the outline of the document; `None` without one.
    pub fn heading(&mut self, tag: &BytesStart, level: usize) -> Option<String> {
        let levels = self.styles.get(OUTLINE)?;
        let depth = level.clamp(1, LEVELS) - 1;
        let is_header = attribute(tag, "text:is-list-header").is_some_and(|value| value == "true");
        // A style may switch the number off.
        let own = attribute(tag, "text:style-name").and_then(|style| self.of_paragraphs.get(&style)).and_then(|(list, _)| list.as_deref());
        if is_header || own == Some("") || levels.get(&depth).is_none_or(|level| level.format.is_empty()) {
            return None;
        }
        let restart = attribute(tag, "text:restart-numbering").is_some_and(|value| value == "true");
        let start = number(tag, "text:start-value").and_then(|start| u32::try_from(start).ok()).or(restart.then_some(1));
        Some(counted(&mut self.outline, Some(levels), depth, start)).filter(|text| text != "-")
    }

    /// The list style of a paragraph style or of its parents.
    fn of_paragraph(&self, style: &str) -> Option<String> {
        let mut style = style;
        for _ in 0..16 {
            let (list, parent) = self.of_paragraphs.get(style)?;
            if list.is_some() {
                return list.clone();
            }
            style = parent.as_deref()?;
        }
        None
    }
}

/// Counts an item. Returns its number.
fn counted(counts: &mut Counts, levels: Option<&HashMap<usize, Level>>, depth: usize, start: Option<u32>) -> String {
    let own = levels.and_then(|levels| levels.get(&depth));
    let count = &mut counts.0[depth];
    *count = Some(start.unwrap_or_else(|| count.map_or_else(|| own.map_or(1, |level| level.start), |count| count.saturating_add(1))));
    counts.0[depth + 1..].fill(None);
    let Some(own) = own.filter(|level| !level.is_bullet) else { return "-".to_owned() };
    let first = (depth + 1).saturating_sub(own.levels);
    let parts = (first..=depth).filter_map(|at| {
        let level = levels?.get(&at).filter(|level| !level.format.is_empty() && !level.is_bullet)?;
        Some(shown(counts.0[at].unwrap_or(level.start), kind(&level.format)))
    });
    let number = parts.collect::<Vec<_>>().join(".");
    if own.format.is_empty() && own.prefix.trim().is_empty() && own.suffix.trim().is_empty() {
        return String::new();
    }
    format!("{}{number}{}", own.prefix, own.suffix).trim().to_owned()
}

/// The kind of number that a format names by its first number.
fn kind(format: &str) -> &'static str {
    // Longer formats list their first numbers: `01, 02, 03, ...`.
    match format.split(',').next().unwrap_or_default() {
        "a" => "lowerLetter",
        "A" => "upperLetter",
        "i" => "lowerRoman",
        "I" => "upperRoman",
        "01" => "decimalZero",
        "001" => "decimalZero3",
        "0001" => "decimalZero4",
        "00001" => "decimalZero5",
        "1st" => "ordinal",
        "One" => "cardinalText",
        "First" => "ordinalText",
        "①" => "decimalEnclosedCircle",
        "一" => "chineseCounting",
        "イ" | "ｲ" => "iroha",
        "ア" | "ｱ" => "aiueo",
        "１" => "decimalFullWidth",
        "А" => "russianUpper",
        "а" => "russianLower",
        "甲" => "ideographTraditional",
        "가" => "ganada",
        "א" => "hebrew1",
        "أ" => "arabicAlpha",
        "α" => "lowerGreek",
        "Α" => "upperGreek",
        _ => "decimal",
    }
}
