//! Opens the store for a run and creates the components of the stages.

use super::active::ActiveDocuments;
use super::arrivals::{Arrivals, Following};
use super::ask::DocumentProcessor;
use super::breaker::Breaker;
use super::database::DatabaseWriter;
use super::delivery::Delivery;
use super::known_vectors::KnownVectors;
use super::ledger::{PackLedger, RequestLedger};
use super::meter::Meters;
use super::row::RowMaker;
use super::stored_answers::{Answers, Sharing, answers_in};
use super::{Context, Plan, RunError};
use crate::ask::{Accounts, Budget, DayBudget, Governor, GovernorSettings, LlmClient, Relay, RunStop, Transport, Used, VectorClient};
use crate::event::{RunEvent, VERSION};
use crate::job::Job;
use crate::model::{Fence, VectorForm};
use crate::store::{
    Catalog, CommittedRows, EmbedRecord, NewRun, NewestRows, OnCommit, Outbox, PackLimit, Requests, Store, StoreError, StoreHandle,
    VectorReader, ViewReader,
};
use crate::write::{Existing, Journal, PostgresSession, ResultFiles};
use jiff::Timestamp;
use parking_lot::Mutex;
use std::sync::{Arc, OnceLock};
use tokio::sync::Notify;

/// The store with a new run, and the data that the run reads from it first.
pub(super) struct Opened {
    pub store: Store,
    pub rows: ViewReader,
    pub catalog: Option<Catalog>,
    /// The next free numbers of documents and attempts.
    pub next_document: i64,
    pub next_attempt: i64,
    pub previous: Option<i64>,
    /// The source of documents, if they arrive during the run, and a reader of their results.
    pub following: Option<(Following, NewestRows)>,
    /// The rows that are still to be delivered, if rows are.
    pub outbox: Option<Outbox>,
    /// The database that gets the rows, with a reader of new rows.
    pub database: Option<(PostgresSession, Option<CommittedRows>)>,
    pub answers: Answers,
    /// Vectors, and limits that servers have taught, if a job embeds texts.
    pub vectors: Option<StoredVectors>,
    pub fence: Fence,
    pub budget: Budget,
    /// The name of the store, by which a budget service knows what is spent in it.
    pub identity: String,
    /// Documents that were cancelled in an earlier run.
    pub cancelled: Vec<String>,
}

/// Opens the store and begins a run in it.
pub(super) fn open(plan: &Plan, started: &str) -> Result<Opened, RunError> {
    let store = Store::begin_run(&plan.output.dir, &new_run(plan, started)).map_err(RunError::Unusable)?;
    let (rows, catalog) = (store.rows(&plan.retry)?, store.catalog()?);
    let (next_document, next_attempt) = store.next_numbers()?;
    let (previous, answers, fence) = (store.newest_listing()?, known_answers(plan, &store)?, store.fence()?);
    // The sum over the whole ledger is needed only with a cap, or for a purse.
    let is_capped = plan.max_cost.is_some() || plan.account.local.service.is_some();
    let before = is_capped.then(|| store.ledger(Requests::All)).transpose()?.map(Used::from);
    let follow = |arrivals: &Arc<dyn Arrivals>| {
        let from = previous.filter(|_| plan.output.existing != Existing::Replace);
        let first = store.begin_following(from, arrivals.order())?;
        let following = Following::new(Arc::clone(arrivals), first, has_others(plan, &store, first)?);
        Ok::<_, StoreError>((following, store.newest_rows(arrivals.order())?))
    };
    let following = plan.arrivals.as_ref().map(follow).transpose()?;
    let outbox = (plan.deliver.is_some() || plan.journal).then(|| store.outbox()).transpose()?;
    let database = plan.database.as_ref().map(|address| {
        let session = PostgresSession::new(address.clone(), plan.columns(), store.identity()?)?;
        Ok::<_, RunError>((session, store.committed_rows()?))
    });
    let database = database.transpose()?;
    let now = Timestamp::now();
    let today = |cap| {
        let spent = store.ledger(Requests::Since(DayBudget::begin_of_day_ms(now)))?.counted;
        Ok::<_, StoreError>(DayBudget::new(cap, spent, plan.arrivals.is_some(), now))
    };
    let day = plan.max_cost_per_day.map(today).transpose()?;
    let vectors = plan.jobs.embeds().then(|| stored_vectors(plan, &store)).transpose()?;
    let (budget, cancelled, store_identity) = (Budget::new(plan.max_cost, before).with_day(day), store.cancelled()?, store.identity()?);
    Ok(Opened {
        store,
        rows,
        catalog,
        next_document,
        next_attempt,
        previous,
        following,
        outbox,
        database,
        answers,
        vectors,
        fence,
        budget,
        identity: store_identity,
        cancelled,
    })
}

