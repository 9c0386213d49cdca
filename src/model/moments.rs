//! When things happened: moments that can be compared with those of other runs.

use jiff::Timestamp;

/// When a request did what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moments {
    /// Its first byte left.
    pub sent: Timestamp,
    /// The first byte of its reply came, if one did.
    pub first_byte: Option<Timestamp>,
    /// Its reply was whole, or given up.
    pub ended: Timestamp,
}

/// When a document came through which stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DocumentTimes {
    /// The walk came across it.
    pub found: Timestamp,
    /// It was read.
    pub read: Timestamp,
    /// It was prepared.
    pub ready: Timestamp,
}
