//! Keeps rows of earlier runs that a stopped run has not reached.

use super::catalog::stamp;
use super::{Store, StoreError};
use crate::model::{Digest, Stamp};

impl Store {
    /// Adds documents to the listing of this stopped run: those with rows of this recipe from runs
    /// after `after` that this run has not reached. `is_there` tells whether a document still exists
    /// with this content. Returns the number of added documents.
    ///
    /// Without them, the results of a stopped run would lack rows that earlier results had.
    pub fn keep_rows(&self, after: i64, is_there: impl Fn(&str, Option<Digest>, Option<Stamp>) -> bool) -> Result<u64, StoreError> {
        let keep = || {
            let transaction = self.writer.unchecked_transaction()?;
            self.find_not_reached(after)?;
            let last: i64 = transaction.query_row("SELECT ifnull(max(position), 0) FROM listing", (), |row| row.get(0))?;
            let (mut free, mut kept) = (last + 1.., 0);
            {
                let mut insert = transaction.prepare("INSERT OR IGNORE INTO listing VALUES (?1, ?2, ?3)")?;
                let mut earlier =
                    transaction.prepare("SELECT document, position, name, digest, stamp FROM temp.not_reached ORDER BY position")?;
                let mut earlier = earlier.query(())?;
                while let Some(row) = earlier.next()? {
                    let (document, position): (i64, i64) = (row.get(0)?, row.get(1)?);
                    let digest = row.get_ref(3)?.as_blob()?.try_into().ok().map(Digest);
                    if !is_there(row.get_ref(2)?.as_str()?, digest, stamp(row.get_ref(4)?.as_blob()?)) {
                        continue;
                    }
                    kept += 1;
                    // If the inputs have changed, another document may have the position.
                    if insert.execute((self.run(), position, document))? == 0 {
                        insert.execute((self.run(), free.next(), document))?;
                    }
                }
            }
            transaction.execute_batch("DROP TABLE temp.not_reached")?;
            transaction.commit()?;
            Ok(kept)
        };
        keep().map_err(|e| self.error("cannot keep the rows of earlier runs", e))
    }

    /// Fills the temporary table `not_reached`: documents of earlier listings with a row of this recipe
    /// that are not in this run's listing. Of several versions of a document, the newest counts.
    ///
    /// It is a table because there may be a million documents.
    fn find_not_reached(&self, after: i64) -> rusqlite::Result<()> {
        // A run that shares the listing of an earlier one has reached all its documents.
        let sql = "CREATE TEMP TABLE not_reached AS
            SELECT d.name, max(l.document) AS document, l.position, d.digest, d.stamp FROM listing l
            JOIN rows r ON r.recipe = ?1 AND r.document = l.document JOIN documents d ON d.id = l.document
            WHERE l.run IN (SELECT ifnull(listing, id) FROM runs WHERE id > ?2 AND id < ?3 AND recipe = ?1)
                AND (SELECT ifnull(listing, id) = id FROM runs WHERE id = ?3)
                AND d.name NOT IN (SELECT n.name FROM listing o JOIN documents n ON n.id = o.document WHERE o.run = ?3)
            GROUP BY d.name";
        self.writer.execute_batch("DROP TABLE IF EXISTS temp.not_reached")?;
        self.writer.execute(sql, (self.run.recipe, after, self.run.id)).map(drop)
    }
}
