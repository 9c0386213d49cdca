//! A histogram of durations.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Counts durations in logarithmic steps, four for each doubling.
///
/// Medians and quartiles need constant memory.
#[derive(Debug)]
pub struct Histogram([AtomicU64; 128]);

impl Default for Histogram {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Histogram {
    /// Counts a duration. Shorter ones count as a microsecond.
    pub fn add(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1);
        let doublings = micros.ilog2();
        // The two bits after the highest one.
        let quarter = if doublings < 2 { 0 } else { (micros >> (doublings - 2)) & 3 };
        let at = (4 * doublings as usize + usize::try_from(quarter).unwrap_or(0)).min(self.0.len() - 1);
        self.0[at].fetch_add(1, Relaxed);
    }

    /// The median in milliseconds; 0 without values.
    pub fn median_ms(&self) -> f64 {
        self.quartile_ms(2)
    }

    /// Quartile `quarters` (0 to 3) in milliseconds; 0 without values.
    pub fn quartile_ms(&self, quarters: u64) -> f64 {
        let counts = self.0.each_ref().map(|count| count.load(Relaxed));
        let mut below = counts.iter().sum::<u64>() * quarters / 4;
        for (at, count) in counts.iter().enumerate() {
            if *count > below {
                // The middle of the step.
                return f64::exp2((at / 4) as f64) * (1.125 + 0.25 * (at % 4) as f64) / 1000.0;
            }
            below -= count;
        }
        0.0
    }
}
