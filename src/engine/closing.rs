//! The end of a run: result files, summaries, history.

use super::breaker::Breaker;
use super::cost_of_rest::cost_of_rest;
use super::database::DatabaseWriter;
use super::kept_results::kept_results;
use super::list::Findings;
use super::meter::Meters;
use super::summary::{End, now};
use super::write::{JobResults, Results};
use super::{Beside, Context, Outcome, OuterCaps, Plan, RunError};
use crate::ask::{BudgetReached, OuterCap, RunStop, StopKind};
use crate::event::RunEvent;
use crate::job::Job;
use crate::model::{Column, ColumnType, JobColumns, counted};
use crate::store::{EndedRun, Placed, Requests, Store, StoreError};
use crate::write::ResultFiles;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// The stop reason of a run that was limited to a sample.
pub(super) fn sampled(plan: &Plan, meters: &Meters) -> Option<RunStop> {
    let documents = meters.documents()?;
    let count = plan.selection.size().filter(|count| *count < documents)?;
    let message = format!("the run was limited to {count} of {documents} documents");
    Some(RunStop { kind: StopKind::Sampled, message })
}

/// The stop reason of a run with documents whose answers come in a later run.
pub(super) fn deferred(meters: &Meters) -> Option<RunStop> {
    let documents = meters.deferred.load(Relaxed);
    let message = || format!("a later run collects the answers on {}", counted(documents, "document"));
    (documents > 0).then(|| RunStop { kind: StopKind::Deferred, message: message() })
}

/// Makes the documents of a systemic failure pending again, and rebuilds the results.
pub(super) fn reopen(breaker: &Breaker, plan: &Plan, store: &Store, written: Results) -> Result<Results, RunError> {
    let Some(calls) = breaker.tripped() else { return Ok(written) };
    store.reopen(&calls)?;
    let mut results = Results::new(plan.columns(), plan.output.clone());
    store.rows(&plan.retry)?.read_from(0, true, |row| results.push(row))?;
    Ok(results)
}

/// Adds the rows of earlier runs that a stopped run has not reached.
pub(super) fn with_earlier_rows(plan: &Plan, store: &Store, written: Results, complete: bool) -> Result<Results, RunError> {
    if complete || !plan.keeps_rows {
        return Ok(written);
    }
    let after = plan.beside.as_ref().map_or(0, |beside| beside.run);
    if store.keep_rows(after, |name, digest, stamp| plan.roots.seem_to_hold(name, digest, stamp))? == 0 {
        return Ok(written);
    }
    let mut results = Results::new(plan.columns(), plan.output.clone());
    store.rows_of(store.run())?.read_from(0, true, |row| results.push(row))?;
    Ok(results)
}

/// The message of a run that a cap on money has stopped, and the cap of the caller that has.
async fn over_budget(
    reached: BudgetReached,
    plan: &Arc<Plan>,
    outer: Option<Arc<dyn OuterCaps>>,
    context: &Context,
) -> (String, Option<OuterCap>) {
    let outer = tokio::task::spawn_blocking(move || outer?.of_run()).await.ok().flatten();
    match outer {
        Some(outer) => (reached.message_of(&outer), Some(outer)),
        None => (reached.message(cost_of_rest(plan, context).await), None),
    }
}

/// Completes the result files, unless they are current.
pub(super) fn publish(
    plan: &Plan,
    store: &Store,
    findings: &mut Findings,
    written: Results,
    (complete, previous): (bool, Option<i64>),
) -> Result<BTreeMap<String, JobResults>, RunError> {
    if let (true, Some(beside)) = (complete, &plan.beside) {
        return publish_beside(plan, store, findings, beside, &written);
    }
    if let (true, true, 0, Some(previous)) = (complete, findings.changed, findings.made, previous)
        && store.take_over_listing(previous)?
    {
        // The run read documents again, but none has changed.
        findings.unchanged(previous, &written);
    }
    let listing = findings.listing.filter(|_| complete && !findings.changed);
    let results = match listing {
        None => written.publish(complete)?,
        Some(listing) if is_current(plan, store, listing)? => BTreeMap::new(),
        Some(listing) => {
            // No document had work to do, but result files are missing or incomplete.
            let mut results = Results::new(plan.columns(), plan.output.clone());
            store.rows_of(listing)?.read_from(0, true, |row| results.push(row))?;
            results.publish(true)?
        }
    };
    let files: Vec<_> = results.values().flat_map(|job| job.files.clone()).collect();
    store.published(&files)?;
    Ok(results)
}

