//! Pages of results.

use crate::model::Row;
use crate::store::{Archive, StoreError};
use serde_json::{Value, json};
use std::path::Path;

/// Maximum size of a page in bytes.
const BYTES: usize = 60_000;
/// What a short row has.
const SHORT: [&str; 7] = ["index", "document", "status", "job", "answers", "result", "failure"];

/// Which rows.
pub(super) struct Page {
    pub job: Option<String>,
    pub from: u64,
    pub limit: usize,
    /// Whether rows have everything that `results.jsonl` has.
    pub full: bool,
}

/// Why reading a page ends.
enum End {
    Full,
    Failed(String),
}

impl From<StoreError> for End {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Rows of the newest run in `output`, in input order, also while it is at work.
pub(super) fn page(output: &Path, page: &Page) -> Result<Value, String> {
    let archive = Archive::open(output).map_err(|error| error.to_string())?;
    let archive = archive.ok_or_else(|| format!("{}: no results. Call run first", output.display()))?;
    let view = archive.view(page.job.as_deref(), true).map_err(|error| error.to_string())?;
    let view = view.ok_or_else(|| format!("{}: no run of this job", output.display()))?;
    let (mut rows, mut bytes, mut next) = (Vec::new(), 0, None);
    let reader = archive.rows(&view).map_err(|error| error.to_string())?;
    let read = reader.read_from(page.from, true, |row| -> Result<(), End> {
        if page.job.as_deref().is_some_and(|job| job != row.job) {
            return Ok(());
        }
        let line = Row::line(row.position, row.document, row.text);
        let mut value: Value = serde_json::from_str(&line).map_err(|error| End::Failed(error.to_string()))?;
        if let (false, Some(members)) = (page.full, value.as_object_mut()) {
            members.retain(|key, _| SHORT.contains(&key.as_str()));
        }
        let size = value.to_string().len();
        if rows.len() == page.limit || (bytes + size > BYTES && !rows.is_empty()) {
            next = Some(row.position);
            return Err(End::Full);
        }
        bytes += size;
        rows.push(value);
        Ok(())
    });
    match read {
        Err(End::Failed(why)) => Err(why),
        Ok(_) | Err(End::Full) => Ok(json!({"run": view.run, "complete": view.complete, "rows": rows, "next": next})),
    }
}
