//! The known limits of an account, and the amounts used.
//!
//! Limits come from the settings, from the headers of replies, or, if there are neither, from
//! refusals. The state is pure: the caller passes the time in seconds. So it can be kept in memory
//! or shared by processes.

use super::super::dialect::LimitKind;
use super::super::fault::Pressure;
use super::super::lease::{PerLimit, Rates};
use super::bucket::Bucket;
use super::calibration::Calibration;
use super::configured::ConfiguredLimits;
use super::ending::Refusal;
use super::learner::{Learner, SLACK_S};
use super::limit::{Limit, Source, UNSEEN_S, hold};
use super::need::{Amounts, LIMIT_KINDS, Need};
use super::random_refusals::RandomRefusals;
use crate::insight::Rate;
use crate::model::{Usage, WaitReason};
use serde::{Deserialize, Serialize};

/// The limits of one account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Limits {
    pub(super) by_meter: [Option<Limit>; LIMIT_KINDS.len()],
    /// All amounts ever used, as far as known: reservations, corrected by replies.
    used: Amounts,
    /// All amounts ever reserved, never corrected.
    pub(super) sent: Amounts,
    /// No request is sent before this time.
    opens_at: f64,
    /// The next request is not sent before this time, so that bursts are spread.
    next_at: f64,
    calibration: Calibration,
    /// Average output tokens of an answer; 0 before the first one.
    output: f64,
    /// Time of the last refusal that counted. Refusals of requests sent before it do not count
    /// again.
    cut_at: f64,
    /// Requests that were sent until then.
    cut_sent: f64,
    /// How many times in a row the first request after a wait was refused.
    in_vain: u32,
    /// Until this time, headers may only lower our count of what is left.
    ///
    /// Reason: the provider refused a request although its headers declared enough.
    pub(super) doubted_until: f64,
    ramp: Ramp,
    pub(super) learner: Learner,
    chance: RandomRefusals,
}

/// The amounts taken for a request, to be settled when it has ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Taken {
    /// The estimate.
    pub(super) need: Need,
    pub(super) amounts: Amounts,
    /// When the request is sent.
    pub(super) at: f64,
    /// All amounts ever reserved, including this request.
    pub(super) sent: Amounts,
}

/// The usable share of the limits after usage grew too fast.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Ramp {
    share: f64,
    from: f64,
}

impl Ramp {
    /// The share at `now`. It grows by a fifth every ten seconds.
    fn share(self, now: f64) -> f64 {
        (self.share * 1.2_f64.powf((now - self.from).max(0.0) / 10.0)).min(1.0)
    }
}

/// Highest sending rate while a full bucket is used up, as a multiple of its rate.
const PEAK: f64 = 4.0;
/// Longest wait after repeated refusals, in seconds, unless the provider names a longer one.
const LONGEST_S: f64 = 60.0;
/// Seconds without a request after which the learner starts a new measurement.
const IDLE_S: f64 = 1.0;
/// Seconds after a refusal during which headers cannot raise our count of what is left.
const DOUBT_S: f64 = 600.0;

impl Taken {
    pub fn sent_at(&self) -> f64 {
        self.at
    }
}

impl Limits {
    pub fn new(given: &ConfiguredLimits, now: f64) -> Self {
        Self {
            by_meter: given.limits(now),
            used: Amounts::default(),
            sent: Amounts::default(),
            opens_at: 0.0,
            next_at: 0.0,
            calibration: Calibration::default(),
            output: 0.0,
            cut_at: f64::MIN,
            cut_sent: 0.0,
            in_vain: 0,
            doubted_until: 0.0,
            ramp: Ramp { share: 1.0, from: now },
            learner: Learner::new(given.slow_start),
            chance: RandomRefusals::new(),
        }
    }

    /// The time before which no request is sent.
    pub fn opens_at(&self) -> f64 {
        self.opens_at
    }

