//! Bullets and numbers of slides, which layouts and masters pass on.

use crate::prepare::documents::numbering::Bullet;
use crate::prepare::documents::xml::{self, Node, attribute, number};
use quick_xml::events::BytesStart;
use std::collections::HashMap;

/// The bullets of the levels of a text.
pub(super) type Levels = HashMap<usize, Bullet>;

/// The bullets that a layout and its master give to placeholders.
#[derive(Default, Clone)]
pub(super) struct Bullets {
    /// Type and index of each placeholder, and its bullets: those of the layout first.
    places: Vec<(String, Option<String>, Levels)>,
    /// Bullets of titles, bodies and other texts.
    texts: HashMap<String, Levels>,
}

impl Bullets {
    /// Learns the bullets of a layout or of a master.
    pub fn learn(&mut self, part: &str) {
        let (mut place, mut level, mut text) = (None, None, None::<String>);
        let _damage = xml::read(part, |node| match node {
            Node::Open(tag) => match tag.local_name().as_ref() {
                "sp" => place = None,
                "ph" => place = Some((attribute(tag, "type").unwrap_or_else(|| "body".to_owned()), attribute(tag, "idx"))),
                name @ ("titleStyle" | "bodyStyle" | "otherStyle") => text = Some(name.to_owned()),
                name if level_of(name).is_some() => level = level_of(name),
                _ => {
                    let (Some(level), Some(bullet)) = (level, bullet(tag)) else { return };
                    if let Some(text) = &text {
                        self.texts.entry(text.clone()).or_default().entry(level).or_insert(bullet);
                    } else if let Some((kind, index)) = &place {
                        match self.places.last_mut().filter(|(last, at, _)| last == kind && at == index) {
                            Some((_, _, levels)) => drop(levels.insert(level, bullet)),
                            None => self.places.push((kind.clone(), index.clone(), Levels::from([(level, bullet)]))),
                        }
                    }
                }
            },
            Node::Close(name) => match xml::local(name) {
                "sp" => place = None,
                "titleStyle" | "bodyStyle" | "otherStyle" => text = None,
                name if level_of(name).is_some() => level = None,
                _ => {}
            },
            Node::Text(_) => {}
        });
    }

    /// The bullet of a placeholder's level, if the layout or the master has one.
    pub fn find(&self, kind: &str, index: Option<&str>, level: usize) -> Option<&Bullet> {
        let by_index = self.places.iter().filter(|(_, at, _)| index.is_some() && at.as_deref() == index);
        let by_kind = self.places.iter().filter(|(other, _, _)| other == kind);
        let text = match kind {
            "title" | "ctrTitle" => "titleStyle",
            "body" | "obj" | "subTitle" => "bodyStyle",
            _ => "otherStyle",
        };
        let own = by_index.chain(by_kind).find_map(|(_, _, levels)| levels.get(&level));
        own.or_else(|| self.texts.get(text)?.get(&level))
    }
}

/// The level of the properties `lvl1pPr` to `lvl9pPr`, from 0.
pub(super) fn level_of(name: &str) -> Option<usize> {
    name.strip_prefix("lvl")?.strip_suffix("pPr")?.parse::<usize>().ok()?.checked_sub(1)
}

/// The bullet that an element sets.
pub(super) fn bullet(tag: &BytesStart) -> Option<Bullet> {
    match tag.local_name().as_ref() {
        "buNone" => Some(Bullet::None),
        "buChar" | "buBlip" => Some(Bullet::Sign),
        "buAutoNum" => {
            let start = number(tag, "startAt").and_then(|start| u32::try_from(start).ok()).unwrap_or(1);
            Some(Bullet::Number(attribute(tag, "type").unwrap_or_default(), start))
        }
        _ => None,
    }
}
