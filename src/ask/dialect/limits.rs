//! Rate limits that the headers of a reply declare.

use super::http::HttpReply;
use std::time::Duration;

/// The quantity that a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitKind {
    /// Requests.
    Requests,
    /// Input tokens.
    InputTokens,
    /// Output tokens.
    OutputTokens,
    /// Input and output tokens together.
    Tokens,
}

/// A rate limit declared in headers, with the remaining amount.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateLimitHeader {
    /// The quantity that the limit counts.
    pub meter: LimitKind,
    /// The limit per minute.
    pub per_minute: f64,
    /// The remaining amount, if declared.
    pub remaining: Option<f64>,
    /// Time until the full limit is available again.
    pub reset: Option<Duration>,
}

/// Reads a number from a header.
pub(super) fn number(http: &HttpReply<'_>, name: &str) -> Option<f64> {
    let number: f64 = (http.header)(name)?.trim().parse().ok()?;
    (number.is_finite() && number >= 0.0).then_some(number)
}

impl RateLimitHeader {
    /// Combines two limits of the same kind into the stricter one.
    pub(super) fn stricter(self, other: Self) -> Self {
        let remaining = [self.remaining, other.remaining].into_iter().flatten().reduce(f64::min);
        Self { per_minute: self.per_minute.min(other.per_minute), remaining, reset: self.reset.max(other.reset), ..self }
    }

    /// Whether the limit is per minute.
    ///
    /// Some servers send a limit per day under the same name. Such a limit takes much longer to
    /// refill.
    pub(super) fn is_per_minute(&self) -> bool {
        let (Some(remaining), Some(reset)) = (self.remaining, self.reset) else { return true };
        let missing = (self.per_minute - remaining).max(0.0);
        let expected = 60.0 * missing / self.per_minute;
        reset.as_secs_f64() <= 3.0 * expected + 60.0
    }
}

#[cfg(test)]
mod tests {
    use super::super::Dialect;
    use super::*;

    fn rate_limits(dialect: Dialect, headers: &[(&str, &str)]) -> Vec<RateLimitHeader> {
        let header = |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        (dialect.limits.headers)(&HttpReply { status: 200, header: &header, body: b"" })
    }

    #[test]
    fn anthropic_declares_requests_and_both_kinds_of_tokens() {
        let seen = rate_limits(
            Dialect::ANTHROPIC,
            &[
                ("date", "Fri, 20 Nov 2026 10:00:00 GMT"),
                ("anthropic-ratelimit-requests-limit", "1200"),
                ("anthropic-ratelimit-requests-remaining", "19"),
                ("anthropic-ratelimit-requests-reset", "2026-11-20T10:00:01Z"),
                ("anthropic-ratelimit-input-tokens-limit", "2000000"),
                ("anthropic-ratelimit-output-tokens-limit", "400000"),
                ("anthropic-ratelimit-output-tokens-remaining", "many"),
                ("anthropic-ratelimit-tokens-limit", "2400000"),
            ],
        );
        let bare = |meter, per_minute| RateLimitHeader { meter, per_minute, remaining: None, reset: None };
        let requests = RateLimitHeader { remaining: Some(19.0), reset: Some(Duration::from_secs(1)), ..bare(LimitKind::Requests, 1200.0) };
        assert_eq!(seen, [requests, bare(LimitKind::InputTokens, 2e6), bare(LimitKind::OutputTokens, 4e5)]);
        assert_eq!(rate_limits(Dialect::ANTHROPIC, &[("anthropic-ratelimit-tokens-limit", "7")]), [bare(LimitKind::Tokens, 7.0)]);
    }

    #[test]
    fn openai_counts_tokens_together() {
        let headers = [
            ("x-ratelimit-limit-requests", "5000"),
            ("x-ratelimit-remaining-requests", "4999"),
            ("x-ratelimit-reset-requests", "12ms"),
            ("x-ratelimit-limit-tokens", "4000000"),
            ("x-ratelimit-remaining-tokens", "3998000"),
            ("x-ratelimit-reset-tokens", "30ms"),
        ];
        let seen = rate_limits(Dialect::OPENAI, &headers);
        assert_eq!(
            seen.iter().map(|s| (s.meter, s.per_minute)).collect::<Vec<_>>(),
            [(LimitKind::Requests, 5000.0), (LimitKind::Tokens, 4e6)]
        );
        // The limits of a project and of the account are combined.
        let project = [("x-ratelimit-limit-project-tokens", "1000000"), ("x-ratelimit-remaining-project-tokens", "999000")];
        let seen = rate_limits(Dialect::OPENAI, &[&headers[..], &project[..]].concat());
        assert_eq!(seen.iter().map(|s| (s.per_minute, s.remaining)).collect::<Vec<_>>(), [(5000.0, Some(4999.0)), (1e6, Some(999_000.0))]);
    }

    #[test]
    fn a_limit_per_day_is_ignored() {
        let headers = [
            ("x-ratelimit-limit-requests", "14400"),
            ("x-ratelimit-remaining-requests", "14370"),
            ("x-ratelimit-reset-requests", "2m59.56s"),
            ("x-ratelimit-limit-tokens", "0"),
        ];
        assert_eq!(rate_limits(Dialect::COMPATIBLE, &headers), []);
    }
}
