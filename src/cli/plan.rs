//! `docmill plan`: predicts documents, calls, cost and time of a run.

mod alternatives;

use super::args::{PlanArgs, Progress, WhatArgs};
use super::exit::{CliError, Exit};
use super::flags::flags;
use super::start_run::run_failed;
use super::{agreed, print, print_wrapped, prompt, runtime, settings};
use crate::ask::{StopKind, Tier, Used, checks_cut};
use crate::engine::{History, IfLimited, Plan, Prediction, Sample, Selection, Survey, predict, survey};
use crate::insight::{Interval, USD, rounded};
use crate::model::{AccountLimit, LedgerSum, LeftOut, Money, counted};
use crate::progress::{duration, say};
use crate::setup::{Environment, Flag, Guard, RunOptions, Server, assemble, changes, decides};
use crate::store::{Archive, Requests, Retry, RunRecord};
use alternatives::Alternative;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::sync::Arc;

/// A pilot that may cost more US dollars than this needs the user's agreement.
pub(super) const ASK_FROM_USD: f64 = 1.0;

pub(super) fn plan(args: &PlanArgs) -> Result<Exit, CliError> {
    let runtime = runtime()?;
    runtime.block_on(async {
        if let Some(documents) = args.pilot {
            more_than_once(&args.what)?;
            Box::pin(pilot(args, Sample { documents, seed: 0 })).await?;
        }
        let selection = args.some.selection();
        let mut report = Report::make(&args.what, selection, &[]).await?;
        report.alternatives = alternatives::alternatives(&args.what, selection, &report).await?;
        if args.json {
            let text = serde_json::to_string_pretty(&report.json()).map_err(CliError::internal)?;
            print(&text)?;
        } else {
            print_wrapped(report.text().trim_end(), 13)?;
        }
        Ok(Exit::Ok)
    })
}

/// Refuses standard input for commands that read inputs more than once.
pub(super) fn more_than_once(what: &WhatArgs) -> Result<(), CliError> {
    let names = what.input.iter().chain(&what.rows).chain(&what.files_from);
    if names.into_iter().any(|name| name == "-") {
        return Err(CliError::usage(
            "standard input can be read only once, but this command reads its input several times. Save the input in a file.",
        ));
    }
    Ok(())
}

/// Runs a few documents, after the user agrees to the cost if that is large.
async fn pilot(args: &PlanArgs, sample: Sample) -> Result<(), CliError> {
    let before = Report::make(&args.what, Selection::Sample(sample), &[]).await?;
    if before.prediction.calls == 0 {
        return Ok(());
    }
    let cost = before.cost();
    say(&format!("the pilot: {}, {}, {cost}", counted(before.survey.pending, "document"), counted(before.prediction.calls, "call")));
    let dear = before.prediction.cost.is_some_and(|cost| cost.high > ASK_FROM_USD);
    let otherwise = format!("nothing was sent: the pilot costs {cost}. Pass --yes to agree, or use fewer documents.");
    if dear && !args.yes && !agreed("Begin?", &otherwise)? {
        return Err(CliError::usage(otherwise));
    }
    let (config, settings) = settings::load_to_look(&args.what.settings, flags(&args.what))?;
    let options = RunOptions { selection: Selection::Sample(sample), guard: Guard::Ask(prompt), ..RunOptions::default() };
    let style = super::run::style(Progress::Auto, true);
    let outcome = assemble(&Environment::of_process(), &config, settings, options).await?.run(style).await?;
    match outcome.stop {
        Some(stop) if stop.kind != StopKind::Sampled => {
            Err(CliError { exit: stop.kind.into(), message: format!("the pilot: {}", stop.message) })
        }
        _ => Ok(()),
    }
}

/// A prediction, and the survey of documents on which it is based.
pub(super) struct Report {
    plan: Arc<Plan>,
    pub survey: Survey,
    pub prediction: Prediction,
    /// Requests and cost of the runs in the output directory.
    ledger: LedgerSum,
    /// The job of the settings, if all its tasks are asked.
    job: Option<String>,
    alternatives: Vec<Alternative>,
}

