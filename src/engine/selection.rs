//! Selects the documents of a run: all, the first, or a sample.

use super::Plan;
use crate::read::Roots;

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
}

impl Selection {
    /// Number of documents of a limit or a sample.
    pub fn size(self) -> Option<u64> {
        match self {
            Self::First(count) => Some(count),
            Self::Sample(sample) => Some(sample.documents),
            Self::All => None,
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
        }
    }
}

impl From<Option<Sample>> for Selection {
    fn from(sample: Option<Sample>) -> Self {
        sample.map_or(Self::All, Self::Sample)
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

impl Plan {
    /// Positions of the selected documents; `None` for all. Blocks.
    pub(super) fn places(&self) -> Option<Vec<u64>> {
        self.selection.places(&self.roots)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
