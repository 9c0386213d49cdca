//! Stage 3: the calls of each document, and its row.

use super::active::ActiveDocuments;
use super::arrivals::{Fate, Following};
use super::breaker::Breaker;
use super::document::{Answerer, Ready, State, Subject, Unfinished};
use super::document_calls::answer;
use super::known_vectors::{KnownVectors, chunk};
use super::ledger::{CallLedger, Calls, PackLedger, PackedCall, RequestLedger, Traced};
use super::prompt_cache::{Role, roles};
use super::row::RowMaker;
use super::stored_answers::{Answers, Before};
use super::{Context, RunError};
use crate::ask::{Account, CallOutcome, LlmClient, Question, RunStop, StopKind, VectorClient};
use crate::failpoint;
use crate::job::vector_answer;
use crate::model::{Call, CallKey, CallRecord, CallStatus, Document, Failure, FailureCode, Fence, Row, RowStatus, Spent, Want};
use crate::prepare::panic_text;
use crate::store::{KnownVector, NewAnswer, NewFailure, NewVector, StoreHandle, WriterGone};
use futures::FutureExt as _;
use futures::future::join_all;
use parking_lot::Mutex;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};
use tokio::sync::mpsc::Receiver;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Asks about documents. One value serves all documents of a run.
pub(super) struct DocumentProcessor {
    pub client: LlmClient,
    /// The client and the known vectors, if a job embeds texts.
    pub vectors: Option<(VectorClient<PackLedger>, KnownVectors)>,
    pub store: StoreHandle,
    /// Stored answers and failures.
    pub answers: Answers,
    pub breaker: Arc<Breaker>,
    /// Identifies the endpoint and the fields added to requests. Part of the key of each call.
    pub endpoint: String,
    pub requests: Arc<RequestLedger>,
    pub rows: RowMaker,
    pub effort: Option<Arc<str>>,
    /// Marks the texts of documents in requests.
    pub fence: Fence,
    /// Whether calls share their beginning in the provider's prompt cache.
    pub prime: bool,
    /// The first reason to stop the whole run.
    pub stopped_by: Arc<OnceLock<RunStop>>,
    /// Documents in progress.
    pub active: Arc<ActiveDocuments>,
    /// The source of documents, if they arrive during the run.
    pub following: Option<Following>,
    /// Whether watchers get an event for each document.
    pub report_each: bool,
    /// Whether watchers get a trace of each document.
    pub trace: bool,
    pub context: Context,
}

/// How to send a call.
#[derive(Clone, Copy)]
pub(super) struct Asking<'r> {
    pub key: CallKey,
    /// Whether its answer replaces a stored answer or failure.
    pub replaces: bool,
    /// Whether a user requeued the document.
    pub again: bool,
    /// Usage and cost of the call in earlier runs.
    earlier: Option<Spent>,
    role: &'r Role,
    /// Its vector, if another document has an equal text.
    pub known: Option<&'r KnownVector>,
}

pub(super) fn json(record: &impl serde::Serialize) -> Result<String, RunError> {
    serde_json::to_string(record).map_err(|e| RunError::Internal(e.to_string()))
}

fn cancelled() -> Failure {
    Failure::new(FailureCode::Cancelled, "cancelled by `docmill cancel`. To ask again, run `docmill requeue`")
}

/// Asks the model about at most `window` documents at the same time.
pub(super) async fn ask(
    mut ready: Receiver<Ready>,
    processor: Arc<DocumentProcessor>,
    mut window: watch::Receiver<usize>,
) -> Result<(), RunError> {
    let mut active = JoinSet::new();
    let meter = &processor.context.meters.ask;
    loop {
        let documents = *window.borrow_and_update();
        // If the window is full, idle permits wait for these documents and not for new ones.
        meter.set_full(active.len() >= documents);
        tokio::select! {
            Some(done) = active.join_next() => {
                done.map_err(|e| RunError::Internal(format!("the task of a document ended unexpectedly: {e}")))??;
            }
            next = ready.recv(), if active.len() < documents => match next {
                Some(next) => {
                    let processor = Arc::clone(&processor);
                    active.spawn(async move { processor.serve(next).await });
                }
                None => break,
            },
            Ok(()) = window.changed() => {}
        }
    }
    while let Some(done) = active.join_next().await {
        done.map_err(|e| RunError::Internal(format!("the task of a document ended unexpectedly: {e}")))??;
    }
    Ok(())
}

