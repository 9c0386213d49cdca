//! Surveys the work of a run without sending anything: its first stages over a read-only store.
//!
//! The survey first compares the walk with the store. Then it reads and prepares the pending
//! documents, or a sample if there are many. It also prepares a sample of the completed documents,
//! because forecasts learn from the difference between estimated and billed tokens.

use super::document::{Ready, State, Subject};
use super::document_identity::Register;
use super::dry_run::{DryRun, Foreseen, Shared, Task};
use super::earlier_runs::History;
use super::first_error::first_error;
use super::identical_content::Contents;
use super::list::{Findings, Found, Lister, walk};
use super::meter::Meters;
use super::position_set::Positions;
use super::prepare::prepare;
use super::read::{Reader, read};
use super::stored_answers::{Answers, Sharing, answers_in};
use super::summary::nothing_found;
use super::{Context, Plan, RunError};
use crate::model::{FailureCode, LeftOut, RowStatus};
use crate::store::{Archive, Catalog, Retry, RunRecord, StoreError, StoreHandle};
use futures::StreamExt as _;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

/// Maximum number of pending documents to prepare. Of more documents, a sample is prepared.
const PREPARED: u64 = 2000;
/// Maximum number of completed documents to prepare again.
const COMPARED: u64 = 200;
/// Batches between the walk and the comparison, as in a run.
const WALKED: usize = 16;
/// Number of documents whose calls are predicted concurrently.
const LOOKED_UP: usize = 8;

/// The documents that a run would find, and their calls.
#[derive(Debug, Default)]
pub struct Survey {
    /// Selected documents.
    pub documents: u64,
    /// Files left out.
    pub left_out: LeftOut,
    /// Notes and warnings for the user.
    pub notes: Vec<String>,
    /// Documents that are up to date, by status.
    pub up_to_date: BTreeMap<RowStatus, u64>,
    /// Documents that are not up to date.
    pub pending: u64,
    /// Pending documents that share the answers of a document with the same content. Counted only
    /// if not all pending documents are prepared.
    pub repeated: u64,
    /// Pending documents with the same content as another, if identical calls are not shared. In a
    /// large input, only those whose content is known without reading a file.
    pub identical: u64,
    /// Pending documents that were prepared.
    pub prepared: u64,
    /// Number of pending documents for each prepared one, without repeated ones. Above 1 for a
    /// sample.
    pub times: f64,
    /// Prepared documents with calls, by kind and job.
    pub kinds: BTreeMap<(String, String), u64>,
    /// Documents that failed in preparation, by code.
    pub failures: BTreeMap<FailureCode, u64>,
    /// Documents that no job takes, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// All tasks of the calls.
    pub tasks: Vec<Task>,
    /// The calls of the prepared documents, in input order.
    pub plans: Vec<DocumentPlan>,
    /// The calls of some up-to-date documents.
    pub compared: Vec<DocumentPlan>,
    /// Documents read and prepared per second.
    pub prepared_per_s: f64,
    /// Changes of settings or jobs since the previous run, if they affect rows.
    pub changed: Option<Changed>,
}

/// The calls of one document.
#[derive(Debug)]
pub struct DocumentPlan {
    /// Position in the input.
    pub index: u64,
    /// All calls, including answered ones.
    pub calls: Vec<Foreseen>,
    /// Whether the document had a row before settings or jobs changed.
    pub had_a_row: bool,
}

/// A change of settings or jobs since the previous run.
#[derive(Debug)]
pub struct Changed {
    /// The previous run.
    pub before: RunRecord,
    /// Documents whose rows are no longer current because of the change.
    pub rows: u64,
}

/// Surveys the documents of a plan and predicts their calls.
pub async fn survey(plan: &Arc<Plan>, history: &History) -> Result<Survey, RunError> {
    survey_some(plan, history, PREPARED, &CancellationToken::new()).await
}

