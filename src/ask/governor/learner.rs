//! Learns an undeclared limit from refusals, with as few refusals as possible.
//!
//! Until the first refusal this is a slow start. One request goes alone; then the window of requests
//! in flight grows with time and with answers. Requests are spread over that time, so few are in
//! flight at the first refusal.
//!
//! A refusal means that the provider's bucket is empty. So the amount accepted between two refusals
//! has flowed in meanwhile, which gives the rate. If the bucket may have been full for a while, the
//! rate is unknown, and doubles each second until the next refusal. Requests that were in flight
//! at a refusal belong to it: their own refusals show nothing new.

use super::super::dialect::LimitKind;
use super::bucket::Bucket;
use super::need::Amounts;
use serde::{Deserialize, Serialize};

/// The measurements between refusals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Learner {
    /// Maximum number of requests in flight while no limit is known.
    window: f64,
    /// When the window last grew while requests waited for it.
    widened_at: f64,
    /// Mean seconds from sending to an answer.
    answer_s: f64,
    /// Start of the current span: the first request, or the last time the provider's bucket was empty.
    from: Option<f64>,
    /// Whether the bucket was empty at the start of the span.
    from_empty: bool,
    /// When the governor may send again after the start of the span.
    opened_at: f64,
    /// Amounts accepted in the current span. Responses correct them to what the provider counted.
    accepted: Amounts,
    /// The previous span. Late refusals belong to it.
    closed: Option<Span>,
    /// The largest request so far. A smaller bucket would admit it too early.
    largest: Amounts,
    /// Older spans with about the same rate: the amount accepted, and the seconds.
    older: (f64, f64),
    /// When the rate was last raised, and its growth as a share per second.
    raised_at: f64,
    growth: f64,
    /// The rate up to which no refusal was seen. Below it the rate doubles each second; 0 means none.
    unrefuted: f64,
}

/// The amounts accepted between two refusals.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Span {
    seconds: f64,
    from_empty: bool,
    /// When the governor sent again after the start.
    opened_at: f64,
    accepted: Amounts,
    ended_at: f64,
}

impl Span {
    /// Whether the span measures nothing, because no request was accepted: it may be an outage.
    ///
    /// A limit of tokens may refuse a request although some tokens are left.
    fn says_nothing(&self, meter: LimitKind) -> bool {
        meter == LimitKind::Requests && self.accepted.of(meter) < 0.5
    }

    /// Seconds of paced sending, after the burst at the end of the wait.
    fn paced_s(&self) -> f64 {
        (self.ended_at - self.opened_at).max(0.0)
    }

    /// The amount that `bucket` gains during the wait.
    fn gathered(&self, bucket: &Bucket) -> f64 {
        bucket.per_second() * (self.seconds - self.paced_s()).max(0.0)
    }

    /// Whether the provider refused the burst that `bucket` admitted.
    ///
    /// The provider's bucket then holds less, and was full for a while. The span cannot measure
    /// what was lost meanwhile, so the rate may be higher.
    fn too_much_at_once(&self, bucket: &Bucket) -> bool {
        self.gathered(bucket) > bucket.capacity() && bucket.per_second() * self.paced_s() < bucket.capacity() / 2.0
    }

    /// The rate of accepted requests during paced sending.
    fn paced(&self, meter: LimitKind, bucket: &Bucket) -> f64 {
        (self.accepted.of(meter) - self.gathered(bucket).min(bucket.capacity())) / self.paced_s().max(1e-3)
    }
}

/// A span measures a rate if it accepts this many times the largest request.
const ENOUGH: f64 = 8.0;
/// Requests in flight after the first answer, if it declares no limit.
const SECOND_WINDOW: f64 = 8.0;
/// Share of a measured rate to use, so that the limit is approached from below.
const CAUTION: f64 = 0.99;
/// Share of an accepted burst that may be sent at once the next time.
const LESS: f64 = 0.95;
/// Factor for the rate of the first span, which is uncertain: the bucket may have been full before.
/// The next refusal soon corrects a rate that is too high.
const COURAGE: f64 = 1.25;
/// Growth of a rate without refusals, as a share per second. It begins slowly, because a bucket that
/// fills up meanwhile would make the next measurement too low. It becomes faster, because the
/// provider may have raised the limit.
const SLOWEST_GROWTH: f64 = 0.005;
const FASTEST_GROWTH: f64 = 0.25;
const GROWTH_DOUBLES_S: f64 = 15.0;

