//! The meanings of errors.

use serde::Deserialize;

/// The meaning of an error, as `means` in `errors.toml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Meaning {
    Credit,
    Key,
    Denied,
    Model,
    Later,
    Limit,
    Ramp,
    Overload,
    Capacity,
    Server,
    TooLong,
    Filtered,
    Refused,
    Rejected,
    InvalidAnswer,
}
