//! One limit of an account: its source, and its bucket.

use super::super::dialect::LimitKind;
use super::bucket::Bucket;
use crate::insight::Known;
use crate::model::WaitReason;
use serde::{Deserialize, Serialize};

/// Assumed capacity of a bucket, in seconds of its rate.
///
/// It applies after a refusal, and if headers do not declare the remaining amount.
pub(super) const UNSEEN_S: f64 = 5.0;

/// Seconds without confirmation after which a process counts as killed.
const GONE_S: f64 = 60.0;

/// The source of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) enum Source {
    /// Settings of a process, last confirmed at `at`.
    ///
    /// They apply while such a process runs.
    Given { at: f64 },
    /// Headers of replies. `holds` is the highest content seen in the provider's bucket.
    Declared { holds: f64 },
    /// Learned from refusals.
    Learned,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Limit {
    pub source: Source,
    pub bucket: Bucket,
}

impl Limit {
    /// The source for reports.
    ///
    /// `set` is the limit per minute in the settings; 0 means no limit.
    pub fn known(&self, set: f64) -> Known {
        // The configured limit decides unless the provider's limit is lower.
        let decides = set > 0.0 && (matches!(self.source, Source::Given { .. }) || set <= 60.0 * self.bucket.per_second() + 1e-6);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was a u32")]
        match self.source {
            _ if decides => Known::Set(set as u32),
            Source::Learned => Known::Measured,
            Source::Given { .. } => Known::SetElsewhere,
            Source::Declared { .. } => Known::Declared,
        }
    }

    /// Maximum content of the provider's bucket.
    pub fn holds(&self) -> f64 {
        match self.source {
            Source::Declared { holds } => holds,
            Source::Given { .. } | Source::Learned => self.bucket.capacity(),
        }
    }
}

impl Source {
    /// Whether the process that configured this limit has ended.
    pub fn is_gone(self, now: f64) -> bool {
        matches!(self, Self::Given { at } if now - at >= GONE_S)
    }
}

/// The wait reason if this limit is used up.
pub(super) fn hold(meter: LimitKind) -> WaitReason {
    match meter {
        LimitKind::Requests => WaitReason::Requests,
        LimitKind::InputTokens => WaitReason::InputTokens,
        LimitKind::OutputTokens => WaitReason::OutputTokens,
        LimitKind::Tokens => WaitReason::Tokens,
    }
}
