//! How long requests took, as counts by length.

use serde::{Deserialize, Serialize};

/// How long requests took.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Requests that took up to [`Latency::UP_TO_S`], those of the step before not included; the last are those above all steps.
    pub counts: Vec<u64>,
    /// Seconds of all of them together.
    pub sum_s: f64,
}

impl Latency {
    /// Ends of the steps, in seconds.
    pub const UP_TO_S: [f64; 12] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0];

    /// The step that this length belongs to.
    pub fn step(seconds: f64) -> usize {
        Self::UP_TO_S.partition_point(|end| *end < seconds)
    }
}
