//! An empirical distribution of durations.

use fastrand::Rng;

/// A sample of durations. Draws never exceed the longest duration, because a small sample says
/// nothing about longer tails.
#[derive(Debug, Clone)]
pub struct Durations(Vec<f64>);

impl Durations {
    /// Creates a distribution from a sample.
    pub fn new(sample: Vec<f64>) -> Self {
        Self(sample)
    }

    /// A bootstrap sample of the same size.
    #[must_use]
    pub fn another(&self, random: &mut Rng) -> Self {
        Self(self.0.iter().map(|_| self.draw(random)).collect())
    }

    /// Draws one duration; 0 without a sample.
    pub fn draw(&self, random: &mut Rng) -> f64 {
        random.choice(&self.0).copied().unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_follow_the_sample() {
        let mut random = Rng::with_seed(1);
        let sample = Durations::new(vec![1.0, 1.0, 1.0, 9.0]);
        let drawn: Vec<f64> = (0..4000).map(|_| sample.draw(&mut random)).collect();
        let long = drawn.iter().filter(|seconds| **seconds > 5.0).count();
        assert!(drawn.iter().all(|seconds| sample.0.contains(seconds)));
        assert!((800..1200).contains(&long), "{long} of 4000");
        assert_eq!(sample.another(&mut random).0.len(), 4);
        assert!(Durations::new(Vec::new()).draw(&mut random).abs() < f64::EPSILON);
    }
}
