//! How long things take, as far as a sample shows it.

use fastrand::Rng;

/// A sample of durations, to draw others like them from. Nothing is longer than the longest: what a small sample says about tails
/// that it has not seen is worth less than nothing.
#[derive(Debug, Clone)]
pub struct Durations(Vec<f64>);

impl Durations {
    /// Of a sample.
    pub fn new(sample: Vec<f64>) -> Self {
        Self(sample)
    }

    /// Another sample of the same size, as it might have been.
    #[must_use]
    pub fn another(&self, random: &mut Rng) -> Self {
        Self(self.0.iter().map(|_| self.draw(random)).collect())
    }

    /// One duration; 0 if nothing is known.
    pub fn draw(&self, random: &mut Rng) -> f64 {
        random.choice(&self.0).copied().unwrap_or(0.0)
    }
}
