//! Property test of the governor with random accounts.
//!
//! Distant limits must not slow a run, and near limits must be fully used. `DOCMILL_GOVERNOR_SEEDS`
//! names a range of accounts to try, such as `17..18`.

use super::clock::Clock;
use super::provider::{Outcome, Provider, Terms, Work, about};
use super::*;
use crate::ask::dialect::{Dialect, LimitKind};
use crate::ask::fault::Pressure;
use crate::ask::settings::{LimitSettings, SlowStart};
use crate::model::Usage;
use fastrand::Rng;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::LocalSet;

const LIMITS: LimitSettings = LimitSettings {
    requests_per_minute: 0,
    input_tokens_per_minute: 0,
    output_tokens_per_minute: 0,
    tokens_per_minute: 0,
    burst_s: 30.0,
    slow_start: SlowStart::Auto,
};

/// A run on an account.
#[derive(Debug)]
struct Account {
    terms: Terms,
    processes: usize,
    concurrency: usize,
    slow_start: bool,
    /// Counted tokens for each estimated token, and the spread of calls.
    ///
    /// The first two values are for text and images.
    errors: (f64, f64, f64),
    work: Vec<Work>,
    latency: f64,
}

/// The measurements of a run.
#[derive(Debug)]
struct RunResult {
    seconds: f64,
    ideal: f64,
    allowance: f64,
    refused: usize,
    allowed: usize,
}

impl Account {
    fn new(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let random = &mut random;
        let dialects = [Dialect::ANTHROPIC, Dialect::OPENAI, Dialect::COMPATIBLE, Dialect::RESPONSES, Dialect::GEMINI];
        let dialect = dialects[random.usize(..dialects.len())];
        let latency = about(1.0, 15.0, random);
        let (processes, concurrency) = (*random.choice(&[1, 1, 3]).unwrap(), random.usize(4..64));
        let error = |random: &mut Rng| if random.bool() { about(1.0, 10.0, random) } else { about(1.0, 1.2, random) };
        let errors = (error(random), error(random), *random.choice(&[1.05, 1.5, 10.0]).unwrap());
        let (with_images, cached, spread) =
            (*random.choice(&[0.0, 0.5, 1.0]).unwrap(), *random.choice(&[0.0, 0.0, 0.8]).unwrap(), about(1.7, 1.4, random));
        let (text, output) = (about(400.0, 4.0, random), about(100.0, 4.0, random));
        let work = |random: &mut Rng| Work {
            text: about(text, spread, random),
            images: if random.f64() < with_images { about(1200.0, 1.3, random) } else { 0.0 },
            cached: if random.f64() < 0.8 { cached } else { 0.0 },
            output: about(output, spread, random),
            max_output: 2.5 * output + 500.0,
            latency: about(latency, 1.3, random),
            guess: about(1.0, 1.2, random),
        };
        let work: Vec<Work> = (0..random.usize(8..40) * concurrency * processes).take(800).map(|_| work(random)).collect();
        let mut terms = Terms {
            dialect,
            limits: Vec::new(),
            headers: (dialect != Dialect::GEMINI && random.f64() < 0.75)
                .then(|| (*random.choice(&[1.0, 100.0, 1000.0]).unwrap(), random.bool())),
            corrects: random.bool(),
            cached_counts: dialect != Dialect::COMPATIBLE || random.bool(),
            refused_count: random.bool(),
            names_meter: random.bool(),
        };
        let tokens: &[LimitKind] = match dialect.name {
            "anthropic" => &[LimitKind::InputTokens, LimitKind::OutputTokens],
            "gemini" => &[LimitKind::InputTokens],
            _ => &[LimitKind::Tokens],
        };
        // `near` is the share of a limit that the run would use at full speed. It is far below 1,
        // or around 1.
        let full_speed = work.len() as f64 / (latency * work.len() as f64 / (concurrency * processes) as f64);
        for &meter in [LimitKind::Requests].iter().chain(tokens) {
            let charges = || work.iter().map(|work| terms.charge(meter, work));
            let mean = charges().map(|(reserved, real)| reserved.max(real)).sum::<f64>() / work.len() as f64;
            let largest = charges().map(|(reserved, real)| reserved.max(real)).fold(0.0, f64::max);
            let near = if random.f64() < 0.5 { about(0.2, 4.0, random) } else { about(1.5, 2.0, random) };
            let per_second = full_speed * mean / near;
            // The burst is a minute's amount, or so little that the run uses it up.
            let burst_s = (about(0.1, 4.0, random) * near * work.len() as f64 / full_speed).min(60.0);
            // Providers that declare limits document windows of one second or more. Other servers
            // may use any window.
            let least = if terms.headers.is_some() { per_second } else { 0.0 };
            let capacity = (per_second * if random.f64() < 0.3 { 60.0 } else { burst_s }).max(4.0 * largest).max(least);
            terms.limits.push((meter, per_second, capacity));
        }
        Self { terms, processes, concurrency, slow_start: random.f64() < 0.8, errors, work, latency }
    }

