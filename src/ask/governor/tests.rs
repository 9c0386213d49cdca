//! Tests the governor with model providers in virtual time.

use super::bucket::Bucket;
use super::clock::Clock;
use super::*;
use crate::ask::budget::{BudgetReached, CostOfRest, Used, larger_cap};
use crate::ask::dialect::{Dialect, LimitKind, RateLimitHeader};
use crate::ask::fault::Pressure;
use crate::ask::settings::{LimitSettings, SlowStart};
use crate::insight::Interval;
use crate::model::Usage;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use tokio::task::LocalSet;
use tokio::time::Instant;

const WIRE: Duration = Duration::from_millis(5);

const NO_LIMITS: LimitSettings = LimitSettings {
    requests_per_minute: 0,
    input_tokens_per_minute: 0,
    output_tokens_per_minute: 0,
    tokens_per_minute: 0,
    burst_s: 5.0,
    slow_start: SlowStart::Auto,
};

fn settings(concurrency: usize, limits: &LimitSettings, slow_start: bool, budget: Budget) -> GovernorSettings<'_> {
    GovernorSettings { concurrency, limits, slow_start, budget, stop: CancellationToken::new(), abandon: CancellationToken::new() }
}

fn governor(concurrency: usize, slow_start: bool, budget: Budget) -> Governor {
    Governor::alone(settings(concurrency, &NO_LIMITS, slow_start, budget))
}

fn ticket(document: u64, input: f64) -> Ticket {
    let need = Need { input, images: 0.0, output: 50.0, max_output: 100.0, dialect: Dialect::ANTHROPIC };
    Ticket { document, need, at_most: None }
}

/// The behaviour of a provider.
#[derive(Clone, Copy)]
struct Provider {
    /// Kind, limit per second, and burst.
    limit: (LimitKind, f64, f64),
    retry_after: f64,
    headers: bool,
    answer: f64,
    /// The limit changes by this factor after this number of requests.
    change: Option<(usize, f64)>,
    tokens: fn(usize) -> f64,
    /// Seconds from the start in which all requests are refused.
    outage: f64,
    /// Share of requests that are refused at random.
    chance: f64,
    /// Whether refusals name a wait.
    names_wait: bool,
}

const STEADY: Provider = Provider {
    limit: (LimitKind::Requests, 20.0, 20.0),
    retry_after: 1.0,
    headers: true,
    answer: 0.1,
    change: None,
    tokens: |_| 500.0,
    outage: 0.0,
    chance: 0.0,
    names_wait: true,
};

/// The measurements of a run.
#[derive(Debug)]
struct RunResult {
    refused: usize,
    seconds: f64,
    most_in_flight: usize,
}

struct Server {
    provider: Provider,
    bucket: RefCell<Bucket>,
    served: Cell<usize>,
    refused: Cell<usize>,
    in_flight: Cell<usize>,
    most: Cell<usize>,
    started: Instant,
    span: Cell<f64>,
}

impl Server {
    fn new(provider: Provider) -> Self {
        let (_, per_second, burst) = provider.limit;
        let zero = || Cell::new(0);
        Self {
            provider,
            bucket: RefCell::new(Bucket::new(per_second, burst, burst, 0.0)),
            served: zero(),
            refused: zero(),
            in_flight: zero(),
            most: zero(),
            started: Instant::now(),
            span: Cell::new(0.0),
        }
    }

