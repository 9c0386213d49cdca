//! What figures mean: intervals, predictions, comparisons. Pure arithmetic over what others have measured.

mod bottleneck;

pub use bottleneck::{Rate, Situation, Tail};
