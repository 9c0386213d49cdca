//! Predicts the cost and the duration of a run from its survey.
//!
//! The lengths of answers and the response times are learned from the requests in the run store.
//! Without such requests, the cost interval is wide and the duration is unknown.

use super::Plan;
use super::counted_tokens::Counted;
use super::dry_run::Foreseen;
use super::earlier_runs::{History, mean};
use super::packed_loads::packed;
use super::survey::{DocumentPlan, Survey};
use crate::ask::Quota;
use crate::insight::{Durations, Forecast, Interval, Length, Load, Machinery, Observed, Order, ratio_estimate, schedule};
use crate::model::{AccountLimit, Money, Usage, WaitReason};
use std::collections::{BTreeMap, BTreeSet};

/// Number of simulated schedules for an interval.
const DRAWS: u64 = 40;
/// Maximum number of calls in a simulated schedule. Longer jobs are extrapolated.
const PLAYED: u64 = 20_000;

/// The predicted calls, cost and duration of a run.
#[derive(Debug, Clone)]
pub struct Prediction {
    /// Calls to be sent.
    pub calls: u64,
    /// Calls of pending documents that are already answered or have failed permanently.
    pub known: u64,
    /// `ceil(requests / concurrency)`. Calls for vectors share requests.
    pub waves: u64,
    /// Calls that are sent only because settings or jobs have changed since the previous run.
    pub because_of_changes: u64,
    /// Input tokens.
    pub input: f64,
    /// The range of input tokens, if the provider's count is not learned.
    pub input_range: Option<Interval>,
    /// Output tokens.
    pub output: Interval,
    /// US dollars; `None` if a price is unknown.
    pub cost: Option<Interval>,
    /// US dollars if every answer has the maximum length; `None` if a price is unknown.
    pub at_most: Option<f64>,
    /// Documents whose answers the figures are learned from.
    pub learned_from: usize,
    /// Duration in seconds; `None` if response times are unknown.
    pub seconds: Option<Interval>,
    /// Duration in seconds if every response takes one second.
    pub seconds_per_second: f64,
    /// Known limits of the account, including those of the settings.
    pub limits: Vec<AccountLimit>,
    /// Whether the account may have limits, but all are unknown.
    pub limits_unknown: bool,
    /// The duration under an assumed limit, if the limits are unknown.
    pub if_limited: Option<IfLimited>,
    /// The setting, limit or stage that determines the duration.
    pub bound: String,
    /// Duration in seconds for each bound if it were the only one.
    pub bounds: BTreeMap<String, f64>,
}

/// An assumed limit and its effect on the duration.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct IfLimited {
    /// Requests per minute.
    pub requests_per_minute: f64,
    /// Minimum duration of the run in seconds.
    pub seconds: f64,
}

/// Predicts cost and duration from a survey.
pub fn predict(plan: &Plan, survey: &Survey, history: &History) -> Prediction {
    Predictor::new(plan, survey, history).predict()
}

/// Predicts from one survey.
pub(super) struct Predictor<'p> {
    plan: &'p Plan,
    survey: &'p Survey,
    history: &'p History,
    /// Number of pending documents for each prepared one.
    times: f64,
    /// Mean output tokens by task, if known.
    lengths: Vec<Option<f64>>,
    /// Ratios of counted to estimated input tokens, by task.
    counted: Vec<Counted>,
    limits: Quota,
}

impl<'p> Predictor<'p> {
    pub(super) fn new(plan: &'p Plan, survey: &'p Survey, history: &'p History) -> Self {
        let times = survey.times;
        let known = history.lengths();
        let tasks = 0..survey.tasks.len();
        let past = |task: usize| {
            seen(survey)
                .flat_map(|document| &document.calls)
                .filter(move |call| call.task == task && call.past.is_some_and(|past| past.answered))
        };
        let length = |task: usize| {
            let lengths: Vec<f64> = past(task).filter_map(|call| call.past).map(|past| past.usage.output as f64).collect();
            if lengths.is_empty() { known.get(&survey.tasks[task].task).copied() } else { Some(mean(lengths)) }
        };
        let counted = |task: usize| Counted::learned(past(task).filter_map(|call| Some((call, call.past?.usage))));
        let (lengths, counted) = (tasks.clone().map(length).collect(), tasks.map(counted).collect());
        Self { plan, survey, history, times, lengths, counted, limits: history.limits(plan) }
    }