impl Answerer for DocumentProcessor {
    fn account(&self) -> &Account {
        self.client.account()
    }

    fn effort(&self) -> Option<&Arc<str>> {
        self.effort.as_ref()
    }

    fn fence(&self) -> &Fence {
        &self.fence
    }

    async fn ask_all(&self, subject: Subject<'_>, calls: Vec<Call>) -> Result<Vec<CallRecord>, Unfinished> {
        if failpoint::names("deferred", subject.name) {
            return Err(Unfinished::Deferred);
        }
        let _room = match &self.vectors {
            Some((_, known)) => Some(known.room(&calls).await?),
            None => None,
        };
        let keys: Vec<CallKey> = calls.iter().map(|call| call.key(&self.endpoint)).collect();
        let before = self.answers.look_up(subject.id, subject.is_new, &keys).await?;
        let known = match &self.vectors {
            Some((_, known)) => known.look_up(&calls, &keys).await?,
            None => vec![None; keys.len()],
        };
        let roles = if self.prime { roles(&calls, &before, &self.client.account().prices) } else { vec![Role::Alone; calls.len()] };
        let asked = calls.iter().zip(&keys).zip(known.iter());
        let asking = asked.zip(before.into_iter().zip(roles)).map(|(((call, key), known), (before, role))| async move {
            let (key, known) = (*key, known.as_ref());
            match before {
                Before::Answered(record) => {
                    self.context.meters.reused.fetch_add(1, Relaxed);
                    Ok(RowMaker::known(call, record))
                }
                Before::Failed(record) => Ok(RowMaker::known(call, record)),
                Before::InDoubt(failure) => Ok(RowMaker::unasked(call, failure)),
                Before::Open { earlier, replaces, again } => {
                    let _others_go_when_this_ends = match &role {
                        Role::Leads(begun) => Some(begun.clone().drop_guard()),
                        _ => None,
                    };
                    if let Role::Follows(begun) = &role {
                        begun.cancelled().await;
                    }
                    self.ask_once(subject, call, Asking { key, replaces, again, earlier, role: &role, known }).await
                }
            }
        });
        let records: Vec<CallRecord> = join_all(asking).await.into_iter().collect::<Result<_, _>>()?;
        if let Some(chunks) = subject.chunks {
            let made = calls.iter().zip(keys).zip(&records).filter_map(|((call, key), record)| chunk(call, key, record));
            chunks.lock().extend(made);
        }
        Ok(records)
    }
}

impl DocumentProcessor {
    /// Processes one document up to its row. A panic becomes the failure of this row; other documents
    /// continue.
    async fn serve(&self, ready: Ready) -> Result<(), RunError> {
        let Ready { document, id, is_new, job, state, held, held_text, times } = ready;
        let turn = self.active.begin(&document.name);
        let (traced, chunks) = (self.trace.then(Calls::default), Mutex::default());
        let subject = Subject {
            id,
            name: &document.name,
            position: document.index,
            is_new,
            row: document.row().map(|_| &*document.name),
            job: &job,
            cancelled: &turn.cancelled,
            traced: traced.as_ref(),
            chunks: self.vectors.as_ref().map(|_| &chunks),
        };
        // A panic can leave only this document's calls half-changed. Their answers are in the store.
        let row = match AssertUnwindSafe(self.row(subject, &document, state)).catch_unwind().await {
            Ok(row) => row?,
            Err(panic) => {
                let message = format!("{}: docmill panicked on this document: {}", document.name, panic_text(&*panic));
                Some(self.rows.without_answer(&document, &job, RowStatus::Failed, Failure::new(FailureCode::Internal, message)))
            }
        };
        let given_up = turn.cancelled.is_cancelled();
        drop((held, held_text, turn));
        match row {
            // Boxed, so that waiting documents stay small.
            Some(row) => Box::pin(self.commit(id, (row, chunks.into_inner()), given_up, (times, traced))).await,
            None => {
                self.following.iter().for_each(|following| following.ended(&document, Fate::Pending));
                Ok(())
            }
        }
    }

