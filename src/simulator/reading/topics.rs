//! Words that go with frequent subjects: `revenue` with business.

use super::lexicon::{Lexicon, sections};
use std::sync::LazyLock;

const LIST: &str = include_str!("topics.txt");

/// A set of subjects, as bits.
pub type Subjects = u64;

#[derive(Debug)]
struct Topics {
    names: Lexicon<Subjects>,
    words: Lexicon<Subjects>,
}

static TOPICS: LazyLock<Topics> = LazyLock::new(|| {
    let mut sides = [std::collections::BTreeMap::<&str, Subjects>::new(), std::collections::BTreeMap::new()];
    for (index, line) in sections(LIST).flat_map(|(_, lines)| lines).enumerate() {
        for (side, words) in sides.iter_mut().zip(line.split(" : ")) {
            for word in words.split(' ') {
                *side.entry(word).or_default() |= 1 << index;
            }
        }
    }
    let [names, words] = sides;
    Topics { names: Lexicon::new(names), words: Lexicon::new(words) }
});

/// The subjects that a word in lower case names.
pub fn named(word: &str) -> Subjects {
    TOPICS.names.get(word).unwrap_or(0)
}

/// The subjects that words at the beginning of `words` go with, and the number of these words.
pub fn of(text: &super::text::Text<'_>, words: &[super::text::Word]) -> Option<(usize, Subjects)> {
    TOPICS.words.at(text, words)
}