    /// Minimum seconds of the run, given its limits and request slots.
    fn ideal(&self) -> f64 {
        let sum = |of: &dyn Fn(&Work) -> f64| self.work.iter().map(of).sum::<f64>();
        let places = sum(&|work| work.latency + 0.01) / (self.concurrency * self.processes) as f64;
        let by_limit = |&(meter, per_second, capacity): &(LimitKind, f64, f64)| {
            let at_once = if self.terms.headers.is_some() { capacity.min(LIMITS.burst_s * per_second) } else { capacity };
            let used = (sum(&|work| self.terms.charge(meter, work).1) - at_once) / per_second;
            // Reserved amounts are returned only with the reply.
            used.max(sum(&|work| self.terms.charge(meter, work).0 * work.latency) / at_once)
        };
        self.terms.limits.iter().map(by_limit).fold(places, f64::max)
    }

    /// Builds the ticket of a call, with a client's estimates.
    fn ticket(&self, number: usize) -> Ticket {
        let (work, (text_error, image_error, noise)) = (&self.work[number], self.errors);
        let mut random = Rng::with_seed(number as u64);
        let (text, images) =
            (about(work.text / text_error, noise.sqrt(), &mut random), about(work.images / image_error, noise.sqrt(), &mut random));
        let need =
            Need { input: text + images, images, output: work.max_output / 2.0, max_output: work.max_output, dialect: self.terms.dialect };
        Ticket { document: number as u64, need, at_most: None }
    }

    async fn run(self: &Rc<Self>) -> RunResult {
        let provider = Rc::new(Provider::new(self.terms.clone()));
        let directory = tempfile::tempdir().unwrap();
        // A shared clock excludes the real time between the starts from the result.
        let clock = Clock::new();
        let governors: Vec<_> = (0..self.processes)
            .map(|_| {
                let given = ConfiguredLimits::new(&LIMITS, self.slow_start);
                let account = if self.processes > 1 {
                    SharedAccount::in_file_without_thread(&given, clock.clone(), directory.path())
                } else {
                    SharedAccount::in_memory(&given, clock.clone())
                };
                let settings = GovernorSettings {
                    concurrency: self.concurrency,
                    limits: &LIMITS,
                    slow_start: self.slow_start,
                    budget: Budget::default(),
                    stop: CancellationToken::new(),
                    abandon: CancellationToken::new(),
                };
                Rc::new(Governor::new(Arc::new(account), settings))
            })
            .collect();
        let tasks = LocalSet::new();
        for number in 0..self.work.len() {
            let (account, provider, governor) = (Rc::clone(self), Rc::clone(&provider), Rc::clone(&governors[number % self.processes]));
            tasks.spawn_local(async move { while account.request(number, &provider, &governor).await {} });
        }
        // A run that takes this long has failed and may never end.
        let in_time = tokio::time::timeout(Duration::from_secs_f64(20.0 * self.ideal() + 600.0), tasks).await.is_ok();
        let slowest = self.work.iter().map(|work| work.latency).fold(0.0, f64::max);
        let places = self.concurrency * self.processes;
        // The slow start sends one request alone. After eight, it sends one more for each answer,
        // until all slots are used.
        let slow_start = if self.terms.headers.is_some() { 1.0 } else { 2.0 + (places as f64 / 8.0).max(1.0).log2() };
        let rounded = self.terms.headers.map_or(0.0, |(rounding, _)| rounding);
        let round = |&(meter, per_second, _): &(LimitKind, f64, f64)| if meter == LimitKind::Requests { 0.0 } else { rounded / per_second };
        let rounding = self.terms.limits.iter().map(round).fold(0.0, f64::max);
        RunResult {
            seconds: if in_time { provider.last.get() } else { f64::INFINITY },
            ideal: self.ideal(),
            allowance: slow_start * slowest + rounding + if self.terms.headers.is_some() { 1.0 } else { 5.0 },
            refused: provider.refused.get(),
            // With headers, these are the requests in flight when a limit proves to be counted over
            // a shorter time. Without headers, they are the requests in flight at the first
            // refusal, and one in 20 after that.
            allowed: match (self.terms.headers.is_some(), self.slow_start) {
                (true, true) => 10,
                (true, false) => places + 10,
                (false, _) => places + 10 + self.work.len() / 20,
            },
        }
    }

