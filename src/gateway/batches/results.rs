//! Writes the result files of a batch.

use super::lines::result;
use super::record::Batch;
use super::validate::Lines;
use crate::gateway::Gateway;
use crate::gateway::error::ApiError;
use crate::gateway::files::{BATCH_OUTPUT, Contents, FileRecord};
use crate::gateway::ledger::now_ms;
use rusqlite::{Connection, params};
use std::io::{self, BufWriter, Write as _};
use std::sync::Arc;
use tempfile::NamedTempFile;

/// A result file that is being written.
struct Output {
    to: BufWriter<NamedTempFile>,
    lines: u64,
}

impl Output {
    fn stage(contents: &Contents) -> io::Result<Self> {
        Ok(Self { to: BufWriter::new(contents.stage()?), lines: 0 })
    }

    fn push(&mut self, line: &str) -> io::Result<()> {
        self.lines += 1;
        self.to.write_all(line.as_bytes())?;
        self.to.write_all(b"\n")
    }

    /// Keeps the file; `None` if it is empty.
    fn keep(self, contents: &Contents, batch: &Batch, suffix: &str) -> Result<Option<FileRecord>, ApiError> {
        if self.lines == 0 {
            return Ok(None);
        }
        let staged = self.to.into_inner().map_err(io::IntoInnerError::into_error)?;
        let (id, bytes) = contents.keep(staged)?;
        let created_ms = now_ms();
        Ok(Some(FileRecord {
            id,
            owner: batch.owner.clone(),
            name: format!("{}_{suffix}.jsonl", batch.id),
            purpose: BATCH_OUTPUT.to_owned(),
            bytes,
            created_ms,
            expires_ms: batch.output_expires_s.map(|seconds| created_ms + seconds * 1000),
        }))
    }
}

/// The result files of a batch.
struct Results {
    output: Option<FileRecord>,
    errors: Option<FileRecord>,
    /// Lines that were not asked before the window ended.
    expired: u64,
}

impl Gateway {
    /// Writes the result files, and ends the batch.
    pub(super) async fn finish_batch(self: &Arc<Self>, batch: Batch) -> Result<(), ApiError> {
        let (gateway, of) = (Arc::clone(self), batch.clone());
        let written = tokio::task::spawn_blocking(move || -> Result<Results, ApiError> {
            let connection = gateway.ledger.connect()?;
            write(&gateway.contents, &connection, &of, gateway.contents.path(&of.input_file).as_path())
        });
        let Results { output, errors, expired } = written.await.map_err(ApiError::internal)??;
        let state = end_of(&batch);
        self.ledger
            .write(move |t| {
                for file in [&output, &errors].into_iter().flatten() {
                    file.insert(t)?;
                }
                let id = |file: &Option<FileRecord>| file.as_ref().map(|file| file.id.clone());
                let sql = format!(
                    "UPDATE batches SET state = '{state}', {state}_ms = ?2, output_file = ?3, error_file = ?4, failed = failed + ?5 WHERE id = ?1"
                );
                t.execute(&sql, params![batch.id, now_ms(), id(&output), id(&errors), expired])?;
                t.execute("DELETE FROM lines WHERE batch = ?1", [&batch.id]).map(drop)
            })
            .await?;
        Ok(())
    }
}

/// The last state of a batch.
fn end_of(batch: &Batch) -> &'static str {
    let [total, completed, failed] = batch.counts;
    match batch.state.as_str() {
        "cancelling" => "cancelled",
        _ if completed + failed >= total => "completed",
        _ => "expired",
    }
}

/// Writes the results in the order of the lines.
fn write(contents: &Contents, connection: &Connection, batch: &Batch, input: &std::path::Path) -> Result<Results, ApiError> {
    let (mut output, mut errors, mut expired) = (Output::stage(contents)?, Output::stage(contents)?, 0);
    let mut missing = match end_of(batch) {
        "expired" => Some(Lines::open(input)?),
        _ => None,
    };
    let mut expire_until = |number: u64, errors: &mut Output| -> Result<(), ApiError> {
        let Some(lines) = &mut missing else { return Ok(()) };
        while let Some(line) = lines.next()? {
            if line.number >= number {
                return Ok(());
            }
            let message = "This request could not be executed before the completion window expired.";
            errors.push(&result(&line.custom_id, "null", Some(("batch_expired", message))))?;
            expired += 1;
        }
        Ok(())
    };
    let mut statement = connection.prepare("SELECT line, failed, result FROM lines WHERE batch = ?1 ORDER BY line")?;
    let mut rows = statement.query([&batch.id])?;
    while let Some(row) = rows.next()? {
        expire_until(row.get(0)?, &mut errors)?;
        let to = if row.get(1)? { &mut errors } else { &mut output };
        to.push(row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?)?;
    }
    expire_until(u64::MAX, &mut errors)?;
    Ok(Results { output: output.keep(contents, batch, "output")?, errors: errors.keep(contents, batch, "error")?, expired })
}
