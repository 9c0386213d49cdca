//! Detects runs that are worse than earlier ones beyond normal variation.

use super::distribution::median;
use serde::Serialize;

/// Minimum number of earlier runs.
const MIN_RUNS: usize = 3;
/// Maximum number of earlier runs; older ones are ignored.
const MAX_RUNS: usize = 10;
/// Minimum change relative to the median.
const MIN_CHANGE: f64 = 0.2;
/// Minimum change relative to the median absolute deviation. It equals three standard deviations of
/// a normal distribution.
const MIN_DEVIATIONS: f64 = 3.0 * 1.4826;

/// The direction that is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worse {
    /// Higher is worse, as with costs.
    Higher,
    /// Lower is worse, as with throughput.
    Lower,
}

/// The earlier runs whose median is better than the compared run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Regression {
    /// Numbers of the earlier runs.
    pub runs: Vec<i64>,
    /// Their median.
    pub median: f64,
}

/// Compares `now` with the same figure of `earlier` comparable runs, oldest first.
///
/// `now` is a regression if it is worse than the median of `earlier` by more than each of these:
///
/// - a fifth of the median
/// - `least`, which matters if the median is 0
/// - three standard deviations, so that unsteady figures raise no alarm
///
/// Returns `None` for fewer than three earlier runs, because they show no normal variation.
pub fn regression(earlier: &[(i64, f64)], now: f64, worse: Worse, least: f64) -> Option<Regression> {
    let latest = &earlier[earlier.len().saturating_sub(MAX_RUNS)..];
    let values: Vec<f64> = latest.iter().map(|(_, value)| *value).collect();
    let median = median(&values).filter(|_| values.len() >= MIN_RUNS)?;
    let distances: Vec<f64> = values.iter().map(|value| (value - median).abs()).collect();
    let spread = self::median(&distances)?;
    let change = if worse == Worse::Higher { now - median } else { median - now };
    let matters = change > (MIN_CHANGE * median).max(least) && change > MIN_DEVIATIONS * spread;
    matters.then(|| Regression { runs: latest.iter().map(|(run, _)| *run).collect(), median })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(values: &[f64]) -> Vec<(i64, f64)> {
        values.iter().zip(1..).map(|(value, run)| (run, *value)).collect()
    }

    #[test]
    fn a_run_worse_than_a_steady_past_is_a_regression() {
        let steady = runs(&[12.0, 12.2, 11.9, 12.1]);
        let found = regression(&steady, 7.5, Worse::Lower, 0.0).unwrap();
        assert_eq!((found.runs, found.median), (vec![1, 2, 3, 4], 12.05));
        assert_eq!(regression(&steady, 10.0, Worse::Lower, 0.0), None, "less than a fifth");
        assert_eq!(regression(&steady, 20.0, Worse::Lower, 0.0), None, "better is no regression");
        assert!(regression(&steady, 20.0, Worse::Higher, 0.0).is_some());
    }

    #[test]
    fn unsteady_and_short_histories_raise_no_alarm() {
        assert_eq!(regression(&runs(&[6.0, 12.0, 18.0, 9.0, 15.0]), 7.0, Worse::Lower, 0.0), None);
        assert_eq!(regression(&runs(&[12.0, 12.0]), 1.0, Worse::Lower, 0.0), None);
        // An earlier slow run does not hide the next one.
        assert!(regression(&runs(&[12.0, 12.1, 11.9, 12.0, 5.0]), 5.0, Worse::Lower, 0.0).is_some());
        // A fifth of zero is zero, so `least` decides.
        assert_eq!(regression(&runs(&[0.0, 0.0, 0.0]), 0.01, Worse::Higher, 0.02), None);
    }

    #[test]
    fn only_the_latest_runs_count() {
        let past: Vec<f64> = std::iter::repeat_n(40.0, 20).chain(std::iter::repeat_n(12.0, 10)).collect();
        assert_eq!(regression(&runs(&past), 11.0, Worse::Lower, 0.0), None);
    }
}