    fn predict(&self) -> Prediction {
        let open = || self.survey.plans.iter().flat_map(|document| document.calls.iter().filter(|call| call.past.is_none()));
        let calls = self.scaled(open().count() as u64);
        let known = self.survey.plans.iter().flat_map(|document| &document.calls).filter(|call| call.past.is_some()).count() as f64;
        let each =
            self.survey.plans.iter().map(|document| document.calls.len()).sum::<usize>() as f64 / (self.survey.prepared as f64).max(1.0);
        let known = self.times * known + each * self.survey.repeated as f64;
        let changed = self.survey.plans.iter().filter(|document| document.had_a_row);
        let because = changed.flat_map(|document| &document.calls).filter(|call| call.past.is_none()).count() as u64;
        let output = |end: fn(&Length) -> f64| -> f64 { self.times * open().map(|call| end(&self.length(call))).sum::<f64>() + 0.0 };
        let loads = packed(self.survey.plans.iter().map(|document| self.loads(document)).collect(), self.plan, self.survey);
        let seconds = (!self.history.seconds().is_empty()).then(|| self.seconds(&loads));
        let per_second = self.play(&loads, |_| 1.0);
        let bounds = self.bounds(&loads, seconds.as_ref().map(|(_, busy)| *busy));
        let bound = bounds.iter().max_by(|one, other| one.1.total_cmp(other.1)).map(|(name, _)| name.clone()).unwrap_or_default();
        let learned_from = seen(self.survey).filter(|document| document.calls.iter().any(is_paid)).count();
        let limits = self.limits.rates();
        let limits_unknown = self.plan.account.has_limits() && limits.is_empty();
        let cost = self.cost();
        let wall = seconds.map_or(per_second.wall_s, |(wall, _)| wall.middle());
        Prediction {
            limits: limits.iter().map(AccountLimit::from).collect(),
            limits_unknown,
            if_limited: limits_unknown.then(|| felt(calls as f64, wall)).flatten(),
            calls,
            known: whole(known),
            waves: self.scaled(loads.iter().map(Vec::len).sum::<usize>() as u64).div_ceil(self.plan.llm.concurrency as u64),
            because_of_changes: self.scaled(because),
            // An empty sum is a negative zero, which `+ 0.0` makes positive.
            input: self.times * open().map(|call| self.counted[call.task].tokens(call)).sum::<f64>() + 0.0,
            input_range: (learned_from < 2).then(|| {
                let end = |end: fn((f64, f64)) -> f64| {
                    self.times * open().map(|call| end(self.uncertainty()) * self.counted[call.task].tokens(call)).sum::<f64>()
                };
                Interval { low: end(|(fewer, _)| fewer), high: end(|(_, more)| more) }
            }),
            output: Interval { low: output(|length| length.low), high: output(|length| length.high) },
            cost,
            // The number of tokens is an estimate, so the range may reach beyond.
            at_most: self.at_most().map(|most| cost.map_or(most, |cost| most.max(cost.high))),
            learned_from,
            seconds: seconds.map(|(wall, _)| wall),
            seconds_per_second: per_second.wall_s.max(bounds.get(&bound).copied().unwrap_or_default()),
            bound,
            bounds,
        }
    }

    /// Scales a count from the prepared documents to all pending ones.
    fn scaled(&self, n: u64) -> u64 {
        whole(n as f64 * self.times)
    }

