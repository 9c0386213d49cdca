//! Counters that hot paths pay one atomic addition for.

use super::Context;
use crate::ask::{Fault, Observer};
use crate::event::{RunEvent, Snapshot};
use crate::model::{Bill, Call, FailureCode, Money, Spent, StageUse, Usage};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// One stage: what went through, and how long it worked on it.
#[derive(Debug)]
pub(super) struct StageMeter {
    name: &'static str,
    slots: usize,
    done: AtomicU64,
    working_ns: AtomicU64,
}

impl StageMeter {
    fn new(name: &'static str, slots: usize) -> Self {
        Self { name, slots, done: AtomicU64::new(0), working_ns: AtomicU64::new(0) }
    }

    /// Counts `n` pieces of work done.
    pub fn done(&self, n: u64) {
        self.done.fetch_add(n, Relaxed);
    }

    /// Adds working time of one slot.
    pub fn worked(&self, time: Duration) {
        self.working_ns.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    fn usage(&self, wall: Duration) -> StageUse {
        let available = wall.as_secs_f64() * self.slots as f64;
        let busy = Duration::from_nanos(self.working_ns.load(Relaxed)).as_secs_f64() / available.max(f64::MIN_POSITIVE);
        StageUse { stage: self.name, done: self.done.load(Relaxed), slots: self.slots, busy: busy.min(1.0) }
    }
}

/// How long things took, in steps of a quarter of a doubling: a median without keeping them all.
#[derive(Debug)]
pub(super) struct Durations([AtomicU64; 128]);

impl Default for Durations {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Durations {
    /// Counts one, of a microsecond and more.
    pub fn add(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1);
        let doublings = micros.ilog2();
        // The two bits behind the highest one.
        let quarter = if doublings < 2 { 0 } else { (micros >> (doublings - 2)) & 3 };
        let at = (4 * doublings as usize + usize::try_from(quarter).unwrap_or(0)).min(self.0.len() - 1);
        self.0[at].fetch_add(1, Relaxed);
    }

    /// The middle one, in milliseconds; 0 if there is none.
    pub fn median_ms(&self) -> f64 {
        let counts = self.0.each_ref().map(|count| count.load(Relaxed));
        let mut below = counts.iter().sum::<u64>() / 2;
        for (at, count) in counts.iter().enumerate() {
            if *count > below {
                // The middle of the step.
                return f64::exp2((at / 4) as f64) * (1.125 + 0.25 * (at % 4) as f64) / 1000.0;
            }
            below -= count;
        }
        0.0
    }
}

/// All counters of a run.
#[derive(Debug)]
pub(super) struct Meters {
    started: Instant,
    pub read: StageMeter,
    pub prepare: StageMeter,
    pub ask: StageMeter,
    pub commit: StageMeter,
    pub write: StageMeter,
    pub commits: Durations,
    /// Documents that there are, plus one; 0 while they are being counted.
    documents: AtomicU64,
    pub answered: AtomicU64,
    pub failed: AtomicU64,
    pub reused: AtomicU64,
    pub up_to_date: AtomicU64,
    requests: AtomicU64,
    in_flight: AtomicU64,
    retries: AtomicU64,
    refusals: AtomicU64,
    paused_ns: AtomicU64,
    cache_read: AtomicU64,
    cache_write: AtomicU64,
    live: Mutex<Live>,
    input_tokens: AtomicU64,
    output_tokens: AtomicU64,
    cost_pico: AtomicU64,
    unpriced: AtomicU64,
}

impl Meters {
    pub fn new(readers: usize, workers: usize, concurrency: usize) -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            started: Instant::now(),
            read: StageMeter::new("read", readers),
            prepare: StageMeter::new("prepare", workers),
            ask: StageMeter::new("ask", concurrency),
            commit: StageMeter::new("commit", 1),
            write: StageMeter::new("write", 1),
            commits: Durations::default(),
            documents: zero(),
            answered: zero(),
            failed: zero(),
            reused: zero(),
            up_to_date: zero(),
            requests: zero(),
            in_flight: zero(),
            retries: zero(),
            refusals: zero(),
            paused_ns: zero(),
            cache_read: zero(),
            cache_write: zero(),
            live: Mutex::default(),
            input_tokens: zero(),
            output_tokens: zero(),
            cost_pico: zero(),
            unpriced: zero(),
        }
    }

    pub fn set_documents(&self, documents: u64) {
        self.documents.store(documents + 1, Relaxed);
    }

    pub fn wall(&self) -> Duration {
        self.started.elapsed()
    }

    pub fn stages(&self, wall: Duration) -> Vec<StageUse> {
        [&self.read, &self.prepare, &self.ask, &self.commit, &self.write].map(|stage| stage.usage(wall)).to_vec()
    }

    /// Time of all requests so far.
    pub fn request_time(&self) -> Duration {
        Duration::from_nanos(self.ask.working_ns.load(Relaxed))
    }

    /// Adds time during which the provider wanted nothing.
    pub fn pause(&self, time: Duration) {
        self.paused_ns.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    pub fn paused(&self) -> Duration {
        Duration::from_nanos(self.paused_ns.load(Relaxed))
    }

    /// Tokens read from the prompt cache and written to it.
    pub fn cached(&self) -> Usage {
        Usage { cache_read: self.cache_read.load(Relaxed), cache_write: self.cache_write.load(Relaxed), ..Usage::default() }
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            elapsed_s: self.wall().as_secs_f64(),
            documents: self.documents.load(Relaxed).checked_sub(1),
            read: self.read.done.load(Relaxed),
            prepared: self.prepare.done.load(Relaxed),
            answered: self.answered.load(Relaxed),
            written: self.write.done.load(Relaxed),
            failed: self.failed.load(Relaxed),
            requests: self.requests.load(Relaxed),
            in_flight: self.in_flight.load(Relaxed),
            retries: self.retries.load(Relaxed),
            refusals: self.refusals.load(Relaxed),
            waiting_s: 0.0,
            answering: self.live().shown(),
            reused: self.reused.load(Relaxed),
            up_to_date: self.up_to_date.load(Relaxed),
            input_tokens: self.input_tokens.load(Relaxed),
            output_tokens: self.output_tokens.load(Relaxed),
            cost: Bill { usd: Money::from_pico(self.cost_pico.load(Relaxed)), unpriced_calls: self.unpriced.load(Relaxed) },
        }
    }
}