    /// Sends no request before this time.
    ///
    /// Processes that share the account reopen together. So each begins with this part of a request,
    /// from 0 to 1, and not with a full bucket.
    pub fn close_until(&mut self, at: f64, begins_with: f64, now: f64) {
        self.opens_at = self.opens_at.max(at);
        if let Some(limit) = &mut self.by_meter[LimitKind::Requests as usize] {
            let level = begins_with - (self.opens_at - now).max(0.0) * limit.bucket.per_second();
            limit.bucket.lower_to(level, now);
        }
        self.next_at = self.next_at.max(self.opens_at);
    }

    /// All amounts ever used, as far as known.
    pub fn used(&self) -> PerLimit<f64> {
        LIMIT_KINDS.map(|kind| self.used.of(kind))
    }

    /// Applies the rates of a lease, unless a lower limit is known.
    pub fn lease_rates(&mut self, rates: &Rates, now: f64) {
        for (kind, limit) in LIMIT_KINDS.into_iter().zip(&mut self.by_meter) {
            let Some(per_second) = rates.per_second[kind as usize] else { continue };
            let (burst, source) = (rates.burst[kind as usize], Source::Given { at: now });
            match limit {
                // Headers or refusals have shown a lower limit of the account.
                Some(Limit { source: Source::Declared { .. } | Source::Learned, bucket }) if bucket.per_second() < per_second => {}
                Some(known) => {
                    known.source = source;
                    known.bucket.resize(per_second, burst, now);
                }
                None => *limit = Some(Limit { source, bucket: Bucket::new(per_second, burst, burst, now) }),
            }
        }
    }

    /// Average seconds of an answer.
    pub fn answer_s(&self) -> f64 {
        self.learner.answer_s()
    }

    /// Maximum requests in flight.
    pub fn window(&self) -> f64 {
        if self.by_meter.iter().any(Option::is_some) { f64::MAX } else { self.learner.window() }
    }

    /// Admits a request to the window of requests in flight.
    ///
    /// The error is the time of the next attempt, if time alone can open the window.
    pub fn admits(&mut self, in_flight: f64, now: f64) -> Result<(), Option<f64>> {
        if self.by_meter.iter().any(Option::is_some) { Ok(()) } else { self.learner.admits(in_flight, now) }
    }

    /// Takes the amounts that a request needs if it may be sent by the time `by`, or returns when to
    /// try again. The amounts count from now on, even if the request must wait until `Taken::at`.
    pub fn try_take(&mut self, need: &Need, now: f64, by: f64) -> Result<Taken, f64> {
        let amounts = self.calibrated(need).amounts();
        let ready = self.limits().map(|(meter, limit)| limit.bucket.ready_at(amounts.of(meter), now));
        let at = ready.fold(self.opens_at.max(self.next_at).max(now), f64::max);
        if at > by {
            return Err(at);
        }
        let learned = self.limits().filter(|(_, limit)| limit.source == Source::Learned);
        if learned
            .map(|(_, limit)| limit.bucket.full_at().max(self.opens_at))
            .reduce(f64::max)
            .is_some_and(|full_at| now - full_at > IDLE_S)
        {
            self.learner.rested(now);
        }
        self.grow(&amounts, now);
        self.spread(&amounts, at);
        for (meter, limit) in LIMIT_KINDS.into_iter().zip(&mut self.by_meter) {
            if let Some(limit) = limit {
                limit.bucket.take(amounts.of(meter), now);
            }
        }
        self.used.add(&amounts, 1.0);
        self.sent.add(&amounts, 1.0);
        self.learner.sent(&amounts, now);
        Ok(Taken { need: *need, amounts, at, sent: self.sent })
    }

    /// Counts what this process has sent while it could not write it to the shared limits.
    pub fn add_sent(&mut self, amounts: &Amounts, now: f64) {
        for (kind, limit) in LIMIT_KINDS.into_iter().zip(&mut self.by_meter) {
            if let Some(limit) = limit {
                limit.bucket.take(amounts.of(kind), now);
            }
        }
        self.used.add(amounts, 1.0);
        self.sent.add(amounts, 1.0);
    }

