//! The wait in a 429.
//!
//! Rounding never shortens the wait.

use super::scenario::RetryAfter;
use std::time::{Duration, SystemTime};

/// The wait for the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RetryHint {
    /// The wait from now on.
    pub(super) wait: Option<Duration>,
    pub(super) header: Option<(&'static str, String)>,
}

/// Formats the computed wait, or `fixed_s` (in seconds) unless that is 0.
pub(super) fn retry_hint(form: RetryAfter, fixed_s: f64, computed: Duration, now: SystemTime) -> RetryHint {
    let fixed = Duration::try_from_secs_f64(fixed_s).unwrap_or_default();
    let is_fixed = !fixed.is_zero();
    let wait = if is_fixed { fixed } else { computed };
    let (wait, header) = match form {
        RetryAfter::None => return RetryHint { wait: None, header: None },
        RetryAfter::Seconds if is_fixed => (wait, ("retry-after", fixed_s.to_string())),
        RetryAfter::Seconds => {
            let seconds = up(wait);
            (Duration::from_secs(seconds), ("retry-after", seconds.to_string()))
        }
        RetryAfter::Ms => {
            let millis = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
            (Duration::from_millis(millis), ("retry-after-ms", millis.to_string()))
        }
        RetryAfter::Date => {
            let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            let then = Duration::from_secs(up(now.saturating_add(wait)));
            let date = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + then);
            (then.saturating_sub(now), ("retry-after", date))
        }
    };
    RetryHint { wait: Some(wait), header: Some(header) }
}

/// Whole seconds, rounded up.
fn up(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
