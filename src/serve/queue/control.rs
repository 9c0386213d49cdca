//! Orders of clients to runs: pause, cancel, resume.
//!
//! An order is in the queue before anything else learns of it. A run at work looks for orders when its
//! controls are in place, and when it ends, so an order at any moment is obeyed.

use super::{Queue, RunId, State, get, now_ms, outbox};
use crate::model::Money;
use crate::serve::problem::Problem;
use rusqlite::{Connection, params};

/// Message of a cancelled run.
pub const CANCELLED: &str = "cancelled by a client";

impl Queue {
    /// Makes a run wait until a client resumes it. A run at work stops and then waits.
    pub fn pause(&self, id: &RunId) -> Result<(), Problem> {
        let sql = "UPDATE runs SET held = 1 WHERE id = ?1 AND state IN ('queued', 'running')";
        if self.write().execute(sql, [id.as_str()])? == 0 {
            return Err(Problem::conflict("the run has ended"));
        }
        Ok(())
    }

    /// Cancels a run. A run at work is marked, and cancelled when its work has ended.
    pub fn cancel(&self, id: &RunId) -> Result<(), Problem> {
        let mut connection = self.write();
        let transaction = connection.transaction()?;
        if transaction.execute("UPDATE runs SET cancelling = 1 WHERE id = ?1 AND state = 'running'", [id.as_str()])? == 0 {
            let sql = "UPDATE runs SET state = 'cancelled', message = ?2, ended_ms = ?3, held = 0
                WHERE id = ?1 AND state IN ('queued', 'stopped', 'failed')";
            if transaction.execute(sql, params![id.as_str(), CANCELLED, now_ms()])? == 0 {
                return Err(Problem::conflict("the run has ended"));
            }
            outbox::add(&transaction, id)?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// Lets a run go on, with another cap if one is given. A complete run goes on only if it `is_left`
    /// with documents to ask about again.
    pub fn resume(&self, id: &RunId, cap: Option<Money>, is_left: bool) -> Result<(), Problem> {
        let mut connection = self.write();
        let transaction = connection.transaction()?;
        let Some(run) = get(&transaction, id)? else { return Err(Problem::not_found("no such run")) };
        match run.state {
            State::Complete if !is_left => {
                return Err(Problem::conflict("the run is complete. Requeue documents to ask again"));
            }
            State::Running if run.cancelling => {
                return Err(Problem::conflict("the run is being cancelled. Resume it when it has ended"));
            }
            State::Running if cap.is_some() => {
                return Err(Problem::conflict("the run is at work. Pause it, wait until it is queued, then change its cap"));
            }
            _ => {}
        }
        // A resumed run would stop at once at a deadline that has passed.
        let sql = "UPDATE runs SET held = 0, message = '', ended_ms = NULL, cap_pico_usd = ifnull(?2, cap_pico_usd),
                state = CASE WHEN state = 'running' THEN state ELSE 'queued' END,
                deadline_ms = CASE WHEN state NOT IN ('running', 'queued') AND deadline_ms <= ?3 THEN NULL ELSE deadline_ms END
            WHERE id = ?1";
        transaction.execute(sql, params![id.as_str(), cap.map(Money::pico), now_ms()])?;
        transaction.commit()?;
        Ok(())
    }

    /// Does `work` on a run that is not at work, and does not begin meanwhile. Returns its state.
    pub fn while_idle(&self, id: &RunId, work: impl FnOnce() -> Result<(), Problem>) -> Result<State, Problem> {
        let connection = self.write();
        let Some(run) = get(&connection, id)? else { return Err(Problem::not_found("no such run")) };
        if run.state == State::Running {
            return Err(Problem::conflict("the run is starting. Try again in a moment"));
        }
        work().map(|()| run.state)
    }
}

/// Runs that were at work when a server was killed.
pub(super) fn interrupted(connection: &Connection) -> Result<Vec<RunId>, Problem> {
    let mut statement = connection.prepare("SELECT id FROM runs WHERE state = 'running'")?;
    let ids = statement.query_map((), |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(ids.iter().filter_map(|id| RunId::parse(id)).collect())
}
