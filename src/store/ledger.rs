//! Queries of the ledger when a run starts or ends.

use super::insert::forget;
use super::{Archive, Store, StoreError};
use crate::model::{Bill, CallKey, DocumentId, LedgerSum, Money, Spent, Usage};
use std::collections::HashMap;

const SPENT: &str = "SELECT ifnull(sum(CASE
        WHEN outcome IS NULL OR outcome IN ('lost', 'lost_reply', 'timed_out') THEN at_most_pico_usd
        WHEN outcome = 'bad_reply' AND uncached_input_tokens + cache_read_tokens + cache_write_tokens = 0 THEN at_most_pico_usd
        WHEN outcome IN ('overloaded', 'rate_limited', 'server_error')
            AND uncached_input_tokens + cache_read_tokens + cache_write_tokens > 0 THEN at_most_pico_usd
        ELSE ifnull(pico_usd, at_most_pico_usd) END), 0) FROM attempts";

impl Archive {
    /// Cost of the runs before `run`, computed like [`Store::spent`].
    pub fn spent_before(&self, run: i64) -> Result<Money, StoreError> {
        let sql = format!("{SPENT} WHERE run < ?1");
        self.read("the ledger", || self.connection().query_row(&sql, [run], |row| row.get(0)).map(Money::from_pico))
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

    /// Cost of all runs. A request without a complete response counts with its maximum cost.
    pub fn spent(&self) -> Result<Money, StoreError> {
        let spent = self.writer.query_row(SPENT, (), |row| row.get(0)).map(Money::from_pico);
        spent.map_err(|e| self.error("cannot read the ledger", e))
    }

    /// Sums over the requests of this run, and of all runs.
    pub fn ledger_sums(&self) -> Result<(LedgerSum, LedgerSum), StoreError> {
        let unanswered = "ifnull(outcome, 'lost') IN ('lost', 'lost_reply', 'timed_out')";
        let sql = format!(
            "SELECT ifnull(sum(request = id), 0), ifnull(sum(uncached_input_tokens), 0), ifnull(sum(cache_read_tokens), 0), ifnull(sum(cache_write_tokens), 0),
                ifnull(sum(output_tokens), 0), ifnull(sum(pico_usd), 0), ifnull(sum(pico_usd IS NULL AND ifnull(outcome, 'lost') <> 'lost'), 0),
                ifnull(sum({unanswered}), 0), CASE WHEN ifnull(sum({unanswered} AND at_most_pico_usd IS NULL), 0) = 0
                    THEN ifnull(sum(CASE WHEN {unanswered} THEN max(at_most_pico_usd - ifnull(pico_usd, 0), 0) END), 0) END
            FROM attempts WHERE ?1 IS NULL OR run = ?1"
        );
        let sum = |run: Option<i64>| {
            self.writer.query_row(&sql, [run], |row| {
                Ok(LedgerSum {
                    requests: row.get(0)?,
                    tokens: Usage { uncached_input: row.get(1)?, cache_read: row.get(2)?, cache_write: row.get(3)?, output: row.get(4)? },
                    cost: Bill { usd: Money::from_pico(row.get(5)?), unpriced_calls: row.get(6)? },
                    maybe_billed: row.get(7)?,
                    maybe_billed_at_most_usd: row.get::<_, Option<u64>>(8)?.map(Money::from_pico),
                })
            })
        };
        let sums = || Ok((sum(Some(self.run.id))?, sum(None)?));
        sums().map_err(|e| self.error("cannot read the ledger", e))
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
