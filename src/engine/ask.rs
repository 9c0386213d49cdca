//! Stage 3: the calls of each document, and its row.

use super::prepare::{Ready, State};
use super::row::RowMaker;
use super::{Context, RunError};
use crate::ask::{Asker, Ended, RunStop};
use crate::event::RunEvent;
use crate::job::{Combined, Job};
use crate::model::{Call, CallKey, CallRecord, CallStatus, Failure, FailureCode, Prepared, Row, RowStatus};
use crate::store::{AnswerReader, NewAnswer, NewRow, StoreHandle, WriterGone};
use futures::future::join_all;
use serde_json::{Map, Value};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, OnceLock};
use tokio::sync::mpsc::Receiver;
use tokio::task::{JoinSet, spawn_blocking};

/// Everything that the calls of a document need, shared by all documents.
pub(super) struct Desk {
    pub asker: Asker,
    pub store: StoreHandle,
    /// Answers of earlier runs; `None` if there are none.
    pub answers: Option<Arc<Mutex<AnswerReader>>>,
    pub rows: RowMaker,
    pub effort: Option<Arc<str>>,
    /// The first reason to stop the whole run.
    pub stopped_by: Arc<OnceLock<RunStop>>,
    pub context: Context,
}

/// The document gets no row in this run: it stays pending.
enum Unfinished {
    /// The run is stopping.
    Stopping,
    /// The run has failed.
    Error(RunError),
}

impl From<RunError> for Unfinished {
    fn from(error: RunError) -> Self {
        Self::Error(error)
    }
}

/// Asks the model about documents, at most `documents` at the same time.
pub(super) async fn ask(mut ready: Receiver<Ready>, desk: Arc<Desk>, documents: usize) -> Result<(), RunError> {
    let mut under_way = JoinSet::new();
    loop {
        tokio::select! {
            Some(done) = under_way.join_next() => {
                done.map_err(|e| RunError::Internal(format!("a document's task was lost: {e}")))??;
            }
            next = ready.recv(), if under_way.len() < documents => match next {
                Some(next) => {
                    let desk = Arc::clone(&desk);
                    under_way.spawn(async move { desk.serve(next).await });
                }
                None => break,
            },
        }
    }
    while let Some(done) = under_way.join_next().await {
        done.map_err(|e| RunError::Internal(format!("a document's task was lost: {e}")))??;
    }
    Ok(())
}

impl Desk {
    /// Takes one document to its row.
    async fn serve(&self, ready: Ready) -> Result<(), RunError> {
        let Ready { document, job, state, held } = ready;
        let row = match state {
            State::Failed(failure) => self.rows.without_answer(&document, &job, RowStatus::Failed, failure),
            State::Skipped(failure) => self.rows.without_answer(&document, &job, RowStatus::Skipped, failure),
            State::Prepared(prepared) => match self.answer(&document.name, &job, &prepared).await {
                Ok((records, counted)) => self.rows.with_answers(&document, &job, prepared.facts, records, &counted),
                Err(Unfinished::Stopping) => return Ok(()),
                Err(Unfinished::Error(error)) => return Err(error),
            },
        };
        drop(held);
        self.commit(row).await
    }

    /// All calls of a document, the aggregation included, and the result of an aggregation without a model.
    async fn answer(&self, document: &str, job: &Job, prepared: &Prepared) -> Result<(Vec<CallRecord>, Map<String, Value>), Unfinished> {
        let model = &self.asker.account().model;
        let calls = match job.calls(&prepared.content, model, self.effort.as_ref()) {
            Ok(calls) => calls,
            Err(failure) => return Err(RunError::Internal(failure.to_string()).into()),
        };
        let mut records = self.ask_all(document, job, calls).await?;
        match job.combine(&records, model, self.effort.as_ref()) {
            Err(failure) => Err(RunError::Internal(failure.to_string()).into()),
            Ok(Combined::Nothing) => Ok((records, Map::new())),
            Ok(Combined::Done(result)) => Ok((records, result)),
            Ok(Combined::Ask(call)) => {
                records.extend(self.ask_all(document, job, vec![*call]).await?);
                Ok((records, Map::new()))
            }
        }
    }

