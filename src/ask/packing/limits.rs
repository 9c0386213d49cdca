//! Limits of a request: known, or learned from refusals.

use crate::ask::dialect::{SizeKind, TooLarge};
use std::collections::HashMap;

/// Number of endpoints whose learned limits are kept.
const MAX_ENDPOINTS: usize = 1024;

/// What a request may hold. An item that exceeds a limit by itself travels alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackLimits {
    /// Maximum number of items.
    pub max_items: usize,
    /// Maximum number of tokens of all items.
    pub max_tokens: u64,
    /// Maximum number of bytes of all items.
    pub max_bytes: u64,
}

impl PackLimits {
    /// No limits.
    pub const NONE: Self = Self { max_items: usize::MAX, max_tokens: u64::MAX, max_bytes: u64::MAX };

    /// The smaller of each limit.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            max_items: self.max_items.min(other.max_items),
            max_tokens: self.max_tokens.min(other.max_tokens),
            max_bytes: self.max_bytes.min(other.max_bytes),
        }
    }
}

/// Size of an item, or of several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// Number of items.
    pub items: usize,
    /// Tokens, as far as known.
    pub tokens: u64,
    /// Bytes in the request.
    pub bytes: u64,
}

impl Size {
    /// The size of one item.
    pub fn of(tokens: u64, bytes: u64) -> Self {
        Self { items: 1, tokens, bytes }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            items: self.items.saturating_add(other.items),
            tokens: self.tokens.saturating_add(other.tokens),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }

    /// Whether a request may hold this.
    pub(super) fn fits(self, limits: PackLimits) -> bool {
        self.items <= limits.max_items && self.tokens <= limits.max_tokens && self.bytes <= limits.max_bytes
    }

    /// Whether this fills so many requests.
    pub(super) fn fills(self, limits: PackLimits, requests: usize) -> bool {
        let times = requests as u64;
        self.items >= limits.max_items.saturating_mul(requests)
            || self.tokens >= limits.max_tokens.saturating_mul(times)
            || self.bytes >= limits.max_bytes.saturating_mul(times)
    }
}

/// Limits learned from refusals, by endpoint.
#[derive(Debug, Default)]
pub(super) struct LearnedLimits(HashMap<String, PackLimits>);

impl LearnedLimits {
    pub(super) fn new(remembered: Vec<(String, PackLimits)>) -> Self {
        Self(remembered.into_iter().collect())
    }

    pub(super) fn of(&self, endpoint: &str) -> PackLimits {
        self.0.get(endpoint).copied().unwrap_or(PackLimits::NONE)
    }

    /// Learns from the refusal of a request with several items: the stated limit if it is below the
    /// size, or else half the size. The next requests are smaller than this one in any case. Returns
    /// all learned limits of the endpoint.
    pub(super) fn learn(&mut self, endpoint: &str, size: Size, refusal: TooLarge) -> PackLimits {
        let mut limits = self.of(endpoint);
        let half = |refused: u64| refusal.limit.filter(|limit| (1..refused).contains(limit)).unwrap_or(refused / 2).max(1);
        match refusal.kind {
            SizeKind::Tokens if size.tokens > 1 => limits.max_tokens = limits.max_tokens.min(half(size.tokens)),
            SizeKind::Bytes if size.bytes > 1 => limits.max_bytes = limits.max_bytes.min(half(size.bytes)),
            _ => {
                let items = usize::try_from(half(size.items as u64)).unwrap_or(usize::MAX);
                limits.max_items = limits.max_items.min(items);
            }
        }
        if self.0.len() >= MAX_ENDPOINTS
            && !self.0.contains_key(endpoint)
            && let Some(other) = self.0.keys().next().cloned()
        {
            self.0.remove(&other);
        }
        self.0.insert(endpoint.to_owned(), limits);
        limits
    }
}