/// The same, but prepares at most `most` pending documents. A survey that is stopped is incomplete.
pub(super) async fn survey_some(plan: &Arc<Plan>, history: &History, most: u64, stop: &CancellationToken) -> Result<Survey, RunError> {
    let total = plan.roots.unsorted().take_while(|()| !stop.is_cancelled()).count() as u64;
    if total == 0 {
        return Err(RunError::NoDocuments(nothing_found(plan)));
    }
    let places = plan.places();
    let archive = Archive::open(&plan.output.dir).map_err(RunError::Unusable)?;
    let catalog = |recipe| archive.as_ref().map(|archive| archive.catalog(recipe)).transpose().map_err(RunError::Unusable);
    let known = [catalog(Some(plan.recipe))?, catalog(Some(plan.recipe))?];
    let Compared { pending, contents, kept, findings } = compare(plan, known, places.clone(), stop).await?;
    let changed = archive.as_ref().map(|archive| changed(archive, plan.recipe)).transpose()?.flatten();
    let before = changed.as_ref().map(|changed| catalog(Some(changed.before.recipe))).transpose()?.flatten();
    let looked_at = places.as_ref().map_or(total, |places| places.len() as u64);
    let up_to_date = Positions::rest(&pending, places.unwrap_or_else(|| (0..total).collect::<Vec<_>>()));
    let mut survey = Survey {
        documents: looked_at,
        left_out: findings.left_out,
        notes: findings.notes.into_iter().chain(findings.warnings).chain(findings.repeated_ids).collect(),
        up_to_date: findings.up_to_date.documents.into_iter().chain(kept).fold(BTreeMap::new(), |mut all, (status, n)| {
            *all.entry(status).or_default() += n;
            all
        }),
        pending: pending.len(),
        changed,
        ..Survey::default()
    };
    let mut asked = pending;
    let (shares, is_large) = (plan.llm.share_identical_calls, asked.len() > most);
    if is_large || !shares {
        let answered = archive.as_ref().map(|archive| archive.answered_contents(plan.recipe)).transpose()?.unwrap_or_default();
        let roots = plan.roots.clone();
        let (reads, stop) = (shares || !is_large, stop.clone());
        let first = tokio::task::spawn_blocking(move || contents.first(&answered, &roots, reads, &stop)).await;
        let first = first.map_err(|e| RunError::Internal(format!("counting the contents ended unexpectedly: {e}")))?;
        let others = survey.pending - first.len();
        if shares {
            (asked, survey.repeated) = (first, others);
        } else {
            survey.identical = others;
        }
    }
    let (chosen, compared) = (asked.some(most), up_to_date.some(COMPARED.min(most)));
    survey.times = if chosen.is_empty() { 1.0 } else { asked.len() as f64 / chosen.len() as f64 };
    prepare_some(plan, (archive.as_ref(), before, history), (&chosen, &compared), &mut survey, stop).await?;
    Ok(survey)
}

impl Survey {
    /// Scales a count from the prepared documents to all pending ones.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of documents")]
    pub fn scaled(&self, n: u64) -> u64 {
        (n as f64 * self.times).round() as u64
    }
}

/// The effect of a changed recipe on the rows of the previous run; `None` without a change.
fn changed(archive: &Archive, recipe: i64) -> Result<Option<Changed>, StoreError> {
    let before = archive.runs()?.into_iter().rfind(|run| run.listing.is_some()).filter(|before| before.recipe != recipe);
    let Some(before) = before else { return Ok(None) };
    let rows = |recipe| Ok::<u64, StoreError>(archive.counts(before.listing.unwrap_or(before.id), recipe)?.all().rows());
    Ok(Some(Changed { rows: rows(before.recipe)?.saturating_sub(rows(recipe)?), before }))
}

/// The running first stages of a run.
struct Begun {
    stages: JoinSet<Result<(), RunError>>,
    found: mpsc::Receiver<Found>,
    findings: Arc<Mutex<Findings>>,
    store: StoreHandle,
    context: Context,
}

