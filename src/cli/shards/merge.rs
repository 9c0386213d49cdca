//! `docmill merge`: the results of all shards, in order.

use super::super::args::MergeArgs;
use super::super::exit::{CliError, Exit};
use super::super::settings::output_flag;
use super::super::{print, print_wrapped, runtime, settings};
use super::part::PartFiles;
use super::{LOOKS, failed, open, planned, take_segment};
use crate::config::Config;
use crate::engine::{Results, fill_database};
use crate::model::{Money, Totals, counted};
use crate::progress::complain;
use crate::setup::{Environment, Settings, database};
use crate::shards::{Bill, Commit, ShardPlan, SharedRun, committed, segments};
use crate::store::{Archive, FILE_NAME, Requests, RunLock, create};
use crate::system::make_directory;
use crate::write::{CopyTo, OutputSettings, PostgresAddress, ResultFiles};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use tokio_util::task::AbortOnDropHandle;

/// Parts that are downloaded ahead.
const AHEAD: usize = 4;

/// The summary beside merged results.
#[derive(Serialize)]
struct Merged<'m> {
    docmill_version: &'static str,
    run: &'m str,
    job: &'m str,
    shards: usize,
    missing_shards: &'m [usize],
    /// Why the results are not complete; absent if they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped: Option<String>,
    #[serde(flatten)]
    totals: &'m Totals,
    bill: Bill,
}