    /// The price of a call with `scale` times the expected input tokens and `output` output tokens.
    fn price(&self, call: &Foreseen, scale: f64, output: f64) -> Option<f64> {
        let counted = self.counted[call.task];
        let (all, shared) = (whole(scale * counted.tokens(call)), whole(scale * counted.shared(call)));
        let plain = Usage { uncached_input: all, output: whole(output), ..Usage::default() };
        let usage = match call.order {
            Order::Alone => plain,
            Order::Leads => Usage { uncached_input: all - shared.min(all), cache_write: shared, ..plain },
            Order::Follows => Usage { uncached_input: all - shared.min(all), cache_read: shared, ..plain },
        };
        let (prices, model) = (&self.plan.account.prices, &self.survey.tasks[call.task].model);
        let tier = self.plan.account.planned_tier(&self.plan.llm.service_tier);
        prices.cost(model, tier, usage).or_else(|| prices.cost(model, tier, plain)).map(Money::usd)
    }

    /// The expected length of the answer to a call.
    fn length(&self, call: &Foreseen) -> Length {
        self.lengths[call.task].map_or(call.length, |known| Length::new(known, known, known)).at_most(call.max_output as f64)
    }

    /// The cost of all open calls if every answer has the maximum length.
    fn at_most(&self) -> Option<f64> {
        let open = self.survey.plans.iter().flat_map(|document| document.calls.iter().filter(|call| call.past.is_none()));
        let (prices, tier) = (&self.plan.account.prices, self.plan.account.planned_tier(&self.plan.llm.service_tier));
        let most = |call: &Foreseen| {
            let input = whole(self.counted[call.task].at_least_estimated().tokens(call));
            prices.at_most(&self.survey.tasks[call.task].model, tier, input, call.max_output).map(Money::usd)
        };
        open.map(most).sum::<Option<f64>>().map(|sum| self.times * sum + 0.0)
    }

    /// The cost of all open calls; `None` if a price is unknown.
    pub(super) fn cost(&self) -> Option<Interval> {
        let mut sum = Interval { low: 0.0, high: 0.0 };
        let jobs: BTreeSet<&String> = self.survey.tasks.iter().map(|task| &task.job).collect();
        for job in jobs {
            let of_job = |call: &&Foreseen| self.survey.tasks[call.task].job == *job;
            let mut sample: Vec<Vec<Observed>> = Vec::new();
            for document in seen(self.survey) {
                let observed = document.calls.iter().filter(of_job).filter_map(|call| {
                    let actual = call.past?.cost?.usd();
                    Some(Observed { task: call.task, expected: self.price(call, 1.0, self.lengths[call.task]?)?, actual })
                });
                sample.push(observed.collect());
            }
            sample.retain(|document| !document.is_empty());
            let is_known = |task: usize| sample.len() > 1 && sample.iter().flatten().any(|one| one.task == task && one.expected > 0.0);
            let (mut rest, mut guessed) = (Vec::new(), Guessed::default());
            for document in &self.survey.plans {
                let mut expected = Vec::new();
                for call in document.calls.iter().filter(of_job).filter(|call| call.past.is_none()) {
                    if let Some(length) = self.lengths[call.task].filter(|_| is_known(call.task)) {
                        expected.push((call.task, self.price(call, 1.0, length)?));
                        continue;
                    }
                    guessed.add(self.guess(call)?, self.times);
                }
                if !expected.is_empty() {
                    rest.push(expected);
                }
            }
            let learned = ratio_estimate(&sample, &rest, self.times).unwrap_or(Interval { low: 0.0, high: 0.0 });
            sum = sum.and(learned);
            let guessed = guessed.interval();
            (sum.low, sum.high) = (sum.low + guessed.low, sum.high + guessed.high);
        }
        Some(sum)
    }

    /// Lowest and highest ratio of counted to estimated input tokens.
    fn uncertainty(&self) -> (f64, f64) {
        if self.plan.simulated.is_some() { COUNTED } else { (FEWER, MORE) }
    }