/// Starts walking the inputs and comparing them with the store.
fn begin(plan: &Arc<Plan>, catalog: Option<Catalog>, places: Option<Vec<u64>>, stop: &CancellationToken) -> Begun {
    let meters = Arc::new(Meters::new(plan));
    let watcher = Arc::new(mpsc::channel(1).0);
    let context = Context { watcher, meters, stop: stop.clone(), abandon: CancellationToken::new() };
    let findings = Arc::new(Mutex::new(Findings::default()));
    let (walked_in, walked_out) = mpsc::channel(WALKED);
    let (found_in, found) = mpsc::channel(plan.read.queue);
    let (store, nowhere) = StoreHandle::to_nowhere();
    let (retry, changed) = (plan.retry.clone(), false);
    let lister = Lister { run: 0, catalog, previous: None, retry, store: store.clone(), context: context.clone(), changed };
    let mut stages = JoinSet::new();
    stages.spawn(async move {
        nowhere.await;
        Ok(())
    });
    stages.spawn_blocking({
        let (plan, context, findings) = (Arc::clone(plan), context.clone(), Arc::clone(&findings));
        move || {
            walk(&plan.roots, (true, places), &walked_in, &findings, &context);
            Ok(())
        }
    });
    stages.spawn_blocking({
        let findings = Arc::clone(&findings);
        move || lister.list(walked_out, &found_in, &findings)
    });
    Begun { stages, found, findings, store, context }
}

/// The comparison of the walk with the store.
struct Compared {
    /// Positions of documents with work to do.
    pending: Positions,
    /// Their contents.
    contents: Contents,
    /// Table rows that are up to date under another name, by status.
    kept: BTreeMap<RowStatus, u64>,
    findings: Findings,
}

/// Finds the documents with work to do, and their contents.
async fn compare(
    plan: &Arc<Plan>,
    [catalog, known]: [Option<Catalog>; 2],
    places: Option<Vec<u64>>,
    stop: &CancellationToken,
) -> Result<Compared, RunError> {
    let Begun { stages, mut found, findings, store, context } = begin(plan, catalog, places, stop);
    let register = register(plan, known);
    let sort = move || {
        let (mut pending, mut contents, mut kept) = (Positions::default(), Contents::default(), BTreeMap::new());
        while let Some(found) = found.blocking_recv() {
            // The content of a row is known without reading a file.
            let row = found.document.row().filter(|_| found.failure.is_none());
            let identity = row.map(|row| register.identify(&found.document, &found.versions, Some(row.digest), found.stamp)).transpose()?;
            if let Some(status) = identity.and_then(|identity| identity.kept).and_then(|row| row.status()) {
                *kept.entry(status).or_default() += 1;
                continue;
            }
            pending.push(found.document.index);
            contents.add(&found);
        }
        Ok::<_, StoreError>((pending, contents, kept))
    };
    let sorted =
        tokio::task::spawn_blocking(sort).await.map_err(|e| RunError::Internal(format!("the comparison ended unexpectedly: {e}")))?;
    drop(store);
    first_error(stages, &context).await?;
    let ((pending, contents, kept), findings) = (sorted?, findings.lock().clone());
    Ok(Compared { pending, contents, kept, findings })
}

/// Identifies documents as a run does. New documents get arbitrary ids, because nothing is stored.
fn register(plan: &Plan, catalog: Option<Catalog>) -> Register {
    Register::new(catalog, i64::MAX / 2, plan.roots.clone(), plan.retry.clone()).beside(plan.beside.clone())
}

