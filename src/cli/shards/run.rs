//! `docmill run --run RUN --shard N`: one attempt at one shard.

use super::super::args::RunArgs;
use super::super::exit::{CliError, Exit};
use super::super::run::{all_flags, retry, style};
use super::super::{print, runtime, settings};
use super::keeper::{Keeper, KeeperError};
use super::{failed, open, part, planned, take_segment};
use crate::engine::Plan;
use crate::model::{FailureCode, Money, counted};
use crate::progress::{Style, complain, say};
use crate::read::Slice;
use crate::setup::{Assembled, Environment, RunOptions, Settings, assemble};
use crate::shards::{
    Attempt, Bill, Claim, Commit, Manifest, Part, ShardChoice, ShardPlan, ShardRange, ShardSettings, SharedRun, heartbeat,
};
use crate::store::{Archive, FILE_NAME, Requests, RunLock, RunProgress, Segments, absorb, create};
use crate::system::make_directory;
use crate::write::Format;
use jiff::Timestamp;
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;

/// The recipe of a plan, as shared plans record it.
pub(super) fn recipe(plan: &Plan) -> String {
    format!("{:016x}", plan.recipe)
}

/// Runs one shard. Engines act on the exit code.
pub(in crate::cli) fn run(args: &RunArgs, place: &str, choice: ShardChoice) -> Result<Exit, CliError> {
    let environment = Environment::of_process();
    let runtime = runtime()?;
    let done = runtime.block_on(async {
        let shared = open(place, &environment)?;
        shared.check().await.map_err(failed)?;
        let (manifest, plan) = planned(&shared).await?;
        let variables: Vec<(String, String)> = environment.variables.clone().into_iter().collect();
        let shards = u32::try_from(plan.shards.len()).unwrap_or(u32::MAX);
        let number = choice.number(&variables, shards).map_err(CliError::usage)?;
        let shard = Shard { shared: &shared, plan: &plan, number, range: plan.shards[number as usize] };
        Box::pin(shard.run(args, &environment, &manifest)).await
    });
    // A read that hangs, such as on a lost network disk, must not hold the program up.
    runtime.shutdown_background();
    done.map_err(|error| CliError { exit: error.exit.of_shard(), ..error }).map(Exit::of_shard)
}

/// A shard of a plan.
struct Shard<'s> {
    shared: &'s SharedRun,
    plan: &'s ShardPlan,
    number: u32,
    range: ShardRange,
}