fn new_run(plan: &Plan, started: &str) -> NewRun {
    NewRun {
        started: started.to_owned(),
        settings: plan.settings.clone(),
        command: plan.command.clone(),
        recipe: plan.recipe,
        jobs: plan.columns(),
        share: plan.llm.share_identical_calls,
        follows: plan.arrivals.is_some(),
        delivers: plan.deliver.is_some() || plan.journal,
        embeds: plan.jobs.iter().flat_map(|job| embeds(plan, job)).collect(),
    }
}

/// Whether result files exist that have other rows than the `first` ones of this run, or more.
fn has_others(plan: &Plan, store: &Store, first: u64) -> Result<bool, StoreError> {
    for job in plan.jobs.iter().filter(|job| ResultFiles::exist(&plan.output, &job.name)) {
        if store.published_rows(&job.name)?.is_none_or(|rows| rows > first) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The tasks of a job that embed.
fn embeds<'p>(plan: &'p Plan, job: &'p Job) -> impl Iterator<Item = EmbedRecord> + 'p {
    job.embed_tasks().map(|task| EmbedRecord {
        job: job.name.clone(),
        task: task.id.to_owned(),
        provider: plan.account.provider.as_str().to_owned(),
        model: task.model.unwrap_or_else(|| plan.account.vector_model()).to_owned(),
        form: VectorForm::clone(task.form),
        query: VectorForm::clone(task.query),
    })
}

/// Vectors of earlier runs, and what servers have taught them.
pub(super) struct StoredVectors {
    reader: VectorReader,
    limits: Vec<PackLimit>,
    /// The tasks of this run whose vectors are in the store, with their dimensions.
    dimensions: Vec<(EmbedRecord, usize)>,
}

fn stored_vectors(plan: &Plan, store: &Store) -> Result<StoredVectors, StoreError> {
    let reader = store.vectors()?;
    let mut dimensions = Vec::new();
    for task in plan.jobs.iter().flat_map(|job| embeds(plan, job)) {
        let known = reader.dimensions(&task)?;
        dimensions.extend(known.map(|known| (task, known)));
    }
    Ok(StoredVectors { reader, limits: store.pack_limits()?, dimensions })
}

fn known_answers(plan: &Plan, store: &Store) -> Result<Answers, StoreError> {
    Ok(Answers {
        reader: store.answers()?.map(|reader| Arc::new(Mutex::new(reader))),
        elsewhere: answers_in(plan.more_answers.as_deref())?,
        retry: plan.retry.clone(),
        in_doubt: store.in_doubt()?,
        left_open: store.left_open()?,
        skip_in_doubt: plan.skip_in_doubt,
        sharing: plan.llm.share_identical_calls.then(Sharing::default),
        versions: plan.beside.iter().flat_map(|beside| beside.versions.clone()).collect(),
    })
}

/// Reports the start of the run, its notes, and a missing run store.
pub(super) async fn announce(plan: &Plan, run: i64, gone: bool, context: &Context) {
    let started = RunEvent::Started {
        version: VERSION,
        run,
        provider: plan.account.provider.as_str().to_owned(),
        model: plan.account.model.clone(),
        jobs: plan.jobs.iter().map(|job| job.name.clone()).collect(),
        output: plan.output.dir.display().to_string(),
    };
    context.tell(started).await;
    for message in plan.notes.clone() {
        context.tell(RunEvent::Note { message }).await;
    }
    if gone {
        let message =
            "the output directory has results but no run store (docmill.db), so docmill asks about all documents again".to_owned();
        context.tell(RunEvent::Warning { message }).await;
    }
}

/// Records the durations of commits, and tells stages that pass rows on about them.
pub(super) fn measure_commits(meters: &Arc<Meters>, commits: [Arc<Notify>; 2]) -> OnCommit {
    let meters = Arc::clone(meters);
    Box::new(move |time, records| {
        for commits in &commits {
            commits.notify_one();
        }
        meters.commit.worked(time);
        meters.commits.add(time);
        meters.commit.done(records as u64);
    })
}

/// Creates the stage that writes rows to a database, and connects for the first time.
pub(super) async fn database(
    database: Option<(PostgresSession, Option<CommittedRows>)>,
    context: &Context,
) -> Result<Option<DatabaseWriter>, RunError> {
    let Some((session, rows)) = database else { return Ok(None) };
    let mut writer = DatabaseWriter::new(session, rows, Some(context.clone()));
    Box::pin(writer.start()).await?;
    Ok(Some(writer))
}

/// The part of call keys that identifies the provider and extra fields of requests.
///
/// It names the provider and not the dialect, so that simulated answers never pass for a model's.
pub(super) fn endpoint(plan: &Plan) -> String {
    let provider = plan.account.provider.as_str();
    if plan.llm.body.is_empty() { provider.to_owned() } else { format!("{provider} {}", plan.llm.body) }
}

/// State that the processor of documents shares with the rest of a run.
pub(super) struct Shared {
    pub governor: Arc<Governor>,
    pub breaker: Arc<Breaker>,
    pub stopped_by: Arc<OnceLock<RunStop>>,
    pub active: Arc<ActiveDocuments>,
    pub fence: Fence,
    pub following: Option<Following>,
}

/// Creates the stage that delivers rows.
pub(super) fn delivery(plan: &Plan, outbox: Outbox, store: StoreHandle, context: &Context) -> Result<Delivery, RunError> {
    let directory = plan.output.dir.display().to_string();
    let names = plan.jobs.iter().map(|job| job.name.as_str());
    let journal = plan.journal.then(|| Journal::open(&plan.output.dir, names)).transpose();
    let journal = journal.map_err(|source| RunError::Output { directory: directory.clone(), source })?;
    Ok(Delivery { outbox, receiver: plan.deliver.clone(), journal, store, context: context.clone(), directory, is_failing: Arc::default() })
}

/// Creates the processor of documents.
pub(super) fn processor(
    plan: &Plan,
    store: StoreHandle,
    (answers, vectors): (Answers, Option<StoredVectors>),
    next_attempt: i64,
    shared: Shared,
    context: &Context,
) -> Result<DocumentProcessor, RunError> {
    let Shared { governor, breaker, stopped_by, active, fence, following } = shared;
    let transport = Transport::new(&plan.account, &plan.llm)?;
    let requests = Arc::new(RequestLedger::new(store.clone(), next_attempt));
    let vector_client = |StoredVectors { reader, limits, dimensions }| {
        let transport = Arc::new(Transport::new(&plan.account, &plan.llm)?);
        let relay = Relay::new(plan.account.clone(), Arc::clone(&governor), transport, &plan.llm);
        let ledger = PackLedger { requests: Arc::clone(&requests), limits, dimensions };
        Ok::<_, RunError>((VectorClient::new(relay, &plan.llm, ledger, Arc::new(context.clone())), KnownVectors::new(reader)))
    };
    let vectors = vectors.map(vector_client).transpose()?;
    Ok(DocumentProcessor {
        client: LlmClient::new(plan.account.clone(), governor, transport, &plan.llm, Arc::new(context.clone())),
        vectors,
        requests,
        store,
        answers,
        breaker,
        endpoint: endpoint(plan),
        rows: RowMaker { provider: plan.account.provider.as_str(), model: plan.account.model.clone(), keep: plan.keep_columns.clone() },
        effort: Some(plan.llm.effort.as_str()).filter(|e| !e.is_empty()).map(Arc::from),
        fence,
        prime: plan.llm.prime,
        stopped_by,
        active,
        following,
        report_each: plan.report_each,
        trace: plan.trace,
        context: context.clone(),
    })
}

/// Joins the account. Its limits are shared with other runs.
pub(super) fn governor(plan: &Plan, budget: Budget, accounts: &Accounts, context: &Context) -> Governor {
    let (account, llm) = (&plan.account, &plan.llm);
    let settings = GovernorSettings {
        concurrency: llm.concurrency,
        limits: &llm.limits,
        slow_start: account.starts_slowly(llm.limits.slow_start),
        budget,
        stop: context.stop.clone(),
        abandon: context.abandon.clone(),
    };
    accounts.governor(account, plan.speed, settings)
}
