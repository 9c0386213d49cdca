//! Messages to clients that a run has ended.
//!
//! A message enters the outbox in the transaction that ends the run, so a kill loses none. It leaves
//! the outbox when its receiver has accepted it, or after the last attempt.

use super::{Queue, QueuedRun, RunId, get, now_ms};
use crate::serve::problem::Problem;
use jiff::Timestamp;
use rusqlite::{Connection, Row, params};
use serde::Serialize;
use serde_json::json;
use std::time::Duration;
use utoipa::ToSchema;
use uuid::Uuid;

/// A message on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id, the same in all attempts.
    pub id: String,
    /// Name of the key that owns the run.
    pub owner: String,
    /// Where it goes.
    pub url: String,
    /// Host of the address.
    pub host: String,
    /// Its body, JSON.
    pub body: String,
    /// Number of attempts before this one.
    pub attempts: u32,
}

/// State of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Delivery {
    /// Its id, sent in the header `webhook-id`.
    pub id: String,
    /// What it says, such as `run.complete`.
    pub event: String,
    /// Number of attempts.
    pub attempts: u32,
    /// When the receiver accepted it.
    #[schema(format = DateTime)]
    pub delivered: Option<String>,
    /// When it is sent next; absent after its end.
    #[schema(format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Why the last attempt failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Maximum number of messages to one host that are taken together.
pub const PER_HOST: usize = 4;

/// Adds the message of an ended run, if its client wants one.
pub(super) fn add(connection: &Connection, id: &RunId) -> rusqlite::Result<()> {
    let Some(run) = get(connection, id)?.filter(|run| run.state.has_ended()) else { return Ok(()) };
    let Some(url) = &run.webhook else { return Ok(()) };
    let host = reqwest::Url::parse(url).ok().and_then(|url| url.host_str().map(ToOwned::to_owned)).unwrap_or_default();
    let event = format!("run.{}", run.state.as_str());
    let sql =
        "INSERT INTO webhooks (id, run_id, owner, url, host, event, body, created_ms, next_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)";
    let message = format!("msg_{}", Uuid::now_v7().simple());
    connection.execute(sql, params![message, id.as_str(), run.owner, url, host, event, body(&event, &run), now_ms()])?;
    Ok(())
}

/// The body: numbers and addresses, but no answers.
fn body(event: &str, run: &QueuedRun) -> String {
    let totals = run.totals;
    let body = json!({
        "type": event,
        "timestamp": run.ended.unwrap_or_else(Timestamp::now).to_string(),
        "data": {
            "id": run.id.as_str(),
            "state": run.state,
            "message": run.message,
            "documents": {"done": totals.done, "failed": totals.failed, "skipped": totals.skipped, "pending": totals.pending},
            "requests": totals.requests,
            "cost_usd": totals.spent.usd(),
            "url": format!("/api/runs/{}", run.id),
        },
    });
    body.to_string()
}

