//! Finds a limit that nobody declares, by being refused as seldom as possible.
//!
//! Until the first refusal it is a slow start. One request goes alone; then the window of requests
//! in flight grows with time and with answers. Requests are spread over that time, so the first
//! refusal comes before many others are on their way. A refusal says that the provider's bucket is empty just now. So what was accepted between two of them is what flowed in
//! meanwhile, and that is the rate, unless the bucket may have been full for a while: then the rate doubles each second
//! until it is refused. Refusals of requests that were on their way already say nothing new.

use super::super::dialect::LimitKind;
use super::bucket::Bucket;
use super::need::Amounts;
use serde::{Deserialize, Serialize};

/// What refusals have taught.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Learner {
    /// Requests in flight at the most, as long as no limit is known.
    window: f64,
    /// When the window last grew while requests waited for it.
    widened_at: f64,
    /// Seconds from sending to an answer, on average.
    answer_s: f64,
    /// Begin of what is being counted: the first request, or the last time that the provider's bucket was empty.
    from: Option<f64>,
    /// Whether the bucket was empty then.
    from_empty: bool,
    /// When the governor may send again after that.
    opened_at: f64,
    /// What was sent since and not refused; corrected when replies tell what was counted.
    accepted: Amounts,
    /// The span before, which late refusals still belong to.
    closed: Option<Span>,
    /// The largest request so far: a bucket that cannot hold it would let it go too early.
    largest: Amounts,
    /// Older spans that say the same: what was accepted of the limit in question, and in how many seconds.
    older: (f64, f64),
    /// When the rate was last raised, and by what share a second it grows.
    raised_at: f64,
    growth: f64,
    /// Up to here it doubles each second: nothing speaks against so much yet. 0 if something does.
    unrefuted: f64,
}

/// What went through between two times.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Span {
    seconds: f64,
    from_empty: bool,
    /// When requests were let out again after it began.
    opened_at: f64,
    accepted: Amounts,
    ended_at: f64,
}

impl Span {
    /// When not one request was accepted, nothing was measured: it may have been an outage. (Of tokens there may have been
    /// some, only not enough.)
    fn says_nothing(&self, meter: LimitKind) -> bool {
        meter == LimitKind::Requests && self.accepted.of(meter) < 0.5
    }

    /// Seconds for which requests were let out one by one, after those that went at once when the wait was over.
    fn paced_s(&self) -> f64 {
        (self.ended_at - self.opened_at).max(0.0)
    }

    /// The tokens that `bucket` would have gained during the wait.
    fn gathered(&self, bucket: &Bucket) -> f64 {
        bucket.per_second() * (self.seconds - self.paced_s()).max(0.0)
    }

    /// Whether it was refused what `bucket` let out at once. Then the provider's bucket holds less, and what flowed into it
    /// while it was full is in no measurement: the rate may be any.
    fn too_much_at_once(&self, bucket: &Bucket) -> bool {
        self.gathered(bucket) > bucket.capacity() && bucket.per_second() * self.paced_s() < bucket.capacity() / 2.0
    }

    /// The rate at which requests were accepted one by one.
    fn paced(&self, meter: LimitKind, bucket: &Bucket) -> f64 {
        (self.accepted.of(meter) - self.gathered(bucket).min(bucket.capacity())) / self.paced_s().max(1e-3)
    }
}

/// So many times the largest request tell a rate; fewer tell little.
const ENOUGH: f64 = 8.0;
/// Requests in flight after the first answer, when it did not declare a limit.
const SECOND_WINDOW: f64 = 8.0;
/// What was measured is approached from below.
const CAUTION: f64 = 0.99;
/// As much of what was accepted at once may go at once next time.
const LESS: f64 = 0.95;
/// The first span tells little: nobody knows how long the bucket had been full. Rather too high, which the next refusal
/// corrects soon, than too low.
const COURAGE: f64 = 1.25;
/// How fast a rate grows that nothing speaks against: a share a second. So slowly that the provider's bucket does not fill
/// up meanwhile, or the next measurement would be too low; and faster after a while, for limits that were raised.
const SLOWEST_GROWTH: f64 = 0.005;
const FASTEST_GROWTH: f64 = 0.25;
const GROWTH_DOUBLES_S: f64 = 15.0;

impl Learner {
    /// With `slow_start` a single request goes first.
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

    /// Requests in flight at the most, as long as no limit is known.
    pub fn window(&self) -> f64 {
        self.window
    }

    /// Admits a request while `in_flight` others are on their way, or returns the time of the next
    /// attempt, if time alone can bring it.
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

