//! `docmill verify`: checks store, result files, inputs and bill against each other.

mod inputs;

use super::args::StoreArgs;
use super::exit::{CliError, Exit};
use super::settings::archive;
use super::status::at_most;
use super::{print, print_wrapped};
use crate::html_report::is_of_server;
use crate::model::{Digest, JobColumns, Row, Totals, command_in, counted};
use crate::progress::plain;
use crate::store::{Archive, Bookkeeping, Requests, RunLock, RunRecord, View};
use crate::write::{OutputSettings, Sink, sinks};
use inputs::inputs;
use std::collections::BTreeSet;
use std::path::Path;

/// Prints the findings, and counts them.
#[derive(Default)]
struct Receipt {
    /// Contradictions.
    wrong: u64,
    /// Results that are older than the store.
    older: u64,
}

impl Receipt {
    fn right(text: &str) -> Result<(), CliError> {
        print_wrapped(&format!("  ok    {text}"), 8)
    }

    fn wrong(&mut self, text: &str) -> Result<(), CliError> {
        self.wrong += 1;
        print_wrapped(&format!("  WRONG {text}"), 8)
    }

    fn older(&mut self, text: &str) -> Result<(), CliError> {
        self.older += 1;
        print_wrapped(&format!("  older {text}"), 8)
    }

    fn say(&mut self, right: bool, text: &str) -> Result<(), CliError> {
        if right { Self::right(text) } else { self.wrong(text) }
    }
}

pub(super) fn verify(args: &StoreArgs) -> Result<Exit, CliError> {
    let (settings, archive) = archive(args)?;
    print(&format!("{}", archive.path().display()))?;
    let mut receipt = Receipt::default();
    store(&archive, &mut receipt)?;
    books(&archive, &settings.output.dir, &mut receipt)?;
    let runs = archive.runs().map_err(CliError::internal)?;
    let names: BTreeSet<&str> = runs.iter().flat_map(|run| &run.jobs).map(|job| job.name.as_str()).collect();
    let at_work = RunLock::holder(&settings.output.dir).is_some();
    if at_work {
        print("  note  result files were not compared: an active run updates them when it ends")?;
    }
    for name in names.iter().filter(|_| !at_work) {
        files(&Published { archive: &archive, runs: &runs, job: name, output: &settings.output }, &mut receipt)?;
    }
    let views = names.iter().filter_map(|name| archive.view(Some(name), false).transpose()).collect::<Result<Vec<_>, _>>();
    if let Some(view) = views.map_err(CliError::internal)?.into_iter().max_by_key(|view| view.run) {
        inputs(&archive, &view, &runs, &settings.output.dir, &mut receipt)?;
    }
    match receipt {
        Receipt { wrong: 0, older: 0 } => {
            print(if at_work { "all checked parts agree" } else { "all agrees" })?;
            Ok(Exit::Ok)
        }
        Receipt { wrong: 0, .. } => {
            let is_published = !archive.published().map_err(CliError::internal)?.is_empty();
            let results = if is_published {
                "the results are incomplete, or older than the store or the inputs"
            } else {
                "there are no complete results yet"
            };
            let is_of_server = runs.last().is_some_and(|run| is_of_server(&run.command));
            let next = if is_of_server { "Resume the run on its server" } else { "Run again" };
            let message = format!("no check failed, but {results}. {next} to bring them up to date");
            Err(CliError { exit: Exit::StoppedEarly, message })
        }
        Receipt { wrong, .. } => Err(CliError {
            exit: Exit::FailedRows,
            message: if wrong == 1 { "1 check failed, see above".to_owned() } else { format!("{wrong} checks failed, see above") },
        }),
    }
}

fn store(archive: &Archive, receipt: &mut Receipt) -> Result<(), CliError> {
    let damages = archive.damages().map_err(CliError::internal)?;
    receipt.say(damages.is_empty(), if damages.is_empty() { "the store is intact" } else { "the store is damaged:" })?;
    damages.iter().try_for_each(|damage| print(&format!("        {damage}")))
}

