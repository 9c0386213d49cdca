//! Queries of the ledger when a run starts or ends.

use super::insert::forget;
use super::{Archive, Store, StoreError};
use crate::model::{Bill, CallKey, DocumentId, LedgerSum, Money, Spent, Usage};
use rusqlite::Connection;
use std::collections::HashMap;

/// Whether a request of the table `attempts` has no complete response. The provider may have billed
/// it, so it counts with its maximum cost.
const UNCERTAIN: &str = "(outcome IS NULL OR outcome IN ('lost', 'lost_reply', 'timed_out')
    OR (outcome = 'bad_reply' AND uncached_input_tokens + cache_read_tokens + cache_write_tokens = 0)
    OR (outcome IN ('overloaded', 'rate_limited', 'server_error')
        AND uncached_input_tokens + cache_read_tokens + cache_write_tokens > 0))";

/// Selects requests of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requests {
    /// Those of all runs.
    All,
    /// Those of one run.
    Of(i64),
    /// Those of the runs before a run.
    Before(i64),
    /// Those that were sent since this time, in milliseconds since 1970.
    Since(i64),
}

/// Sums over requests, whether documents succeeded or not. All sums of money come from here.
fn sum(connection: &Connection, requests: Requests) -> rusqlite::Result<LedgerSum> {
    let sql = format!(
        "SELECT ifnull(sum(request = id), 0), ifnull(sum(uncached_input_tokens), 0), ifnull(sum(cache_read_tokens), 0),
            ifnull(sum(cache_write_tokens), 0), ifnull(sum(output_tokens), 0), ifnull(sum(pico_usd), 0),
            ifnull(sum(pico_usd IS NULL AND ifnull(outcome, 'lost') <> 'lost'), 0), count(DISTINCT CASE WHEN {UNCERTAIN} THEN request END),
            CASE WHEN ifnull(sum({UNCERTAIN} AND at_most_pico_usd IS NULL), 0) = 0
                THEN ifnull(sum(CASE WHEN {UNCERTAIN} THEN max(at_most_pico_usd - ifnull(pico_usd, 0), 0) END), 0) END,
            ifnull(sum(CASE WHEN {UNCERTAIN} THEN max(ifnull(at_most_pico_usd, 0), ifnull(pico_usd, 0))
                ELSE ifnull(pico_usd, at_most_pico_usd) END), 0)
        FROM attempts WHERE run BETWEEN ?1 AND ?2 AND sent_ms >= ?3"
    );
    let (first, last, since) = match requests {
        Requests::All => (i64::MIN, i64::MAX, i64::MIN),
        Requests::Of(run) => (run, run, i64::MIN),
        Requests::Before(run) => (i64::MIN, run - 1, i64::MIN),
        Requests::Since(time) => (i64::MIN, i64::MAX, time),
    };
    connection.query_row(&sql, (first, last, since), |row| {
        Ok(LedgerSum {
            requests: row.get(0)?,
            tokens: Usage { uncached_input: row.get(1)?, cache_read: row.get(2)?, cache_write: row.get(3)?, output: row.get(4)? },
            cost: Bill { usd: Money::from_pico(row.get(5)?), unpriced_calls: row.get(6)? },
            maybe_billed: row.get(7)?,
            maybe_billed_at_most_usd: row.get::<_, Option<u64>>(8)?.map(Money::from_pico),
            counted: Money::from_pico(row.get(9)?),
        })
    })
}

impl Archive {
    /// Sums over requests.
    pub fn ledger(&self, requests: Requests) -> Result<LedgerSum, StoreError> {
        self.read("the ledger", || sum(self.connection(), requests))
    }
}

impl Store {
    /// Attempts in doubt of earlier runs, by call.
    pub fn in_doubt(&self) -> Result<HashMap<(DocumentId, CallKey), Vec<i64>>, StoreError> {
        let read = || {
            let mut doubts = HashMap::<_, Vec<i64>>::new();
            let mut statement = self.writer.prepare("SELECT id, document, call_key FROM attempts WHERE outcome IS NULL")?;
            let mut rows = statement.query(())?;
            while let Some(row) = rows.next()? {
                doubts.entry((DocumentId(row.get(1)?), CallKey(row.get(2)?))).or_default().push(row.get(0)?);
            }
            Ok(doubts)
        };
        read().map_err(|e| self.error("cannot read the ledger", e))
    }

