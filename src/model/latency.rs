//! Histogram of request durations.

use serde::{Deserialize, Serialize};

/// Histogram of request durations.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Number of requests per bucket of [`Latency::UP_TO_S`]. The last bucket holds longer
    /// requests.
    pub counts: Vec<u64>,
    /// Sum of all durations in seconds.
    pub sum_s: f64,
}

impl Latency {
    /// Upper bounds of the buckets, in seconds.
    pub const UP_TO_S: [f64; 12] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0];

    /// Index of the bucket for a duration.
    pub fn step(seconds: f64) -> usize {
        Self::UP_TO_S.partition_point(|end| *end < seconds)
    }
}
