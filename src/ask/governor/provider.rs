//! A model provider in virtual time, for tests.
//!
//! As providers document, it reserves its own estimate when a request arrives and corrects it with
//! the reply. It refuses while a bucket holds too little. It shares no code with the governor.

use super::super::dialect::{Dialect, LimitKind, RateLimitHeader};
use fastrand::Rng;
use std::cell::{Cell, RefCell};
use std::time::Duration;
use tokio::time::Instant;

/// The true amounts of one call.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    pub text: f64,
    pub images: f64,
    /// Share of the input that comes from the prompt cache.
    pub cached: f64,
    pub output: f64,
    pub max_output: f64,
    pub latency: f64,
    /// The provider's estimate of the input, relative to the true value.
    pub guess: f64,
}

/// The rules by which a provider counts and refuses.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "unrelated habits of providers")]
pub struct Terms {
    pub dialect: Dialect,
    /// Kind, requests or tokens per second, and bucket capacity of each limit.
    pub limits: Vec<(LimitKind, f64, f64)>,
    /// Rounding unit of remaining tokens, and the time of headers.
    ///
    /// The flag is set if headers are as of the reply, not of the request's arrival. `None` means
    /// no headers.
    pub headers: Option<(f64, bool)>,
    /// Whether a joint limit gets unused reserved tokens back after the reply.
    pub corrects: bool,
    /// Whether cached input counts. Anthropic never counts it.
    pub cached_counts: bool,
    pub refused_count: bool,
    pub names_meter: bool,
}

struct Budget {
    meter: LimitKind,
    per_second: f64,
    capacity: f64,
    level: f64,
    at: f64,
    charged: f64,
}

pub struct Provider {
    pub terms: Terms,
    budgets: RefCell<Vec<Budget>>,
    started: Instant,
    pub refused: Cell<usize>,
    pub last: Cell<f64>,
}

/// A reply, or a refusal with the named wait and limit.
pub struct Outcome {
    pub refused: Option<(Duration, Option<LimitKind>)>,
    pub headers: Vec<RateLimitHeader>,
}

impl Work {
    pub fn input(&self) -> f64 {
        self.text + self.images
    }
}

impl Terms {
    fn counted(&self, work: &Work) -> f64 {
        let free = if self.dialect == Dialect::ANTHROPIC || !self.cached_counts { work.cached } else { 0.0 };
        work.input() * (1.0 - free)
    }

    /// The charge to a limit when a request arrives, and in total.
    pub fn charge(&self, meter: LimitKind, work: &Work) -> (f64, f64) {
        let (input, guess) = (self.counted(work), self.counted(work) * work.guess);
        match meter {
            LimitKind::Requests => (1.0, 1.0),
            LimitKind::InputTokens => (guess, input),
            LimitKind::OutputTokens => (0.0, work.output),
            LimitKind::Tokens => {
                let is_larger_of_both = [Dialect::OPENAI, Dialect::RESPONSES].contains(&self.dialect);
                let reserved = if is_larger_of_both { guess.max(work.max_output) } else { guess + work.max_output };
                (reserved, if self.corrects { input + work.output } else { reserved })
            }
        }
    }
}

impl Provider {
    pub fn new(terms: Terms) -> Self {
        let budget = |&(meter, per_second, capacity)| Budget { meter, per_second, capacity, level: capacity, at: 0.0, charged: 0.0 };
        let budgets = RefCell::new(terms.limits.iter().map(budget).collect());
        Self { terms, budgets, started: Instant::now(), refused: Cell::new(0), last: Cell::new(0.0) }
    }

    fn headers(&self, budgets: &[Budget]) -> Vec<RateLimitHeader> {
        let Some((rounding, _)) = self.terms.headers else { return Vec::new() };
        let header = |budget: &Budget| {
            let unit = if budget.meter == LimitKind::Requests { 1.0 } else { rounding };
            let remaining = (budget.level.max(0.0) / unit).floor() * unit;
            RateLimitHeader { meter: budget.meter, per_minute: budget.per_second * 60.0, remaining: Some(remaining), reset: None }
        };
        budgets.iter().map(header).collect()
    }

    /// Serves or refuses a request.
    pub async fn send(&self, work: &Work) -> Outcome {
        const WIRE: Duration = Duration::from_millis(5);
        tokio::time::sleep(WIRE).await;
        let mut headers;
        let refused = {
            let mut budgets = self.budgets.borrow_mut();
            let now = self.started.elapsed().as_secs_f64();
            let mut refused: Option<(Duration, Option<LimitKind>)> = None;
            for budget in budgets.iter_mut() {
                budget.level = (budget.level + (now - budget.at) * budget.per_second).min(budget.capacity);
                budget.at = now;
                let missing = self.terms.charge(budget.meter, work).0.min(budget.capacity) - budget.level;
                if missing > 1e-6 {
                    let wait = Duration::from_secs_f64((missing / budget.per_second).ceil());
                    let meter = self.terms.names_meter.then_some(budget.meter);
                    refused = refused.filter(|(longer, _)| *longer >= wait).or(Some((wait, meter)));
                }
            }
            for budget in budgets.iter_mut() {
                let counts = refused.is_none() || (self.terms.refused_count && budget.meter == LimitKind::Requests);
                let charge = if counts { self.terms.charge(budget.meter, work).0 } else { 0.0 };
                budget.level -= charge;
                budget.charged += charge;
            }
            headers = self.headers(&budgets);
            if refused.is_some() {
                self.refused.set(self.refused.get() + 1);
            } else {
                self.last.set(now);
            }
            refused
        };
        if refused.is_none() {
            tokio::time::sleep(Duration::from_secs_f64(work.latency)).await;
            let mut budgets = self.budgets.borrow_mut();
            let now = self.started.elapsed().as_secs_f64();
            for budget in budgets.iter_mut() {
                budget.level = (budget.level + (now - budget.at) * budget.per_second).min(budget.capacity);
                budget.at = now;
                let (reserved, real) = self.terms.charge(budget.meter, work);
                budget.level = (budget.level + reserved - real).min(budget.capacity);
                budget.charged += real - reserved;
            }
            if self.terms.headers.is_some_and(|(_, at_reply)| at_reply) {
                headers = self.headers(&budgets);
            }
        }
        tokio::time::sleep(WIRE).await;
        Outcome { refused, headers }
    }
}

/// Multiplies `mean` by a random factor between `1/spread` and `spread`.
pub fn about(mean: f64, spread: f64, random: &mut Rng) -> f64 {
    mean * spread.powf(2.0 * random.f64() - 1.0)
}