/// Reads and prepares the documents at these positions, and predicts their calls.
async fn prepare_some(
    plan: &Arc<Plan>,
    (archive, before, history): (Option<&Archive>, Option<Catalog>, &History),
    (chosen, compared): (&[u64], &[u64]),
    survey: &mut Survey,
    stop: &CancellationToken,
) -> Result<(), RunError> {
    let mut places = [chosen, compared].concat();
    places.sort_unstable();
    let catalog = |recipe| archive.map(|archive| archive.catalog(recipe)).transpose().map_err(RunError::Unusable);
    let reader = archive.map(Archive::answers).transpose().map_err(RunError::Unusable)?;
    let current = catalog(Some(plan.recipe))?;
    let started = Instant::now();
    let Begun { mut stages, found, store, context, .. } = begin(plan, catalog(None)?, Some(places), stop);
    let (read_in, read_out) = mpsc::channel(plan.read.queue);
    let (ready_in, ready_out) = mpsc::channel(plan.prepare.queue);
    let register = Arc::new(register(plan, catalog(None)?));
    stages.spawn(read(found, read_in, Reader { settings: plan.read.clone(), register, store, context: context.clone(), following: None }));
    stages.spawn(prepare(read_out, ready_in, Arc::clone(plan), context.clone()));
    let known = Answers {
        reader: reader.map(|reader| Arc::new(Mutex::new(reader))),
        elsewhere: answers_in(plan.more_answers.as_deref()).map_err(RunError::Unusable)?,
        retry: plan.retry.clone(),
        in_doubt: HashMap::new(),
        left_open: HashMap::new(),
        skip_in_doubt: false,
        sharing: plan.llm.share_identical_calls.then(Sharing::default),
        versions: plan.beside.iter().flat_map(|beside| beside.versions.clone()).collect(),
    };
    let shared = Shared::new(plan, known, [before, current], history.lengths());
    let mut done = ReceiverStream::new(ready_out).map(|ready| foresee(ready, &shared, &plan.retry)).buffer_unordered(LOOKED_UP);
    let mut kept: BTreeMap<RowStatus, u64> = BTreeMap::new();
    while let Some(result) = done.next().await {
        let (index, row, outcome) = result?;
        let is_compared = compared.binary_search(&index).is_ok();
        // A renamed or copied file, or one that was too young for its stamp to be trusted.
        let is_kept = row.filter(|_| !is_compared);
        if let Some(status) = is_kept {
            *kept.entry(status).or_default() += 1;
        }
        match outcome {
            Outcome::Calls { calls, .. } if is_compared || is_kept.is_some() => {
                survey.compared.push(DocumentPlan { index, calls, had_a_row: false });
            }
            _ if is_compared || is_kept.is_some() => {}
            Outcome::Failed(code) => *survey.failures.entry(code).or_default() += 1,
            Outcome::Skipped(why) => *survey.skipped.entry(why).or_default() += 1,
            Outcome::Calls { kind, job, calls, had_a_row } => {
                *survey.kinds.entry((kind, job)).or_default() += 1;
                survey.plans.push(DocumentPlan { index, calls, had_a_row });
            }
        }
    }
    drop(done);
    first_error(stages, &context).await?;
    survey.plans.sort_unstable_by_key(|plan| plan.index);
    survey.compared.sort_unstable_by_key(|plan| plan.index);
    survey.prepared = chosen.len() as u64;
    for (status, n) in kept {
        let n = survey.scaled(n).min(survey.pending);
        survey.pending -= n;
        *survey.up_to_date.entry(status).or_default() += n;
    }
    survey.prepared_per_s = (chosen.len() + compared.len()) as f64 / started.elapsed().as_secs_f64();
    survey.tasks = shared.tasks();
    Ok(())
}

/// The result of predicting a document.
enum Outcome {
    Failed(FailureCode),
    Skipped(String),
    Calls { kind: String, job: String, calls: Vec<Foreseen>, had_a_row: bool },
}

/// Predicts a document. Also returns the status of its row, if that is up to date.
async fn foresee(ready: Ready, shared: &Shared, retry: &Retry) -> Result<(u64, Option<RowStatus>, Outcome), RunError> {
    let Ready { document, id, is_new, job, state, held, held_text, .. } = ready;
    let may_be_kept = !is_new && document.row().is_none();
    let row = if may_be_kept { shared.row(id).await? } else { None };
    let row = row.filter(|row| !retry.takes_any(row.codes.as_deref())).and_then(|row| row.status());
    let outcome = match state {
        State::Failed(failure) => Outcome::Failed(failure.code),
        State::Skipped(failure) => Outcome::Skipped(failure.message),
        State::Prepared(facts, chunks) => {
            let (columns, never) = (document.row().map(|row| &row.columns), CancellationToken::new());
            let row = columns.map(|_| &*document.name);
            let name = &document.name;
            let subject =
                Subject { id, name, position: document.index, is_new, row, job: &job, cancelled: &never, traced: None, chunks: None };
            match DryRun::new(shared).calls(subject, chunks, columns).await? {
                Ok(calls) => {
                    let had_a_row = !is_new && shared.had_a_row(id).await?;
                    Outcome::Calls { kind: facts.format, job: job.name.clone(), calls, had_a_row }
                }
                Err(failure) => Outcome::Failed(failure.code),
            }
        }
    };
    drop((held, held_text));
    Ok((document.index, row, outcome))
}