fn books(archive: &Archive, directory: &Path, receipt: &mut Receipt) -> Result<(), CliError> {
    let Bookkeeping { answers, unsettled, unfounded } = archive.bookkeeping().map_err(CliError::internal)?;
    let ledger = archive.ledger(Requests::All).map_err(CliError::internal)?;
    let (requests, bill) = (ledger.requests, ledger.cost);
    let text = format!("{} and their attempts in the ledger: {}, {bill}", counted(answers, "answer"), counted(requests, "request"));
    receipt.say(unsettled.is_empty(), &text)?;
    unsettled.iter().try_for_each(|call| print(&format!("        {call}")))?;
    receipt.say(unfounded.is_empty(), "every answer in a row is in the store")?;
    unfounded.iter().try_for_each(|document| print(&format!("        {}", plain(document))))?;
    if let Some(doubtful) = ledger.doubtful("") {
        print_wrapped(&format!("  note  {doubtful}"), 8)?;
    }
    let doubts = archive.in_doubt().map_err(CliError::internal)?;
    if !doubts.is_empty() {
        let bound = at_most(doubts.iter().map(|doubt| doubt.at_most).sum());
        let (calls, status) = (counted(doubts.len() as u64, "call"), command_in(directory, "status"));
        print_wrapped(&format!("  note  {calls} in doubt, {bound}: `{status}` lists them"), 8)?;
    }
    Ok(())
}

/// The results of a job, with everything they are compared with.
struct Published<'a> {
    archive: &'a Archive,
    runs: &'a [RunRecord],
    job: &'a str,
    output: &'a OutputSettings,
}

impl Published<'_> {
    fn is_of(&self, run: &RunRecord) -> bool {
        run.jobs.iter().any(|job| job.name == self.job)
    }

    /// The newest incomplete run of this job, from run `run` on.
    ///
    /// It may have changed rows. The next complete run updates the results.
    fn unfinished_from(&self, run: i64) -> Option<&RunRecord> {
        self.runs.iter().rev().filter(|run| self.is_of(run)).find(|later| later.id >= run && later.outcome.as_deref() != Some("complete"))
    }

    /// Makes the results of a sink again without writing them. Returns their digest, and sums over
    /// the rows.
    fn made(&self, view: &View, sink: &dyn Sink) -> Result<(Digest, Totals), CliError> {
        let columns = JobColumns::of(&view.jobs, self.job);
        let mut file = sink.remake(&columns).map_err(CliError::internal)?;
        let mut totals = Totals::default();
        let each = |row: crate::store::StoredRow<'_>| -> Result<(), crate::engine::RunError> {
            if row.job == self.job {
                let internal = |e: &dyn std::fmt::Display| crate::engine::RunError::Internal(e.to_string());
                let parsed = Row::read(row.position, row.document, row.text).map_err(|e| internal(&e))?;
                file.push(&parsed, &Row::line(row.position, row.document, row.text)).map_err(|e| internal(&e))?;
                totals.add(&parsed);
            }
            Ok(())
        };
        self.archive.rows(view).map_err(CliError::internal)?.read_from(0, true, each).map_err(CliError::internal)?;
        Ok((file.finish().map_err(CliError::internal)?.digest, totals))
    }

    fn view(&self, partial: bool) -> Result<Option<View>, CliError> {
        self.archive.view(Some(self.job), partial).map_err(CliError::internal)
    }
}