impl Queue {
    /// Messages that are due, with at most [`PER_HOST`] for one host, and when the next one is due.
    pub fn due_messages(&self, most: usize) -> Result<(Vec<Message>, Option<Timestamp>), Problem> {
        let connection = self.read.lock();
        let now = now_ms();
        let sql = "SELECT id, owner, url, host, body, attempts FROM (
                SELECT *, row_number() OVER (PARTITION BY host ORDER BY next_ms) AS place FROM webhooks WHERE next_ms <= ?1
            ) WHERE place <= ?2 ORDER BY next_ms LIMIT ?3";
        let mut statement = connection.prepare_cached(sql)?;
        let message = |row: &Row<'_>| {
            Ok(Message {
                id: row.get(0)?,
                owner: row.get(1)?,
                url: row.get(2)?,
                host: row.get(3)?,
                body: row.get(4)?,
                attempts: row.get(5)?,
            })
        };
        let due = statement.query_map(params![now, PER_HOST, most], message)?.collect::<rusqlite::Result<_>>()?;
        let sql = "SELECT min(next_ms) FROM webhooks WHERE next_ms > ?1";
        let next: Option<i64> = connection.prepare_cached(sql)?.query_row([now], |row| row.get(0))?;
        Ok((due, next.map(super::time)))
    }

    /// Records an attempt before it is sent. `pause` is the time until the next one; `None` if this
    /// is the last attempt.
    pub fn message_attempted(&self, id: &str, pause: Option<Duration>, error: &str) -> Result<(), Problem> {
        let next = pause.map(|pause| now_ms().saturating_add(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX)));
        let sql = "UPDATE webhooks SET attempts = attempts + 1, next_ms = ?2, error = ?3 WHERE id = ?1";
        self.write().execute(sql, params![id, next, error])?;
        Ok(())
    }

    /// Records why an attempt failed. `is_final` if the receiver wants no further ones.
    pub fn message_failed(&self, id: &str, error: &str, is_final: bool) -> Result<(), Problem> {
        let sql = "UPDATE webhooks SET error = ?2, next_ms = iif(?3, NULL, next_ms) WHERE id = ?1";
        self.write().execute(sql, params![id, error, is_final])?;
        Ok(())
    }

    /// Records that the receiver has accepted a message.
    pub fn message_delivered(&self, id: &str) -> Result<(), Problem> {
        let sql = "UPDATE webhooks SET delivered_ms = ?2, next_ms = NULL, error = NULL WHERE id = ?1";
        self.write().execute(sql, params![id, now_ms()])?;
        Ok(())
    }

    /// The messages about a run, the oldest first.
    pub fn deliveries(&self, run: &RunId) -> Result<Vec<Delivery>, Problem> {
        let connection = self.read.lock();
        let sql = "SELECT id, event, attempts, delivered_ms, next_ms, error FROM webhooks WHERE run_id = ?1 ORDER BY id";
        let mut statement = connection.prepare_cached(sql)?;
        let shown = |ms: Option<i64>| ms.map(|ms| super::time(ms).to_string());
        let deliveries = statement.query_map([run.as_str()], |row| {
            Ok(Delivery {
                id: row.get(0)?,
                event: row.get(1)?,
                attempts: row.get(2)?,
                delivered: shown(row.get(3)?),
                next: shown(row.get(4)?),
                error: row.get::<_, Option<String>>(5)?.filter(|error| !error.is_empty()),
            })
        })?;
        Ok(deliveries.collect::<rusqlite::Result<_>>()?)
    }

    /// Sends all messages about a run again, with their ids. Returns how many there are.
    pub fn replay_messages(&self, run: &RunId) -> Result<usize, Problem> {
        let sql = "UPDATE webhooks SET next_ms = ?2, attempts = 0, delivered_ms = NULL, error = NULL WHERE run_id = ?1";
        Ok(self.write().execute(sql, params![run.as_str(), now_ms()])?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{queue, submit_with};
    use super::super::{NewRun, State, Totals};
    use super::*;
    use serde_json::Value;

    fn ended(queue: &Queue, url: &'static str) -> RunId {
        let id = submit_with(queue, |new| NewRun { webhook: Some(url), ..new });
        queue.end(&id, State::Complete, "", &Totals::default()).unwrap();
        id
    }

    #[test]
    fn an_ended_run_leaves_one_message_and_a_run_without_webhook_none() {
        let (_directory, queue) = queue();
        let id = ended(&queue, "https://a.example/hook");
        let silent = submit_with(&queue, |new| new);
        queue.end(&silent, State::Failed, "", &Totals::default()).unwrap();
        let (due, next) = queue.due_messages(10).unwrap();
        assert_eq!((due.len(), next, due[0].host.as_str()), (1, None, "a.example"));
        let body: Value = serde_json::from_str(&due[0].body).unwrap();
        assert_eq!((&body["type"], &body["data"]["id"]), (&"run.complete".into(), &id.as_str().into()));
        assert_eq!(queue.deliveries(&id).unwrap().len(), 1);
    }

    #[test]
    fn a_message_waits_for_its_next_attempt_and_keeps_its_id() {
        let (_directory, queue) = queue();
        let run = ended(&queue, "https://a.example");
        let id = queue.due_messages(1).unwrap().0.remove(0).id;
        queue.message_attempted(&id, Some(Duration::from_hours(1)), "no response yet").unwrap();
        let (due, next) = queue.due_messages(1).unwrap();
        assert!(due.is_empty() && next.is_some());
        queue.message_failed(&id, "status 500", false).unwrap();
        assert_eq!(queue.deliveries(&run).unwrap()[0].error.as_deref(), Some("status 500"));
        assert!(queue.ended().unwrap().is_empty(), "a run with an undelivered message is not removed");
        queue.message_delivered(&id).unwrap();
        assert_eq!(queue.ended().unwrap().len(), 1);
        assert_eq!(queue.replay_messages(&run).unwrap(), 1);
        assert_eq!(queue.due_messages(1).unwrap().0[0].id, id);
        queue.message_failed(&id, "status 410", true).unwrap();
        assert!(queue.due_messages(1).unwrap().0.is_empty());
    }

    #[test]
    fn messages_to_one_host_leave_room_for_others() {
        let (_directory, queue) = queue();
        (0..10).for_each(|_| drop(ended(&queue, "https://slow.example")));
        ended(&queue, "https://quick.example");
        let due = queue.due_messages(100).unwrap().0;
        assert_eq!(due.len(), PER_HOST + 1);
        assert_eq!(due.iter().filter(|message| message.host == "quick.example").count(), 1);
    }
}
