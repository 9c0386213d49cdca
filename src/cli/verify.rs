//! `docmill verify`: checks store, result files, inputs and bill against each other.

use super::args::StoreArgs;
use super::exit::{CliError, Exit};
use super::settings::archive;
use super::status::at_most;
use super::{print, print_wrapped};
use crate::model::{Digest, JobColumns, Place, Row, Totals, counted};
use crate::progress::plain;
use crate::read::{InputKind, InputRecord, InputSettings, Roots, is_stream};
use crate::setup::{self, ADDED_TO, ROOTS, USED_COLUMNS};
use crate::store::{Archive, Bookkeeping, Content, RunLock, RunRecord, View};
use crate::write::{Hashed, OutputSettings, Sink, sinks};
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
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
    books(&archive, &mut receipt)?;
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
            let results =
                if is_published { "the results are incomplete, or older than the store" } else { "there are no complete results yet" };
            let message = format!("no check failed, but {results}. Run again to bring them up to date");
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

fn books(archive: &Archive, receipt: &mut Receipt) -> Result<(), CliError> {
    let Bookkeeping { answers, unsettled, unfounded } = archive.bookkeeping().map_err(CliError::internal)?;
    let (requests, bill) = archive.bill(None).map_err(CliError::internal)?;
    let text = format!("{} and their attempts in the ledger: {}, {bill}", counted(answers, "answer"), counted(requests, "request"));
    receipt.say(unsettled.is_empty(), &text)?;
    unsettled.iter().try_for_each(|call| print(&format!("        {call}")))?;
    receipt.say(unfounded.is_empty(), "every answer in a row is in the store")?;
    unfounded.iter().try_for_each(|document| print(&format!("        {}", plain(document))))?;
    if let (lost @ 1.., bound) = archive.lost().map_err(CliError::internal)? {
        print_wrapped(&format!("  note  {} more of runs that died, outcome unknown: {}", counted(lost, "request"), at_most(bound)), 8)?;
    }
    let doubts = archive.in_doubt().map_err(CliError::internal)?;
    if !doubts.is_empty() {
        let bound = at_most(doubts.iter().map(|doubt| doubt.at_most).sum());
        print_wrapped(&format!("  note  {} in doubt, {bound}: `docmill status` lists them", counted(doubts.len() as u64, "request")), 8)?;
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
    /// The newest incomplete run of this job, from run `run` on.
    ///
    /// It may have changed rows. The next complete run updates the results.
    fn unfinished_from(&self, run: i64) -> Option<&RunRecord> {
        let of_job = |run: &&RunRecord| run.jobs.iter().any(|job| job.name == self.job);
        self.runs.iter().rev().filter(of_job).find(|later| later.id >= run && later.outcome.as_deref() != Some("complete"))
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
        receipt.older(&format!("{}: run {} is incomplete, and {what}; run the same command again", published.job, run.id))?;
    }
    let mut totals = None;
    for sink in sinks(published.output, published.job) {
        let Some((known, run)) = known.iter().find(|(file, _)| file.path == sink.path()) else { continue };
        let (made, sums) = published.made(&view, &*sink)?;
        let path = published.output.dir.join(&known.path);
        let shown = path.display();
        let unfinished = published.unfinished_from(*run).filter(|_| *run > 0);
        match sink.digest() {
            Err(error) => receipt.wrong(&format!("{shown}: {error}; `docmill export` writes it again"))?,
            Ok(on_disk) if on_disk == made => Receipt::right(&format!("{shown}: {}, BLAKE3 {on_disk}", counted(sums.tally.rows(), "row")))?,
            Ok(on_disk) if on_disk == known.digest && (*run == 0 || unfinished.is_some()) => {
                receipt.older(&format!("{shown}: results are older than the store; run again to bring them up to date"))?;
            }
            Ok(on_disk) if on_disk == known.digest => {
                receipt.wrong(&format!(
                    "{shown} is unchanged since it was published, but differs from the store; `docmill export` updates it"
                ))?;
            }
            // A run has written the file, and died before it could record that.
            Ok(on_disk) if is_of_the_newest(published, &*sink, on_disk)? => {
                receipt.older(&format!("{shown} is from an incomplete run; run again to bring all results up to date"))?;
            }
            Ok(_) => receipt.wrong(&format!("{shown} was changed after it was published; `docmill export` writes it again"))?,
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

/// Compares the inputs with the digests from which the results were made.
fn inputs(archive: &Archive, view: &View, runs: &[RunRecord], output: &Path, receipt: &mut Receipt) -> Result<(), CliError> {
    // For inputs in object storage.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(CliError::internal)?;
    let _inside = runtime.enter();
    // Several runs may have added documents. The newest comes first.
    let environment = setup::Environment::of_process().of_inputs();
    let (mut next, mut all) = (Some(view.run), Vec::new());
    while let Some(run) = next.and_then(|id| runs.iter().find(|run| run.id == id)) {
        next = setup::added_to(run).filter(|before| *before < run.id);
        let before = next.and_then(|id| runs.iter().find(|run| run.id == id)).map(setup::records).unwrap_or_default();
        let Some((input, used)) = inputs_of(run) else {
            return print(&format!("  note  inputs were not compared: run {} read them from a pipe", run.id));
        };
        match Roots::open_beside(&input, &environment, used, output, &before) {
            Ok(roots) => all.push(roots),
            Err(error) => {
                return print(&format!("  note  inputs were not compared: {error} (run {} may have used another directory)", run.id));
            }
        }
    }
    let (mut same, mut gone, mut changed, mut newer, mut delivered, mut unread) = (0_u64, 0_u64, Vec::new(), 0_u64, 0_u64, 0_u64);
    let deliveries = deliveries(view, runs, &all);
    let is_delivered = |name: &str| deliveries.iter().any(|table| name.strip_prefix(table).is_some_and(|rest| rest.starts_with('#')));
    let now = |roots: &Roots, place: &Place| match place {
        Place::File(path) => digest(path),
        Place::Row(row) => Ok(row.digest),
        object @ Place::Object { .. } => roots.digest_elsewhere(object).map_err(|failure| io::Error::other(failure.message)),
    };
    let size = |roots: &Roots, name: &str| roots.stamp_of(&roots.locate(name)?).map(|stamp| stamp.size);
    let each = |name: &str, content: Content| {
        let known = match content {
            Content::Known(digest) => digest,
            Content::Empty if all.iter().any(|roots| size(roots, name).is_some_and(|bytes| bytes > 0)) => {
                return changed.push(name.to_owned());
            }
            // An unreadable document may be a pipe without a writer, so it is not opened.
            Content::Empty | Content::Unknown => {
                unread += 1;
                return;
            }
        };
        let found: Vec<_> = all.iter().filter_map(|roots| roots.locate(name).and_then(|place| now(roots, &place).ok())).collect();
        match found.first() {
            Some(_) if found.contains(&known) => same += 1,
            // A later, incomplete run has read it.
            Some(now) if archive.knows(name, *now).unwrap_or(false) => newer += 1,
            Some(_) => changed.push(name.to_owned()),
            None if all.iter().any(|roots| roots.hold(name, known, None)) => same += 1,
            None if is_delivered(name) => delivered += 1,
            None if all.iter().any(|roots| roots.has_row(name)) => changed.push(name.to_owned()),
            None => gone += 1,
        }
    };
    archive.contents(view, each).map_err(CliError::internal)?;
    if delivered > 0 {
        print(&format!("  note  {delivered} rows come from deliveries whose files contain other rows now"))?;
    }
    if newer > 0 {
        receipt.older(&format!(
            "{newer} inputs have changed since, and a later run has read them; run again to bring the results up to date"
        ))?;
    }
    let unread = if unread > 0 { format!(", {unread} not compared (empty or unreadable when they were read)") } else { String::new() };
    let text = format!("{same} inputs are unchanged, {} changed, {gone} gone{unread}", changed.len());
    if gone == 0 && changed.is_empty() {
        return Receipt::right(&text);
    }
    // A table may contain the next delivery.
    let otherwise = if all.iter().any(Roots::has_rows) { ", or `docmill run --add` if a table contains the next delivery" } else { "" };
    receipt.wrong(&format!("{text}; `docmill run` brings the results up to date{otherwise}"))?;
    changed.iter().take(10).try_for_each(|name| print(&format!("        {}", plain(name))))
}

/// Row name prefixes of added tables that are unchanged since their last delivery.
///
/// Rows with such a prefix that the file does not contain are of earlier deliveries.
fn deliveries(view: &View, runs: &[RunRecord], now: &[Roots]) -> Vec<String> {
    let there = runs.iter().find(|run| run.id == view.run && setup::added_to(run).is_some()).map(setup::records).unwrap_or_default();
    let now: Vec<InputRecord> = now.iter().flat_map(Roots::records).collect();
    let is_as_delivered = |old: &InputRecord| now.iter().any(|new| new.kind == old.kind && new.path == old.path && new.stamp == old.stamp);
    there.into_iter().filter(|old| old.kind == InputKind::Table && is_as_delivered(old)).map(|old| old.prefix).collect()
}

/// The inputs of a run, and the columns that its prompts used; `None` if it read standard input.
pub(super) fn inputs_of(run: &RunRecord) -> Option<(InputSettings, Option<Vec<String>>)> {
    let settings: serde_json::Value = serde_json::from_str(&run.settings).unwrap_or_default();
    let of_input = settings.as_object().into_iter().flatten().filter_map(|(key, value)| Some((key.strip_prefix("input.")?, value)));
    let mut input: serde_json::Map<_, _> = of_input.map(|(key, value)| (key.to_owned(), value.clone())).collect();
    for ours in [ROOTS, ADDED_TO] {
        input.remove(ours.trim_start_matches("input."));
    }
    let used = input.remove(USED_COLUMNS).map_or(Some(Vec::new()), |used| serde_json::from_value(used).unwrap_or_default());
    let input: InputSettings = serde_json::from_value(input.into()).unwrap_or_default();
    let gone = is_stream(&input.files_from) || input.rows.iter().chain(&input.paths).any(|given| is_stream(given));
    (!gone).then_some((input, used))
}

fn digest(path: &Path) -> io::Result<Digest> {
    Hashed::file(File::open(path)?).map(|(_, digest)| digest)
}
