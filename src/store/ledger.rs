//! What the ledger says when a run begins and ends.

use super::insert::forget;
use super::{Archive, Store, StoreError};
use crate::model::{CallKey, DocumentId, Money};
use std::collections::HashMap;

const SPENT: &str = "SELECT ifnull(sum(CASE
        WHEN outcome IS NULL OR outcome IN ('lost', 'lost_reply', 'timed_out') THEN at_most_pico_usd
        WHEN outcome = 'bad_reply' AND fresh_tokens + cache_read_tokens + cache_write_tokens = 0 THEN at_most_pico_usd
        WHEN outcome IN ('overloaded', 'rate_limited', 'server_error')
            AND fresh_tokens + cache_read_tokens + cache_write_tokens > 0 THEN at_most_pico_usd
        ELSE ifnull(pico_usd, at_most_pico_usd) END), 0) FROM attempts";

impl Archive {
    /// What the runs before `run` have cost, in the same way as [`Store::spent`].
    pub fn spent_before(&self, run: i64) -> Result<Money, StoreError> {
        let sql = format!("{SPENT} WHERE run < ?1");
        self.read("the ledger", || self.connection().query_row(&sql, [run], |row| row.get(0)).map(Money::from_pico))
    }
}

impl Store {
    /// Attempts of earlier runs that were never settled, by their calls.
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
        read().map_err(|e| self.error("the ledger cannot be read", e))
    }

    /// Calls in doubt about this run's documents are done with: of files that were edited meanwhile, they are not needed.
    pub(super) fn settle_doubts(&self) -> rusqlite::Result<()> {
        let sql = "UPDATE attempts SET outcome = 'lost' WHERE outcome IS NULL
            AND run IN (SELECT id FROM runs WHERE recipe = ?2)
            AND document IN (SELECT d.id FROM documents d WHERE d.name IN (SELECT n.name FROM listing l
                JOIN documents n ON n.id = l.document WHERE l.run = (SELECT listing FROM runs WHERE id = ?1)))";
        self.writer.execute(sql, (self.run.id, self.run.recipe)).map(|_| ())
    }

    /// What everything so far has cost. Requests whose reply was lost, or broke off, may have cost what they could at the
    /// most.
    pub fn spent(&self) -> Result<Money, StoreError> {
        let spent = self.writer.query_row(SPENT, (), |row| row.get(0)).map(Money::from_pico);
        spent.map_err(|e| self.error("the ledger cannot be read", e))
    }

    /// Takes back that calls have failed, with the rows that say so: their documents are pending again.
    pub fn reopen(&self, calls: &[(DocumentId, CallKey)]) -> Result<(), StoreError> {
        let reopen = || {
            let transaction = self.writer.unchecked_transaction()?;
            for (document, key) in calls {
                transaction.execute("DELETE FROM failures WHERE document = ?1 AND call_key = ?2", (document.0, &key.0[..]))?;
                forget(&transaction, self.run, *document)?;
            }
            transaction.commit()
        };
        reopen().map_err(|e| self.error("failures cannot be taken back", e))
    }
}
