//! Takes batches from `validating` to their end.

use super::lines::LinesEnd;
use super::record::Batch;
use super::validate::validate;
use crate::gateway::Gateway;
use crate::gateway::error::ApiError;
use crate::gateway::ledger::{AT_WORK, now_ms};
use parking_lot::Mutex;
use rusqlite::params;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Time until a batch that could not go on is tried again.
const PAUSE: Duration = Duration::from_secs(10);

/// Batches at work.
#[derive(Debug, Default)]
pub struct Active {
    /// By id: the owner, and a token that is cancelled when a client cancels the batch.
    batches: Mutex<HashMap<String, (String, CancellationToken)>>,
    changed: Notify,
}

impl Active {
    /// Tells the worker that there is a new batch.
    pub fn wake(&self) {
        self.changed.notify_one();
    }

    /// Cancels a batch, if it is at work.
    pub fn cancel(&self, id: &str) {
        if let Some((_, cancelled)) = self.batches.lock().get(id) {
            cancelled.cancel();
        }
        self.wake();
    }

    fn begin(&self, id: &str, owner: &str) -> CancellationToken {
        let cancelled = CancellationToken::new();
        self.batches.lock().insert(id.to_owned(), (owner.to_owned(), cancelled.clone()));
        cancelled
    }

    fn end(&self, id: &str) {
        self.batches.lock().remove(id);
    }

    /// The first batch that is not at work, of the owner with the fewest at work.
    fn choose(&self, waiting: Vec<(String, String)>) -> Option<(String, String)> {
        let active = self.batches.lock();
        let of = |owner: &str| active.values().filter(|(own, _)| own == owner).count();
        waiting.into_iter().filter(|(id, _)| !active.contains_key(id)).min_by_key(|(id, owner)| (of(owner), id.clone()))
    }
}

impl Gateway {
    /// Works on batches until the server stops, on at most `most` at a time.
    pub(in crate::gateway) async fn work_on_batches(self: &Arc<Self>, most: usize) {
        let mut working = JoinSet::new();
        while !self.stop.is_cancelled() {
            while working.len() < most {
                match self.next_batch().await {
                    Ok(Some((id, owner))) => {
                        let cancelled = self.active.begin(&id, &owner);
                        drop(working.spawn(work_on(Arc::clone(self), id, cancelled)));
                    }
                    Ok(None) => break,
                    Err(error) => {
                        crate::progress::complain(&error.message);
                        break;
                    }
                }
            }
            tokio::select! {
                biased;
                () = self.stop.cancelled() => {}
                Some(_) = working.join_next() => {}
                () = self.active.changed.notified() => {}
            }
        }
        // Lines in flight finish.
        while working.join_next().await.is_some() {}
    }

    async fn next_batch(self: &Arc<Self>) -> Result<Option<(String, String)>, ApiError> {
        let waiting = self.read(|connection| {
            let sql = format!("SELECT id, owner FROM batches WHERE state IN {AT_WORK} ORDER BY id");
            let mut statement = connection.prepare_cached(&sql)?;
            let found = statement.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?;
            found.collect()
        });
        Ok(self.active.choose(waiting.await?))
    }

    /// Takes a batch through its states until it has ended, or until the server stops.
    async fn advance(self: &Arc<Self>, id: &str, cancelled: &CancellationToken) -> Result<(), ApiError> {
        loop {
            let asked = id.to_owned();
            let Some(batch) = self.read(move |connection| Batch::find(connection, &asked)).await? else { return Ok(()) };
            match batch.state.as_str() {
                "validating" => self.validate_batch(&batch).await?,
                "in_progress" => match self.ask_lines(&batch, cancelled).await? {
                    LinesEnd::Stopped => return Ok(()),
                    // The state is `cancelling` already.
                    LinesEnd::Cancelled => {}
                    LinesEnd::Done | LinesEnd::Expired => self.turn(id, "in_progress", "finalizing").await?,
                },
                "finalizing" | "cancelling" => self.finish_batch(batch).await?,
                _ => return Ok(()),
            }
        }
    }

    async fn turn(&self, id: &str, from: &'static str, to: &'static str) -> Result<(), ApiError> {
        let id = id.to_owned();
        self.ledger
            .write(move |t| {
                let sql = format!("UPDATE batches SET state = ?3, {to}_ms = ?4 WHERE id = ?1 AND state = ?2");
                t.execute(&sql, params![id, from, to, now_ms()]).map(drop)
            })
            .await?;
        Ok(())
    }

    async fn validate_batch(self: &Arc<Self>, batch: &Batch) -> Result<(), ApiError> {
        let (file, gateway, path) = (self.contents.path(&batch.input_file), Arc::clone(self), batch.endpoint.clone());
        let checked = tokio::task::spawn_blocking(move || validate(&file, &path, |model| gateway.relays.may_ask(model)));
        let checked = checked.await.map_err(ApiError::internal)??;
        let id = batch.id.clone();
        let (sql, value) = match checked {
            Ok(total) => ("state = 'in_progress', in_progress_ms = ?2, total = ?3", total.to_string()),
            Err(errors) => {
                let errors = serde_json::to_string(&errors).map_err(ApiError::internal)?;
                ("state = 'failed', failed_ms = ?2, errors = ?3", errors)
            }
        };
        let sql = format!("UPDATE batches SET {sql} WHERE id = ?1 AND state = 'validating'");
        self.ledger.write(move |t| t.execute(&sql, params![id, now_ms(), value]).map(drop)).await?;
        Ok(())
    }
}

async fn work_on(gateway: Arc<Gateway>, id: String, cancelled: CancellationToken) {
    if let Err(error) = gateway.advance(&id, &cancelled).await {
        crate::progress::complain(&format!("batch {id}: {}", error.message));
        // Its state is on record, so it goes on later.
        tokio::select! {
            () = gateway.stop.cancelled() => {}
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
    gateway.active.end(&id);
}