pub(in crate::cli) fn merge(args: &MergeArgs) -> Result<Exit, CliError> {
    let environment = Environment::of_process();
    let shared = Arc::new(open(&args.run, &environment)?);
    let (config, settings) = settings::load(&args.settings, output_flag(args.output.as_deref()))?;
    let runtime = runtime()?;
    runtime.block_on(async {
        let (_, plan) = planned(&shared).await?;
        let elsewhere = Elsewhere::open(&environment, &config, &settings, &plan, args.replace)?;
        let output = settings.output;
        let (commits, missing) = commits(&shared, &plan).await?;
        if !missing.is_empty() && !args.allow_missing {
            let first: Vec<String> = missing.iter().take(10).map(ToString::to_string).collect();
            let more = if missing.len() > 10 { ", ..." } else { "" };
            let (count, all, first) = (missing.len(), plan.shards.len(), first.join(", "));
            let message = format!(
                "not committed: {count} of {} ({first}{more}). Run them, or merge the others with --allow-missing",
                counted(all as u64, "shard")
            );
            return Err(CliError { exit: Exit::StoppedEarly, message });
        }
        if output.dir.join(FILE_NAME).exists() {
            let message = format!("{} is the output directory of other runs. Name another with --output", output.dir.display());
            return Err(CliError::usage(message));
        }
        if commits.is_empty() {
            return Err(CliError { exit: Exit::StoppedEarly, message: "no shard is committed, so there is nothing to merge".to_owned() });
        }
        if let Some(other) = other_run(&output, &plan).filter(|_| !args.replace) {
            let message = format!(
                "{} has the merged results of run {other}, and this is run {}. Name another directory with --output, or drop them with \
                 --replace",
                output.dir.display(),
                plan.run
            );
            return Err(CliError::usage(message));
        }
        make_directory(&output.dir).map_err(|why| CliError::usage(format!("{}: {why}", output.dir.display())))?;
        let _lock = RunLock::acquire(&output.dir).map_err(|error| CliError::lock(&error))?;
        let mut results = Results::new(plan.jobs.clone(), output.clone());
        let mut bill = Bill::ZERO;
        let temporary = tempfile::tempdir_in(&output.dir).map_err(CliError::internal)?;
        let bills = stream::iter(&commits).map(|(number, commit)| late(&shared, (*number, commit), temporary.path()));
        let mut bills = pin!(bills.buffered(LOOKS));
        while let Some(late) = bills.try_next().await? {
            bill.add(late);
        }
        for (_, commit) in &commits {
            bill.add(commit.bill);
        }
        let parts = commits.iter().flat_map(|(number, commit)| commit.parts.iter().map(|part| (*number, part)));
        // The rows of one part are written while others arrive, so each has a separate task.
        let downloads = parts.clone().enumerate().map(|(number, (_, part))| {
            let (shared, key, file) = (Arc::clone(&shared), part.key.clone(), temporary.path().join(number.to_string()));
            async move { AbortOnDropHandle::new(tokio::spawn(async move { shared.download(&key, &file).await.map(|()| file) })).await }
        });
        let mut files = pin!(stream::iter(downloads).buffered(AHEAD));
        let mut kept: Vec<PartFiles> = plan.jobs.iter().map(|job| PartFiles::of(&job.name)).collect();
        for (number, part) in parts {
            let mend = format!("remove {shared}/shards/{number:06}/commit and start the shard again: its answers are kept");
            let lost = |message: String| CliError { exit: Exit::StoppedEarly, message: format!("shard {number}: {message}") };
            let Some(file) = files.next().await else { break };
            let file: PathBuf =
                file.map_err(CliError::internal)?.map_err(|why| lost(format!("{why}. Merge again. If the part is gone, {mend}")))?;
            let Some(kept) = plan.jobs.iter().position(|job| job.name == part.job).map(|at| &mut kept[at]) else { continue };
            let read = tokio::task::block_in_place(|| kept.add(part, &file, |row| results.push(row)));
            read.map_err(|why| lost(format!("{why}. To make the part again, {mend}")))?;
            if elsewhere.database.is_none() {
                std::fs::remove_file(&file).map_err(CliError::internal)?;
            }
        }
        let results = results.publish(true).map_err(CliError::internal)?;
        for (job, made) in &results {
            let merged = Merged {
                docmill_version: env!("CARGO_PKG_VERSION"),
                run: &plan.run,
                job,
                shards: plan.shards.len(),
                missing_shards: &missing,
                stopped: (!missing.is_empty()).then(|| format!("{} missing", counted(missing.len() as u64, "shard"))),
                totals: &made.totals,
                bill,
            };
            ResultFiles::write_summary(&output, job, &merged).map_err(CliError::internal)?;
            print(&format!("{job}: {} of {}", counted(made.totals.tally.rows(), "row"), counted(commits.len() as u64, "shard")))?;
            for file in &made.files {
                print(&format!("  {}", output.dir.join(&file.path).display()))?;
            }
            made.notes.iter().try_for_each(|note| print_wrapped(&format!("  note: {note}"), 8))?;
        }
        print_wrapped(&format!("bill  {}", described(&bill)), 6)?;
        elsewhere.put(&output, &plan, kept).await?;
        Ok(if missing.is_empty() { Exit::Ok } else { Exit::StoppedEarly })
    })
}

/// Where merged results go beside the output directory.
struct Elsewhere {
    copy: Option<CopyTo>,
    database: Option<PostgresAddress>,
}

impl Elsewhere {
    /// Reads the settings. Sends nothing.
    fn open(
        environment: &Environment,
        config: &Config,
        settings: &Settings,
        plan: &ShardPlan,
        is_replaced: bool,
    ) -> Result<Self, CliError> {
        let variables: Vec<(String, String)> = environment.variables.clone().into_iter().collect();
        let copy = CopyTo::open(&settings.output, &variables).map_err(|why| CliError::usage(config.problem("output.copy_to", why)))?;
        let jobs: Vec<&str> = plan.jobs.iter().map(|job| job.name.as_str()).collect();
        let database = database(environment, config, settings, &jobs)?;
        Ok(Self { copy, database: database.map(|address| if is_replaced { address.replacing() } else { address }) })
    }