    /// The cost of a call without learned costs: the likely cost and its uncertainties.
    fn guess(&self, call: &Foreseen) -> Option<Guessed> {
        // The known length may come from another prompt or model, so its uncertainty is large.
        let known = |known: f64| Length::new(known / OTHER, known, known * OTHER).at_most(call.max_output as f64);
        let length = self.lengths[call.task].map_or(call.length, known).at_most(call.max_output as f64);
        let likely = self.price(call, 1.0, length.likely)?;
        let (fewer, more) = self.uncertainty();
        let uncached = self.price(&Foreseen { order: Order::Alone, ..call.clone() }, 1.0, length.likely)?;
        Some(Guessed {
            likely,
            input: [likely - self.price(call, fewer, length.likely)?, self.price(call, more, length.likely)? - likely],
            output: [likely - self.price(call, 1.0, length.low)?, self.price(call, 1.0, length.high)? - likely],
            uncached: (uncached - likely).max(0.0),
        })
    }

    /// The open calls of a document.
    fn loads(&self, document: &DocumentPlan) -> Vec<Load> {
        let load = |call: &Foreseen| Load {
            task: call.task,
            round: call.round,
            order: call.order,
            input: self.counted[call.task].tokens(call),
            cached: if call.order == Order::Follows { self.counted[call.task].shared(call) } else { 0.0 },
            output: self.length(call).likely,
            max_output: call.max_output as f64,
        };
        document.calls.iter().filter(|call| call.past.is_none()).map(load).collect()
    }

    /// Simulates the schedule of all calls.
    fn play(&self, loads: &[Vec<Load>], draw: impl FnMut(usize) -> f64) -> Forecast {
        let (plan, survey) = (self.plan, self.survey);
        let machinery = Machinery {
            concurrency: plan.llm.concurrency,
            documents: plan.jobs.documents(&plan.llm),
            prepared_per_s: survey.prepared_per_s,
            preflight: plan.llm.preflight,
        };
        let calls = loads.iter().map(Vec::len).sum::<usize>() as f64;
        let played = (loads.len() as f64 * (PLAYED as f64 / calls.max(1.0)).min(self.times)).ceil().max(1.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "places in the list")]
        let documents = (0..played as usize).filter_map(|n| loads.get((n as f64 / played * loads.len() as f64) as usize).cloned());
        let forecast = schedule(documents, machinery, self.limits.clone(), draw);
        let longer = (loads.len() as f64 * self.times / played).max(1.0);
        Forecast { wall_s: forecast.wall_s * longer, busy_s: forecast.busy_s * longer, ..forecast }
    }

    /// The duration in seconds, and the sum of all response times.
    ///
    /// Each simulated schedule resamples the past response times.
    fn seconds(&self, loads: &[Vec<Load>]) -> (Interval, f64) {
        let past: Vec<Durations> = self.survey.tasks.iter().map(|task| self.history.seconds_of(&task.task)).collect();
        let (mut walls, mut busy) = (Vec::new(), 0.0);
        for seed in 0..DRAWS {
            let mut random = fastrand::Rng::with_seed(seed);
            let drawn: Vec<Durations> = past.iter().map(|past| past.another(&mut random)).collect();
            let forecast = self.play(loads, |task| drawn[task].draw(&mut random));
            walls.push(forecast.wall_s);
            busy += forecast.busy_s / DRAWS as f64;
        }
        (Interval::of(walls).unwrap_or(Interval { low: 0.0, high: 0.0 }), busy)
    }

    /// The duration for each limit, setting or stage if it were the only bound.
    fn bounds(&self, loads: &[Vec<Load>], busy: Option<f64>) -> BTreeMap<String, f64> {
        let limited = self.limits.rates().into_iter().filter_map(|rate| {
            let name = match rate.meter {
                WaitReason::Requests => "requests_per_minute",
                WaitReason::InputTokens => "input_tokens_per_minute",
                WaitReason::OutputTokens => "output_tokens_per_minute",
                WaitReason::Tokens => "tokens_per_minute",
                _ => return None,
            };
            let given = self.plan.llm.limits.of(rate.meter).unwrap_or(0);
            let amount = self.times * loads.iter().flatten().map(|call| self.limits.counted(rate.meter, call)).sum::<f64>();
            let per_minute = (60.0 * rate.per_second).round();
            // A limit of the settings allows a burst of one second's worth.
            let is_given = given > 0 && f64::from(given) * 0.98 <= per_minute + rate.burst;
            let name = if is_given { format!("llm.limits.{name} = {given}") } else { format!("the account's {per_minute} {name}") };
            // The run begins with a full bucket.
            Some((name, (amount - rate.burst).max(0.0) / rate.per_second))
        });
        let mut bounds: BTreeMap<String, f64> = limited.collect();
        if let Some(busy) = busy {
            // The rounds of a document run one after another, and only so many documents are in
            // progress.
            let rounds = |document: &Vec<Load>| {
                let rounds: BTreeSet<(u8, bool)> = document.iter().map(|call| (call.round, call.order == Order::Follows)).collect();
                rounds.len() as f64
            };
            let calls = loads.iter().map(Vec::len).sum::<usize>() as f64;
            let documents = self.plan.jobs.documents(&self.plan.llm) as f64;
            let in_turn = busy / calls.max(1.0) * loads.iter().map(rounds).sum::<f64>() / documents;
            bounds.insert(format!("llm.documents = {documents}"), in_turn);
            bounds.insert(format!("llm.concurrency = {}", self.plan.llm.concurrency), busy / self.plan.llm.concurrency as f64);
        }
        bounds.insert("preparation".to_owned(), self.survey.pending as f64 / self.survey.prepared_per_s.max(f64::MIN_POSITIVE));
        bounds
    }
}

