//! The results of a run whose documents arrive while it runs.
//!
//! Such a run lists documents in the order of their arrival. A file that was written again is listed
//! again, as another document. Its results have the newest document with a row for each name: once a
//! document has its row, older ones of the same name leave the listing.

use super::schema::open_to_read;
use super::{Archive, Store, StoreError, StoredRow, outbox};
use crate::model::DocumentId;
use rusqlite::{Connection, OptionalExtension as _};
use std::path::{Path, PathBuf};

/// The order of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultOrder {
    /// By name, as a walk finds files.
    Name,
    /// By arrival.
    Arrival,
}

/// Selects the newest document with a row for each name of listing `?1`, by recipe `?2`.
fn newest(order: ResultOrder) -> String {
    let order = match order {
        ResultOrder::Name => "d.name",
        ResultOrder::Arrival => "max(l.position)",
    };
    format!(
        "SELECT d.name, l.document, max(l.position) FROM listing l JOIN documents d ON d.id = l.document
         WHERE l.run = ?1 AND EXISTS (SELECT 1 FROM rows r WHERE r.recipe = ?2 AND r.document = l.document)
         GROUP BY d.name ORDER BY {order}"
    )
}

impl Store {
    /// Begins the listing of this run with the newest documents of listing `from`. Returns their number.
    pub fn begin_following(&self, from: Option<i64>, order: ResultOrder) -> Result<u64, StoreError> {
        self.list_newest(from.unwrap_or(self.run.id), order, |_| true)
    }

    /// Puts the listing of this run in the order of results, without older versions of documents.
    /// `keeps` tells whether a name stays. Returns the number of documents.
    pub fn end_following(&self, order: ResultOrder, keeps: impl Fn(&str) -> bool) -> Result<u64, StoreError> {
        let pending = self.pending(&keeps)?;
        let listed = self.list_newest(self.run.id, order, keeps)?;
        // Documents without a row leave the listing, but count.
        let count = "UPDATE runs SET documents = documents + ?2 WHERE id = ?1";
        self.writer.execute(count, (self.run.id, pending)).map_err(|e| self.error("cannot count documents", e))?;
        Ok(listed)
    }

    /// Number of names without any row in the listing of this run.
    fn pending(&self, keeps: impl Fn(&str) -> bool) -> Result<u64, StoreError> {
        let count = || {
            let sql = "SELECT d.name FROM listing l JOIN documents d ON d.id = l.document
                LEFT JOIN rows r ON r.recipe = ?2 AND r.document = l.document WHERE l.run = ?1
                GROUP BY d.name HAVING count(r.id) = 0";
            let mut statement = self.writer.prepare(sql)?;
            let mut names = statement.query((self.run.id, self.run.recipe))?;
            let mut pending = 0;
            while let Some(row) = names.next()? {
                pending += u64::from(keeps(row.get_ref(0)?.as_str()?));
            }
            Ok(pending)
        };
        count().map_err(|e| self.error("cannot count documents", e))
    }

    fn list_newest(&self, from: i64, order: ResultOrder, keeps: impl Fn(&str) -> bool) -> Result<u64, StoreError> {
        let list = || {
            let transaction = self.writer.unchecked_transaction()?;
            transaction.execute_batch(
                "DROP TABLE IF EXISTS temp.newest; CREATE TEMP TABLE newest (position INTEGER PRIMARY KEY, document INTEGER)",
            )?;
            let mut documents = 0_u64;
            {
                let mut insert = transaction.prepare("INSERT INTO temp.newest VALUES (?1, ?2)")?;
                let mut found = transaction.prepare(&newest(order))?;
                let mut found = found.query((from, self.run.recipe))?;
                while let Some(row) = found.next()? {
                    if keeps(row.get_ref(0)?.as_str()?) {
                        insert.execute((documents, row.get::<_, i64>(1)?))?;
                        documents += 1;
                    }
                }
            }
            transaction.execute("DELETE FROM listing WHERE run = ?1", [self.run.id])?;
            transaction.execute("INSERT INTO listing SELECT ?1, position, document FROM temp.newest", [self.run.id])?;
            transaction.execute("UPDATE runs SET listing = id, documents = ?2 WHERE id = ?1", (self.run.id, documents))?;
            transaction.execute_batch(
                "DROP TABLE temp.newest; DROP TABLE IF EXISTS temp.places;
                 CREATE TEMP TABLE places (document INTEGER PRIMARY KEY, position INTEGER)",
            )?;
            transaction
                .execute("INSERT OR REPLACE INTO temp.places SELECT document, position FROM listing WHERE run = ?1", [self.run.id])?;
            if self.run.delivers {
                outbox::begin(&transaction, self.run.id)?;
            }
            transaction.commit()?;
            Ok(documents)
        };
        list().map_err(|e| self.error("cannot list documents", e))
    }

