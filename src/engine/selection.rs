//! Selects the documents of a run: all, a sample, or a shard.

use super::Plan;
use crate::read::Roots;
use std::fmt;

/// The selected documents of the input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Selection {
    /// All documents.
    #[default]
    All,
    /// The first documents in input order.
    First(u64),
    /// A sample from all parts of the input, as for a pilot.
    Sample(Sample),
    /// The documents of one of several machines. No setting selects this yet.
    Shard(Shard),
}

impl Selection {
    /// Number of documents of a limit or a sample.
    pub fn size(self) -> Option<u64> {
        match self {
            Self::First(count) => Some(count),
            Self::Sample(sample) => Some(sample.documents),
            Self::All | Self::Shard(_) => None,
        }
    }

    /// Positions of the selected documents in the input, sorted. `None` for all. Blocks.
    fn places(self, roots: &Roots) -> Option<Vec<u64>> {
        match self {
            Self::All => None,
            Self::First(count) => {
                let has_more = roots.unsorted().nth(usize::try_from(count).unwrap_or(usize::MAX)).is_some();
                has_more.then(|| (0..count).collect())
            }
            Self::Sample(sample) => sample.places(roots.unsorted().count() as u64),
            Self::Shard(shard) => {
                let all = roots.walk().map(|(document, _)| document);
                Some(all.filter(|document| shard.holds(&document.name)).map(|document| document.index).collect())
            }
        }
    }
}

impl From<Option<Sample>> for Selection {
    fn from(sample: Option<Sample>) -> Self {
        sample.map_or(Self::All, Self::Sample)
    }
}

/// One of several disjoint parts of the input with about equal numbers of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    number: u32,
    of: u32,
}

impl Shard {
    /// Shard `number`, counted from 1, of `of` shards. `None` if there is no such shard.
    pub fn new(number: u32, of: u32) -> Option<Self> {
        (1..=of).contains(&number).then_some(Self { number, of })
    }

    /// Whether the document `name` belongs to this shard. Every name belongs to exactly one shard,
    /// on every machine and in every version.
    pub fn holds(self, name: &str) -> bool {
        let hash = blake3::hash(name.as_bytes());
        let first = hash.as_bytes().first_chunk().map_or(0, |first| u64::from_le_bytes(*first));
        first % u64::from(self.of) == u64::from(self.number - 1)
    }
}

/// A random sample of documents, spread over the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Size of the sample.
    pub documents: u64,
    /// Seed of the random choice.
    pub seed: u64,
}

impl Sample {
    /// Positions of the sample in an input of `total` documents, sorted.
    ///
    /// The sample has one random document from each of `documents` equal stretches, so it covers
    /// all parts of the input. `None` if it would contain all documents.
    pub fn places(self, total: u64) -> Option<Vec<u64>> {
        let Self { documents, seed } = self;
        if documents >= total {
            return None;
        }
        let mut random = fastrand::Rng::with_seed(seed);
        let border = |n: u64| u64::try_from(u128::from(n) * u128::from(total) / u128::from(documents)).unwrap_or(total);
        Some((0..documents).map(|n| random.u64(border(n)..border(n + 1))).collect())
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "shard {} of {}", self.number, self.of)
    }
}

impl Plan {
    /// Positions of the selected documents; `None` for all. Blocks.
    pub(super) fn places(&self) -> Option<Vec<u64>> {
        self.selection.places(&self.roots)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::{InputEnvironment, InputSettings};
    use std::path::Path;

    #[test]
    fn a_sample_has_one_document_from_each_stretch() {
        for seed in 0..20 {
            let places = Sample { documents: 7, seed }.places(100).expect("fewer than all");
            let stretches: Vec<u64> = places.iter().map(|place| place * 7 / 100).collect();
            assert!(places.is_sorted() && places.iter().all(|place| *place < 100), "{places:?}");
            assert_eq!(stretches.len(), 7);
            assert!(places.windows(2).all(|pair| pair[0] < pair[1]), "{places:?}");
        }
    }

    #[test]
    fn a_sample_of_all_documents_has_no_positions() {
        assert_eq!(Sample { documents: 5, seed: 0 }.places(5), None);
        assert_eq!(Sample { documents: 0, seed: 0 }.places(5), Some(Vec::new()));
    }

    #[test]
    fn every_name_belongs_to_exactly_one_shard() {
        let shards: Vec<Shard> = (1..=4).map(|number| Shard::new(number, 4).unwrap()).collect();
        let mut sizes = [0; 4];
        for n in 0..1000 {
            let name = format!("folder/{n}.txt");
            let holders: Vec<usize> = (0..4).filter(|at| shards[*at].holds(&name)).collect();
            assert_eq!(holders.len(), 1, "{name}");
            sizes[holders[0]] += 1;
        }
        assert!(sizes.iter().all(|size| (200..300).contains(size)), "{sizes:?}");
        assert!(Shard::new(1, 1).unwrap().holds("anything"));
    }

    #[test]
    fn a_name_stays_in_its_shard() {
        // These numbers are fixed: a new version must not move documents between machines.
        let number = |name: &str| (1..=7).find(|number| Shard::new(*number, 7).unwrap().holds(name)).unwrap();
        assert_eq!(["a.txt", "b/c.pdf", "rows.csv#17"].map(number), [1, 6, 1]);
    }

    #[test]
    fn shard_numbers_outside_the_range_are_invalid() {
        assert_eq!([(0, 3), (4, 3), (0, 0), (1, 0)].map(|(number, of)| Shard::new(number, of)), [None; 4]);
    }

    #[test]
    fn a_shard_selects_the_positions_of_its_names() {
        let directory = tempfile::tempdir().unwrap();
        for n in 0..20 {
            std::fs::write(directory.path().join(format!("{n:02}.txt")), "text").unwrap();
        }
        let paths = vec![directory.path().display().to_string()];
        let input = InputSettings { paths, include: vec!["**/*".to_owned()], ..InputSettings::default() };
        let roots = Roots::open(&input, &InputEnvironment::default(), Some(Vec::new()), Path::new("output")).unwrap();
        let places = |number| Selection::Shard(Shard::new(number, 3).unwrap()).places(&roots).unwrap();
        let mut all = [places(1), places(2), places(3)].concat();
        all.sort_unstable();
        assert_eq!(all, (0..20).collect::<Vec<u64>>());
        assert_eq!(Selection::All.places(&roots), None);
        assert_eq!(Selection::First(3).places(&roots), Some(vec![0, 1, 2]));
        assert_eq!(Selection::First(20).places(&roots), None);
    }
}