/// The cost of calls without learned costs, with its uncertainties below and above, in US dollars.
#[derive(Debug, Clone, Copy, Default)]
struct Guessed {
    likely: f64,
    /// Uncertainty of the provider's count of input tokens.
    input: [f64; 2],
    /// Uncertainty of the length of answers.
    output: [f64; 2],
    /// Additional cost if no input comes from the prompt cache.
    uncached: f64,
}

impl Guessed {
    /// Adds a call that represents `times` calls. Deviations add up, because they all have the same
    /// direction.
    fn add(&mut self, other: Self, times: f64) {
        self.likely += times * other.likely;
        self.uncached += times * other.uncached;
        for (mine, other) in self.input.iter_mut().chain(&mut self.output).zip(other.input.into_iter().chain(other.output)) {
            *mine += times * other;
        }
    }

    /// The interval that contains the cost in nine of ten cases.
    fn interval(self) -> Interval {
        let above = self.input[1].hypot(self.output[1]).hypot(self.uncached).hypot(REPEATED * self.likely);
        Interval { low: (self.likely - self.input[0].hypot(self.output[0])).max(0.0), high: self.likely + above }
    }
}

/// An example rate limit of at most half the run's request rate, and the duration with it.
fn felt(calls: f64, seconds: f64) -> Option<IfLimited> {
    let half = 0.5 * calls / seconds.max(f64::MIN_POSITIVE) * 60.0;
    let magnitude = 10_f64.powf(half.log10().floor());
    let round = [5.0, 2.0, 1.0].into_iter().map(|digit| digit * magnitude).find(|round| *round <= half)?;
    (round >= 1.0).then(|| IfLimited { requests_per_minute: round, seconds: 60.0 * calls / round })
}

/// Lowest ratio of counted to estimated input tokens, without past calls.
const FEWER: f64 = 0.8;
/// Highest ratio of counted to estimated input tokens, without past calls.
const MORE: f64 = 1.3;
/// These ratios for the simulator, whose count is known.
const COUNTED: (f64, f64) = (0.97, 1.03);
/// Share of the cost that retries may add.
const REPEATED: f64 = 0.05;
/// Factor by which answers may be longer or shorter with another prompt.
const OTHER: f64 = 2.0;

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts and amounts of tokens")]
fn whole(amount: f64) -> u64 {
    amount.round() as u64
}

/// Whether the usage or the cost of a call is known.
fn is_paid(call: &Foreseen) -> bool {
    call.past.is_some_and(|past| past.answered || past.cost.is_some())
}

/// All documents of the survey, which may have known calls.
fn seen(survey: &Survey) -> impl Iterator<Item = &DocumentPlan> {
    survey.compared.iter().chain(&survey.plans)
}
