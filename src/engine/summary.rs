//! What a run came to.

use super::meter::Meters;
use super::{Plan, RunError};
use crate::ask::{Provider, RunStop};
use crate::model::{LeftOut, RunFigures, Summary, Totals};
use crate::write::ResultFiles;
use std::collections::BTreeMap;

/// A run at its end.
pub(super) struct End {
    pub run: i64,
    pub started: String,
    pub stop: Option<RunStop>,
    /// For each job its sums, and whether its result files are new.
    pub totals: BTreeMap<String, (Totals, bool)>,
    pub left_out: LeftOut,
}

impl End {
    /// A summary for each job, written beside its results where these are new; the directories of those; the time.
    pub fn summaries(&self, plan: &Plan, meters: &Meters) -> Result<(Vec<Summary>, Vec<String>, String), RunError> {
        let (whole_run, ended) = (self.figures(plan, meters), now());
        let (mut summaries, mut results) = (Vec::new(), Vec::new());
        for (job, (totals, new)) in &self.totals {
            let summary = Summary {
                run: self.run,
                docmill_version: env!("CARGO_PKG_VERSION"),
                job: job.clone(),
                started: self.started.clone(),
                ended: ended.clone(),
                provider: plan.account.provider.as_str().to_owned(),
                model: plan.account.model.clone(),
                simulated: plan.account.provider == Provider::Simulated,
                stopped: self.stop.as_ref().map(|stop| stop.message.clone()),
                totals: totals.clone(),
                whole_run: whole_run.clone(),
            };
            if *new {
                ResultFiles::write_summary(&plan.output, job, &summary)?;
                results.push(plan.output.dir.join(job).display().to_string());
            }
            summaries.push(summary);
        }
        Ok((summaries, results, ended))
    }

    fn figures(&self, plan: &Plan, meters: &Meters) -> RunFigures {
        let (wall, seen) = (meters.wall(), meters.snapshot());
        let (wall_seconds, request_seconds) = (wall.as_secs_f64(), meters.request_time().as_secs_f64());
        let stages = meters.stages(wall);
        let busiest = stages.iter().max_by(|a, b| a.busy.total_cmp(&b.busy)).map_or("", |stage| stage.stage);
        RunFigures {
            documents: seen.documents.unwrap_or(seen.read),
            left_out: self.left_out,
            calls_reused: seen.reused,
            requests: seen.requests,
            retries: seen.retries,
            concurrency: plan.llm.concurrency,
            waves: seen.requests.div_ceil(plan.llm.concurrency as u64),
            wall_seconds,
            request_seconds,
            speed_up: request_seconds / wall_seconds,
            requests_per_second: seen.requests as f64 / wall_seconds,
            prices_of: plan.account.prices.date().to_owned(),
            busiest_stage: busiest,
            stages,
        }
    }
}

/// Why there is nothing to do.
pub(super) fn nothing_found(plan: &Plan) -> String {
    let mut walk = plan.roots.walk();
    while walk.next().is_some() {}
    let left = walk.left_out();
    format!(
        "no documents in {}: looked for images (jpeg, png, webp, gif, tiff, bmp) and texts; left out: {} hidden, {} by pattern (input.include, input.exclude, .docmillignore), {} that are no files",
        plan.roots.describe(),
        left.hidden,
        left.patterns,
        left.special
    )
}

/// Now, in UTC, to the second.
pub(super) fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