impl Shard<'_> {
    async fn run(&self, args: &RunArgs, environment: &Environment, manifest: &Manifest) -> Result<Exit, CliError> {
        let (config, mut settings) = settings::load(&args.what.settings, all_flags(args))?;
        let scratch = settings.shards.directory(&self.plan.run, self.number);
        make_directory(&scratch).map_err(|why| CliError::internal(format!("{}: {why}", scratch.display())))?;
        let own = tempfile::Builder::new().prefix("attempt-").tempdir_in(&scratch).map_err(CliError::internal)?;
        confine(&mut settings, own.path());
        let shard_settings = settings.shards.clone();
        let listed = manifest.range(self.shared, self.range.from, self.range.to).await.map_err(failed)?;
        let documents = listed
            .into_iter()
            .map(|document| {
                let stamp = document.stamp();
                (document.name, stamp)
            })
            .collect();
        let options = RunOptions {
            retry: retry(args.retry_failed.as_deref())?,
            slice: Some(Slice { from: self.range.from, documents }),
            ..RunOptions::default()
        };
        let mut assembled = assemble(environment, &config, settings, options).await?;
        if recipe(&assembled.plan) != self.plan.recipe {
            let why = "has another job, model or preparation than this machine, so its rows would not fit together";
            return Err(CliError::usage(format!("the plan in {} {why}. Use the settings and the job file of the plan", self.shared)));
        }
        // A machine with wrong settings ends before it claims the shard and fences another attempt.
        let who = format!("{} process {}", rustix::system::uname().nodename().to_string_lossy(), std::process::id());
        let mut attempt = match Attempt::claim(self.shared, self.number, &who).await.map_err(failed)? {
            Claim::Committed(commit) => {
                print(&format!("shard {}: attempt {} has committed it already", self.number, commit.attempt))?;
                return Ok(Exit::Ok);
            }
            Claim::Mine(attempt) => attempt,
        };
        let own = own.keep();
        let before = heartbeat(self.shared, self.number).await.map_err(failed)?;
        let dead = self.take_over(&mut attempt, &own, &scratch).await?;
        // What a machine had not saved is lost with it.
        let in_doubt = before.map_or(0, |before| before.in_doubt + if dead.is_empty() { before.unsaved } else { before.in_flight });
        assembled.plan.settled = dead;
        let style = style(args.conduct.progress, args.conduct.quiet);
        Box::pin(self.ask(assembled, attempt, (&own, &scratch), (style, shard_settings, in_doubt))).await
    }

    /// Takes over the answers of earlier attempts, from the storage and from this machine. Returns the run
    /// stores of those on this machine, each with the money spent in it.
    async fn take_over(&self, attempt: &mut Attempt<'_, SharedRun>, own: &Path, scratch: &Path) -> Result<Vec<(String, Money)>, CliError> {
        let lock = RunLock::acquire(own).map_err(|error| CliError::lock(&error))?;
        create(own, &lock).map_err(CliError::internal)?;
        let (mut answers, mut stores) = (self.fold(attempt, own, &lock).await?, Vec::new());
        for (dead, _lock) in dead_attempts(scratch, own) {
            let store = dead.join(FILE_NAME);
            let taken = tokio::task::block_in_place(|| -> Result<_, CliError> {
                let Ok(Some(archive)) = Archive::open(&dead) else { return Ok(None) };
                let taken = absorb(own, &store, &lock).map_err(CliError::internal)?;
                let spent = archive.ledger(Requests::All).map_err(CliError::internal)?.counted;
                Ok(Some((taken, archive.identity().map_err(CliError::internal)?, spent)))
            })?;
            if let Some((taken, identity, spent)) = taken {
                answers += taken;
                stores.push((identity, spent));
            }
        }
        if answers > 0 {
            say(&format!(
                "shard {}, attempt {}: {} of earlier attempts are kept",
                self.number,
                attempt.number(),
                counted(answers, "answer")
            ));
        }
        Ok(stores)
    }

    /// Takes over new segments of other attempts. Returns the number of answers.
    async fn fold(&self, attempt: &mut Attempt<'_, SharedRun>, own: &Path, lock: &RunLock) -> Result<u64, CliError> {
        let mut answers = 0;
        for key in attempt.others().await.map_err(failed)? {
            match take_segment(self.shared, &key, own, lock).await? {
                Some(taken) => answers += taken,
                None => complain(&format!(
                    "shard {}: {key} is damaged, so its answers are asked for again, and what they cost is not in the bill",
                    self.number
                )),
            }
            attempt.took_over(key);
        }
        Ok(answers)
    }

    /// Asks what is not answered, and commits the shard.
    async fn ask(
        &self,
        assembled: Assembled,
        attempt: Attempt<'_, SharedRun>,
        (own, scratch): (&Path, &Path),
        (style, settings, in_doubt): (Style, ShardSettings, u64),
    ) -> Result<Exit, CliError> {
        let accepted = assembled.plan.accepted.clone();
        let (stop, over, documents) = (assembled.stop.clone(), CancellationToken::new(), self.range.documents());
        let segments = Segments::after(own).map_err(CliError::internal)?;
        let progress = (RunProgress::default(), Timestamp::now());
        let mut keeper = Keeper { attempt, segments, directory: own.to_owned(), documents, in_doubt, progress, settings };
        let (outcome, is_fenced) = {
            let running = async {
                let outcome = assembled.run(style).await;
                over.cancel();
                outcome
            };
            tokio::join!(running, keeper.keep(&stop, &over))
        };
        // Also what came after the last segment, and what an attempt that is to stop has paid.
        keeper.save().await.map_err(kept)?;
        keeper.beat().await.map_err(kept)?;
        let accepts_vanished = accepted.contains(&FailureCode::Vanished);
        let outcome = outcome?;
        if is_fenced {
            return Err(CliError { exit: Exit::Fenced, message: format!("shard {}: another attempt has claimed it", self.number) });
        }
        let exit = Exit::of(&outcome);
        if let Some(stop) = &outcome.stop {
            let next = if exit == Exit::StoppedEarly { ". Start the shard again to continue" } else { "" };
            return Err(CliError { exit, message: format!("shard {}: {}{next}", self.number, stop.message) });
        }
        let commit = self.commit(keeper, own, accepts_vanished).await?;
        print(&format!("shard {}: committed by attempt {}", self.number, commit.attempt))?;
        let dead = dead_attempts(scratch, own).into_iter().map(|(dead, _lock)| dead);
        for done in dead.chain([own.to_owned()]) {
            // What cannot be removed only takes room.
            let _room = std::fs::remove_dir_all(done);
        }
        Ok(exit)
    }

    async fn commit(&self, mut keeper: Keeper<'_>, own: &Path, accepts_vanished: bool) -> Result<Commit, CliError> {
        let archive = Archive::open(own).map_err(CliError::internal)?.ok_or_else(|| CliError::internal("the run store has disappeared"))?;
        let view =
            archive.view(None, true).map_err(CliError::internal)?.ok_or_else(|| CliError::internal("the run is not in its store"))?;
        // Attempts that were fenced have saved what they had paid for meanwhile.
        let lock = RunLock::acquire(own).map_err(|error| CliError::lock(&error))?;
        self.fold(&mut keeper.attempt, own, &lock).await?;
        let mut parts = Vec::new();
        for job in &self.plan.jobs {
            let file = own.join(format!("part-{}", job.name));
            let rows = archive.rows(&view).map_err(CliError::internal)?;
            let (part, vanished) =
                tokio::task::block_in_place(|| part::write(&rows, &job.name, self.range.from, &file)).map_err(CliError::internal)?;
            if vanished > 0 && !accepts_vanished {
                return Err(CliError::internal(format!(
                    "shard {}: this machine does not find {} of the manifest as they were. Start the shard on a machine with the whole \
                        input, or accept that with --accept-failed vanished",
                    self.number,
                    counted(vanished, "document")
                )));
            }
            let key = keeper.attempt.part(&job.name);
            self.shared.upload(&key, &file).await.map_err(failed)?;
            parts.push(Part { key, ..part });
        }
        let sum = archive.ledger(Requests::All).map_err(CliError::internal)?;
        let bill = Bill::of(&sum, keeper.in_doubt);
        let commit = Commit { attempt: 0, run: self.plan.run.clone(), parts, bill, segments: Vec::new() };
        keeper.attempt.commit(commit).await.map_err(failed)
    }
}

/// Lets a run write only where the attempt keeps its files.
fn confine(settings: &mut Settings, own: &Path) {
    own.clone_into(&mut settings.output.dir);
    settings.output.formats = vec![Format::Jsonl];
    settings.output.copy_to.clear();
    settings.output.postgres.clear();
}

/// Local directories of attempts that have ended, with their locks. An attempt that still works holds
/// its lock; its answers come by its segments.
fn dead_attempts(scratch: &Path, own: &Path) -> Vec<(PathBuf, RunLock)> {
    let entries = std::fs::read_dir(scratch).into_iter().flatten().flatten().map(|entry| entry.path());
    let others = entries.filter(|path| path.is_dir() && path != own);
    others.filter_map(|path| RunLock::acquire(&path).ok().map(|lock| (path, lock))).collect()
}

fn kept(error: KeeperError) -> CliError {
    CliError::internal(error)
}
