//! Documents that a user requeued.
//!
//! Requeueing deletes nothing: results and paid answers stay until new ones replace them. The mark
//! is a special failure code, and a run retries it like a transient failure.

use super::catalog::{RowState, row_state};
use super::reader::REQUEUED;
use super::schema::open;
use super::{Archive, Store, StoreError, cancelled};
use rusqlite::Connection;

impl Archive {
    /// The row of the document of this name, under a recipe.
    pub fn row_of(&self, name: &str, recipe: i64) -> Result<Option<RowState>, StoreError> {
        self.read("rows", || {
            let sql = "SELECT r.run, r.job, r.status, r.codes FROM documents d JOIN rows r ON r.recipe = ?2 AND r.document = d.id
                WHERE d.name = ?1 ORDER BY r.id DESC LIMIT 1";
            let mut statement = self.connection().prepare(sql)?;
            let mut rows = statement.query((name, recipe))?;
            rows.next()?.map(|row| row_state(row, 0)).transpose().map(Option::flatten)
        })
    }

    /// Requeues documents for the next run: their failed calls, or `all`. The caller holds the lock.
    pub fn requeue(self, names: &[String], all: bool) -> Result<(), StoreError> {
        let path = self.path().to_owned();
        drop(self);
        mark_alone(&open(&path)?, names, all).map_err(|e| StoreError::new(&path, "cannot requeue a document", e))
    }
}

impl Store {
    /// Requeues a document at the end of a run.
    pub fn requeue(&self, name: &str, all: bool) -> Result<(), StoreError> {
        mark_alone(&self.writer, &[name], all).map_err(|e| self.error("cannot requeue a document", e))
    }
}

const OF_THIS_NAME: &str = "document IN (SELECT id FROM documents WHERE name = ?1)";

fn mark_alone(connection: &Connection, names: &[impl AsRef<str>], all: bool) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    names.iter().try_for_each(|name| mark(&transaction, name.as_ref(), all))?;
    transaction.commit()
}

/// Marks a document as requeued, inside a transaction.
pub(super) fn mark(transaction: &Connection, name: &str, all: bool) -> rusqlite::Result<()> {
    let rows = format!("UPDATE rows SET codes = ifnull(codes || ',', '') || ?2 WHERE {OF_THIS_NAME} AND instr(ifnull(codes, ''), ?2) = 0");
    transaction.execute(&rows, (name, REQUEUED))?;
    cancelled::forget(transaction, name)?;
    transaction.execute(&format!("UPDATE failures SET code = ?2 WHERE {OF_THIS_NAME}"), (name, REQUEUED))?;
    if all {
        // A requeued call that failed has a failure beside its answer; that failure records the
        // cost of both.
        let answers = format!(
            "INSERT OR IGNORE INTO failures (document, call_key, run, code, call)
             SELECT document, call_key, run, ?2, call FROM answers WHERE {OF_THIS_NAME}"
        );
        transaction.execute(&answers, (name, REQUEUED))?;
    }
    Ok(())
}
