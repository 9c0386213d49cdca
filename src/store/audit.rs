//! Checks the store against itself: file, answers, rows and ledger.

use super::error::StoreError;
use super::history::Archive;
use super::view::View;
use crate::model::{Digest, FailureCode};
use rusqlite::OptionalExtension as _;

/// Result of comparing answers, rows and ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bookkeeping {
    /// Number of answers.
    pub answers: u64,
    /// Answers whose attempts or cost differ from the ledger: document and call.
    pub unsettled: Vec<String>,
    /// Documents whose rows contain an answer that is missing in the store.
    pub unfounded: Vec<String>,
}

/// Maximum number of wrong entries to name.
const NAMED: u32 = 10;

/// The content from which the row of a document was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// The document could not be read.
    Unknown,
    /// The file had no bytes.
    Empty,
    /// The document had bytes with this digest.
    Known(Digest),
}

impl Archive {
    /// Faults of the file that SQLite finds.
    pub fn damages(&self) -> Result<Vec<String>, StoreError> {
        self.read("it", || {
            let mut statement = self.connection().prepare("PRAGMA integrity_check(5)")?;
            let found = statement.query_map((), |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
            Ok(found.into_iter().filter(|line| line != "ok").collect())
        })
    }

    /// Compares answers with the ledger, and rows with answers.
    ///
    /// An answer counts every request for its call up to the run that got it. Only the ledger has
    /// the requests of later runs without an answer. Answers of earlier versions may lack requests
    /// in doubt.
    pub fn bookkeeping(&self) -> Result<Bookkeeping, StoreError> {
        self.read("the ledger", || {
            let answers = self.connection().query_row("SELECT count(*) FROM answers", (), |row| row.get(0))?;
            // Runs of store version 1 have no ledger and no command line.
            let unsettled = format!(
                "SELECT d.name || ', ' || json_extract(a.call, '$.task') FROM answers a
                 JOIN runs r ON r.id = a.run AND r.command <> '' LEFT JOIN documents d ON d.id = a.document
                 LEFT JOIN (SELECT l.document, l.call_key, count(*) AS n, sum(ifnull(l.outcome, 'lost') <> 'lost') AS ended, sum(l.outcome = 'answered') AS answered,
                    sum(l.pico_usd) AS cost FROM attempts l
                    JOIN answers b ON b.document = l.document AND b.call_key = l.call_key AND l.run <= b.run GROUP BY 1, 2) t
                    ON t.document = a.document AND t.call_key = a.call_key
                 WHERE json_extract(a.call, '$.shared_from') IS NULL AND
                    (json_extract(a.call, '$.attempts') NOT BETWEEN ifnull(t.ended, 0) AND ifnull(t.n, 0) OR ifnull(t.answered, 0) = 0
                     OR abs(ifnull(json_extract(a.call, '$.cost_usd'), t.cost / 1e12) - ifnull(t.cost, 0) / 1e12) > 1e-9)
                 LIMIT {NAMED}"
            );
            // Equal chunks of a document have one answer, so the calls of an embed task are counted by their chunks.
            let unfounded = format!(
                "SELECT d.name FROM (SELECT r.document, r.recipe, sum(e.task IS NULL) AS asked, sum(e.task IS NOT NULL) AS embedded
                    FROM rows r JOIN json_each(r.result, '$.calls') c
                    LEFT JOIN embed_tasks e ON e.recipe = r.recipe AND e.job = r.job AND e.task = json_extract(c.value, '$.task')
                    WHERE json_extract(c.value, '$.status') = 'ok' GROUP BY r.id) s
                 JOIN documents d ON d.id = s.document
                 WHERE s.asked > (SELECT count(*) FROM answers a WHERE a.document = s.document)
                    OR s.embedded > (SELECT count(*) FROM chunks c JOIN vectors v ON v.id = c.vector
                        JOIN answers a ON a.document = c.document AND a.call_key = v.call_key
                        WHERE c.recipe = s.recipe AND c.document = s.document)
                 LIMIT {NAMED}"
            );
            let list =
                |sql: &str| -> rusqlite::Result<Vec<String>> { self.connection().prepare(sql)?.query_map((), |row| row.get(0))?.collect() };
            Ok(Bookkeeping { answers, unsettled: list(&unsettled)?, unfounded: list(&unfounded)? })
        })
    }

    /// The listing of a run, if it is complete.
    pub fn whole_listing(&self, run: i64) -> Result<Option<i64>, StoreError> {
        self.read("listings", || {
            let sql = "SELECT listing FROM runs r WHERE id = ?1 AND documents = (SELECT count(*) FROM listing l WHERE l.run = r.listing)";
            self.connection().query_row(sql, [run], |row| row.get(0)).optional()
        })
    }

    /// Calls `each` with the name of each listed document.
    pub fn documents(&self, listing: i64, mut each: impl FnMut(&str)) -> Result<(), StoreError> {
        self.read("documents", || {
            let sql = "SELECT d.name FROM listing l JOIN documents d ON d.id = l.document WHERE l.run = ?1 ORDER BY l.position";
            let mut statement = self.connection().prepare(sql)?;
            let mut rows = statement.query([listing])?;
            while let Some(row) = rows.next()? {
                each(row.get_ref(0)?.as_str()?);
            }
            Ok(())
        })
    }

    /// Calls `each` with the name and the content of each document of a view.
    pub fn contents(&self, view: &View, mut each: impl FnMut(&str, Content)) -> Result<(), StoreError> {
        self.read("documents", || {
            let sql = "SELECT d.name, d.digest, d.digest = x'' AND EXISTS
                    (SELECT 1 FROM rows r WHERE r.recipe = ?2 AND r.document = d.id AND r.codes = ?3)
                FROM listing l JOIN documents d ON d.id = l.document WHERE l.run = ?1 ORDER BY l.position";
            let mut statement = self.connection().prepare(sql)?;
            let mut rows = statement.query((view.listing, view.recipe, FailureCode::Empty.as_str()))?;
            while let Some(row) = rows.next()? {
                let digest = row.get_ref(1)?.as_blob()?.try_into().ok().map(Digest);
                let content = digest.map_or(if row.get(2)? { Content::Empty } else { Content::Unknown }, Content::Known);
                each(row.get_ref(0)?.as_str()?, content);
            }
            Ok(())
        })
    }

    /// Whether the store contains a document of this name.
    pub fn has_document(&self, name: &str) -> Result<bool, StoreError> {
        self.read("documents", || self.connection().prepare_cached("SELECT 1 FROM documents WHERE name = ?1")?.exists([name]))
    }

    /// Whether the store contains this content under this name.
    pub fn knows(&self, name: &str, content: Digest) -> Result<bool, StoreError> {
        self.read("documents", || {
            self.connection().prepare_cached("SELECT 1 FROM documents WHERE name = ?1 AND digest = ?2")?.exists((name, &content.0[..]))
        })
    }
}
