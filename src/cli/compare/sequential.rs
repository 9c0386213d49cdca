//! Sequential against parallel: two runs on the same documents, without stored answers.

use super::speed::{Comparison, Measurement};
use super::{ComparisonDir, Measured, prepare};
use crate::ask::Provider;
use crate::cli::args::CompareArgs;
use crate::cli::exit::{CliError, Exit};
use crate::cli::plan::Report;
use crate::cli::start_run::run_failed;
use crate::cli::{agreed, print};
use crate::engine::History;
use crate::model::counted;
use crate::progress::say;
use crate::setup::Server;
use crate::store::Requests;
use std::path::{Path, PathBuf};

/// Settings of the sequential run: one call, document, reader and worker at a time, no hedging.
const SEQUENTIAL: [&str; 7] = [
    "llm.concurrency=1",
    "llm.documents=1",
    "llm.hedge=false",
    "read.concurrency=1",
    "read.queue=1",
    "prepare.workers=1",
    "prepare.queue=1",
];

/// Settings of the parallel run: no preflight, because a call that goes alone would be a separate
/// wave.
///
/// The sequential run has already shown that the provider accepts the requests.
const PARALLEL: [&str; 1] = ["llm.preflight=false"];

/// Directories of the two runs.
pub(super) const RUNS: [&str; 2] = ["sequential", "parallel"];

pub(super) async fn compare(args: &CompareArgs) -> Result<Exit, CliError> {
    let sequential = prepare(args, &SEQUENTIAL.map(ToOwned::to_owned), Server::Configured).await?;
    let parallel = prepare(args, &PARALLEL.map(ToOwned::to_owned), Server::Configured).await?;
    let dir = ComparisonDir::open(&parallel.plan.output.dir, args.quiet)?;
    let concurrency = parallel.plan.llm.concurrency;
    for name in RUNS {
        dir.check(name)?;
        leavings(&dir.directory.join(name))?;
    }
    if parallel.plan.account.provider != Provider::Simulated {
        say(&price(args, &dir).await?);
        if !args.yes && !agreed("Begin?", "stdin is not a terminal; pass --yes to begin")? {
            return Ok(Exit::Ok);
        }
    }
    RUNS.iter().try_for_each(|name| empty(&dir.directory.join(name)))?;
    let sequential = dir.run(RUNS[0], "sequential, one call after another", sequential).await?;
    let parallel = dir.run(RUNS[1], &format!("parallel, {concurrency} calls at a time"), parallel).await?;

    let comparison = Comparison::of(&measure(&sequential)?, &measure(&parallel)?, concurrency as u64);
    let json = serde_json::to_value(&comparison).map_err(CliError::internal)?;
    let path = dir.keep("sequential", &json)?;
    if args.json {
        print(&serde_json::to_string_pretty(&json).map_err(CliError::internal)?)?;
    } else {
        comparison.lines().iter().try_for_each(|line| print(line))?;
        print(&format!("\n{}", path.display()))?;
    }
    Ok(if sequential.unanswered || parallel.unanswered { Exit::FailedRows } else { Exit::Ok })
}

/// A sentence about the cost of both runs.
async fn price(args: &CompareArgs, dir: &ComparisonDir) -> Result<String, CliError> {
    let mut plan = prepare(args, &PARALLEL.map(ToOwned::to_owned), Server::Offline).await?.plan;
    // Earlier runs show the length of answers, but both runs ask everything again.
    plan.more_answers = Some(dir.directory.join(RUNS[1]));
    let history = History::of(&plan).map_err(run_failed)?;
    plan.more_answers = None;
    plan.output.dir = dir.directory.join("no-store");
    let report = Report::of(plan, &history).await?;
    let documents = counted(report.survey.documents, "document");
    let calls = counted(report.prediction.calls, "call");
    Ok(format!("each of the two runs asks about {documents}: {calls}, {}", report.cost()))
}

fn measure(run: &Measured) -> Result<Measurement, CliError> {
    let mut measurement = Measurement::default();
    run.archive.requests(run.view.recipe, |request| measurement.add(request)).map_err(CliError::internal)?;
    measurement.bill = run.archive.ledger(Requests::All).map_err(CliError::internal)?.cost;
    Ok(measurement)
}

/// Empties the directory of a measuring run, which must not find answers.
fn empty(directory: &Path) -> Result<(), CliError> {
    let failed = |e: std::io::Error| CliError::internal(format!("{}: {e}", directory.display()));
    let remove = |path: &PathBuf| if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    leavings(directory)?.iter().try_for_each(remove).map_err(failed)
}

/// Lists the files of an earlier run, in the order of their removal.
///
/// Returns an error if the directory has files but no run store.
fn leavings(directory: &Path) -> Result<Vec<PathBuf>, CliError> {
    let failed = |e: std::io::Error| CliError::internal(format!("{}: {e}", directory.display()));
    let entries = std::fs::read_dir(directory).into_iter().flatten().map(|entry| entry.map(|entry| entry.path()));
    let mut entries = entries.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    // A run that died early leaves only its lock.
    let is_hidden = |path: &Path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    if entries.iter().all(|path| is_hidden(path)) {
        return Ok(Vec::new());
    }
    let store = directory.join(crate::store::FILE_NAME);
    if !entries.contains(&store) {
        let shown = directory.display();
        return Err(CliError::usage(format!(
            "{shown}: cannot empty the directory: it contains files that docmill did \
            not write. Move them away."
        )));
    }
    // The store goes last, because it shows the next attempt that all of this may be removed.
    entries.sort_unstable_by_key(|path| *path == store);
    Ok(entries)
}