/// Adds a note on the added table rows, and a warning if no row had a known id.
fn tell_placed(plan: &Plan, placed: &Placed, findings: &mut Findings) {
    let Placed { replaced, reverted, unchanged, new, absent, example, example_there } = placed;
    let records = plan.roots.records();
    let are_tables = records.iter().all(|input| input.columns.is_some() || input.has_tables());
    let names: Vec<String> = records.into_iter().filter(|input| input.columns.is_some()).map(|input| input.prefix).collect();
    let rows = replaced + unchanged + new;
    if names.is_empty() || !are_tables || rows == 0 {
        return;
    }
    let tables = format!("{} {}", if names.len() == 1 { "table" } else { "tables" }, names.join(", "));
    let back = if *reverted > 0 { format!(" ({reverted} of them by content that they had before)") } else { String::new() };
    let versions = if *replaced > 0 { " (rows with the same id are versions of one row, and the new one counts)" } else { "" };
    let are_absent =
        if *absent == 1 { "row of earlier deliveries is not in it and stays" } else { "rows of earlier deliveries are not in it and stay" };
    let others = if *absent > 0 { format!("; {absent} {are_absent} in the results") } else { String::new() };
    let note = format!("{tables}: {}: {replaced} replaced{back}, {unchanged} unchanged, {new} new{versions}{others}", counted(rows, "row"));
    findings.notes.push(note);
    if let (true, Some(example), Some(there)) = (*new == rows, example, example_there) {
        findings.warnings.push(format!(
            "{tables}: no row has a known id: {example} is new, like all others (the results have {there}). If the \
                rows are new versions of others, check --id-column and the format of the ids"
        ));
    }
}

/// Completes the results of a run that has added documents to existing results.
fn publish_beside(
    plan: &Plan,
    store: &Store,
    findings: &mut Findings,
    beside: &Beside,
    written: &Results,
) -> Result<BTreeMap<String, JobResults>, RunError> {
    let own = findings.listing.unwrap_or(store.run());
    let mut listing = own;
    if own == store.run() {
        findings.count(written);
    }
    let mut placed = Placed { unchanged: findings.up_to_date.rows(), ..Placed::default() };
    // A killed run may have made rows of a listing that has not changed.
    if own != beside.listing || !is_current(plan, store, own)? {
        let is_gone = |name: &str, was_read| plan.roots.has_lost(name, was_read, &beside.records);
        let tables = plan.roots.records().into_iter().map(|input| input.prefix).chain(beside.versions.iter().map(|(old, _)| old.clone()));
        let tables: Vec<String> = tables.collect();
        let is_row = |name: &str| tables.iter().any(|table| name.strip_prefix(&**table).is_some_and(|id| id.starts_with('#')));
        placed = store.unite((beside.run, beside.listing, own), &beside.versions, is_gone, is_row)?;
        listing = store.run();
    }
    tell_placed(plan, &placed, findings);
    if findings.made == 0 && (own == beside.listing || store.take_over_listing(beside.listing)?) {
        listing = beside.listing;
        if is_current(plan, store, listing)? {
            return Ok(BTreeMap::new());
        }
    }
    let mut results = Results::new(plan.columns(), plan.output.clone());
    store.rows_of(listing)?.read_from(0, true, |row| results.push(row))?;
    let results = results.publish(true)?;
    let files: Vec<_> = results.values().flat_map(|job| job.files.clone()).collect();
    store.published(&files)?;
    Ok(results)
}

/// Whether the result files on disk are those that this run would write.
fn is_current(plan: &Plan, store: &Store, listing: i64) -> Result<bool, StoreError> {
    let Some(files) = store.current_files(listing)? else { return Ok(false) };
    let jobs: BTreeSet<&str> = files.iter().filter_map(|file| Some(file.path.split_once('/')?.0)).collect();
    Ok(jobs.into_iter().all(|job| ResultFiles::are_current(&plan.output, job, &files)))
}