    /// Several calls on one document at the same time. Answers that are in the store are taken from there.
    async fn ask_all(&self, document: &str, job: &Job, calls: Vec<Call>) -> Result<Vec<CallRecord>, Unfinished> {
        // The provider and not the dialect: what the simulator made up must never pass for a model's answer.
        let endpoint = self.asker.account().provider.as_str();
        let keys: Vec<CallKey> = calls.iter().map(|call| call.key(endpoint)).collect();
        let committed = self.committed(document, keys.clone()).await?;
        let asking = calls.iter().zip(keys).zip(committed).map(|((call, key), committed)| async move {
            match committed {
                Some(record) => {
                    self.context.meters.reused.fetch_add(1, Relaxed);
                    Ok(record)
                }
                None => self.ask_one(document, job, call, key).await,
            }
        });
        join_all(asking).await.into_iter().collect()
    }

    /// Records of answered calls, in the order of `keys`.
    async fn committed(&self, document: &str, keys: Vec<CallKey>) -> Result<Vec<Option<CallRecord>>, RunError> {
        let Some(answers) = self.answers.clone() else { return Ok(vec![None; keys.len()]) };
        let document = document.to_owned();
        let look_up = move || {
            let answers = answers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            keys.into_iter()
                .map(|key| Ok(answers.get(key, &document)?.and_then(|text| serde_json::from_str(&text).ok())))
                .collect::<Result<Vec<_>, RunError>>()
        };
        spawn_blocking(look_up).await.map_err(|e| RunError::Internal(format!("a look-up was lost: {e}")))?
    }

    async fn ask_one(&self, document: &str, job: &Job, call: &Call, key: CallKey) -> Result<CallRecord, Unfinished> {
        match self.asker.ask(call, |text| job.read_answer(&call.task, text)).await {
            Ended::Answered(answered, spent) => {
                let record = CallRecord {
                    status: CallStatus::Ok,
                    answer: Some(answered.value),
                    model: Some(answered.model),
                    request_id: answered.request_id,
                    ..RowMaker::record(call, &spent)
                };
                let text = serde_json::to_string(&record).map_err(|e| RunError::Internal(e.to_string()))?;
                let answer = NewAnswer { key, document: document.to_owned(), call: text };
                self.store.save_answer(answer).await.map_err(|gone| self.store_failed(gone))?;
                Ok(record)
            }
            Ended::Failed(failure, spent) => {
                let declined = matches!(failure.code, FailureCode::Refused | FailureCode::Filtered);
                let status = if declined { CallStatus::Refused } else { CallStatus::Failed };
                Ok(CallRecord { status, failure: Some(failure), ..RowMaker::record(call, &spent) })
            }
            Ended::RunStops(reason) => {
                // The first reason counts; those that follow are mostly its echo.
                let _first_wins = self.stopped_by.set(reason);
                self.context.stop.cancel();
                Err(Unfinished::Stopping)
            }
            Ended::Stopped => Err(Unfinished::Stopping),
        }
    }

    /// What cannot be kept must not be paid for: no further calls. Why the store failed is said by its thread, at the end.
    fn store_failed(&self, _gone: WriterGone) -> Unfinished {
        self.context.stop.cancel();
        Unfinished::Stopping
    }

    /// Hands a row to the store and tells the watchers.
    async fn commit(&self, row: Row) -> Result<(), RunError> {
        let result = serde_json::to_string(&row).map_err(|e| RunError::Internal(e.to_string()))?;
        let new = NewRow {
            position: row.index,
            job: row.job,
            document: row.document.clone(),
            status: row.status.as_str(),
            failure_code: row.failure.as_ref().map(|f| f.code.as_str()),
            result,
        };
        if let Err(gone) = self.store.save_row(new).await {
            self.store_failed(gone);
            return Ok(());
        }
        self.context.meters.answered.fetch_add(1, Relaxed);
        if let (false, Some(Failure { code, message })) = (matches!(row.status, RowStatus::Ok | RowStatus::Skipped), row.failure) {
            self.context.meters.failed.fetch_add(1, Relaxed);
            self.context.tell(RunEvent::DocumentFailed { document: row.document, status: row.status, code, message }).await;
        }
        Ok(())
    }
}
