//! Selects the next run: the highest priority first, then fairly between owners, then the oldest.

use super::caps::Room;
use super::{Caps, Queue, QueuedRun, RunId, get, now_ms};
use crate::model::Money;
use crate::serve::problem::Problem;
use rusqlite::{Connection, params};
use std::cmp::Reverse;
use std::collections::HashMap;

/// The oldest run of an owner at a priority.
struct Candidate {
    priority: i64,
    owner: String,
    id: RunId,
}

impl Queue {
    /// Takes the next run and marks it as running. Its cap contains its share of the other caps.
    ///
    /// Among owners, those with the fewest running runs go first, then those whose last run began
    /// earliest. A run whose caps are used up is stopped.
    pub fn next(&self, caps: Caps<'_>) -> Result<Option<QueuedRun>, Problem> {
        let mut connection = self.write();
        let transaction = connection.transaction()?;
        let mut next = None;
        for Candidate { id, owner, .. } in candidates(&transaction)? {
            let Some(run) = get(&transaction, &id)? else { continue };
            let room = caps.room(&transaction, &owner)?;
            let (cap, reserved) = match room {
                Room::Unlimited => (run.cap, None),
                Room::Money(left) => {
                    let cap = run.cap.unwrap_or(Money::MAX).min(run.totals.spent + left);
                    (Some(cap), Some(cap - run.totals.spent))
                }
                Room::Later => continue,
                Room::None => {
                    let whose = if owner.is_empty() { "the server".to_owned() } else { format!("key {owner} or of the server") };
                    let message = format!("the cap on money of {whose} is used up. Raise it, then resume the run");
                    let sql = "UPDATE runs SET state = 'stopped', message = ?2, ended_ms = ?3 WHERE id = ?1";
                    transaction.execute(sql, params![id.as_str(), message, now_ms()])?;
                    continue;
                }
            };
            let sql =
                "UPDATE runs SET state = 'running', message = '', started_ms = ?2, ended_ms = NULL, reserved_pico_usd = ?3 WHERE id = ?1";
            transaction.execute(sql, params![id.as_str(), now_ms(), reserved.map(Money::pico)])?;
            next = Some(QueuedRun { cap, ..run });
            break;
        }
        transaction.commit()?;
        Ok(next)
    }
}

/// The oldest waiting run of each owner and priority, in the order of their turns.
fn candidates(connection: &Connection) -> rusqlite::Result<Vec<Candidate>> {
    let sql = "SELECT priority, owner, min(id) FROM runs WHERE state = 'queued' AND held = 0 GROUP BY priority, owner";
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_map((), |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?)))?;
    let mut candidates = Vec::new();
    for found in found {
        let (priority, owner, id) = found?;
        candidates.extend(RunId::parse(&id).map(|id| Candidate { priority, owner, id }));
    }
    let sql = "SELECT owner, sum(state = 'running'), max(ifnull(started_ms, 0)) FROM runs GROUP BY owner";
    let mut statement = connection.prepare_cached(sql)?;
    let shares = statement.query_map((), |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?;
    let shares: HashMap<String, (i64, i64)> = shares.collect::<rusqlite::Result<_>>()?;
    candidates.sort_by_cached_key(|one| (Reverse(one.priority), shares.get(&one.owner).copied(), one.id.clone()));
    Ok(candidates)
}