    /// Number of rows of this run's recipe in the result files of `job`. `None` if another recipe has
    /// made them, or if no run has recorded them.
    pub fn published_rows(&self, job: &str) -> Result<Option<u64>, StoreError> {
        let sql = "SELECT (SELECT count(*) FROM listing l JOIN rows r ON r.recipe = ?2 AND r.document = l.document
                WHERE l.run = ifnull(p.listing, p.id))
            FROM files f JOIN runs p ON p.id = f.run WHERE instr(f.path, ?1 || '/') = 1 AND p.recipe = ?2 LIMIT 1";
        let rows = self.writer.query_row(sql, (job, self.run.recipe), |row| row.get(0)).optional();
        rows.map_err(|e| self.error("cannot count rows", e))
    }

    /// A reader of the results of this run, for another thread.
    pub fn newest_rows(&self, order: ResultOrder) -> Result<NewestRows, StoreError> {
        NewestRows::open(&self.path, (self.run.id, self.run.recipe), order)
    }
}

/// Reads the current results of an active run.
#[derive(Debug)]
pub struct NewestRows {
    path: PathBuf,
    connection: Connection,
    run: i64,
    recipe: i64,
    order: ResultOrder,
}

impl NewestRows {
    fn open(path: &Path, (run, recipe): (i64, i64), order: ResultOrder) -> Result<Self, StoreError> {
        Ok(Self { path: path.to_owned(), connection: open_to_read(path)?, run, recipe, order })
    }

    /// Calls `each` with the newest row of each name that `keeps`. Returns the other documents
    /// with their names.
    pub fn read<E: From<StoreError>>(
        &self,
        keeps: impl Fn(&str) -> bool,
        mut each: impl FnMut(StoredRow<'_>) -> Result<(), E>,
    ) -> Result<Vec<(DocumentId, String)>, E> {
        let error = |e| StoreError::new(&self.path, "cannot read rows", e);
        // One snapshot: the active run commits meanwhile.
        let snapshot = self.connection.unchecked_transaction().map_err(error)?;
        let mut found = snapshot.prepare_cached(&newest(self.order)).map_err(error)?;
        let mut found = found.query((self.run, self.recipe)).map_err(error)?;
        let (mut position, mut gone) = (0, Vec::new());
        while let Some(row) = found.next().map_err(error)? {
            let name = row.get_ref(0).and_then(|name| Ok(name.as_str()?)).map_err(error)?;
            let document = row.get(1).map_err(error)?;
            if !keeps(name) {
                gone.push((DocumentId(document), name.to_owned()));
                continue;
            }
            let Some((job, text)) = row_of(&snapshot, self.recipe, document).map_err(error)? else { continue };
            each(StoredRow { position, document: name, job: &job, text: &text })?;
            position += 1;
        }
        Ok(gone)
    }
}

impl Archive {
    /// Job and text of the row of a document under a recipe.
    pub fn row_text(&self, document: DocumentId, recipe: i64) -> Result<Option<(String, String)>, StoreError> {
        self.read("rows", || row_of(self.connection(), recipe, document.0))
    }
}

fn row_of(connection: &Connection, recipe: i64, document: i64) -> rusqlite::Result<Option<(String, String)>> {
    let sql = "SELECT job, result FROM rows WHERE recipe = ?1 AND document = ?2 ORDER BY id DESC LIMIT 1";
    connection.prepare_cached(sql)?.query_row((recipe, document), |row| Ok((row.get(0)?, row.get(1)?))).optional()
}
