//! Keeps rows of earlier runs that a stopped run has not reached.

use super::catalog::stamp;
use super::{Store, StoreError};
use crate::model::{Digest, Stamp};

/// A document with a row from an earlier run.
struct Earlier {
    document: i64,
    position: i64,
    name: String,
    digest: Option<Digest>,
    stamp: Option<Stamp>,
}

impl Store {
    /// Adds documents to the listing of this stopped run: those with rows of this recipe from runs
    /// after `after` that this run has not reached. `is_there` tells whether a document still exists
    /// with this content. Returns the number of added documents.
    ///
    /// Without them, the results of a stopped run would lack rows that earlier results had.
    pub fn keep_rows(&self, after: i64, is_there: impl Fn(&str, Option<Digest>, Option<Stamp>) -> bool) -> Result<u64, StoreError> {
        let keep = || {
            let mut earlier = self.not_reached(after)?;
            earlier.retain(|document| is_there(&document.name, document.digest, document.stamp));
            let transaction = self.writer.unchecked_transaction()?;
            let mut insert = transaction.prepare("INSERT OR IGNORE INTO listing VALUES (?1, ?2, ?3)")?;
            let last: i64 = transaction.query_row("SELECT ifnull(max(position), 0) FROM listing", (), |row| row.get(0))?;
            let mut free = last + 1..;
            for Earlier { document, position, .. } in &earlier {
                // If the inputs have changed, another document may have the position.
                if insert.execute((self.run(), position, document))? == 0 {
                    insert.execute((self.run(), free.next(), document))?;
                }
            }
            drop(insert);
            transaction.commit()?;
            Ok(earlier.len() as u64)
        };
        keep().map_err(|e| self.error("cannot keep the rows of earlier runs", e))
    }

    /// Documents of earlier listings with a row of this recipe that are not in this run's listing.
    /// Of several versions of a document, the newest counts.
    fn not_reached(&self, after: i64) -> rusqlite::Result<Vec<Earlier>> {
        // A run that shares the listing of an earlier one has reached all its documents.
        let sql = "SELECT d.name, max(l.document), l.position, d.digest, d.stamp FROM listing l
            JOIN rows r ON r.recipe = ?1 AND r.document = l.document JOIN documents d ON d.id = l.document
            WHERE l.run IN (SELECT ifnull(listing, id) FROM runs WHERE id > ?2 AND id < ?3 AND recipe = ?1)
                AND (SELECT ifnull(listing, id) = id FROM runs WHERE id = ?3)
                AND d.name NOT IN (SELECT n.name FROM listing o JOIN documents n ON n.id = o.document WHERE o.run = ?3)
            GROUP BY d.name ORDER BY l.position";
        let earlier = |row: &rusqlite::Row<'_>| {
            Ok(Earlier {
                name: row.get(0)?,
                document: row.get(1)?,
                position: row.get(2)?,
                digest: row.get_ref(3)?.as_blob()?.try_into().ok().map(Digest),
                stamp: stamp(row.get_ref(4)?.as_blob()?),
            })
        };
        self.writer.prepare(sql)?.query_map((self.run.recipe, after, self.run.id), earlier)?.collect()
    }
}
