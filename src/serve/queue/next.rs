//! Selects the next run: the highest priority first, then fairly between owners, then the earliest
//! deadline, then the oldest.

use super::caps::{Room, Shared, part};
use super::{Caps, Queue, QueuedRun, RunId, get, now_ms, outbox};
use crate::model::Money;
use crate::serve::problem::Problem;
use jiff::Timestamp;
use rusqlite::{Connection, params};
use std::cmp::Reverse;
use std::collections::HashMap;

/// Why a run is stopped at its deadline.
pub const DEADLINE: &str = "the deadline has passed. Resume the run to go on without it";

/// Why a run waits for others before it begins.
pub const WAITS: &str = "waits for money that others have reserved";
/// Why a run waits that has used its share. It goes on when others have given back what it needs.
pub const RAN_SHORT: &str = "has used its share, and waits for money that others have reserved";

/// The first run of an owner at a priority.
struct Candidate {
    priority: i64,
    owner: String,
    id: RunId,
}

impl Queue {
    /// The earliest deadline of a waiting run.
    pub fn first_deadline(&self) -> Result<Option<Timestamp>, Problem> {
        let sql = "SELECT min(deadline_ms) FROM runs WHERE state = 'queued'";
        let first: Option<i64> = self.read.lock().prepare_cached(sql)?.query_row((), |row| row.get(0))?;
        Ok(first.map(super::time))
    }

    /// Takes the next run and marks it as running. Its cap, or its share, is within the other caps.
    ///
    /// Among owners, those with the fewest running runs go first, then those whose last run began
    /// earliest. A run whose caps are used up is stopped.
    pub fn next(&self, caps: Caps<'_>) -> Result<Option<QueuedRun>, Problem> {
        let mut connection = self.write();
        let transaction = connection.transaction()?;
        stop_late(&transaction)?;
        let mut next = None;
        for Candidate { id, owner, .. } in candidates(&transaction)? {
            let Some(run) = get(&transaction, &id)? else { continue };
            let room = caps.room(&transaction, &owner, None)?;
            let (cap, share, reserved) = match room {
                Room::Unlimited => (run.cap, None, None),
                Room::Money(left, Shared::Yes) if waits_for(&transaction, &run, left)? => {
                    wait(&transaction, &id)?;
                    continue;
                }
                Room::Money(left, _) => match run.cap {
                    Some(own) => {
                        let cap = own.min(run.totals.spent + left);
                        (Some(cap), None, Some(cap - run.totals.spent))
                    }
                    None => (None, Some(run.totals.spent + part(left)), Some(part(left))),
                },
                Room::Later => {
                    wait(&transaction, &id)?;
                    continue;
                }
                Room::None => {
                    let whose = if owner.is_empty() { "the server".to_owned() } else { format!("key {owner} or of the server") };
                    let message = format!("the cap on money of {whose} is used up. Raise it, then resume the run");
                    let sql = "UPDATE runs SET state = 'stopped', message = ?2, ended_ms = ?3 WHERE id = ?1";
                    transaction.execute(sql, params![id.as_str(), message, now_ms()])?;
                    outbox::add(&transaction, &id)?;
                    continue;
                }
            };
            let sql =
                "UPDATE runs SET state = 'running', message = '', started_ms = ?2, ended_ms = NULL, reserved_pico_usd = ?3 WHERE id = ?1";
            transaction.execute(sql, params![id.as_str(), now_ms(), reserved.map(Money::pico)])?;
            next = Some(QueuedRun { cap, share, ..run });
            break;
        }
        transaction.commit()?;
        Ok(next)
    }
}

/// Whether a run waits until others have given money back: for its own cap, or for what it needed when
/// it stopped for lack of room.
fn waits_for(connection: &Connection, run: &QueuedRun, left: Money) -> rusqlite::Result<bool> {
    let most = run.totals.spent + left;
    if let Some(cap) = run.cap {
        return Ok(most < cap);
    }
    if run.message != RAN_SHORT {
        return Ok(false);
    }
    let sql = "SELECT wanted_pico_usd FROM runs WHERE id = ?1";
    let wanted: Option<u64> = connection.prepare_cached(sql)?.query_row([run.id.as_str()], |row| row.get(0))?;
    Ok(wanted.is_none_or(|wanted| most < Money::from_pico(wanted)))
}

/// Says why a run waits.
fn wait(connection: &Connection, id: &RunId) -> rusqlite::Result<()> {
    let sql = "UPDATE runs SET message = ?2 WHERE id = ?1 AND message NOT IN (?2, ?3)";
    connection.execute(sql, params![id.as_str(), WAITS, RAN_SHORT]).map(drop)
}

/// Stops waiting runs whose deadline has passed. Nothing is sent for them.
fn stop_late(connection: &Connection) -> rusqlite::Result<()> {
    let sql = "UPDATE runs SET state = 'stopped', message = ?2, ended_ms = ?1, held = 0 WHERE state = 'queued' AND deadline_ms <= ?1 RETURNING id";
    let mut statement = connection.prepare_cached(sql)?;
    let late = statement.query_map(params![now_ms(), DEADLINE], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    late.iter().filter_map(|id| RunId::parse(id)).try_for_each(|id| outbox::add(connection, &id))
}

/// The first waiting run of each owner and priority, in the order of their turns.
fn candidates(connection: &Connection) -> rusqlite::Result<Vec<Candidate>> {
    let sql = "SELECT priority, owner, id FROM (
            SELECT *, row_number() OVER (PARTITION BY priority, owner ORDER BY deadline_ms IS NULL, deadline_ms, id) AS place
            FROM runs WHERE state = 'queued' AND held = 0
        ) WHERE place = 1";
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