    /// Why a request cannot be sent now.
    pub fn in_the_way(&self, need: &Need, now: f64) -> WaitReason {
        let amounts = self.calibrated(need).amounts();
        let ready = self.limits().map(|(meter, limit)| (limit.bucket.ready_at(amounts.of(meter), now), meter));
        let (at, meter) = ready.max_by(|one, other| one.0.total_cmp(&other.0)).unwrap_or((0.0, LimitKind::Requests));
        match meter {
            _ if self.opens_at > at => WaitReason::Refusal,
            _ if self.next_at > at => WaitReason::SlowStart,
            meter => hold(meter),
        }
    }

    /// The known limits, and the amounts used.
    pub fn rates(&self, given: &ConfiguredLimits) -> Vec<Rate> {
        let rate = |(meter, limit): (LimitKind, Limit)| Rate {
            meter: hold(meter),
            known: limit.known(given.per_minute.of(meter)),
            per_second: limit.bucket.per_second(),
            burst: limit.bucket.capacity(),
            used: self.used.of(meter),
        };
        self.limits().map(rate).collect()
    }

    /// Settles a request that was answered, or that failed for reasons other than limits.
    ///
    /// `used` is its usage, if known. `full`: as many requests were in flight as the window allows.
    pub fn settle(&mut self, taken: &Taken, used: Option<Usage>, full: bool, now: f64) {
        let Some(used) = used.filter(|used| used.input() > 0) else { return };
        if taken.at > self.cut_at {
            self.in_vain = 0;
        }
        let (counted, need) = (taken.need.settled(used), &taken.need);
        let mut more = counted;
        more.add(&taken.amounts, -1.0);
        for (meter, limit) in LIMIT_KINDS.into_iter().zip(&mut self.by_meter) {
            if let Some(limit) = limit {
                limit.bucket.take(more.of(meter), now);
            }
        }
        self.used.add(&more, 1.0);
        self.learner.answered(taken.at, now, full);
        self.learner.counted(&counted, &more, taken.at);
        if self.chance.answered(taken.at, now) {
            self.by_meter[LimitKind::Requests as usize] = None;
            self.learner.forget(now);
        }
        self.calibration.learn(need.input - need.images, need.images, counted.of(LimitKind::InputTokens));
        let output = used.output as f64;
        self.output = if self.output == 0.0 { output } else { self.output + 0.1 * (output - self.output) };
    }

    /// Learns from a refusal by the provider.
    pub fn refuse(&mut self, taken: &Taken, refusal: &Refusal, in_flight: f64, now: f64) {
        // Amounts that were leased before the last refusal may be sent after it.
        let is_older = taken.sent.of(LimitKind::Requests) <= self.cut_sent;
        let sent_at = if is_older { taken.at.min(self.cut_at) } else { taken.at };
        let echo = sent_at <= self.cut_at;
        // Some providers also count refused requests, so a retry at the named time is refused
        // again. The wait grows.
        let first = taken.sent.of(LimitKind::Requests) - self.cut_sent < 1.5;
        self.in_vain = if echo {
            self.in_vain
        } else if first {
            self.in_vain + 1
        } else {
            0
        };
        let longer = f64::from(1_u32 << self.in_vain.saturating_sub(1).min(6));
        let named = refusal.wait.as_secs_f64();
        let (wait, meter) = ((named * longer).min(named.max(LONGEST_S)), refusal.meter.unwrap_or(LimitKind::Requests));
        let by_chance = refusal.pressure == Pressure::Rate && self.chance.takes();
        // A random refusal delays only its own call, even if it names a wait.
        if !by_chance {
            self.opens_at = self.opens_at.max(now + wait);
            // What was not sent meanwhile is not made up for at once.
            self.next_at = self.next_at.max(self.opens_at);
        }
        if refusal.pressure == Pressure::Ramp && !echo {
            self.ramp = Ramp { share: 0.5 * self.ramp.share(now), from: now + wait.max(taken.need.steady_s()) };
            self.learner.shrink(in_flight);
        }
        let is_declared = |limit: &Limit| limit.source != Source::Learned;
        // A limit that the refusal names, but no header declares, is a separate limit.
        let declared = match refusal.meter {
            Some(meter) => self.by_meter[meter as usize].is_some_and(|limit| is_declared(&limit)),
            None => self.by_meter.iter().flatten().any(is_declared),
        };
        // Output counts when it is produced, so the output of requests in flight is still to come.
        let coming = |meter| if meter == LimitKind::OutputTokens { in_flight * taken.amounts.of(meter) } else { 0.0 };
        if declared && !echo {
            let doubted = std::mem::replace(&mut self.doubted_until, now + DOUBT_S) > now;
            for (meter, limit) in LIMIT_KINDS.into_iter().zip(&mut self.by_meter) {
                let Some(limit) = limit.as_mut().filter(|limit| is_declared(limit)) else { continue };
                if refusal.meter.is_some_and(|named| named != meter) {
                    continue;
                }
                // The refusal came below the declared limit: the provider counts over a shorter
                // time than we assumed, or other clients use the limit too.
                let per_second = limit.bucket.per_second();
                let less = if doubted { limit.bucket.capacity() / 4.0 } else { limit.bucket.capacity().min(UNSEEN_S * per_second) / 2.0 };
                let capacity = less.max(self.learner.largest(meter));
                if let Source::Declared { holds } = &mut limit.source {
                    *holds = holds.min(capacity);
                }
                limit.bucket.lower_to(-coming(meter), now);
                limit.bucket.resize(per_second, capacity, now);
            }
        } else if !declared && !by_chance {
            let old = self.by_meter[meter as usize].map(|limit| limit.bucket);
            let mut bucket = self.learner.refused(meter, &taken.amounts, sent_at, wait, now, old.as_ref());
            bucket.take(coming(meter), now);
            if meter == LimitKind::Requests && !echo {
                bucket.resize(self.chance.refused(bucket.per_second(), now), bucket.capacity(), now);
            }
            self.by_meter[meter as usize] = Some(Limit { source: Source::Learned, bucket });
        }
        if !echo {
            (self.cut_at, self.cut_sent) = (now, self.sent.of(LimitKind::Requests));
        }
    }