impl Report {
    /// Surveys the inputs and predicts a run. Sends and writes nothing.
    pub async fn make(what: &WhatArgs, selection: Selection, more: &[Flag]) -> Result<Self, CliError> {
        let (config, settings) = settings::load_to_look(&what.settings, [flags(what), more.to_vec()].concat())?;
        let options =
            RunOptions { selection, server: Server::Offline, retry: Retry::Transient, guard: Guard::Tell, ..RunOptions::default() };
        let job = Some(settings.job.r#use.clone()).filter(|_| settings.job.tasks.is_empty());
        let plan = assemble(&Environment::of_process(), &config, settings, options).await?.plan;
        let history = History::of(&plan).map_err(run_failed)?;
        Ok(Self { job, ..Self::of(plan, &history).await? })
    }

    /// Surveys and predicts the run of a plan.
    pub async fn of(plan: Plan, history: &History) -> Result<Self, CliError> {
        let plan = Arc::new(plan);
        let survey = tokio::select! {
            survey = survey(&plan, history) => survey.map_err(run_failed)?,
            // After a pilot there is no other signal handler.
            _ = tokio::signal::ctrl_c() => return Err(CliError { exit: Exit::StoppedEarly, message: "stopped by a signal; nothing was sent".into() }),
        };
        let archive = Archive::open(&plan.output.dir).map_err(CliError::usage)?;
        let ledger = archive.map(|archive| archive.ledger(Requests::All)).transpose().map_err(CliError::internal)?.unwrap_or_default();
        let prediction = predict(&plan, &survey, history);
        Ok(Self { plan, survey, prediction, ledger, job: None, alternatives: Vec::new() })
    }

    /// The predicted cost as text.
    pub fn cost(&self) -> String {
        match self.prediction.cost {
            Some(cost) => usd(cost),
            None => format!("of unknown price ({} is not in the price table, see `docmill prices`)", self.unpriced()),
        }
    }

    /// The first model without a price.
    fn unpriced(&self) -> &str {
        let is_unpriced = |model: &&str| self.plan.account.prices.at_most(model, Tier::Standard, 1, 1).is_none();
        self.survey.tasks.iter().map(|task| task.model.as_str()).find(is_unpriced).unwrap_or(&self.plan.account.model)
    }

    /// A warning if the cap on money may stop the run.
    fn budget(&self) -> Option<String> {
        let (cap, cost) = (self.plan.max_cost?.usd(), self.prediction.cost?);
        let used = Used::from(self.ledger);
        let left = (cap - used.all.usd()).max(0.0);
        let stops = if left < cost.low { "the run will stop before it is done" } else { "the run may stop before it is done" };
        // A request is sent only if there is room for its maximum cost.
        let one = self.prediction.at_most.unwrap_or_default() / (self.prediction.calls as f64).max(1.0);
        let why = if used.uncertain > Money::ZERO { format!(", because {}", used.describe()) } else { String::new() };
        (left < cost.high + one).then(|| format!("{} left of budget.max_usd = {cap}{why}: {stops}", Money::from_usd(left)))
    }

    fn text(&self) -> String {
        let (survey, prediction) = (&self.survey, &self.prediction);
        let mut out = String::new();
        let mut line = |head: &str, text: &str| {
            // Writing to a String cannot fail.
            let _infallible = writeln!(out, "{head:>11}  {text}");
        };
        let up_to_date: u64 = survey.up_to_date.values().sum();
        line("documents", &format!("{}: {up_to_date} up to date, {} pending", survey.documents, survey.pending));
        if survey.left_out != LeftOut::default() {
            line("left out", &survey.left_out.to_string());
        }
        for note in self.plan.notes.iter().chain(&survey.notes) {
            line("note", note);
        }
        if survey.repeated > 0 {
            let n = survey.repeated;
            line("repeated", &format!("{n} documents have the same content as another and share its answers (llm.share_identical_calls)"));
        }
        let is_sample = survey.times > 1.0;
        let about = if is_sample { "about " } else { "" };
        if is_sample {
            line(
                "sample",
                &format!("{} documents from all parts of the input were prepared; all numbers below are scaled up", survey.prepared),
            );
        }
        for ((kind, job), n) in &survey.kinds {
            line("", &format!("{about}{} ({kind}): job {job}", counted(survey.scaled(*n), "document")));
        }
        for (why, n) in &survey.skipped {
            line("skipped", &format!("{about}{}: {why}", survey.scaled(*n)));
        }
        for (code, n) in &survey.failures {
            line("will fail", &format!("{about}{} {}", survey.scaled(*n), code.as_str()));
        }
        if let Some(changed) = survey.changed.as_ref().filter(|changed| changed.rows > 0) {
            let (calls, are) = (prediction.because_of_changes, if changed.rows == 1 { "is" } else { "are" });
            line(
                "changed",
                &format!("{} of run {} {are} out of date: {}", counted(changed.rows, "row"), changed.before.id, counted(calls, "call")),
            );
            for (key, change) in self.changes(&changed.before) {
                line("", &format!("{key}: {} -> {}", change[0], change[1]));
            }
        }
        if prediction.calls == 0 {
            let why = match survey.pending {
                0 => "all documents are up to date".to_owned(),
                _ => format!("{about}{} already answered", prediction.known),
            };
            line("calls", &format!("none to send: {why}"));
            return out;
        }
        let (done, partly, open) = self.progress();
        if done + partly > 0 {
            line("answered", &format!("{about}{done} of these documents completely, {partly} partly, {open} not at all"));
        }
        let concurrency = self.plan.llm.concurrency;
        line(
            "calls",
            &format!("{about}{} to send, up to {concurrency} at a time; {about}{} already answered", prediction.calls, prediction.known),
        );
        let range =
            |Interval { low, high }| if high - low < 1.0 { format!("about {low:.0}") } else { format!("from {low:.0} to {high:.0}") };
        let input = prediction.input_range.map_or_else(|| format!("about {:.0}", prediction.input), range);
        line("tokens", &format!("{input} in, {} out", range(prediction.output)));
        line("cost", &format!("{} ({})", self.cost(), self.basis()));
        let tier = &self.plan.llm.service_tier;
        if self.plan.account.planned_tier(tier) != Tier::asked(tier) {
            line("tier", &format!("at the standard price: the price of service_tier = \"{tier}\" applies only to responses that name it"));
        }
        if let Some(most) = self.most() {
            line("", &most);
        }
        for alternative in &self.alternatives {
            line(alternative.head, &alternative.text());
        }
        if let Some(budget) = self.budget() {
            line("budget", &budget);
        }
        if !prediction.limits.is_empty() {
            let shown = |limit: &AccountLimit| format!("{:.0} {} a minute", limit.per_minute, limit.meter.counts());
            line("limits", &prediction.limits.iter().map(shown).collect::<Vec<_>>().join(", "));
        }
        line("time", &self.time());
        if let Some(IfLimited { requests_per_minute: n, seconds }) = prediction.if_limited {
            let least = duration(seconds);
            line(
                "",
                &format!(
                    "no limit of the account is known yet: run a pilot, or set llm.limits. If the account allowed only {n} requests a \
                        minute, for example, the run would take at least {least}"
                ),
            );
        }
        out
    }

    /// What the run costs at most, if prices are known.
    fn most(&self) -> Option<String> {
        let most = Money::from_usd(self.prediction.at_most.filter(|most| *most > 0.0)?);
        let room = self.plan.llm.room_to_think(self.plan.account.dialect);
        let room = if room > 0 { format!(" (with {room} thinking tokens, llm.thinking_tokens)") } else { String::new() };
        let answers = if self.plan.jobs.only_embeds() { String::new() } else { format!(" if every answer uses its whole limit{room}") };
        let checks = self.plan.jobs.embeds() && checks_cut(&self.plan.account, &self.plan.llm);
        let checks = if checks { " and checks whether the server cuts texts" } else { "" };
        Some(format!("at most {most}{answers}, without retries{checks}"))
    }

    fn basis(&self) -> String {
        let output = self.prediction.output;
        match self.prediction.learned_from {
            0 | 1 if output.high - output.low < 1.0 => "assuming answers half to twice as long as earlier ones".to_owned(),
            0 | 1 if self.plan.simulated.is_some() => "computed from the answers of the built-in server".to_owned(),
            0 | 1 if self.plan.jobs.only_embeds() => "estimated from the lengths of the texts: nine of ten bills lie inside".to_owned(),
            0 | 1 => "guessed from the answer fields: nine of ten bills lie inside. --pilot 30 runs 30 documents, keeps their \
                answers, and narrows the guess"
                .to_owned(),
            n => format!("learned from {n} documents: 19 of 20 bills lie inside"),
        }
    }

    fn time(&self) -> String {
        let prediction = &self.prediction;
        let bound = &prediction.bound;
        match prediction.seconds {
            Some(seconds) => {
                let (low, high) = (duration(seconds.low), duration(seconds.high));
                let time = if low == high { format!("about {low}") } else { format!("{low} to {high}") };
                format!("{time}; {bound} binds")
            }
            None => {
                let least = prediction.bounds.get(bound).copied().unwrap_or(0.0);
                let per_second = prediction.seconds_per_second;
                format!(
                    "unknown until a pilot: {} if an answer takes a second, and at least {} ({bound})",
                    duration(per_second),
                    duration(least)
                )
            }
        }
    }

    /// Numbers of pending documents that are answered completely, partly, and not at all.
    fn progress(&self) -> (u64, u64, u64) {
        let (mut wholly, mut partly, mut not_at_all) = (0, 0, 0);
        for document in &self.survey.plans {
            match document.calls.iter().filter(|call| call.past.is_some()).count() {
                all if all == document.calls.len() => wholly += 1,
                0 => not_at_all += 1,
                _ => partly += 1,
            }
        }
        (self.survey.scaled(wholly), self.survey.scaled(partly), self.survey.scaled(not_at_all))
    }

    /// Changes since a run that make its rows out of date.
    fn changes(&self, before: &RunRecord) -> Map<String, Value> {
        let mut changes = changes(&before.settings, &self.plan.settings);
        changes.retain(|key, _| decides(key));
        if changes.is_empty() {
            return Map::from_iter([("the job file, or docmill itself".to_owned(), json!(["unchanged", "edited"]))]);
        }
        changes
    }

    pub fn json(&self) -> Value {
        let (survey, prediction) = (&self.survey, &self.prediction);
        let kinds: Vec<Value> =
            survey.kinds.iter().map(|((kind, job), n)| json!({ "kind": kind, "job": job, "documents": survey.scaled(*n) })).collect();
        let changed = survey.changed.as_ref().filter(|changed| changed.rows > 0).map(|changed| {
            let keys = self.changes(&changed.before);
            json!({ "run": changed.before.id, "rows": changed.rows, "calls": prediction.because_of_changes, "settings": keys })
        });
        let (done, partly, open) = self.progress();
        json!({
            "documents": survey.documents,
            "left_out": survey.left_out,
            "notes": self.plan.notes.iter().chain(&survey.notes).collect::<Vec<_>>(),
            "up_to_date": survey.up_to_date,
            "pending": survey.pending,
            "prepared": survey.prepared,
            "kinds": kinds,
            "skipped": survey.skipped.iter().map(|(why, n)| (why.clone(), json!(survey.scaled(*n)))).collect::<Map<_, _>>(),
            "failures": survey.failures.iter().map(|(code, n)| (code.to_string(), json!(survey.scaled(*n)))).collect::<Map<_, _>>(),
            "answered": { "wholly": done, "partly": partly, "not_at_all": open },
            "changed": changed,
            "calls": prediction.calls,
            "calls_answered": prediction.known,
            "waves": prediction.waves,
            "input_tokens": prediction.input.round(),
            "input_tokens_range": prediction.input_range.map(|range| range.rounded(0)),
            "output_tokens": prediction.output.rounded(0),
            "repeated": survey.repeated,
            "cost_usd": prediction.cost.map(|cost| cost.rounded(USD)),
            "identical_documents": survey.identical,
            "alternatives": self.alternatives.iter().map(Alternative::json).collect::<Vec<_>>(),
            "cost_at_most_usd": prediction.at_most.map(|usd| rounded(usd, USD)),
            "limits": prediction.limits,
            "limits_unknown": prediction.limits_unknown,
            "if_limited": prediction.if_limited,
            "learned_from_documents": prediction.learned_from,
            "budget": self.budget(),
            "seconds": prediction.seconds,
            "seconds_per_second_of_latency": prediction.seconds_per_second,
            "bound_by": prediction.bound,
            "bounds_seconds": prediction.bounds,
        })
    }
}

pub(super) fn usd(cost: Interval) -> String {
    if cost.high == 0.0 { "$0".to_owned() } else { format!("{} to {}", Money::from_usd(cost.low), Money::from_usd(cost.high)) }
}
