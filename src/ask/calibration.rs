//! How many tokens a model really counts for each that we have estimated.
//!
//! We count with one vocabulary; models have others, and their providers wrap prompts in words of their own. Rates are kept
//! better with the truth, which every reply tells.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// What was learned in this run, model by model.
#[derive(Debug, Default)]
pub(super) struct Calibration(Mutex<HashMap<String, f64>>);

/// The share of the past in what is expected.
const MEMORY: f64 = 0.9;

impl Calibration {
    /// What `estimated` tokens are likely to be to this model.
    pub fn expected(&self, model: &str, estimated: u64) -> f64 {
        let ratios = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ratios.get(model).copied().unwrap_or(1.0) * estimated as f64
    }

    /// Learns from a reply.
    pub fn learn(&self, model: &str, estimated: u64, counted: u64) {
        if estimated == 0 || counted == 0 {
            return;
        }
        // One odd count must not make a fool of all that follow.
        let ratio = (counted as f64 / estimated as f64).clamp(0.25, 4.0);
        let mut ratios = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match ratios.get_mut(model) {
            Some(known) => *known = *known * MEMORY + ratio * (1.0 - MEMORY),
            None => drop(ratios.insert(model.to_owned(), ratio)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_replies_tell_is_what_is_expected() {
        let calibration = Calibration::default();
        let near = |expected: f64, value: f64| assert!((expected - value).abs() < 1.0, "{expected} {value}");
        near(calibration.expected("m", 1000), 1000.0);
        calibration.learn("m", 1000, 1300);
        near(calibration.expected("m", 1000), 1300.0);
        for _ in 0..100 {
            calibration.learn("m", 100, 120);
        }
        near(calibration.expected("m", 1000), 1200.0);
        calibration.learn("m", 1, 1_000_000);
        assert!(calibration.expected("m", 1000) < 1500.0);
        near(calibration.expected("other", 1000), 1000.0);
    }
}
