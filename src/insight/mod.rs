//! Statistics and predictions: pure arithmetic on measurements.

pub mod agreement;
mod bottleneck;
pub mod distribution;
mod durations;
mod estimate;
mod prior;
pub mod proportion;
pub mod regression;
mod schedule;
pub mod speed_up;

pub use bottleneck::{Known, Rate, Situation, Tail};
pub use durations::Durations;
pub use estimate::{Interval, Observed, USD, ratio_estimate, rounded, student};
pub use prior::{AnswerForm, Length};
pub use schedule::{Admission, Forecast, Load, Machinery, Order, schedule};

/// Compares a value with a reference figure, which has six digits.
#[cfg(test)]
#[track_caller]
fn near(value: f64, expected: f64) {
    assert!((value - expected).abs() < 1e-6, "{value} is not {expected}");
}
