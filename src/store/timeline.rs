//! Reads request times from the ledger, and the totals of runs.

use super::error::StoreError;
use super::history::Archive;
use crate::model::{Bill, Money};
use std::collections::BTreeMap;

/// A finished request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'s> {
    /// Name of the document.
    pub document: &'s str,
    /// Task and axes.
    pub call: &'s str,
    /// Number within its call, from 1.
    pub attempt: u32,
    /// When it was sent, in milliseconds since 1970.
    pub sent_ms: i64,
    /// When it ended, in milliseconds since 1970.
    pub ended_ms: i64,
    /// Whether it gave an answer.
    pub answered: bool,
}

/// A request of an attempt, which may still be in flight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempted {
    /// Number of the attempt. Later attempts have greater numbers.
    pub id: i64,
    /// Number of its run.
    pub run: i64,
    /// Name of the document.
    pub document: String,
    /// Task and axes.
    pub call: String,
    /// Number within its call, from 1.
    pub attempt: u32,
    /// When it was sent, in milliseconds since 1970.
    pub sent_ms: i64,
    /// When it ended, in milliseconds since 1970; `None` if it has not, or if that is not known.
    pub ended_ms: Option<i64>,
    /// Whether it gave an answer.
    pub answered: bool,
    /// Whether the run was killed while it was in flight.
    pub lost: bool,
}

/// Totals over the requests of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Pace {
    /// Number of requests.
    pub requests: u64,
    /// Requests without an answer; rate-limited ones do not count.
    pub failed: u64,
    /// Number of their documents.
    pub documents: u64,
    /// Their cost.
    pub bill: Bill,
    /// Median duration of answered requests in milliseconds; `None` without answers.
    pub median_ms: Option<f64>,
}

impl Archive {
    /// Calls `each` with the finished requests of a recipe, in any order.
    pub fn requests(&self, recipe: i64, mut each: impl FnMut(Request<'_>)) -> Result<(), StoreError> {
        self.read("the ledger", || {
            let sql = "SELECT d.name, a.call, a.attempt, a.sent_ms, a.ended_ms, a.outcome = 'answered' FROM attempts a
                JOIN runs r ON r.id = a.run AND r.recipe = ?1 JOIN documents d ON d.id = a.document
                WHERE a.ended_ms IS NOT NULL";
            let mut statement = self.connection().prepare(sql)?;
            let mut rows = statement.query([recipe])?;
            while let Some(row) = rows.next()? {
                each(Request {
                    document: row.get_ref(0)?.as_str()?,
                    call: row.get_ref(1)?.as_str()?,
                    attempt: row.get(2)?,
                    sent_ms: row.get(3)?,
                    ended_ms: row.get(4)?,
                    answered: row.get(5)?,
                });
            }
            Ok(())
        })
    }

    /// The attempts of all runs after number `id`, at most `most`.
    pub fn attempts_after(&self, id: i64, most: u32) -> Result<Vec<Attempted>, StoreError> {
        self.read("the ledger", || {
            let sql = "SELECT a.id, d.name, a.call, a.attempt, a.sent_ms, a.ended_ms, ifnull(a.outcome = 'answered', 0),
                ifnull(a.outcome = 'lost', 0), a.run FROM attempts a JOIN documents d ON d.id = a.document WHERE a.id > ?1 ORDER BY a.id LIMIT ?2";
            let attempted = |row: &rusqlite::Row<'_>| {
                Ok(Attempted {
                    id: row.get(0)?,
                    document: row.get(1)?,
                    call: row.get(2)?,
                    attempt: row.get(3)?,
                    sent_ms: row.get(4)?,
                    ended_ms: row.get(5)?,
                    answered: row.get(6)?,
                    lost: row.get(7)?,
                    run: row.get(8)?,
                })
            };
            self.connection().prepare_cached(sql)?.query_map((id, most), attempted)?.collect()
        })
    }

    /// Totals over the requests of each run; runs without requests are omitted.
    pub fn paces(&self) -> Result<BTreeMap<i64, Pace>, StoreError> {
        self.read("the ledger", || {
            let sql = "SELECT run, sum(request = id), ifnull(sum(outcome NOT IN ('answered', 'rate_limited', 'lost')), 0), count(DISTINCT document),
                    ifnull(sum(pico_usd), 0), sum(pico_usd IS NULL AND ifnull(outcome, 'lost') <> 'lost')
                FROM attempts GROUP BY run";
            let pace = |row: &rusqlite::Row<'_>| {
                let bill = Bill { usd: Money::from_pico(row.get(4)?), unpriced_calls: row.get(5)? };
                Ok((row.get(0)?, Pace { requests: row.get(1)?, failed: row.get(2)?, documents: row.get(3)?, bill, median_ms: None }))
            };
            let mut paces = self.connection().prepare(sql)?.query_map((), pace)?.collect::<rusqlite::Result<BTreeMap<i64, Pace>>>()?;
            let sql = "SELECT run, avg(ms) FROM
                (SELECT run, ended_ms - sent_ms AS ms, count(*) OVER (PARTITION BY run) AS n,
                    row_number() OVER (PARTITION BY run ORDER BY ended_ms - sent_ms) AS place
                    FROM attempts WHERE outcome = 'answered')
                WHERE place IN ((n + 1) / 2, (n + 2) / 2) GROUP BY run";
            let mut statement = self.connection().prepare(sql)?;
            let mut rows = statement.query(())?;
            while let Some(row) = rows.next()? {
                if let Some(pace) = paces.get_mut(&row.get(0)?) {
                    pace.median_ms = row.get(1)?;
                }
            }
            Ok(paces)
        })
    }
}