    /// Sends one request. Returns whether it was refused.
    async fn request(&self, number: usize, provider: &Provider, governor: &Governor) -> bool {
        let permit = governor.admit(&self.ticket(number)).await.unwrap();
        let Outcome { refused, headers } = provider.send(&self.work[number]).await;
        let refused = refused.map(|(wait, meter)| Refusal { pressure: Pressure::Rate, meter, wait, named: true });
        permit.end(&Ending {
            usage: refused.is_none().then(|| self.usage(number)),
            cost: Some(Money::ZERO),
            rate_limits: &headers,
            refused,
        });
        refused.is_some()
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "amounts of tokens")]
    fn usage(&self, number: usize) -> Usage {
        let work = &self.work[number];
        let cached = (work.input() * work.cached).round();
        Usage { uncached_input: (work.input() - cached) as u64, cache_read: cached as u64, cache_write: 0, output: work.output as u64 }
    }
}

impl RunResult {
    /// The time taken as a share of the allowed time. At most 1 is correct.
    fn share(&self) -> f64 {
        self.seconds / (1.1 * self.ideal + self.allowance)
    }

    fn is_right(&self) -> bool {
        self.share() <= 1.0 && self.refused <= self.allowed
    }
}

/// The seeds to run, such as `DOCMILL_GOVERNOR_SEEDS=0..2000`.
fn seeds() -> Vec<u64> {
    let text = std::env::var("DOCMILL_GOVERNOR_SEEDS").unwrap_or_default();
    match text.split_once("..") {
        Some((from, to)) => (from.parse().unwrap()..to.parse().unwrap()).collect(),
        None => (0..60).collect(),
    }
}

/// Runs one account. Returns the result and a description for failures.
fn tried(seed: u64) -> (RunResult, String) {
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let account = Rc::new(Account::new(seed));
    let came = runtime.block_on(account.run());
    let Account { terms, processes, concurrency, errors, latency, slow_start, work } = &*account;
    let terms = format!("{latency:.2} s, {processes} x {concurrency}, {errors:.1?}, slow {slow_start}, {} calls, {terms:?}", work.len());
    let text = format!("seed {seed}: {:.2} {came:?}\n  {terms}", came.share());
    (came, text)
}

#[test]
fn every_account_is_used_to_the_full_however_wrong_estimates_are() {
    let seeds = seeds();
    let share = seeds.len().div_ceil(std::thread::available_parallelism().map_or(1, usize::from));
    let came: Vec<(u64, RunResult, String)> = std::thread::scope(|scope| {
        let threads: Vec<_> = seeds
            .chunks(share)
            .map(|seeds| {
                scope.spawn(move || {
                    seeds
                        .iter()
                        .map(|seed| {
                            let (came, text) = tried(*seed);
                            (*seed, came, text)
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let worst =
        came.iter().map(|(seed, came, _)| (came.share(), *seed)).fold((0.0, 0), |worst, one| if one.0 > worst.0 { one } else { worst });
    let most_refused = came.iter().map(|(seed, came, _)| (came.refused, *seed)).max();
    let wrong: Vec<_> = came.iter().filter(|(_, came, _)| !came.is_right()).map(|(.., text)| text.as_str()).collect();
    let figures =
        format!("worst: {worst:.3?} of the time allowed, {most_refused:?} refused (value, seed); {} of {} wrong", wrong.len(), came.len());
    assert!(wrong.is_empty(), "{figures}\n{}", wrong.join("\n"));
}
