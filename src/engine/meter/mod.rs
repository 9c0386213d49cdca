//! The counters of a run and the states of each stage's slots.
//!
//! A counter costs hot paths an atomic addition, and a change of state a short lock.

mod cpu;
mod histogram;
mod lone;
mod medium;
mod observer;
mod outlook;
mod pace;
mod queues;
mod reported;
mod silence;
mod stage;
mod stream_preview;

use super::Plan;
use crate::ask::{Governor, Servers};
use crate::event::{BudgetUse, Snapshot};
use crate::insight::{Rate, Situation};
use crate::model::{AccountLimit, Bill, Latency, Limit, Money, QueueUse, RowStatus, StageUse, WaitReason};
use crate::store::StoreHandle;
use histogram::Histogram;
use lone::Lone;
use outlook::Outlook;
use pace::Pace;
use parking_lot::{Mutex, MutexGuard};
use queues::Queues;
use reported::Reported;
use silence::{Calls, Silence};
use stage::StageMeter;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use stream_preview::StreamPreview;
use tokio::sync::mpsc::Sender;

/// All counters of a run.
#[derive(Debug)]
pub(super) struct Meters {
    started: Instant,
    /// Speed of the run's clock relative to wall time.
    speed: f64,
    pub read: StageMeter,
    pub prepare: StageMeter,
    pub ask: StageMeter,
    pub commit: StageMeter,
    pub write: StageMeter,
    pub commits: Histogram,
    pub queues: Queues,
    pub pace: Pace,
    /// Response times of requests.
    request_times: Histogram,
    lone: Lone,
    silence: Silence,
    /// Calls in progress.
    calls: AtomicU64,
    calls_ended: AtomicU64,
    /// Whether the run store is on a disk.
    on_disk: bool,
    /// CPU seconds of the process before the run.
    cpu_before_s: f64,
    hedge: bool,
    /// `llm.documents`, if it is set.
    window: Option<usize>,
    /// The servers of the account.
    servers: Arc<Servers>,
    /// The governor, which knows why requests wait and for how long.
    pub governor: OnceLock<Arc<Governor>>,
    /// The use of the account's limits before the run.
    used_before: OnceLock<Vec<Rate>>,
    /// Number of all documents plus one; 0 while they are being counted.
    documents: AtomicU64,
    pub answered: AtomicU64,
    rows: [AtomicU64; RowStatus::ALL.len()],
    outlook: Outlook,
    /// Whether result files are being completed.
    pub publishing: AtomicBool,
    /// Documents whose answers come in a later run.
    pub deferred: AtomicU64,
    pub reused: AtomicU64,
    pub up_to_date: AtomicU64,
    requests: AtomicU64,
    in_flight: AtomicU64,
    retries: AtomicU64,
    refusals: AtomicU64,
    request_ns: AtomicU64,
    longest_request_ns: AtomicU64,
    /// Whether settings were changed during the run.
    changed: AtomicBool,
    latency: [AtomicU64; Latency::UP_TO_S.len() + 1],
    reported: Reported,
    paused_ns: AtomicU64,
    cache_read: AtomicU64,
    cache_saved_pico: AtomicI64,
    live: Mutex<StreamPreview>,
    input_tokens: AtomicU64,
    output_tokens: AtomicU64,
    cost_pico: AtomicU64,
    unpriced: AtomicU64,
}

impl Meters {
    pub fn new(plan: &Plan) -> Self {
        let llm = &plan.llm;
        let zero = || AtomicU64::new(0);
        Self {
            started: Instant::now(),
            speed: plan.speed,
            read: StageMeter::new("read", plan.read.concurrency),
            prepare: StageMeter::new("prepare", plan.prepare.parallelism()),
            ask: StageMeter::new("ask", llm.concurrency),
            commit: StageMeter::new("commit", 1),
            write: StageMeter::new("write", 1),
            commits: Histogram::default(),
            queues: Queues::default(),
            pace: Pace::new(plan.speed),
            request_times: Histogram::default(),
            lone: Lone::default(),
            silence: Silence::default(),
            calls: zero(),
            calls_ended: zero(),
            on_disk: !medium::is_memory(&plan.output.dir),
            cpu_before_s: cpu::seconds(),
            hedge: llm.hedge,
            window: Some(llm.documents).filter(|window| *window > 0),
            servers: Arc::clone(plan.account.servers()),
            governor: OnceLock::new(),
            used_before: OnceLock::new(),
            documents: zero(),
            answered: zero(),
            rows: Default::default(),
            outlook: Outlook::new(plan.jobs.fewest_calls(), plan.selection.size()),
            publishing: AtomicBool::new(false),
            deferred: zero(),
            reused: zero(),
            up_to_date: zero(),
            requests: zero(),
            in_flight: zero(),
            retries: zero(),
            refusals: zero(),
            request_ns: zero(),
            longest_request_ns: zero(),
            changed: AtomicBool::new(false),
            latency: Default::default(),
            reported: Reported::default(),
            paused_ns: zero(),
            cache_read: zero(),
            cache_saved_pico: AtomicI64::new(0),
            live: Mutex::default(),
            input_tokens: zero(),
            output_tokens: zero(),
            cost_pico: zero(),
            unpriced: zero(),
        }
    }