impl Learner {
    /// Creates a learner. With `slow_start` a single request goes first.
    pub fn new(slow_start: bool) -> Self {
        Self {
            window: if slow_start { 1.0 } else { f64::MAX },
            widened_at: 0.0,
            answer_s: 0.0,
            from: None,
            from_empty: false,
            opened_at: 0.0,
            accepted: Amounts::default(),
            closed: None,
            largest: Amounts::default(),
            older: (0.0, 0.0),
            raised_at: 0.0,
            growth: SLOWEST_GROWTH,
            unrefuted: 0.0,
        }
    }

    /// Maximum number of requests in flight while no limit is known.
    pub fn window(&self) -> f64 {
        self.window
    }

    /// Admits a request beside `in_flight` others. Otherwise returns the time of the next attempt;
    /// `None` if an answer must come first.
    ///
    /// After the first answer the window grows with time. Providers refuse within a fraction of a
    /// second, so the governor need not wait for whole answers to learn that a limit is near.
    pub fn admits(&mut self, in_flight: f64, now: f64) -> Result<(), Option<f64>> {
        if in_flight < self.window {
            return Ok(());
        }
        if self.window < SECOND_WINDOW {
            return Err(None);
        }
        let wider_at = self.widened_at + self.widening_s() / self.window;
        if wider_at > now {
            return Err(Some(wider_at));
        }
        (self.window, self.widened_at) = (self.window + 1.0, now);
        Ok(())
    }

    /// Seconds in which the window grows by the factor e.
    fn widening_s(&self) -> f64 {
        (self.answer_s / 4.0).clamp(0.15, 0.5)
    }

    /// Mean seconds until an answer; 0 before the first one.
    pub fn answer_s(&self) -> f64 {
        self.answer_s
    }

    /// The largest request so far, which is the minimum size of a bucket.
    pub fn largest(&self, meter: LimitKind) -> f64 {
        self.largest.of(meter).max(1.0)
    }

    /// Seconds between two requests while no limit is known.
    pub fn spacing(&self) -> f64 {
        (self.answer_s / 2.0).min(self.widening_s()) / self.window
    }

    pub fn sent(&mut self, amounts: &Amounts, now: f64) {
        self.from.get_or_insert(now);
        self.accepted.add(&amounts.when_sent(), 1.0);
    }

    /// Corrects a request to the amounts that the provider counted: `more` than reserved at sending.
    pub fn counted(&mut self, counted: &Amounts, more: &Amounts, sent_at: f64) {
        self.largest.raise(counted);
        match &mut self.closed {
            Some(span) if sent_at <= span.ended_at => span.accepted.add(&more.when_sent(), 1.0),
            _ => self.accepted.add(&more.when_sent(), 1.0),
        }
        // Output counts when it is produced.
        self.accepted.add(counted, 1.0);
        self.accepted.add(&counted.when_sent(), -1.0);
    }

    /// Records an answer. `full`: the window was full.
    pub fn answered(&mut self, sent_at: f64, now: f64, full: bool) {
        let seconds = now - sent_at;
        self.answer_s = if self.answer_s == 0.0 { seconds } else { 0.8 * self.answer_s + 0.2 * seconds };
        if self.window < SECOND_WINDOW {
            (self.window, self.widened_at) = (SECOND_WINDOW, now);
        } else if full {
            self.window += 1.0;
        }
    }

    /// Halves the window, because the provider is overloaded or reports too many requests at once.
    pub fn shrink(&mut self, in_flight: f64) {
        self.window = (self.window.min(in_flight) / 2.0).max(1.0);
    }