/// Makes every published file of a job again, and compares digests.
fn files(published: &Published<'_>, receipt: &mut Receipt) -> Result<(), CliError> {
    let Some(view) = published.view(false)? else { return Ok(()) };
    let known = published.archive.published().map_err(CliError::internal)?;
    // A pilot is a sample of the documents on purpose, so it does not count as incomplete.
    if let Some(run) = published.unfinished_from(view.run).filter(|run| run.outcome.as_deref() != Some("sample")) {
        let what = if view.complete { format!("the results are from run {}", view.run) } else { "the results are incomplete".to_owned() };
        let next = if is_of_server(&run.command) { "resume the run on its server" } else { "run the same command again" };
        receipt.older(&format!("{}: run {} is incomplete, and {what}; {next}", published.job, run.id))?;
    }
    let export = command_in(&published.output.dir, "export");
    let newer = published.runs.iter().rev().find(|run| run.id > view.run && run.recipe != view.recipe && published.is_of(run));
    if let Some(run) = newer.filter(|run| run.outcome.as_deref() == Some("sample")) {
        let partial = command_in(&published.output.dir, "export --partial --to DIR");
        let (job, run) = (published.job, run.id);
        let why = "was a trial with another job or other settings. Its rows are not in the results";
        print_wrapped(&format!("  note  {job}: run {run} {why}: `{partial}` writes them"), 8)?;
    }
    let mut totals = None;
    for sink in sinks(published.output, published.job) {
        let Some((known, run)) = known.iter().find(|(file, _)| file.path == sink.path()) else { continue };
        let (made, sums) = published.made(&view, &*sink)?;
        let path = published.output.dir.join(&known.path);
        let shown = path.display();
        let unfinished = published.unfinished_from(*run).filter(|_| *run > 0);
        match sink.digest() {
            Err(error) => {
                let export = command_in(&published.output.dir, &format!("export --format {}", sink.format()));
                let otherwise = if sink.is_configured() { "" } else { ", and the next run or export without --format forgets it" };
                receipt.wrong(&format!("{shown}: {error}; `{export}` writes it again{otherwise}"))?;
            }
            Ok(on_disk) if on_disk == made => Receipt::right(&format!("{shown}: {}, BLAKE3 {on_disk}", counted(sums.tally.rows(), "row")))?,
            Ok(on_disk) if on_disk == known.digest && sink.is_of_another_version() => {
                receipt.older(&format!("{shown} was written by another version of docmill; run again to bring it up to date"))?;
            }
            Ok(on_disk) if on_disk == known.digest && (*run == 0 || unfinished.is_some()) => {
                receipt.older(&format!("{shown}: results are older than the store; run again to bring them up to date"))?;
            }
            Ok(on_disk) if on_disk == known.digest => {
                receipt
                    .wrong(&format!("{shown} is unchanged since it was published, but differs from the store; `{export}` updates it"))?;
            }
            // A run has written the file, and died before it could record that.
            Ok(on_disk) if is_of_the_newest(published, &*sink, on_disk)? => {
                receipt.older(&format!("{shown} is from an incomplete run; run again to bring all results up to date"))?;
            }
            Ok(_) => receipt.wrong(&format!("{shown} was changed after it was published; `{export}` writes it again"))?,
        }
        totals = Some(sums);
    }
    totals.map_or(Ok(()), |totals| summary(published, &totals, receipt))
}

/// Whether a file is the result of the newest, incomplete run.
fn is_of_the_newest(published: &Published<'_>, sink: &dyn Sink, on_disk: Digest) -> Result<bool, CliError> {
    let Some(view) = published.view(true)?.filter(|view| !view.complete) else { return Ok(false) };
    Ok(published.made(&view, sink)?.0 == on_disk)
}

/// Compares the sums in `summary.json` with those of the rows.
fn summary(published: &Published<'_>, totals: &Totals, receipt: &mut Receipt) -> Result<(), CliError> {
    let path = published.output.dir.join(published.job).join("summary.json");
    let Ok(text) = std::fs::read_to_string(&path) else { return Ok(()) };
    let read: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let expected = serde_json::to_value(totals).map_err(CliError::internal)?;
    let same = ["documents", "calls", "attempts", "tokens", "cost"].iter().all(|key| read.get(key) == expected.get(key));
    let shown = path.display();
    if !same && read["run"].as_i64().is_some_and(|run| published.unfinished_from(run).is_some()) {
        return receipt.older(&format!("{shown}: results are older than the store; run again to bring them up to date"));
    }
    receipt.say(same, &format!("{shown}: {}, {}, {}", counted(totals.calls, "call"), counted(totals.attempts, "attempt"), totals.cost))
}
