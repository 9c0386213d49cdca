//! Summaries and figures of a run at its end.

use super::list::Findings;
use super::meter::Meters;
use super::{JobResults, OuterCaps, Plan, RunError};
use crate::ask::{BudgetReached, Provider, RunStop, StopKind, Tier};
use crate::event::Snapshot;
use crate::insight::Rate;
use crate::model::{AccountLimit, LedgerSum, LeftOut, RunFigures, Summary, Usage};
use crate::write::ResultFiles;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A run at its end.
pub(super) struct End {
    pub run: i64,
    pub started: String,
    pub stop: Option<RunStop>,
    /// The request for which the budget had no room.
    pub reached: Option<BudgetReached>,
    /// Caps of the caller.
    pub outer: Option<Arc<dyn OuterCaps>>,
    pub results: BTreeMap<String, JobResults>,
    pub findings: Findings,
}

impl End {
    /// Makes a summary for each job and writes it beside new results.
    pub fn summaries(&self, plan: &Plan, figures: &RunFigures, ended: &str) -> Result<Vec<Summary>, RunError> {
        let mut summaries = Vec::new();
        for (job, JobResults { totals, files, .. }) in &self.results {
            let summary = Summary {
                run: self.run,
                docmill_version: env!("CARGO_PKG_VERSION"),
                job: job.clone(),
                started: self.started.clone(),
                ended: ended.to_owned(),
                provider: plan.account.provider.as_str().to_owned(),
                model: plan.account.model.clone(),
                simulated: plan.account.provider == Provider::Simulated,
                stopped: self.stop.as_ref().map(|stop| stop.message.clone()),
                totals: totals.clone(),
                whole_run: figures.clone(),
            };
            if !files.is_empty() {
                ResultFiles::write_summary(&plan.output, job, &summary)?;
            }
            summaries.push(summary);
        }
        Ok(summaries)
    }

    /// Result directories with new files.
    pub fn directories(&self, plan: &Plan) -> Vec<String> {
        let new = self.results.iter().filter(|(_, results)| !results.files.is_empty());
        new.map(|(job, _)| plan.output.dir.join(job).display().to_string()).collect()
    }

    /// Whether the run shows what limits its speed. A run that stopped during its first requests only
    /// shows how it began.
    fn shows_limits(&self, seen: &Snapshot) -> bool {
        let stopped = self.stop.as_ref().is_some_and(|stop| stop.kind != StopKind::Sampled);
        !stopped || seen.requests >= 2 * seen.concurrency as u64
    }

    /// Figures of the whole run.
    pub fn figures(&self, plan: &Plan, meters: &Meters, (this_run, all_runs): (LedgerSum, LedgerSum)) -> RunFigures {
        let (wall, seen) = (meters.wall(), meters.snapshot());
        let (wall_seconds, request_seconds) = (wall.as_secs_f64(), meters.request_time().as_secs_f64());
        let (stages, situation) = (meters.stages(), meters.situation());
        let (cache_read, cache_saved) = meters.cached();
        let is_priced = plan.account.prices.cost(&plan.account.model, Tier::Standard, Usage::default()).is_some();
        let busiest =
            stages.iter().max_by(|a, b| a.busy.total_cmp(&b.busy)).map_or_else(String::new, |stage| stage.stage.clone().into_owned());
        RunFigures {
            documents: meters.documents().unwrap_or(seen.read + seen.up_to_date),
            uncounted: meters.documents().is_none(),
            left_out: self.findings.left_out,
            up_to_date: seen.up_to_date,
            calls_reused: seen.reused,
            this_run,
            all_runs,
            requests: seen.requests,
            retries: seen.retries,
            refusals: seen.refusals,
            paused_seconds: meters.paused().as_secs_f64(),
            cache_hit_rate: cache_read as f64 / (seen.input_tokens as f64).max(1.0),
            cache_saved_usd: is_priced.then_some(cache_saved),
            concurrency: seen.concurrency,
            waves: seen.requests.div_ceil((seen.concurrency as u64).max(1)),
            wall_seconds,
            request_seconds,
            speed_up: request_seconds / wall_seconds,
            requests_per_second: seen.requests as f64 / wall_seconds,
            commit_ms: meters.commits.median_ms(),
            prices_of: plan.account.prices.date().to_owned(),
            bottleneck: situation.bottleneck().filter(|_| self.shows_limits(&seen)),
            busiest_stage: busiest,
            limits: limits(plan, &situation.rates),
            servers: plan.account.servers().usage(),
            stages,
            queues: meters.queues(),
        }
    }
}

/// Limits learned from the account, without those of the settings.
fn limits(plan: &Plan, rates: &[Rate]) -> Vec<AccountLimit> {
    let shown = rates.iter().filter(|rate| plan.llm.limits.of(rate.meter).is_none());
    shown.map(AccountLimit::from).collect()
}

/// The error message for inputs without documents.
pub(super) fn nothing_found(plan: &Plan) -> String {
    let mut walk = plan.roots.walk();
    while walk.next().is_some() {}
    let left_out = match walk.left_out() {
        none if none == LeftOut::default() => "nothing".to_owned(),
        some => format!("{some} ([input], .docmillignore)"),
    };
    let looked_for = if plan.roots.are_listed() {
        plan.roots.without_rows().unwrap_or("the list names no document").to_owned()
    } else {
        format!("docmill reads images and text, PDF, Office, web and mail files. Left out: {left_out}. Check input.paths and input.exclude")
    };
    format!("no documents in {}: {looked_for}", plan.roots.describe())
}

/// The current time in UTC, to the second.
pub(super) fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
