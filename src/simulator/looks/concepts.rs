//! What things look like, and which of them a picture shows.

use super::{COLOURS, FEATURES, Looks};
use crate::simulator::reading::lexicon::{Lexicon, sections};
use std::sync::LazyLock;

const LIST: &str = include_str!("concepts.txt");

/// The features as they are spoken of, in the order of [`FEATURES`].
const PHRASES: [&str; FEATURES.len()] = [
    "red",
    "orange",
    "brown",
    "cream",
    "yellow",
    "green",
    "turquoise",
    "blue",
    "purple",
    "pink",
    "white",
    "grey",
    "black",
    "reddish brown",
    "brightness",
    "contrast",
    "gloss",
    "texture",
    "grain",
    "sharpness of edges",
    "mixture of colours",
    "vivid colour",
    "extent",
];

#[derive(Debug)]
struct Concept {
    name: &'static str,
    group: usize,
    weights: [f32; FEATURES.len()],
}

#[derive(Debug)]
struct Concepts {
    all: Vec<Concept>,
    names: Lexicon<usize>,
}

static CONCEPTS: LazyLock<Concepts> = LazyLock::new(|| {
    let (mut all, mut names) = (Vec::new(), Vec::new());
    for (group, (_, lines)) in sections(LIST).enumerate() {
        for (own, weights) in lines.into_iter().filter_map(|line| line.split_once(" : ")) {
            names.extend(own.split(' ').map(|name| (name, all.len())));
            all.push(Concept { name: own.split(' ').next().unwrap_or_default().trim_end_matches('*'), group, weights: parsed(weights) });
        }
    }
    Concepts { all, names: Lexicon::new(names) }
});

fn parsed(weights: &str) -> [f32; FEATURES.len()] {
    let mut parsed = [0.0; FEATURES.len()];
    for pair in weights.split(' ') {
        let (name, weight) = pair.split_at(pair.find(['+', '-']).unwrap_or(pair.len()));
        if let Some(index) = FEATURES.iter().position(|own| *own == name) {
            parsed[index] = weight.parse().unwrap_or(0.0);
        }
    }
    parsed
}

impl Looks {
    /// How well the picture looks like what a word in lower case names: 1 for the best of its
    /// group. `None` for an unknown word.
    pub fn shows(&self, word: &str) -> Option<f32> {
        let concept = &CONCEPTS.all[CONCEPTS.names.get(word)?];
        let group = CONCEPTS.all.iter().filter(|other| other.group == concept.group);
        let best = group.map(|other| self.score(&other.weights)).fold(f32::MIN, f32::max);
        Some(((self.score(&concept.weights) - best) / 1.6).exp())
    }

    /// Whether a word in lower case names a material.
    pub fn is_material(word: &str) -> bool {
        CONCEPTS.names.get(word).is_some_and(|index| CONCEPTS.all[index].group == 0)
    }

    /// The material that the picture looks like most.
    pub fn material(&self) -> &'static str {
        let materials = CONCEPTS.all.iter().filter(|concept| concept.group == 0);
        let best = materials.max_by(|one, other| self.score(&one.weights).total_cmp(&self.score(&other.weights)));
        best.map_or("", |concept| concept.name)
    }

    /// Features that speak for or against what a word names, the weightiest first.
    pub fn reasons(&self, word: &str, speaks_for: bool) -> Vec<String> {
        let Some(concept) = CONCEPTS.names.get(word).map(|index| &CONCEPTS.all[index]) else { return Vec::new() };
        let sign = if speaks_for { 1.0 } else { -1.0 };
        // A feature that is missing although it is expected speaks against, and the reverse.
        let usual = |index: usize| if index < COLOURS { 0.2 } else { 0.35 };
        let weighed = |(index, weight): (usize, &f32)| (sign * weight * (self.0[index] - usual(index)), index);
        let mut found: Vec<(f32, usize)> = concept.weights.iter().enumerate().filter(|(_, weight)| **weight != 0.0).map(weighed).collect();
        found.sort_by(|one, other| other.0.total_cmp(&one.0));
        let phrase = |(_, index): (f32, usize)| {
            if index < COLOURS {
                return format!("{:.0} % {}", self.0[index] * 100.0, PHRASES[index]);
            }
            let degree = if self.0[index] > usual(index) * 2.0 {
                "much"
            } else if self.0[index] > usual(index) {
                "some"
            } else {
                "little"
            };
            format!("{degree} {}", PHRASES[index])
        };
        found.into_iter().map(phrase).collect()
    }

    fn score(&self, weights: &[f32; FEATURES.len()]) -> f32 {
        self.0.iter().zip(weights).map(|(feature, weight)| feature * weight).sum()
    }

    /// Words for what is most evident, the most evident first.
    pub fn described(&self) -> Vec<&'static str> {
        let mut colours: Vec<(f32, &str)> = self.0[..COLOURS].iter().copied().zip(FEATURES).filter(|(share, _)| *share > 0.15).collect();
        colours.sort_by(|one, other| other.0.total_cmp(&one.0));
        let of = |name: &str, limits: [f32; 2], words: [&'static str; 3]| {
            let value = self.feature(name);
            if value < limits[0] {
                words[0]
            } else if value < limits[1] {
                words[1]
            } else {
                words[2]
            }
        };
        let mut words: Vec<&str> =
            colours.into_iter().take(2).map(|(_, name)| if name == "russet" { "reddish brown" } else { name }).collect();
        words.push(of("light", [0.35, 0.65], ["dark", "of medium brightness", "bright"]));
        words.push(of("gloss", [0.2, 0.5], ["matt", "slightly glossy", "glossy"]));
        words.push(of("texture", [0.12, 0.3], ["smooth", "slightly textured", "textured"]));
        words.push(of("edges", [0.3, 0.7], ["with few edges", "with some edges", "with many sharp edges"]));
        words
    }
}