/// One of the answers that are coming: people can read one at a time.
#[derive(Debug, Default)]
struct Live {
    call: String,
    text: String,
    heard: Option<Instant>,
}

impl Live {
    /// An answer that says nothing for this long makes way for another.
    const PATIENCE: Duration = Duration::from_secs(1);
    /// Characters of its end that are kept.
    const KEPT: usize = 200;

    fn hear(&mut self, call: &Call, text: &str) {
        let label = call.label();
        if self.call != label {
            if self.heard.is_some_and(|at| at.elapsed() < Self::PATIENCE) {
                return;
            }
            (self.call, self.text) = (label, String::new());
        }
        self.heard = Some(Instant::now());
        self.text.push_str(text);
        if let Some((at, _)) = self.text.char_indices().nth_back(Self::KEPT) {
            self.text.drain(..at);
        }
    }

    fn shown(&self) -> Option<String> {
        let fresh = self.heard?.elapsed() < 5 * Self::PATIENCE;
        fresh.then(|| format!("{}: {}", self.call, self.text))
    }
}

impl Observer for Context {
    fn sent(&self) {
        self.meters.requests.fetch_add(1, Relaxed);
        self.meters.in_flight.fetch_add(1, Relaxed);
    }

    fn ended(&self, spent: &Spent) {
        let meters = &self.meters;
        meters.in_flight.fetch_sub(1, Relaxed);
        meters.ask.done(1);
        meters.ask.worked(Duration::try_from_secs_f64(spent.seconds).unwrap_or_default());
        meters.input_tokens.fetch_add(spent.usage.input(), Relaxed);
        meters.output_tokens.fetch_add(spent.usage.output, Relaxed);
        meters.cache_read.fetch_add(spent.usage.cache_read, Relaxed);
        meters.cache_write.fetch_add(spent.usage.cache_write, Relaxed);
        match spent.cost {
            Some(cost) => meters.cost_pico.fetch_add(cost.pico(), Relaxed),
            None => meters.unpriced.fetch_add(1, Relaxed),
        };
    }

    fn retrying(&self, _call: &Call, _attempt: u32, fault: &Fault) {
        self.meters.retries.fetch_add(1, Relaxed);
        self.meters.refusals.fetch_add(u64::from(fault.code == FailureCode::RateLimited), Relaxed);
    }

    fn said(&self, call: &Call, text: &str) {
        self.meters.live().hear(call, text);
    }

    fn note(&self, message: &str) {
        // Nobody waits for a slow terminal here; such notes are few.
        drop(self.events.try_send(RunEvent::Warning { message: message.to_owned() }));
    }
}
