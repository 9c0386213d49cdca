//! A few documents instead of all: what a pilot asks about.

use super::Plan;

/// Only so many documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// How many.
    pub documents: u64,
    /// Another seed, other documents.
    pub seed: u64,
}

impl Sample {
    /// Places of the documents to take out of `total`, in order: one at random out of each stretch of the input, so that
    /// all parts of it are seen, whatever order it is in. `None` if that would be all of them.
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
    /// Places of the documents that are wanted; `None` for all. Blocks.
    pub(super) fn places(&self) -> Option<Vec<u64>> {
        self.sample.and_then(|sample| sample.places(self.roots.unsorted().count() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stretch_of_the_input_gives_one() {
        for seed in 0..20 {
            let places = Sample { documents: 7, seed }.places(100).expect("fewer than all");
            let stretches: Vec<u64> = places.iter().map(|place| place * 7 / 100).collect();
            assert!(places.is_sorted() && places.iter().all(|place| *place < 100), "{places:?}");
            assert_eq!(stretches.len(), 7);
            assert!(places.windows(2).all(|pair| pair[0] < pair[1]), "{places:?}");
        }
    }

    #[test]
    fn all_is_no_sample() {
        assert_eq!(Sample { documents: 5, seed: 0 }.places(5), None);
        assert_eq!(Sample { documents: 0, seed: 0 }.places(5), Some(Vec::new()));
    }
}
