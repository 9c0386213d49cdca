//! Pages of results.

use crate::cli::settings::is_merged;
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
    /// Whether places without a row are left out. Otherwise the page ends at the first of them.
    pub skip_missing: bool,
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

/// The message for a directory without a run.
pub(super) fn no_run(output: &Path) -> String {
    let place = output.display();
    if is_merged(output) {
        return format!("{place}: these are merged results of shards, which have no run store. Read the result files there");
    }
    format!("{place}: no results. Call run first, or name the output directory of a run")
}

/// Rows of the newest run in `output`, in input order, also while it is at work.
///
/// `next` is the place after the page. It is null if the run is complete and has no further rows.
pub(super) fn page(output: &Path, page: &Page) -> Result<Value, String> {
    let archive = Archive::open(output).map_err(|error| error.to_string())?;
    let archive = archive.ok_or_else(|| no_run(output))?;
    let view = archive.view(page.job.as_deref(), true).map_err(|error| error.to_string())?;
    let view = view.ok_or_else(|| format!("{}: no run of this job", output.display()))?;
    let runs = archive.runs().map_err(|error| error.to_string())?;
    let outcome = runs.iter().find(|run| run.id == view.run).and_then(|run| run.outcome.as_deref());
    // A run of a sample is complete without the other documents.
    let complete = matches!(outcome, Some("complete" | "sample"));
    let gaps = complete || page.skip_missing;
    let (mut rows, mut bytes, mut next) = (Vec::new(), 0, None);
    let reader = archive.rows(&view).map_err(|error| error.to_string())?;
    let read = reader.read_from(page.from, gaps, |row| -> Result<(), End> {
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
        Err(End::Failed(why)) => return Err(why),
        Err(End::Full) => {}
        Ok(end) => next = (!gaps).then_some(end),
    }
    Ok(json!({"run": view.run, "complete": complete, "rows": rows, "next": next}))
}
