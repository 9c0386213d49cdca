//! Sets of document positions in the input.

use super::Sample;
use std::ops::Range;

/// Ordered positions in the input, stored as ranges because most of them are adjacent.
#[derive(Debug, Default)]
pub(super) struct Positions(Vec<Range<u64>>);

impl Positions {
    /// Adds a position, which must be larger than all others.
    pub fn push(&mut self, position: u64) {
        match self.0.last_mut() {
            Some(last) if last.end == position => last.end += 1,
            _ => self.0.push(position..position + 1),
        }
    }

    /// The number of positions.
    pub fn len(&self) -> u64 {
        self.0.iter().map(|stretch| stretch.end - stretch.start).sum()
    }

    /// Whether the set contains a position.
    pub fn hold(&self, position: u64) -> bool {
        let at = self.0.partition_point(|stretch| stretch.end <= position);
        self.0.get(at).is_some_and(|stretch| stretch.contains(&position))
    }

    /// The positions of `all` that are not in `taken`.
    pub fn rest(taken: &Self, all: impl IntoIterator<Item = u64>) -> Self {
        let mut rest = Self::default();
        all.into_iter().filter(|position| !taken.hold(*position)).for_each(|position| rest.push(position));
        rest
    }

    /// All positions, or `most` of them spread over the whole set.
    pub fn some(&self, most: u64) -> Vec<u64> {
        let mut chosen = Sample { documents: most, seed: 0 }.places(self.len()).map(|places| places.into_iter().peekable());
        let mut some = Vec::new();
        for (nth, position) in self.0.iter().cloned().flatten().enumerate() {
            if chosen.as_mut().is_none_or(|places| places.next_if_eq(&(nth as u64)).is_some()) {
                some.push(position);
            }
        }
        some
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adjacent_positions_are_kept_as_ranges() {
        let mut taken = Positions::default();
        for position in [0, 1, 2, 5, 6, 9] {
            taken.push(position);
        }
        assert_eq!((taken.0.len(), taken.len()), (3, 6));
        assert!(taken.hold(6) && !taken.hold(7) && !taken.hold(10));
        let rest = Positions::rest(&taken, 0..10);
        assert_eq!(rest.some(10), [3, 4, 7, 8]);
        let some = taken.some(3);
        assert!(some.len() == 3 && some.is_sorted() && some.iter().all(|position| taken.hold(*position)), "{some:?}");
    }
}
