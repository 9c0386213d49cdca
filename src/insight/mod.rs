//! What figures mean: intervals, predictions, comparisons. Pure arithmetic over what others have measured.

pub mod agreement;
mod bottleneck;
pub mod distribution;
pub mod proportion;
pub mod regression;
pub mod speed_up;

pub use bottleneck::{Rate, Situation, Tail};