    /// Connects the governor and the channels of documents and records. Called once.
    pub fn watch<A: Send + 'static, B: Send + 'static, C: Send + 'static>(
        &self,
        governor: &Arc<Governor>,
        (found, read, ready): (&Sender<A>, &Sender<B>, &Sender<C>),
        store: &StoreHandle,
    ) {
        let _only_once = (self.used_before.set(governor.rates()), self.governor.set(Arc::clone(governor)));
        self.queues.watch("found", found);
        self.queues.watch("read", read);
        self.queues.watch("ready", ready);
        self.queues.watch_store("records", store.watcher());
    }

    pub fn set_documents(&self, documents: u64) {
        self.documents.store(documents + 1, Relaxed);
    }

    pub fn wall(&self) -> Duration {
        self.started.elapsed().mul_f64(self.speed)
    }

    pub fn stages(&self) -> Vec<StageUse> {
        let alone = |stage: &StageMeter| stage.usage(Vec::new());
        vec![alone(&self.read), alone(&self.prepare), self.ask.usage(self.held()), alone(&self.commit), alone(&self.write)]
    }

    /// The reasons why requests waited, in seconds summed over all permits.
    fn held(&self) -> Vec<(WaitReason, f64)> {
        let Some(governor) = self.governor.get() else { return Vec::new() };
        let (admitted, mut held) = governor.held();
        // Between the permit and sending, a request waits only for the ledger.
        held.push((WaitReason::Ledger, admitted - self.ask.work().as_secs_f64()));
        held
    }

    /// The measurements so far that explain the speed of the run.
    pub fn situation(&self) -> Situation {
        let requests = self.requests.load(Relaxed);
        Situation {
            wall_s: self.wall().as_secs_f64(),
            documents: self.answered.load(Relaxed),
            requests,
            retries: self.retries.load(Relaxed),
            chain_s: self.pace.shortest(),
            latency_s: self.request_time().as_secs_f64() / (requests as f64).max(1.0),
            lone_s: self.lone.seconds(),
            silent_s: self.silence.seconds(self.request_times.quartile_ms(3) / 1000.0),
            longest_s: Duration::from_nanos(self.longest_request_ns.load(Relaxed)).as_secs_f64(),
            stages: self.stages(),
            rates: self.rates(),
            cpu_s: (cpu::seconds() - self.cpu_before_s) * self.speed,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            commit_ms: self.commits.median_ms(),
            on_disk: self.on_disk,
            tail: self.pace.tail(),
            hedge: self.hedge,
            window: self.window,
            servers: self.servers.weight(),
            changed: self.changed.load(Relaxed),
        }
    }

    /// The known limits and their use since the run began.
    fn rates(&self) -> Vec<Rate> {
        let before = self.used_before.get().map_or(&[][..], Vec::as_slice);
        let used_before = |meter: WaitReason| before.iter().find(|rate| rate.meter == meter).map_or(0.0, |rate| rate.used);
        let rates = self.governor.get().map(|governor| governor.rates()).unwrap_or_default();
        rates.into_iter().map(|rate| Rate { used: (rate.used - used_before(rate.meter)).max(0.0), ..rate }).collect()
    }

    /// Counts a call as in progress until the guard is dropped.
    pub fn call(&self) -> InFlight<'_> {
        self.calls.fetch_add(1, Relaxed);
        InFlight(self)
    }

    /// Messages about servers since the last call.
    pub fn notes_of_servers(&self) -> Vec<String> {
        self.servers.take_notes()
    }

    /// Samples queue lengths and silence, which no event counts.
    pub fn sample(&self) {
        self.queues.sample();
        let Some(governor) = self.governor.get() else { return };
        let status = governor.status();
        let calls = Calls {
            ended: self.calls_ended.load(Relaxed),
            in_flight: self.in_flight.load(Relaxed),
            waiting: self.calls.load(Relaxed).saturating_sub(governor.in_line() as u64),
            held: status.paused
                || matches!(status.why, Some(WaitReason::Budget | WaitReason::BudgetService))
                || governor.closed_for().is_some(),
        };
        self.silence.sample(self.wall().as_secs_f64(), calls);
    }

    /// The limit that holds the run back, in a few words.
    ///
    /// Ignores the tail, because the last document is unknown until the run has ended.
    fn limited_by(&self) -> Option<String> {
        if let Some(governor) = self.governor.get()
            && governor.closed_for().is_some()
        {
            // The current reason replaces the one over the whole time.
            return governor.status().why.map(|why| format!("{} (now)", Limit::Held(why)));
        }
        let found = Situation { tail: None, ..self.situation() }.bottleneck()?;
        Some(format!("{} ({:.0} % of the time)", found.limit, 100.0 * found.share))
    }

    /// The use of each queue.
    pub fn queues(&self) -> Vec<QueueUse> {
        self.queues.usage()
    }

    /// Records a change of settings and sets the new concurrency.
    pub fn settings_changed(&self, concurrency: usize) {
        self.changed.store(true, Relaxed);
        self.ask.set_slots(concurrency);
    }

    /// The sum of all response times so far.
    pub fn request_time(&self) -> Duration {
        Duration::from_nanos(self.request_ns.load(Relaxed))
    }

    /// Adds time during which the provider's limits stopped all requests.
    pub fn pause(&self, time: Duration) {
        self.paused_ns.fetch_add(u64::try_from(time.mul_f64(self.speed).as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    pub fn paused(&self) -> Duration {
        Duration::from_nanos(self.paused_ns.load(Relaxed))
    }

    /// Tokens read from the prompt cache, and the US dollars that this saved.
    pub fn cached(&self) -> (u64, f64) {
        (self.cache_read.load(Relaxed), self.cache_saved_pico.load(Relaxed) as f64 / 1e12)
    }

    fn live(&self) -> MutexGuard<'_, StreamPreview> {
        self.live.lock()
    }

    pub fn documents(&self) -> Option<u64> {
        self.documents.load(Relaxed).checked_sub(1)
    }

    /// Counts a row.
    pub fn row(&self, status: RowStatus, calls: usize) {
        self.rows[status as usize].fetch_add(1, Relaxed);
        self.outlook.row(calls as u64);
        self.answered.fetch_add(1, Relaxed);
    }

    pub fn snapshot(&self) -> Snapshot {
        let rows: BTreeMap<RowStatus, u64> =
            RowStatus::ALL.into_iter().zip(self.rows.each_ref().map(|n| n.load(Relaxed))).filter(|(_, n)| *n > 0).collect();
        let status = self.governor.get().map(|governor| governor.status());
        let counts = [&self.answered, &self.reused, &self.up_to_date, &self.calls_ended];
        let [answered, reused, up_to_date, calls_ended] = counts.map(|n| n.load(Relaxed));
        let documents = self.outlook.documents(self.documents());
        Snapshot {
            elapsed_s: self.wall().as_secs_f64(),
            documents,
            calls_ended,
            calls_left: self.outlook.calls_left(documents, answered + up_to_date, calls_ended + reused),
            read: self.read.count(),
            prepared: self.prepare.count(),
            answered,
            written: self.write.count(),
            failed: rows.iter().filter(|(status, _)| !matches!(status, RowStatus::Ok | RowStatus::Skipped)).map(|(_, n)| n).sum(),
            rows,
            requests: self.requests.load(Relaxed),
            in_flight: self.in_flight.load(Relaxed),
            retries: self.retries.load(Relaxed),
            refusals: self.refusals.load(Relaxed),
            waiting_s: 0.0,
            limits: self.governor.get().map_or_else(Vec::new, |governor| governor.rates().iter().map(AccountLimit::from).collect()),
            publishing: self.publishing.load(Relaxed),
            concurrency: status.map_or(0, |status| status.concurrency),
            paused: status.is_some_and(|status| status.paused),
            holding: status.and_then(|status| status.why),
            budget: status.and_then(|status| status.budget).map(|(cap, spent)| BudgetUse { max_usd: cap.usd(), spent_usd: spent.usd() }),
            latency: Latency { counts: self.latency.iter().map(|n| n.load(Relaxed)).collect(), sum_s: self.request_time().as_secs_f64() },
            stages: self.stages(),
            servers: self.servers.usage(),
            queues: self.queues(),
            answering: self.live().shown(),
            limited_by: self.limited_by(),
            reused,
            up_to_date,
            input_tokens: self.input_tokens.load(Relaxed),
            output_tokens: self.output_tokens.load(Relaxed),
            cost: Bill { usd: Money::from_pico(self.cost_pico.load(Relaxed)), unpriced_calls: self.unpriced.load(Relaxed) },
        }
    }
}

/// Counts a call as ended when dropped.
#[derive(Debug)]
pub(super) struct InFlight<'m>(&'m Meters);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Relaxed);
        self.0.calls_ended.fetch_add(1, Relaxed);
    }
}