    /// Copies the result files, and makes the tables equal to the rows.
    async fn put(self, output: &OutputSettings, plan: &ShardPlan, rows: Vec<PartFiles>) -> Result<(), CliError> {
        let behind = |message| CliError { exit: Exit::StoppedEarly, message };
        let jobs: Vec<&str> = plan.jobs.iter().map(|job| job.name.as_str()).collect();
        if let Some(copy) = self.copy {
            let copied = copy.copy(output, &jobs).await.map_err(|error| behind(format!("{error}. Merge again once it works")))?;
            copied.iter().try_for_each(|address| print(&format!("copied to {address}")))?;
        }
        let Some(address) = self.database else { return Ok(()) };
        for (job, rows) in plan.jobs.iter().zip(rows) {
            let filled = Box::pin(fill_database(address.clone(), job.clone(), plan.run.clone(), rows, 1)).await;
            let filled = filled.map_err(|error| behind(format!("{error}. The result files are complete. Merge again for the table")))?;
            let rows = counted(filled.rows, "row");
            print(&format!("{}: {rows} in {address}, {} written", job.name, filled.missing))?;
        }
        Ok(())
    }
}

/// The run whose results were merged into a directory before, if it is another one.
fn other_run(output: &OutputSettings, plan: &ShardPlan) -> Option<String> {
    plan.jobs.iter().find_map(|job| {
        let summary = std::fs::read(output.dir.join(&job.name).join("summary.json")).ok()?;
        let summary: serde_json::Value = serde_json::from_slice(&summary).ok()?;
        summary["run"].as_str().filter(|run| *run != plan.run).map(str::to_owned)
    })
}

/// The bill of attempts that saved what they had paid for after another one had committed.
async fn late(shared: &SharedRun, (number, commit): (usize, &Commit), directory: &Path) -> Result<Bill, CliError> {
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    let segments = segments(shared, number).await.map_err(failed)?;
    let late: Vec<String> = segments.into_iter().filter(|key| !commit.segments.contains(key)).collect();
    if late.is_empty() {
        return Ok(Bill::ZERO);
    }
    let own = tempfile::tempdir_in(directory).map_err(CliError::internal)?;
    let lock = RunLock::acquire(own.path()).map_err(|error| CliError::lock(&error))?;
    create(own.path(), &lock).map_err(CliError::internal)?;
    for key in late {
        if take_segment(shared, &key, own.path(), &lock).await?.is_none() {
            complain(&format!("{key} is damaged, so what its answers cost is not in the bill"));
        }
    }
    let archive = Archive::open(own.path()).map_err(CliError::internal)?.ok_or_else(|| CliError::internal("no store of late segments"))?;
    let sum = archive.ledger(Requests::All).map_err(CliError::internal)?;
    Ok(Bill::of(&sum, 0))
}

/// All commits in order, and the shards without one.
async fn commits(shared: &SharedRun, plan: &ShardPlan) -> Result<(Vec<(usize, Commit)>, Vec<usize>), CliError> {
    let (mut commits, mut missing) = (Vec::new(), Vec::new());
    let looks = (0..plan.shards.len()).map(|number| committed(shared, u32::try_from(number).unwrap_or(u32::MAX)));
    let found: Vec<Option<Commit>> = stream::iter(looks).buffered(LOOKS).try_collect().await.map_err(failed)?;
    for (number, found) in found.into_iter().enumerate() {
        match found {
            Some(commit) if commit.run != plan.run => {
                return Err(CliError::internal(format!("{shared}: shard {number} belongs to run {}, not {}", commit.run, plan.run)));
            }
            Some(commit) => commits.push((number, commit)),
            None => missing.push(number),
        }
    }
    Ok((commits, missing))
}

fn described(bill: &Bill) -> String {
    let cost = bill.cost().map_or_else(|| "unknown cost".to_owned(), |cost: Money| format!("cost {cost}"));
    let doubt = if bill.in_doubt == 0 {
        String::new()
    } else {
        format!("; about {} more may be billed, sent by machines that were lost", counted(bill.in_doubt, "request"))
    };
    format!("{}, {} tokens in, {} out, {cost}{doubt}", counted(bill.requests, "request"), bill.input_tokens, bill.output_tokens)
}