    /// Seconds that an answer takes, on average; 0 as long as there was none.
    pub fn answer_s(&self) -> f64 {
        self.answer_s
    }

    /// The largest request so far: no bucket is smaller.
    pub fn largest(&self, meter: LimitKind) -> f64 {
        self.largest.of(meter).max(1.0)
    }

    /// Seconds between two requests, as long as no limit is known.
    pub fn spacing(&self) -> f64 {
        (self.answer_s / 2.0).min(self.widening_s()) / self.window
    }

    pub fn sent(&mut self, amounts: &Amounts, now: f64) {
        self.from.get_or_insert(now);
        self.accepted.add(&amounts.when_sent(), 1.0);
    }

    /// The provider has counted this for a request, so much more than was reserved when it was sent.
    pub fn counted(&mut self, counted: &Amounts, more: &Amounts, sent_at: f64) {
        self.largest.raise(counted);
        match &mut self.closed {
            Some(span) if sent_at <= span.ended_at => span.accepted.add(&more.when_sent(), 1.0),
            _ => self.accepted.add(&more.when_sent(), 1.0),
        }
        // Output counts when it is there.
        self.accepted.add(counted, 1.0);
        self.accepted.add(&counted.when_sent(), -1.0);
    }

    /// An answer came; `full` says whether as many requests were in flight as may be.
    pub fn answered(&mut self, sent_at: f64, now: f64, full: bool) {
        let seconds = now - sent_at;
        self.answer_s = if self.answer_s == 0.0 { seconds } else { 0.8 * self.answer_s + 0.2 * seconds };
        if self.window < SECOND_WINDOW {
            (self.window, self.widened_at) = (SECOND_WINDOW, now);
        } else if full {
            self.window += 1.0;
        }
    }

    /// Fewer at a time: the provider cannot keep up, or says that it was too many at once.
    pub fn shrink(&mut self, in_flight: f64) {
        self.window = (self.window.min(in_flight) / 2.0).max(1.0);
    }

    /// A request sent at `sent_at` was refused for `meter`; the provider wants `wait` seconds. What the limit seems to be.
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
            // A rate that grows quickly finds out.
            self.growth = FASTEST_GROWTH;
            let (per_second, capacity) = old.map_or((least, least), |old| (old.per_second(), old.capacity()));
            return Bucket::new(per_second, capacity, 0.0, span.ended_at);
        }
        // A first span began with a full bucket, and the wait is the time that it takes to fill again.
        let seconds = if span.from_empty { span.seconds } else { span.seconds + wait };
        let (all, in_seconds) = merge(self.older, (accepted, seconds), least);
        // After the wait there is enough for this request. A provider that counts late may have named too short a wait.
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
        // A few requests of unlike sizes do not tell that it is much less than was known.
        let few = meter != LimitKind::Requests && accepted < ENOUGH * least;
        let known = if few { old.per_second() / if new { 2.0 } else { 1.0 } } else { 0.0 };
        let measured = if quick { measured } else { measured.max(span.paced(meter, old)) };
        let per_second = (CAUTION * measured).max(known);
        let burst = old.capacity().min(old.per_second() * wait.max(1.0));
        let (burst, least) = if quick { (burst.min(LESS * accepted), least) } else { (burst, least + SLACK_S * per_second) };
        Bucket::new(per_second, burst.max(least), 0.0, span.ended_at)
    }

    /// The provider's bucket is empty: another span begins.
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

    /// What was measured until now says nothing.
    pub fn forget(&mut self, now: f64) {
        (self.from, self.from_empty, self.closed, self.older) = (Some(now), false, None, (0.0, 0.0));
        self.unrefuted = 0.0;
        self.accepted = Amounts::default();
        self.growth = SLOWEST_GROWTH;
    }

    /// A rate that nothing has spoken against for a while, and that is used to the full, may be too low.
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

/// Adds what was accepted in so many seconds to what was before, unless it alone says something, and something else: a
/// request may be refused although there is something left, only not enough, so short spans say little.
fn merge(older: (f64, f64), (accepted, seconds): (f64, f64), largest: f64) -> (f64, f64) {
    let alone = accepted >= ENOUGH * largest;
    if alone && !agree(older, (accepted, seconds)) { (accepted, seconds) } else { (older.0 + accepted, older.1 + seconds) }
}

/// Whether two spans say the same about a rate.
fn agree(one: (f64, f64), other: (f64, f64)) -> bool {
    (0.7..1.4).contains(&(other.0 * one.1 / (other.1 * one.0).max(1e-9)))
}

/// Timers are not exact: a bucket that holds less than this many seconds' worth would flow over between two looks at it.
pub(super) const SLACK_S: f64 = 0.1;
