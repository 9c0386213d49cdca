//! How long things take, as far as a sample shows it.

use fastrand::Rng;

/// A sample of durations, to draw others like them from.
///
/// The longest of a sample is not the longest that there is: one draw in as many as the sample has is longer, by as much as the
/// longer ones of the sample differ among each other (Hill's estimate of a tail).
#[derive(Debug, Clone)]
pub struct Durations {
    /// In order.
    sorted: Vec<f64>,
    /// 0: nothing is longer than the longest. The larger, the longer the tail.
    tail: f64,
}

/// The share of a sample that says something about its tail.
const LONGER: usize = 10;
/// A heavier tail has no mean.
const HEAVIEST: f64 = 0.9;
/// Draws do not go further out than this share of the tail.
const FARTHEST: f64 = 0.1;

impl Durations {
    /// Of a sample.
    pub fn new(mut sample: Vec<f64>) -> Self {
        sample.sort_by(f64::total_cmp);
        let longer = (sample.len() / LONGER).max(2).min(sample.len().saturating_sub(1));
        let tail = match sample.split_at_checked(sample.len() - longer) {
            Some((&[.., from], above)) if from > 0.0 && longer > 0 => {
                above.iter().map(|seconds| (seconds / from).ln()).sum::<f64>() / longer as f64
            }
            _ => 0.0,
        };
        Self { sorted: sample, tail: tail.min(HEAVIEST) }
    }

    /// Another sample of the same size, as it might have been.
    #[must_use]
    pub fn another(&self, random: &mut Rng) -> Self {
        let drawn = self.sorted.iter().map(|_| self.sorted[random.usize(..self.sorted.len())]).collect();
        Self { tail: self.tail, ..Self::new(drawn) }
    }

    /// One duration; 0 if nothing is known.
    pub fn draw(&self, random: &mut Rng) -> f64 {
        let Some(longest) = self.sorted.last() else { return 0.0 };
        match self.sorted.get(random.usize(..=self.sorted.len())) {
            Some(seconds) => *seconds,
            None => longest * (FARTHEST + (1.0 - FARTHEST) * random.f64()).powf(-self.tail),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_like_the_sample_and_seldom_longer() {
        let mut random = Rng::with_seed(1);
        let same = Durations::new(vec![0.5; 30]);
        assert!((0..1000).all(|_| same.draw(&mut random) == 0.5));
        let heavy: Vec<f64> = (1..=30).map(|n| 30.0 / f64::from(n)).collect();
        let durations = Durations::new(heavy.clone());
        let drawn: Vec<f64> = (0..10_000).map(|_| durations.draw(&mut random)).collect();
        let longer = drawn.iter().filter(|seconds| **seconds > 30.0).count();
        assert!((200..450).contains(&longer), "{longer}");
        assert!(drawn.iter().all(|seconds| (1.0..300.0).contains(seconds)));
        assert_eq!(Durations::new(Vec::new()).draw(&mut random), 0.0);
        assert_eq!(Durations::new(vec![2.0]).another(&mut random).draw(&mut random), 2.0);
    }
}
