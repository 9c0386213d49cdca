//! Chooses the commands that may come after a run.

use crate::ask::StopKind;
use crate::engine::Outcome;
use crate::html_report::repeat;
use crate::model::{Tally, counted};
use std::path::PathBuf;

/// Arguments that `docmill plan` does not take.
const RUN_ONLY: [&str; 9] =
    [" --stream", " --retry-failed", " --in-doubt", " --progress", " --quiet", " -q", " --events", " --metrics", " --traces"];

/// A run that has ended.
pub(super) struct Done {
    /// How it ended.
    pub outcome: Outcome,
    /// Its command line.
    pub command: String,
    /// Its output directory.
    pub output: PathBuf,
}

/// At most three commands, each with what it does. The most useful one comes first.
pub(super) fn next(Done { outcome, command, output }: &Done) -> Vec<(String, String)> {
    let output = output.display().to_string();
    let output = shell_words::quote(&output);
    let about = |name: &str, what: &str| (format!("docmill {name} --output {output}"), what.to_owned());
    let report = about("report", "makes a page with charts, pictures, failures and the bill");
    let status = about("status", "lists what is done, failed and pending");
    let verify = about("verify", "checks results, store and bill, and prints a receipt");
    let again = |what: &str| (command.clone(), what.to_owned());
    match outcome.stop.as_ref().map(|stop| stop.kind) {
        _ if outcome.not_copied.is_some() => return vec![again("copies the results again and sends nothing else"), status, report],
        // The status names the command with a larger cap.
        Some(StopKind::OverBudget) => return vec![status, report],
        Some(StopKind::Refused) => return vec![again("continues, once the cause is mended"), status, report],
        Some(StopKind::Parked | StopKind::Requested | StopKind::Deferred) => {
            return vec![again("continues; finished documents are kept"), status, report];
        }
        Some(StopKind::Sampled) | None => {}
    }
    let mut tally = Tally::default();
    outcome.summaries.iter().for_each(|summary| tally += &summary.totals.tally);
    let failure = tally.failures.iter().max_by_key(|(_, n)| **n);
    if let Some((code, n)) = failure
        && let Some(command) = repeat(command, *code)
    {
        return vec![(command, format!("asks again about {} with {code}", counted(*n, "document"))), report, status];
    }
    let simulated = outcome.summaries.iter().any(|summary| summary.simulated);
    let plannable = |what: &&str| simulated && !RUN_ONLY.iter().any(|flag| what.contains(flag));
    match command.strip_prefix("docmill run").filter(plannable) {
        Some(what) => vec![report, (format!("docmill plan{what}"), "estimates calls, time and cost, and sends nothing".to_owned()), verify],
        None => vec![report, verify],
    }
}
