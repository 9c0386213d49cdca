//! The quota of an account.

use super::LimitKind;
use crate::simulator::scenario::{Change, Scenario};

/// The limit keys of a scenario, including later changes.
#[derive(Debug, Clone)]
pub(super) struct Quota {
    requests_per_second: f64,
    burst: u32,
    pub(super) concurrency: usize,
    input_tokens_per_minute: u64,
    output_tokens_per_minute: u64,
    tokens_per_minute: u64,
    burst_s: f64,
}

impl Quota {
    pub(super) fn of(scenario: &Scenario) -> Self {
        Self {
            requests_per_second: scenario.requests_per_second,
            burst: scenario.burst,
            concurrency: scenario.concurrency,
            input_tokens_per_minute: scenario.input_tokens_per_minute,
            output_tokens_per_minute: scenario.output_tokens_per_minute,
            tokens_per_minute: scenario.tokens_per_minute,
            burst_s: scenario.burst_s,
        }
    }

    pub(super) fn change(&mut self, change: &Change) {
        set(&mut self.requests_per_second, change.requests_per_second);
        set(&mut self.burst, change.burst);
        set(&mut self.concurrency, change.concurrency);
        set(&mut self.input_tokens_per_minute, change.input_tokens_per_minute);
        set(&mut self.output_tokens_per_minute, change.output_tokens_per_minute);
        set(&mut self.tokens_per_minute, change.tokens_per_minute);
        set(&mut self.burst_s, change.burst_s);
    }

    /// Refill per minute (0: no limit) and capacity of a limit.
    pub(super) fn of_meter(&self, meter: LimitKind) -> (f64, f64) {
        let tokens = |per_minute: u64| (per_minute as f64, per_minute as f64 / 60.0 * self.burst_s);
        match meter {
            LimitKind::Requests if self.burst == 0 => (self.requests_per_second * 60.0, self.requests_per_second.max(1.0)),
            LimitKind::Requests => (self.requests_per_second * 60.0, f64::from(self.burst)),
            LimitKind::Input => tokens(self.input_tokens_per_minute),
            LimitKind::Output => tokens(self.output_tokens_per_minute),
            LimitKind::Tokens => tokens(self.tokens_per_minute),
        }
    }
}

fn set<T>(slot: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *slot = value;
    }
}