    fn now(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Serves or refuses a request with this number of tokens.
    async fn send(&self, tokens: f64) -> (bool, Option<RateLimitHeader>) {
        self.in_flight.set(self.in_flight.get() + 1);
        self.most.set(self.most.get().max(self.in_flight.get()));
        tokio::time::sleep(WIRE).await;
        let (meter, per_second, burst) = self.provider.limit;
        let need = if meter == LimitKind::Requests { 1.0 } else { tokens };
        let (passes, header) = {
            let mut bucket = self.bucket.borrow_mut();
            let now = self.now();
            if let Some((after, times)) = self.provider.change
                && self.served.get() == after
                && (bucket.per_second() - per_second).abs() < 1e-9
            {
                bucket.resize(per_second * times, burst * times, now);
            }
            let passes = bucket.ready_at(need, now) <= now && now >= self.provider.outage && fastrand::f64() >= self.provider.chance;
            if passes {
                bucket.take(need, now);
                self.served.set(self.served.get() + 1);
                self.span.set(now);
            } else {
                self.refused.set(self.refused.get() + 1);
            }
            let header = RateLimitHeader {
                meter,
                per_minute: bucket.per_second() * 60.0,
                remaining: Some(bucket.level(now).max(0.0).floor()),
                reset: None,
            };
            (passes, self.provider.headers.then_some(header))
        };
        if passes {
            tokio::time::sleep(Duration::from_secs_f64(self.provider.answer)).await;
        }
        tokio::time::sleep(WIRE).await;
        self.in_flight.set(self.in_flight.get() - 1);
        (passes, header)
    }
}

/// Sends requests until each one has been served.
async fn client(server: Rc<Server>, governor: Rc<Governor>, requests: usize) {
    let tasks = LocalSet::new();
    for number in 0..requests {
        let (server, governor) = (Rc::clone(&server), Rc::clone(&governor));
        tasks.spawn_local(async move {
            let tokens = (server.provider.tokens)(number);
            loop {
                let permit = governor.admit(&ticket(u64::try_from(number).unwrap(), 0.9 * tokens)).await.unwrap();
                let (passes, header) = server.send(tokens).await;
                let rate_limits = header.as_slice();
                if passes {
                    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole numbers")]
                    let usage = Usage { uncached_input: tokens as u64, output: 50, ..Usage::default() };
                    permit.end(&Ending { usage: Some(usage), cost: Some(Money::ZERO), rate_limits, ..Ending::default() });
                    return;
                }
                let named = server.provider.names_wait;
                let wait = Duration::from_secs_f64(if named { server.provider.retry_after } else { fastrand::f64() });
                let refused = Some(Refusal { pressure: Pressure::Rate, meter: Some(server.provider.limit.0), wait, named });
                permit.end(&Ending { cost: Some(Money::ZERO), rate_limits, refused, ..Ending::default() });
                if !named {
                    governor.pause(wait).await.unwrap();
                }
            }
        });
    }
    tasks.await;
}

async fn run(provider: Provider, requests: usize, concurrency: usize) -> RunResult {
    fastrand::seed(7);
    let server = Rc::new(Server::new(provider));
    let governor = Rc::new(governor(concurrency, true, Budget::default()));
    client(Rc::clone(&server), governor, requests).await;
    RunResult { refused: server.refused.get(), seconds: server.span.get(), most_in_flight: server.most.get() }
}

#[tokio::test(start_paused = true)]
async fn a_declared_limit_is_used_to_the_full_and_never_exceeded() {
    for answer in [0.02, 0.1, 0.5, 1.5] {
        let came = run(Provider { answer, ..STEADY }, 400, 50).await;
        assert_eq!(came.refused, 0, "{answer}: {came:?}");
        assert!(came.seconds <= 1.05 * 19.0 + answer, "{answer}: {came:?}");
        assert!(came.most_in_flight <= 50, "{came:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_not_declared_is_found_with_few_refusals() {
    for (answer, more) in [(0.02, 0.0), (0.1, 0.0), (0.2, 0.0), (0.5, 1.5)] {
        let came = run(Provider { answer, headers: false, ..STEADY }, 400, 50).await;
        assert!(came.refused <= 10, "{answer}: {came:?}");
        // The slow start takes longer if answers take longer.
        assert!(came.seconds <= 1.05 * 19.0 + more, "{answer}: {came:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_changes_in_the_middle_is_followed() {
    let ideal = 200.0 / 20.0 + 200.0 / 10.0 - 1.0;
    for headers in [true, false] {
        let came = run(Provider { headers, change: Some((200, 0.5)), ..STEADY }, 400, 50).await;
        assert!(came.refused <= if headers { 2 } else { 12 }, "{headers}: {came:?}");
        assert!(came.seconds <= 1.06 * ideal, "{headers}: {came:?} of {ideal}");
    }
}

#[tokio::test(start_paused = true)]
async fn token_limits_hold_for_documents_of_all_sizes() {
    // Documents have 200 to 60,000 tokens, and the limit is 1,000,000 tokens a minute.
    let tokens = |number: usize| [200.0, 900.0, 4_000.0, 20_000.0, 60_000.0][number % 5];
    let total: f64 = (0..200).map(tokens).sum();
    let ideal = (total - 83_000.0) / 16_667.0;
    for (headers, allowed) in [(true, 0), (false, 12)] {
        let provider = Provider { limit: (LimitKind::InputTokens, 16_667.0, 83_000.0), headers, tokens, ..STEADY };
        let came = run(provider, 200, 50).await;
        assert!(came.refused <= allowed, "{headers}: {came:?}");
        assert!(came.seconds <= if headers { 1.05 } else { 1.1 } * ideal, "{headers}: {came:?} of {ideal}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_teaches_no_limit() {
    let limit = (LimitKind::Requests, 1000.0, 1000.0);
    let came = run(Provider { limit, headers: false, outage: 8.0, ..STEADY }, 200, 32).await;
    assert!(came.refused <= 20 && came.seconds <= 30.0, "{came:?}");
}

#[tokio::test(start_paused = true)]
async fn random_refusals_cost_their_wait_and_do_not_lower_the_rate() {
    // The provider has no limit. 50 requests are in flight, for a tenth of a second each.
    let limit = (LimitKind::Requests, 1e6, 1e6);
    for chance in [0.01, 0.05, 0.1] {
        let provider = Provider { limit, headers: false, chance, names_wait: false, ..STEADY };
        let came = run(provider, 20_000, 50).await;
        let ideal = 20_000.0 / 50.0 * (0.11 + chance * 0.01);
        assert!(came.seconds <= 1.75 * ideal, "{chance}: {came:?} of {ideal}");
        // A named wait applies to all requests until the refusals prove to be random.
        let came = run(Provider { names_wait: true, ..provider }, 5_000, 50).await;
        // The bound is a fifth of the cost if each of these waits applied to all requests.
        assert!(came.seconds <= ideal + 20.0 + 0.2 * 5_000.0 * chance, "{chance}: {came:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn two_processes_share_one_limit() {
    for headers in [true, false] {
        fastrand::seed(7);
        let directory = tempfile::tempdir().unwrap();
        let server = Rc::new(Server::new(Provider { headers, ..STEADY }));
        let clock = Clock::new();
        let process = || {
            let account = SharedAccount::in_file_without_thread(&ConfiguredLimits::new(&NO_LIMITS, true), clock.clone(), directory.path());
            Rc::new(Governor::new(Arc::new(account), settings(50, &NO_LIMITS, true, Budget::default())))
        };
        let (one, other) = (client(Rc::clone(&server), process(), 200), client(Rc::clone(&server), process(), 200));
        tokio::join!(one, other);
        let (refused, seconds) = (server.refused.get(), server.span.get());
        assert!(refused <= if headers { 0 } else { 10 }, "{headers}: {refused} refused");
        assert!(seconds <= 1.05 * 19.0, "{headers}: {seconds}");
    }
}

#[tokio::test(start_paused = true)]
async fn two_runs_of_one_process_share_one_limit() {
    for headers in [true, false] {
        fastrand::seed(7);
        let server = Rc::new(Server::new(Provider { headers, ..STEADY }));
        let accounts = Accounts::default();
        let run = || {
            let begin = || SharedAccount::in_memory(&ConfiguredLimits::new(&NO_LIMITS, true), Clock::new());
            let account = accounts.shared("account".to_owned(), begin);
            Rc::new(Governor::new(account, settings(50, &NO_LIMITS, true, Budget::default())))
        };
        let (one, other) = (client(Rc::clone(&server), run(), 200), client(Rc::clone(&server), run(), 200));
        tokio::join!(one, other);
        let (refused, seconds) = (server.refused.get(), server.span.get());
        assert!(refused <= if headers { 0 } else { 10 }, "{headers}: {refused} refused");
        assert!(seconds <= 1.05 * 19.0, "{headers}: {seconds}");
    }
}

#[test]
fn an_account_is_forgotten_with_its_last_run() {
    let (accounts, given) = (Accounts::default(), ConfiguredLimits::new(&NO_LIMITS, false));
    let join = || accounts.shared("account".to_owned(), || SharedAccount::in_memory(&given, Clock::new()));
    let (one, other) = (join(), join());
    assert!(Arc::ptr_eq(&one, &other));
    let another = accounts.shared("another".to_owned(), || SharedAccount::in_memory(&given, Clock::new()));
    assert!(!Arc::ptr_eq(&one, &another));
    let former = Arc::downgrade(&one);
    drop((one, other));
    assert!(former.upgrade().is_none());
    let _anew = join();
}

#[tokio::test(start_paused = true)]
async fn a_limit_in_the_settings_of_one_process_holds_for_others_until_it_ends() {
    let directory = tempfile::tempdir().unwrap();
    let process = |per_minute| {
        let limits = LimitSettings { requests_per_minute: per_minute, ..NO_LIMITS };
        let given = ConfiguredLimits::new(&limits, false);
        let account = SharedAccount::in_file_without_thread(&given, Clock::new(), directory.path());
        Governor::new(Arc::new(account), settings(50, &limits, false, Budget::default()))
    };
    let one = process(60);
    let permit = one.admit(&ticket(0, 1.0)).await.unwrap();
    let other = process(0);
    permit.end(&Ending::default());
    let waits = async |governor: &Governor| {
        let start = Instant::now();
        for document in 1..5 {
            governor.admit(&ticket(document, 1.0)).await.unwrap().end(&Ending::default());
        }
        start.elapsed() > Duration::from_secs(3)
    };
    assert!(waits(&one).await && waits(&other).await);
    drop(one);
    assert!(!waits(&other).await);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_refused_after_each_wait_waits_longer_up_to_a_minute() {
    let governor = governor(8, false, Budget::default());
    let mut waits = Vec::new();
    let mut start = Instant::now();
    for named in [1, 1, 1, 1, 1, 1, 1, 1, 1, 90] {
        let permit = governor.admit(&ticket(0, 10.0)).await.unwrap();
        waits.push(start.elapsed().as_secs_f64().round());
        start = Instant::now();
        let refused = Some(Refusal { pressure: Pressure::Rate, meter: None, wait: Duration::from_secs(named), named: true });
        permit.end(&Ending { refused, ..Ending::default() });
    }
    governor.admit(&ticket(0, 10.0)).await.unwrap().end(&Ending::default());
    waits.push(start.elapsed().as_secs_f64().round());
    assert_eq!(&waits[..6], [0.0, 1.0, 2.0, 4.0, 8.0, 16.0]);
    assert!(waits[6..10].iter().all(|wait| (30.0..62.0).contains(wait)) && (90.0..93.0).contains(&waits[10]), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn no_request_is_admitted_before_the_named_wait_is_over() {
    let governor = governor(8, false, Budget::default());
    let first = governor.admit(&ticket(0, 10.0)).await.unwrap();
    let start = Instant::now();
    let refused = Some(Refusal { pressure: Pressure::Rate, meter: None, wait: Duration::from_secs(2), named: true });
    first.end(&Ending { refused, ..Ending::default() });
    let tickets = [1, 2, 3].map(|document| ticket(document, 10.0));
    let permits = futures::future::join_all(tickets.iter().map(|ticket| governor.admit(ticket))).await;
    assert!(permits.iter().all(Result::is_ok));
    assert!(start.elapsed() >= Duration::from_secs(2), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn earlier_documents_go_first() {
    let governor = Rc::new(governor(1, false, Budget::default()));
    let permit = governor.admit(&ticket(9, 1.0)).await.unwrap();
    let order = Rc::new(RefCell::new(Vec::new()));
    let tasks = LocalSet::new();
    for document in [5, 7, 2] {
        let (governor, order) = (Rc::clone(&governor), Rc::clone(&order));
        tasks.spawn_local(async move {
            let _permit = governor.admit(&ticket(document, 1.0)).await.unwrap();
            order.borrow_mut().push(document);
        });
    }
    // All requests are in the queue before the permit is released.
    tasks.run_until(tokio::task::yield_now()).await;
    drop(permit);
    tasks.await;
    assert_eq!(*order.borrow(), [2, 5, 7]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_waiting_for_a_place_and_pausing() {
    let stop = CancellationToken::new();
    let mut governor = governor(1, false, Budget::default());
    governor.stop = stop.clone();
    let permit = governor.admit(&ticket(0, 1.0)).await.unwrap();
    let asked = ticket(1, 1.0);
    let queued = governor.admit(&asked);
    stop.cancel();
    assert_eq!(queued.await.err(), Some(NotAdmitted::Stopped));
    drop(permit);
    assert_eq!(governor.pause(Duration::from_hours(1)).await, Err(Stopped));
}

/// The totals that the ledger of the run store would contain.
#[derive(Default)]
struct Books {
    /// Cost of requests that have ended.
    settled: Cell<Money>,
    /// Maximum cost of requests that were sent and have not ended.
    open: Cell<Money>,
    /// The provider's real bill.
    billed: Cell<Money>,
}

/// Runs until the money is used up or the process killed.
async fn spend(cap: Money, at_most: Money, books: &Rc<Books>, random: &mut fastrand::Rng, killed: bool) {
    let governor = Rc::new(governor(256, false, Budget::new(Some(cap), Some(Used::known(books.settled.get() + books.open.get())))));
    let tasks = LocalSet::new();
    for document in 0..400 {
        let (governor, books, lost) = (Rc::clone(&governor), Rc::clone(books), random.u8(..) < 10);
        let (cost, time) = (Money::from_pico(random.u64(0..=at_most.pico())), Duration::from_millis(random.u64(1..20)));
        tasks.spawn_local(async move {
            let Ok(permit) = governor.admit(&Ticket { at_most: Some(at_most), ..ticket(document, 1.0) }).await else { return };
            books.open.set(books.open.get() + at_most);
            // The provider bills when the request arrives, even if the reply is lost.
            books.billed.set(books.billed.get() + cost);
            tokio::time::sleep(time).await;
            if !lost {
                books.open.set(books.open.get() - at_most);
                books.settled.set(books.settled.get() + cost);
                permit.end(&Ending { cost: Some(cost), ..Ending::default() });
            }
        });
    }
    let until = Duration::from_millis(random.u64(1..30));
    if killed {
        tasks.run_until(tokio::time::sleep(until)).await;
    } else {
        tasks.await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_cap_is_never_exceeded_and_is_used_up_to_one_reservation() {
    let (cap, at_most) = (Money::from_pico(10_000), Money::from_pico(90));
    for seed in 0..1000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let books = Rc::new(Books::default());
        for _ in 0..seed % 4 {
            spend(cap, at_most, &books, &mut random, true).await;
        }
        spend(cap, at_most, &books, &mut random, false).await;
        assert!(books.billed.get() <= cap, "seed {seed}: {:?}", books.billed.get());
        // Spent and reserved money together leave room for less than one reservation.
        assert!(books.settled.get() + books.open.get() + at_most > cap, "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn changed_limits_hold_at_once_and_give_no_extra_requests() {
    let governor = governor(100, false, Budget::default());
    let per_minute = |requests_per_minute| LimitSettings { requests_per_minute, ..NO_LIMITS };
    let sent_in = async |seconds| {
        let (end, mut sent) = (Instant::now() + Duration::from_secs(seconds), 0);
        while let Ok(Ok(permit)) = tokio::time::timeout_at(end, governor.admit(&ticket(0, 1.0))).await {
            permit.end(&Ending::default());
            sent += 1;
        }
        sent
    };
    governor.set_limits(&per_minute(60));
    let slow = sent_in(60).await;
    assert!((55..=60).contains(&slow), "{slow}");
    // Changing limits back and forth grants no extra requests.
    for _ in 0..50 {
        governor.set_limits(&per_minute(120));
        governor.set_limits(&per_minute(60));
    }
    let still = sent_in(10).await;
    assert!((9..=11).contains(&still), "{still}");
    governor.set_limits(&per_minute(600));
    let fast = sent_in(60).await;
    assert!((540..=600).contains(&fast), "{fast}");
}

#[tokio::test(start_paused = true)]
async fn waiting_requests_get_added_places_unless_the_governor_is_paused() {
    let governor = governor(1, false, Budget::default());
    let (one, tickets) = (governor.admit(&ticket(0, 1.0)).await.unwrap(), [1, 2, 3].map(|document| ticket(document, 1.0)));
    let others = async { futures::future::join_all(tickets.iter().map(|ticket| governor.admit(ticket))).await.len() };
    let change = async {
        governor.set_paused(true);
        governor.set_concurrency(4);
        tokio::time::sleep(Duration::from_mins(1)).await;
        let paused = governor.status();
        governor.set_paused(false);
        (paused.why, governor.local().in_flight)
    };
    assert_eq!(tokio::join!(others, change), (3, (Some(WaitReason::Pause), 1)));
    governor.set_concurrency(1);
    drop(one);
    assert_eq!(governor.status().concurrency, 1);
}

#[test]
fn a_suggested_cap_has_room_for_the_rest_and_its_dearest_request() {
    let usd = Money::from_usd;
    let reached = BudgetReached { cap: usd(0.02), spent: Used::known(usd(0.016)), needed: usd(0.004) };
    let suggested = |rest| larger_cap(&reached.message(rest)).unwrap().to_owned();
    let rest = |dearest| Some(CostOfRest { cost: Interval { low: 0.06, high: 0.068 }, dearest: usd(dearest), most: 0.5 });
    assert_eq!(suggested(rest(0.042)), "0.13");
    assert_eq!(suggested(rest(0.001)), "0.088");
    assert_eq!(suggested(None), "0.056");
    // A server without usage: the rest will count with its maximum.
    let uncounted = BudgetReached { spent: Used { all: usd(0.016), uncertain: usd(0.015) }, ..reached };
    let message = uncounted.message(rest(0.001));
    assert_eq!(larger_cap(&message).unwrap(), "0.52");
    assert!(message.contains("the rest counts as $0.50"), "{message}");
}

#[test]
fn a_budget_counts_from_the_start_even_if_its_cap_is_set_later() {
    let money = Money::from_pico;
    let mut budget = Budget::new(None, None);
    assert_eq!(budget.reserve(Some(money(40))), Ok(DayRoom::Now));
    assert_eq!(budget.reserve(Some(money(40))), Ok(DayRoom::Now));
    budget.settle(Some(money(40)), Some(money(10)));
    budget.set_cap(Some(money(100)), Some(Used::known(money(30))));
    assert_eq!(budget.used(), Some((money(100), money(40))));
    // The cap is 100: 30 from earlier runs, 10 spent and 40 reserved leave 20.
    assert_eq!((budget.reserve(Some(money(21))), budget.reserve(Some(money(20)))), (Ok(DayRoom::AfterOthers), Ok(DayRoom::Now)));
}