    /// Whether limits are known, and none is learned from refusals.
    pub fn are_declared(&self) -> bool {
        self.limits().next().is_some() && self.limits().all(|(_, limit)| limit.source != Source::Learned)
    }

    fn limits(&self) -> impl Iterator<Item = (LimitKind, Limit)> {
        LIMIT_KINDS.into_iter().zip(self.by_meter).filter_map(|(meter, limit)| limit.map(|limit| (meter, limit)))
    }

    fn calibrated(&self, need: &Need) -> Need {
        let output = if self.output > 0.0 { self.output.min(need.max_output) } else { need.output };
        Need { input: self.calibration.expected(need.input - need.images, need.images), output, ..*need }
    }

    fn grow(&mut self, amounts: &Amounts, now: f64) {
        for (meter, limit) in LIMIT_KINDS.into_iter().zip(&mut self.by_meter) {
            let Some(Limit { source: Source::Learned, bucket }) = limit else { continue };
            // The absence of refusals shows something only about a limit that is nearly used up.
            let used_up = bucket.level(now) < amounts.of(meter) + SLACK_S * bucket.per_second();
            if let Some(per_second) = self.learner.grown(bucket, now).filter(|_| used_up) {
                bucket.resize(per_second, bucket.capacity(), now);
            }
        }
    }

    fn spread(&mut self, amounts: &Amounts, now: f64) {
        let declared = self.limits().filter(|(_, limit)| matches!(limit.source, Source::Declared { .. }));
        let peak = |limit: &Limit| PEAK * limit.bucket.per_second();
        let learned = self.by_meter[LimitKind::Requests as usize].filter(|limit| limit.source == Source::Learned);
        let next_at = if let Some(spacing) = declared.map(|(meter, limit)| amounts.of(meter) / peak(&limit)).reduce(f64::max) {
            // Late timers are made up for.
            self.next_at.max(now - SLACK_S) + spacing
        } else if let Some(limit) = learned {
            now + 1.0 / peak(&limit)
        } else if self.by_meter.iter().all(Option::is_none) {
            now + self.learner.spacing()
        } else {
            return;
        };
        self.next_at = next_at;
    }

    pub(super) fn ramp_share(&self, now: f64) -> f64 {
        self.ramp.share(now)
    }
}