    /// Records a refusal for `meter` with a wait of `wait` seconds. Returns the estimated limit.
    pub fn refused(&mut self, meter: LimitKind, amounts: &Amounts, sent_at: f64, wait: f64, now: f64, old: Option<&Bucket>) -> Bucket {
        self.largest.raise(amounts);
        let new = self.closed.is_none_or(|span| sent_at > span.ended_at);
        if new {
            self.close(meter, now);
        }
        if let Some(span) = &mut self.closed {
            span.accepted.add(&amounts.when_sent(), -1.0);
        }
        self.opened_at = self.opened_at.max(now + wait);
        self.raised_at = now;
        let least = self.largest.of(meter).max(1.0);
        let Some(span) = self.closed else { return Bucket::new(least / wait.max(1.0), least, 0.0, now) };
        let accepted = span.accepted.of(meter);
        if span.says_nothing(meter) {
            // Fast growth finds out soon.
            self.growth = FASTEST_GROWTH;
            let (per_second, capacity) = old.map_or((least, least), |old| (old.per_second(), old.capacity()));
            return Bucket::new(per_second, capacity, 0.0, span.ended_at);
        }
        // A first span began with a full bucket. The bucket needs the wait to fill again.
        let seconds = if span.from_empty { span.seconds } else { span.seconds + wait };
        let (all, in_seconds) = merge(self.older, (accepted, seconds), least);
        // The wait should suffice for this request, but a provider that counts late names too short a
        // wait.
        let promised = amounts.of(meter) / (span.seconds + wait).max(1.0);
        let measured = (all.max(1.0) / in_seconds.max(1e-3)).max(if meter == LimitKind::Requests { 0.0 } else { promised / 4.0 });
        let Some(old) = old.filter(|_| span.from_empty) else {
            // Providers round waits up to whole seconds, so the rate may be as high as a wait one second shorter implies.
            self.unrefuted = if span.from_empty { 0.0 } else { accepted / (seconds - 1.0).max(1e-3) };
            let per_second = measured * if span.from_empty { CAUTION } else { COURAGE };
            let burst = accepted - per_second * span.seconds;
            return Bucket::new(per_second, burst.max(least + SLACK_S * per_second), 0.0, span.ended_at);
        };
        if new {
            self.unrefuted = if span.too_much_at_once(old) { f64::MAX } else { 0.0 };
        }
        let quick = self.unrefuted > 0.0;
        // A few requests of unequal sizes do not show that the rate is much lower.
        let few = meter != LimitKind::Requests && accepted < ENOUGH * least;
        let known = if few { old.per_second() / if new { 2.0 } else { 1.0 } } else { 0.0 };
        let measured = if quick { measured } else { measured.max(span.paced(meter, old)) };
        let per_second = (CAUTION * measured).max(known);
        let burst = old.capacity().min(old.per_second() * wait.max(1.0));
        let (burst, least) = if quick { (burst.min(LESS * accepted), least) } else { (burst, least + SLACK_S * per_second) };
        Bucket::new(per_second, burst.max(least), 0.0, span.ended_at)
    }

    /// Ends the span, because the provider's bucket is empty, and starts another.
    fn close(&mut self, meter: LimitKind, now: f64) {
        self.older = match self.closed.filter(|span| span.from_empty) {
            Some(span) if span.says_nothing(meter) => self.older,
            Some(span) => merge(self.older, (span.accepted.of(meter), span.seconds), self.largest.of(meter)),
            None => (0.0, 0.0),
        };
        let seconds = now - self.from.unwrap_or(now);
        let accepted = std::mem::take(&mut self.accepted);
        let (from_empty, opened_at) = (self.from_empty, self.opened_at);
        self.closed = Some(Span { seconds, from_empty, opened_at, accepted, ended_at: now });
        (self.from, self.from_empty) = (Some(now), true);
        self.growth = SLOWEST_GROWTH;
    }

    /// Starts a new first span: the provider's bucket has filled during an idle time.
    pub fn rested(&mut self, now: f64) {
        (self.from, self.from_empty, self.accepted) = (Some(now), false, Amounts::default());
    }

    /// Discards all measurements.
    pub fn forget(&mut self, now: f64) {
        (self.from, self.from_empty, self.closed, self.older) = (Some(now), false, None, (0.0, 0.0));
        self.unrefuted = 0.0;
        self.accepted = Amounts::default();
        self.growth = SLOWEST_GROWTH;
    }

    /// The raised rate of a fully used bucket without recent refusals, whose rate may be too low.
    pub fn grown(&mut self, bucket: &Bucket, now: f64) -> Option<f64> {
        const STEP_S: f64 = 0.5;
        let since = now - self.raised_at;
        if since < STEP_S {
            return None;
        }
        self.raised_at = now;
        if bucket.per_second() < self.unrefuted {
            return Some((bucket.per_second() * (1.0 + since.min(1.0))).min(self.unrefuted));
        }
        let per_second = bucket.per_second() * (1.0 + self.growth * since.min(1.0));
        self.growth = (self.growth * f64::exp2(since / GROWTH_DOUBLES_S)).min(FASTEST_GROWTH);
        Some(per_second)
    }
}

/// Adds a span to older spans. Drops the older ones if the span is long enough and disagrees.
///
/// Short spans measure little: a request may be refused although some of the limit is left.
fn merge(older: (f64, f64), (accepted, seconds): (f64, f64), largest: f64) -> (f64, f64) {
    let alone = accepted >= ENOUGH * largest;
    if alone && !agree(older, (accepted, seconds)) { (accepted, seconds) } else { (older.0 + accepted, older.1 + seconds) }
}

/// Whether the rates of two spans agree.
fn agree(one: (f64, f64), other: (f64, f64)) -> bool {
    (0.7..1.4).contains(&(other.0 * one.1 / (other.1 * one.0).max(1e-9)))
}

/// Minimum size of a bucket, in seconds of its rate. Timers are inexact, so a smaller bucket would
/// overflow between two checks.
pub(super) const SLACK_S: f64 = 0.1;