    /// Usage and cost of calls that earlier runs left open. Stopped or killed runs leave calls
    /// without an answer or failure.
    ///
    /// Only the ledger has their requests. Requests in doubt count as requests without cost.
    pub fn left_open(&self) -> Result<HashMap<(DocumentId, CallKey), Spent>, StoreError> {
        let read = || {
            let sql = "SELECT t.document, t.call_key, count(*), sum(ifnull(t.outcome, 'lost') IN ('lost', 'lost_reply', 'timed_out')),
                    sum(t.uncached_input_tokens), sum(t.cache_read_tokens), sum(t.cache_write_tokens), sum(t.output_tokens),
                    CASE WHEN count(t.pico_usd) = sum(ifnull(t.outcome, 'lost') <> 'lost') THEN ifnull(sum(t.pico_usd), 0) END,
                    sum(t.ended_ms - t.sent_ms)
                FROM attempts t LEFT JOIN answers a ON a.document = t.document AND a.call_key = t.call_key
                LEFT JOIN failures f ON f.document = t.document AND f.call_key = t.call_key
                WHERE t.run IN (SELECT id FROM runs WHERE outcome IS NOT 'complete' AND id <> ?1)
                    AND t.outcome IS NOT 'answered' AND t.run > max(ifnull(a.run, 0), ifnull(f.run, 0))
                GROUP BY 1, 2";
            let mut left = HashMap::new();
            let mut statement = self.writer.prepare(sql)?;
            let mut rows = statement.query([self.run.id])?;
            while let Some(row) = rows.next()? {
                let tokens = |column| row.get::<_, Option<u64>>(column).map(Option::unwrap_or_default);
                let spent = Spent {
                    attempts: row.get(2)?,
                    maybe_billed: row.get(3)?,
                    usage: Usage { uncached_input: tokens(4)?, cache_read: tokens(5)?, cache_write: tokens(6)?, output: tokens(7)? },
                    cost: row.get::<_, Option<u64>>(8)?.map(Money::from_pico),
                    // The clock may have been set back.
                    seconds: row.get::<_, Option<i64>>(9)?.unwrap_or_default().max(0) as f64 / 1000.0,
                    ..Spent::default()
                };
                left.insert((DocumentId(row.get(0)?), CallKey(row.get(1)?)), spent);
            }
            Ok(left)
        };
        read().map_err(|e| self.error("cannot read the ledger", e))
    }

    /// Settles calls in doubt about this run's documents. Edited files no longer need these calls.
    pub(super) fn settle_doubts(&self) -> rusqlite::Result<()> {
        let sql = "UPDATE attempts SET outcome = 'lost' WHERE outcome IS NULL
            AND run IN (SELECT id FROM runs WHERE recipe = ?2)
            AND document IN (SELECT d.id FROM documents d WHERE d.name IN (SELECT n.name FROM listing l
                JOIN documents n ON n.id = l.document WHERE l.run = (SELECT listing FROM runs WHERE id = ?1)))";
        self.writer.execute(sql, (self.run.id, self.run.recipe)).map(|_| ())
    }

    /// Sums over requests.
    pub fn ledger(&self, requests: Requests) -> Result<LedgerSum, StoreError> {
        sum(&self.writer, requests).map_err(|e| self.error("cannot read the ledger", e))
    }

    /// Removes failures of calls and the rows of their documents. The documents are pending again.
    pub fn reopen(&self, calls: &[(DocumentId, CallKey)]) -> Result<(), StoreError> {
        let reopen = || {
            let transaction = self.writer.unchecked_transaction()?;
            for (document, key) in calls {
                transaction.execute("DELETE FROM failures WHERE document = ?1 AND call_key = ?2", (document.0, &key.0[..]))?;
                forget(&transaction, self.run, *document)?;
            }
            transaction.commit()
        };
        reopen().map_err(|e| self.error("cannot remove failures", e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_without_a_response_counts_with_its_maximum() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE attempts (id INTEGER PRIMARY KEY, request, run, outcome, at_most_pico_usd, pico_usd,
                     uncached_input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, sent_ms DEFAULT 5);
                 INSERT INTO attempts (id, request, run, outcome, at_most_pico_usd, pico_usd, uncached_input_tokens,
                     cache_read_tokens, cache_write_tokens, output_tokens) VALUES (1, 1, 1, 'answered', 10, 3, 5, 0, 0, 1), (2, 1, 1, 'answered', 10, 4, 5, 0, 0, 1),
                     (3, 3, 1, 'lost', 10, NULL, NULL, NULL, NULL, NULL), (4, 4, 2, 'lost_reply', 10, 0, 0, 0, 0, 0),
                     (5, 5, 2, 'rate_limited', 10, 0, 0, 0, 0, 0), (6, 6, 2, 'server_error', 10, 2, 7, 0, 0, 0),
                     (7, 7, 2, 'bad_reply', 10, 1, 9, 0, 0, 1), (8, 8, 2, 'answered', 10, NULL, 0, 0, 0, 0),
                     (9, 9, 3, NULL, 10, NULL, NULL, NULL, NULL, NULL);",
            )
            .unwrap();
        let sums = |requests| {
            let LedgerSum { requests, cost, maybe_billed, maybe_billed_at_most_usd, counted, .. } = sum(&connection, requests).unwrap();
            (requests, cost.usd.pico(), cost.unpriced_calls, maybe_billed, maybe_billed_at_most_usd.map(Money::pico), counted.pico())
        };
        assert_eq!(sums(Requests::Of(1)), (2, 7, 0, 1, Some(10), 17));
        assert_eq!(sums(Requests::Of(2)), (5, 3, 1, 2, Some(18), 31));
        assert_eq!(sums(Requests::Before(3)), (7, 10, 1, 3, Some(28), 48));
        assert_eq!((sums(Requests::Since(5)), sums(Requests::Since(6)).0), (sums(Requests::All), 0));
        assert_eq!(sums(Requests::All), (8, 10, 1, 4, Some(38), 58));
        connection.execute("UPDATE attempts SET at_most_pico_usd = NULL WHERE id = 9", ()).unwrap();
        assert_eq!(sums(Requests::All).4, None);
    }
}