    /// The row of a document; `None` if it stays pending.
    async fn row(&self, subject: Subject<'_>, document: &Document, state: State) -> Result<Option<Row>, RunError> {
        let without = |status, failure| self.rows.without_answer(document, subject.job, status, failure);
        Ok(Some(match state {
            State::Prepared(..) if subject.cancelled.is_cancelled() => without(RowStatus::Failed, cancelled()),
            State::Failed(failure) => without(RowStatus::Failed, failure),
            State::Skipped(failure) => without(RowStatus::Skipped, failure),
            State::Prepared(facts, chunks) => {
                let columns = document.row().map(|row| &row.columns);
                let answered = answer(self, subject, chunks, columns).await;
                failpoint::panic_over("answered", &document.name);
                match answered {
                    Ok(answered) => self.rows.with_answers(document, subject.job, *facts, answered),
                    Err(Unfinished::Unasked(failure)) => without(RowStatus::Failed, failure),
                    Err(Unfinished::Stopping) => return Ok(None),
                    Err(Unfinished::Deferred) => {
                        self.context.meters.deferred.fetch_add(1, Relaxed);
                        return Ok(None);
                    }
                    Err(Unfinished::Error(error)) => return Err(error),
                }
            }
        }))
    }

    /// Asks, or takes a shared answer. If identical calls are shared, waits while another document
    /// asks the same.
    async fn ask_once(&self, subject: Subject<'_>, call: &Call, asking: Asking<'_>) -> Result<CallRecord, Unfinished> {
        if let (Want::Vector { .. }, Some((_, vectors))) = (&call.want, &self.vectors) {
            return Box::pin(self.embed_once(subject, call, asking, vectors)).await;
        }
        let (key, replaces) = (asking.key, asking.replaces);
        let _turn = self.answers.turn(key).await;
        let shared = match self.answers.shared(key, subject.row).await? {
            // The look-up would also find the answer to replace.
            _ if asking.again => None,
            None => self.answers.elsewhere(key, subject.name).await?,
            shared => shared,
        };
        if let Some(record) = shared {
            self.context.meters.reused.fetch_add(1, Relaxed);
            let record = RowMaker::known(call, record);
            self.keep(NewAnswer { document: subject.id, key, call: json(&record)?, settles: None, replaces, vector: None }).await?;
            return Ok(record);
        }
        if let Some(doubts) = self.answers.doubts(subject.id, key) {
            self.store.give_up(doubts).await.map_err(|gone| self.store_failed(gone))?;
        }
        self.ask_one(subject, call, asking).await
    }

    pub(super) async fn ask_one(&self, subject: Subject<'_>, call: &Call, asking: Asking<'_>) -> Result<CallRecord, Unfinished> {
        let (document, Asking { key, role, .. }) = (subject.id, asking);
        let traced = subject.traced.map(Traced::begin);
        let ledger = CallLedger { requests: &self.requests, document, key, label: call.label(), traced };
        let begun = if let Role::Leads(begun) = role { Some(begun) } else { None };
        let cache = !matches!(role, Role::Alone);
        let question = Question { call, document: subject.position, cache, begun, cancelled: Some(subject.cancelled) };
        let active = self.context.meters.call();
        let ended = match (&call.want, &self.vectors) {
            (Want::Vector { form, .. }, Some((client, _))) => {
                Box::pin(client.ask(question, form, PackedCall { document, key, label: call.label() })).await
            }
            _ => self.client.ask(question, &ledger, |text| subject.job.read_answer(&call.task, text)).await,
        };
        drop(active);
        // Boxed, so that calls that wait for admission stay small.
        Box::pin(self.record(subject, call, asking, ledger, ended)).await
    }

