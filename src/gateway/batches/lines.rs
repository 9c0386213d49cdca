//! Asks the lines of a batch.

use super::create::endpoint;
use super::record::Batch;
use super::validate::{Line, Lines};
use crate::ask::RelayEndpoint;
use crate::gateway::Gateway;
use crate::gateway::ask::{Answer, Asked, Place, Whole};
use crate::gateway::error::ApiError;
use crate::gateway::ledger::now_ms;
use crate::gateway::request::parse;
use rusqlite::params;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Lines that are read ahead.
const AHEAD: usize = 4;
/// First and longest pause before a line is tried again that could not be sent.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// Why no more lines are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinesEnd {
    /// All lines have a result.
    Done,
    /// The completion window is over.
    Expired,
    /// A client cancelled the batch.
    Cancelled,
    /// The server stops. The batch goes on when it starts again.
    Stopped,
}

/// What the lines of a batch share.
struct Shared {
    id: String,
    owner: String,
    endpoint: RelayEndpoint,
    /// Earlier batches go first, all of them after requests that a client waits for.
    place: u64,
    /// Cancelled when lines that were not sent must not be sent any more.
    over: CancellationToken,
}

impl Gateway {
    /// Asks all lines that have no result.
    pub(super) async fn ask_lines(self: &Arc<Self>, batch: &Batch, cancelled: &CancellationToken) -> Result<LinesEnd, ApiError> {
        let most = self.relays.concurrency().await?;
        let endpoint = endpoint(&batch.endpoint).ok_or_else(|| ApiError::internal("the batch has no endpoint"))?;
        let (id, over) = (batch.id.clone(), CancellationToken::new());
        let place = u64::try_from(batch.created_ms).unwrap_or(u64::MAX).max(1);
        let shared = Arc::new(Shared { id: id.clone(), owner: batch.owner.clone(), endpoint, place, over: over.clone() });
        let _over = over.clone().drop_guard();
        let done: HashSet<u64> = self
            .read(move |connection| {
                let mut statement = connection.prepare_cached("SELECT line FROM lines WHERE batch = ?1")?;
                statement.query_map([id], |row| row.get(0))?.collect()
            })
            .await?;
        let mut lines = Lines::open(&self.contents.path(&batch.input_file))?;
        let (ahead, mut next) = mpsc::channel(AHEAD);
        let mut reading = JoinSet::new();
        reading.spawn_blocking(move || -> std::io::Result<()> {
            while let Some(line) = lines.next()? {
                if !done.contains(&line.number) && ahead.blocking_send(line).is_err() {
                    break;
                }
            }
            Ok(())
        });
        let left = u64::try_from(batch.expires_ms - now_ms()).unwrap_or(0);
        let mut expires = pin!(tokio::time::sleep(Duration::from_millis(left)));
        let (mut asking, mut more) = (JoinSet::new(), true);
        let end = loop {
            if !more && asking.is_empty() {
                break LinesEnd::Done;
            }
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break LinesEnd::Stopped,
                () = cancelled.cancelled() => break LinesEnd::Cancelled,
                () = &mut expires => break LinesEnd::Expired,
                Some(asked) = asking.join_next() => asked.map_err(ApiError::internal)??,
                line = next.recv(), if more && asking.len() < most => match line {
                    Some(line) => drop(asking.spawn(ask_line(Arc::clone(self), Arc::clone(&shared), line))),
                    None => more = false,
                },
            }
        };
        over.cancel();
        drop(next);
        while let Some(asked) = asking.join_next().await {
            asked.map_err(ApiError::internal)??;
        }
        while let Some(read) = reading.join_next().await {
            read.map_err(ApiError::internal)??;
        }
        Ok(end)
    }

    /// Records the result of a line, durably.
    async fn record_line(&self, batch: String, line: u64, failed: bool, result: String) -> Result<(), ApiError> {
        let record = move |t: &rusqlite::Transaction<'_>| {
            let sql = "INSERT OR IGNORE INTO lines (batch, line, failed, result) VALUES (?1, ?2, ?3, ?4)";
            if t.prepare_cached(sql)?.execute(params![batch, line, failed, result])? > 0 {
                let column = if failed { "failed" } else { "completed" };
                t.prepare_cached(&format!("UPDATE batches SET {column} = {column} + 1 WHERE id = ?1"))?.execute([&batch])?;
            }
            Ok(())
        };
        Ok(self.ledger.write(record).await?)
    }
}

/// Asks a line until it has a result, or until the batch is over.
async fn ask_line(gateway: Arc<Gateway>, shared: Arc<Shared>, line: Line) -> Result<(), ApiError> {
    let mut pause = PAUSES.0;
    loop {
        let asked = Asked { owner: shared.owner.clone(), endpoint: shared.endpoint, body: line.body.clone(), store: false };
        let place = Place { batch: Some(shared.id.clone()), order: shared.place, cancelled: shared.over.clone() };
        let answer = match parse(shared.endpoint, &line.body) {
            Ok(parsed) => gateway.ask_at(asked, parsed, place).await,
            Err(error) => Err(error),
        };
        let (failed, response) = match answer {
            Ok(Answer::Whole(whole)) => (!(200..=299).contains(&whole.status), response(&whole)),
            Ok(Answer::Stream(_)) => (true, error_response(&ApiError::invalid("stream is not supported in a batch"))),
            Err(error) if error.code == Some("cancelled") => return Ok(()),
            // Nothing was sent, so the line can wait for better times.
            Err(error) if matches!(error.code, Some("server_unavailable" | "upstream_unreachable" | "upstream_account")) => {
                tokio::select! {
                    biased;
                    () = shared.over.cancelled() => return Ok(()),
                    () = tokio::time::sleep(pause) => {}
                }
                pause = (2 * pause).min(PAUSES.1);
                continue;
            }
            Err(error) => (true, error_response(&error)),
        };
        let result = result(&line.custom_id, &response, None);
        return gateway.record_line(shared.id.clone(), line.number, failed, result).await;
    }
}

/// A line of a result file.
pub(super) fn result(custom_id: &str, response: &str, error: Option<(&str, &str)>) -> String {
    let id = format!("batch_req_{}", uuid::Uuid::now_v7().simple());
    let error = error.map_or(Value::Null, |(code, message)| json!({"code": code, "message": message}));
    format!("{{\"id\":\"{id}\",\"custom_id\":{},\"response\":{response},\"error\":{error}}}", Value::from(custom_id))
}

fn response(whole: &Whole) -> String {
    // The answer is one line. What is not JSON becomes a text.
    let body = match serde_json::from_slice::<&RawValue>(&whole.body) {
        Ok(raw) if !raw.get().contains(['\n', '\r']) => raw.get().to_owned(),
        Ok(raw) => serde_json::from_str::<Value>(raw.get()).unwrap_or_default().to_string(),
        Err(_) => Value::from(String::from_utf8_lossy(&whole.body)).to_string(),
    };
    format!("{{\"status_code\":{},\"request_id\":\"{}\",\"body\":{body}}}", whole.status, whole.id)
}

fn error_response(error: &ApiError) -> String {
    json!({"status_code": error.status, "request_id": "", "body": error.body()}).to_string()
}