/// Writes summaries and history, and reports the results to the watchers.
///
/// The store is borrowed exclusively, because a shared reference to it is not `Send`.
pub(super) async fn close(
    mut end: End,
    plan: &Arc<Plan>,
    (store, database): (&mut Store, Option<DatabaseWriter>),
    meters: &Meters,
    context: &Context,
) -> Result<Outcome, RunError> {
    if !store.path().exists() {
        let source = std::io::Error::other("the directory was removed or renamed during the run, with the run store in it");
        return Err(RunError::Output { directory: plan.output.dir.display().to_string(), source });
    }
    let sums = (store.ledger(Requests::Of(end.run))?, store.ledger(Requests::All)?);
    let mut outer = None;
    if let (Some(RunStop { kind: StopKind::OverBudget, message }), Some(reached)) = (&mut end.stop, end.reached) {
        (*message, outer) = over_budget(reached, plan, end.outer.take(), context).await;
    }
    let (ended, figures) = (now(), end.figures(plan, meters, sums));
    let summaries = end.summaries(plan, &figures, &ended)?;
    let json = |value: serde_json::Result<String>| value.map_err(|e| RunError::Internal(e.to_string()));
    let record = EndedRun {
        ended,
        stopped: end.stop.as_ref().map(|stop| stop.message.clone()),
        is_sample: end.stop.as_ref().is_some_and(|stop| stop.kind == StopKind::Sampled),
        settles_doubts: end.stop.is_none() && !plan.skip_in_doubt,
        summary: json(serde_json::to_string(&summaries))?,
        figures: json(serde_json::to_string(&figures))?,
    };
    match store.end_run(&record) {
        // Only the history lacks a line then.
        Err(error) if error.no_room().is_some() => {}
        ended => ended?,
    }
    context.tell(RunEvent::Progress(Box::new(meters.snapshot()))).await;
    for message in end.findings.notes.clone() {
        context.tell(RunEvent::Note { message }).await;
    }
    // An earlier run over the same documents has shown these warnings. A run that stopped has not
    // seen all rows.
    let is_up_to_date = end.results.is_empty() && end.stop.is_none();
    let repeated_ids = end.findings.repeated_ids.iter().filter(|_| end.findings.changed && end.stop.is_none() && !is_up_to_date);
    let notes = end.results.values().flat_map(|results| &results.notes);
    for message in end.findings.warnings.iter().chain(repeated_ids).chain(notes).cloned().collect::<Vec<_>>() {
        context.tell(RunEvent::Warning { message }).await;
    }
    let kept = &end.findings.up_to_date;
    let (mut unanswered, mut done) = (0, 0);
    let is_tried = end.stop.as_ref().is_some_and(|stop| stop.kind == StopKind::Sampled);
    if is_up_to_date || (end.results.is_empty() && is_tried) {
        (unanswered, done) = (kept.unanswered_beyond(&plan.accepted), kept.rows());
        context.tell(RunEvent::UpToDate(kept.clone())).await;
    }
    for summary in &summaries {
        unanswered += summary.totals.tally.unanswered_beyond(&plan.accepted);
        done += summary.totals.tally.rows();
    }
    if end.stop.is_some() && !(end.results.is_empty() && is_tried) {
        // If the disk was full, finished rows are in the store, but not in the results.
        done = store.done()?;
    }
    let left = kept_results(&end, plan, store, meters)?;
    for note in left.iter().filter(|results| !results.have_this).map(|results| results.note(plan)) {
        context.tell(RunEvent::Note { message: note }).await;
    }
    let (mut results, mut not_copied) = (end.directories(plan), None);
    if end.stop.is_none() {
        // Copies even unchanged results, because the copy of an earlier run may have failed.
        match copy(plan, context).await {
            Ok(copied) => results.extend(copied),
            Err(why) => not_copied = Some(why),
        }
    }
    let mut not_in_database = None;
    if let Some(mut database) = database {
        let is_stopped = end.stop.as_ref().is_some_and(|stop| stop.kind != StopKind::Sampled);
        not_in_database = Box::pin(settle(plan, store, &mut database, is_stopped)).await?;
    }
    let pending = meters.documents().map(|documents| documents.saturating_sub(done));
    let in_doubt = store.in_doubt()?.values().map(Vec::len).sum();
    Ok(Outcome { summaries, results, kept: left, stop: end.stop, outer, unanswered, done, pending, in_doubt, not_copied, not_in_database })
}

/// Copies finished results to `plan.copy`. Returns the addresses of the copies.
async fn copy(plan: &Plan, context: &Context) -> Result<Vec<String>, String> {
    let Some(to) = &plan.copy else { return Ok(Vec::new()) };
    let jobs: Vec<&str> = plan.jobs.iter().map(|job| job.name.as_str()).collect();
    tokio::select! {
        copied = to.copy(&plan.output, &jobs) => copied.map_err(|e| e.to_string()),
        () = context.stop.cancelled() => Err(format!("copying to {} was interrupted", to.address.shown)),
    }
}

/// Makes the tables of a database equal to the results. Returns why they are behind, if they are.
///
/// After an early stop, complete results of earlier runs stay in the files. The tables then keep them
/// too, with the rows that came since.
async fn settle(plan: &Plan, store: &mut Store, database: &mut DatabaseWriter, is_stopped: bool) -> Result<Option<String>, RunError> {
    let wait = if is_stopped { Duration::ZERO } else { database.wait() };
    let digest = database.digest();
    for job in plan.jobs.iter() {
        let Some(listing) = store.newest_results(&job.name)? else { continue };
        let known = store.settled(digest, listing)?;
        match database.settled().await {
            Ok(run) if run.is_some() && run == known => continue,
            Err(error) if !error.is_permanent && known.is_some() => {
                database.tell(vec![format!("{error}. The table had all rows of {} before, and was not checked", job.name)]).await;
                continue;
            }
            _ => {}
        }
        let mut rows = store.rows_of(listing)?;
        match database.settle(&job.name, &mut rows, store.run(), wait).await {
            Ok(_) => {}
            Err(RunError::Database(error)) if error.is_permanent => return Ok(Some(format!("{error}. Fix the cause first"))),
            Err(RunError::Database(error)) => return Ok(Some(error.to_string())),
            Err(error) => return Err(error),
        }
    }
    if !is_stopped {
        store.settle(digest)?;
    }
    Ok(None)
}

impl Plan {
    /// The result columns of each job.
    pub fn columns(&self) -> Vec<JobColumns> {
        // Tables do not say what they hold.
        let kept = || self.keep_columns.iter().map(|name| Column::new(name, ColumnType::Json));
        let columns = |job: &Job| kept().chain(job.csv_columns().iter().cloned()).collect();
        let jobs = self.jobs.iter();
        jobs.map(|job| JobColumns { name: job.name.clone(), digest: Some(job.digest().to_string()), columns: columns(job) }).collect()
    }
}