    /// Records the end of a call in the store.
    async fn record(
        &self,
        subject: Subject<'_>,
        call: &Call,
        asking: Asking<'_>,
        ledger: CallLedger<'_>,
        ended: CallOutcome,
    ) -> Result<CallRecord, Unfinished> {
        let (document, Asking { key, replaces, earlier, .. }) = (subject.id, asking);
        let is_cause = matches!(ended, CallOutcome::FailedAlone(..));
        match ended {
            CallOutcome::Answered(answered, spent, attempt) => {
                if self.breaker.succeeded(&call.task) {
                    self.client.governor().hold_to(None);
                }
                let settles = Some(ledger.close(call, Some(&answered.model), None, spent, attempt));
                let model = answered.model.clone();
                let vector = answered.vector.map(|numbers| Box::new(NewVector { text: call.text().to_owned(), model, numbers }));
                let record = CallRecord {
                    status: CallStatus::Ok,
                    answer: Some(vector.as_ref().map_or(answered.value, |vector| vector_answer(vector.numbers.len()))),
                    model: Some(answered.model),
                    request_id: answered.request_id,
                    repaired: answered.repaired,
                    ..RowMaker::record(call, &spent, earlier)
                };
                self.keep(NewAnswer { document, key, call: json(&record)?, settles, replaces, vector }).await?;
                Ok(record)
            }
            CallOutcome::Failed(failure, spent, attempt) | CallOutcome::FailedAlone(failure, spent, attempt) => {
                let http_status = attempt.status;
                let settles = ledger.close(call, None, Some(failure.code), spent, attempt);
                let declined = matches!(failure.code, FailureCode::Refused | FailureCode::Filtered);
                let status = if declined { CallStatus::Refused } else { CallStatus::Failed };
                let code = failure.code.as_str();
                if failure.code != FailureCode::Cancelled && !is_cause {
                    match self.breaker.failed(&call.task, &failure, http_status, (document, key)) {
                        Ok(suspicion) => self.client.governor().hold_to(suspicion),
                        Err(reason) => self.stop(reason),
                    }
                }
                let record = CallRecord { status, failure: Some(failure), ..RowMaker::record(call, &spent, earlier) };
                let failure = NewFailure { document, key, code, call: json(&record)?, settles };
                self.store.save_failure(failure).await.map_err(|gone| self.store_failed(gone))?;
                Ok(record)
            }
            CallOutcome::RunStops(mut reason) => {
                if reason.kind == StopKind::Refused {
                    reason.message = format!("{} (document {})", reason.message, subject.name);
                }
                self.stop(reason);
                Err(Unfinished::Stopping)
            }
            CallOutcome::Cancelled => Ok(RowMaker::unasked(call, cancelled())),
            CallOutcome::Stopped => Err(Unfinished::Stopping),
        }
    }

    fn stop(&self, reason: RunStop) {
        // The first reason counts. Later ones usually follow from it.
        let _first_wins = self.stopped_by.set(reason);
        self.context.stop.cancel();
    }

    pub(super) async fn keep(&self, answer: NewAnswer) -> Result<(), Unfinished> {
        self.store.save_answer(answer).await.map_err(|gone| self.store_failed(gone))
    }

    /// Stops the run, because answers that cannot be stored must not be paid for. The store's thread
    /// reports the reason at the end.
    pub(super) fn store_failed(&self, _gone: WriterGone) -> Unfinished {
        self.context.stop.cancel();
        Unfinished::Stopping
    }
}

#[cfg(test)]
mod tests;
