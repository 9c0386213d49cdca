//! Reads the chunks of results with their vectors.

use super::records::EmbedRecord;
use super::vectors::task;
use super::{Archive, StoreError, View};

/// A chunk with its vector, borrowed from the store.
#[derive(Debug, Clone, Copy)]
pub struct StoredChunk<'c> {
    /// Name of the document.
    pub document: &'c str,
    /// Number of the chunk, from 1.
    pub part: u32,
    /// The page where it begins.
    pub page: Option<u32>,
    /// Its text.
    pub text: &'c str,
    /// Its numbers, 4 bytes each.
    pub vector: &'c [u8],
}

impl Archive {
    /// The tasks of a view that embed.
    pub fn embed_tasks(&self, view: &View) -> Result<Vec<EmbedRecord>, StoreError> {
        self.read("tasks", || {
            let sql = "SELECT job, task, provider, model, query FROM embed_tasks WHERE recipe = ?1 ORDER BY job, task";
            self.connection().prepare(sql)?.query_map([view.recipe], task)?.collect()
        })
    }

    /// Whether a task of a view has vectors.
    pub fn has_vectors(&self, view: &View, task: &str) -> Result<bool, StoreError> {
        self.read("chunks", || {
            let sql = "SELECT 1 FROM listing l JOIN chunks c ON c.recipe = ?2 AND c.document = l.document AND c.task = ?3 WHERE l.run = ?1";
            self.connection().prepare(sql)?.exists((view.listing, view.recipe, task))
        })
    }

    /// Dimensions of the vectors of a task. Vectors of earlier versions may differ.
    pub fn dimensions(&self, view: &View, task: &str) -> Result<Vec<usize>, StoreError> {
        self.read("vectors", || {
            let sql = "SELECT DISTINCT length(v.vector) / 4 FROM listing l
                JOIN chunks c ON c.recipe = ?2 AND c.document = l.document AND c.task = ?3 JOIN vectors v ON v.id = c.vector
                WHERE l.run = ?1 ORDER BY 1";
            self.connection().prepare(sql)?.query_map((view.listing, view.recipe, task), |row| row.get(0))?.collect()
        })
    }

    /// Number of documents that lack some or all of their vectors of a task, because calls failed.
    pub fn incomplete(&self, view: &View, of: &EmbedRecord) -> Result<u64, StoreError> {
        self.read("rows", || {
            let sql = "SELECT count(*) FROM listing l JOIN rows r ON r.recipe = ?2 AND r.document = l.document AND r.job = ?3
                WHERE l.run = ?1 AND r.status NOT IN ('ok', 'skipped') AND EXISTS (SELECT 1 FROM json_each(r.result, '$.calls') c
                    WHERE json_extract(c.value, '$.task') = ?4 AND json_extract(c.value, '$.status') <> 'ok')";
            self.connection().prepare(sql)?.query_row((view.listing, view.recipe, &of.job, &of.task), |row| row.get(0))
        })
    }

    /// Gives all chunks of a task to `each`, in input order. Stops at its first error, which is in the
    /// inner result.
    pub fn chunks<E>(
        &self,
        view: &View,
        task: &str,
        mut each: impl FnMut(StoredChunk<'_>) -> Result<(), E>,
    ) -> Result<Result<(), E>, StoreError> {
        self.read("chunks", || {
            let sql = "SELECT d.name, c.part, c.page, p.text, v.vector FROM listing l
                JOIN documents d ON d.id = l.document
                JOIN chunks c ON c.recipe = ?2 AND c.document = l.document AND c.task = ?3
                JOIN vectors v ON v.id = c.vector JOIN passages p ON p.vector = c.vector
                WHERE l.run = ?1 ORDER BY l.position, c.part";
            let mut statement = self.connection().prepare(sql)?;
            let mut rows = statement.query((view.listing, view.recipe, task))?;
            while let Some(row) = rows.next()? {
                let chunk = StoredChunk {
                    document: row.get_ref(0)?.as_str()?,
                    part: row.get(1)?,
                    page: row.get(2)?,
                    text: row.get_ref(3)?.as_str()?,
                    vector: row.get_ref(4)?.as_blob()?,
                };
                if let Err(error) = each(chunk) {
                    return Ok(Err(error));
                }
            }
            Ok(Ok(()))
        })
    }
}
