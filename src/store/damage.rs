//! Detects truncated or overwritten stores before any request is sent.
//!
//! SQLite detects damage only when it reads the damaged page, which may be late. Two common kinds
//! of damage are cheap to detect:
//!
//! - The file is shorter than its header says.
//! - The file has pages of zeros near its end, because the disk lost writes that it had confirmed.
//!
//! Only a suspicious store is checked completely.

use super::error::StoreError;
use crate::model::command_in;
use rusqlite::Connection;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// Number of bytes inspected at the end of the file.
const TAIL: u64 = 1 << 20;
/// Size of the header that holds the number of pages, in bytes.
const HEADER: usize = 100;

pub(super) const DAMAGED: &str = "the store is damaged";

/// Advice for a damaged store.
pub(super) fn repair(path: &Path) -> String {
    let verify = command(path, "verify");
    format!("Nothing was sent. Restore it from a copy, or choose another output directory. `{verify}` shows which parts are readable")
}

/// A command for the directory of the store at `path`.
pub(super) fn command(path: &Path, name: &str) -> String {
    command_in(path.parent().unwrap_or(path), name)
}

fn damaged(path: &Path, why: impl Into<String>) -> StoreError {
    StoreError::new(path, DAMAGED, why.into()).advise(&repair(path))
}

/// Returns an error if the store at `path` is damaged.
pub(super) fn look_for(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let error = |e: rusqlite::Error| StoreError::unreadable(path, DAMAGED, &repair(path), e);
    // Reading the schema also makes SQLite recover the log of a killed process.
    let _tables: u64 = connection.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0)).map_err(error)?;
    match sign(path).map_err(|e| StoreError::new(path, "cannot read it", e))? {
        Sign::None => Ok(()),
        Sign::NoHeader => Err(damaged(path, "the file is shorter than the header of a database")),
        Sign::Suspicious => check(connection, path),
    }
}

/// Whether store and log are missing or empty, although results exist.
pub(super) fn is_gone(path: &Path) -> bool {
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
    size(path) == 0 && size(&path.with_extension("db-wal")) == 0 && path.parent().is_some_and(has_results)
}

fn has_results(directory: &Path) -> bool {
    let jobs = std::fs::read_dir(directory).into_iter().flatten().flatten();
    jobs.map(|job| job.path()).any(|job| ["results.csv", "results.jsonl", "results.json"].iter().any(|name| job.join(name).is_file()))
}

/// Returns an error for an empty store file beside existing results.
pub(super) fn look_for_emptied(path: &Path) -> Result<(), StoreError> {
    if path.exists() && is_gone(path) {
        let advice = "Nothing was sent. Restore it from a copy, or delete it to pay for everything again";
        return Err(StoreError::new(path, "cannot read it", "the file is empty, but results exist").advise(advice));
    }
    Ok(())
}

/// JSON columns, by table.
const JSON: [(&str, &str); 4] = [("runs", "settings"), ("answers", "call"), ("failures", "call"), ("rows", "result")];

/// Checks the whole store, page by page.
fn check(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let verdict: String = connection
        .query_row("PRAGMA quick_check(1)", (), |row| row.get(0))
        .map_err(|e| StoreError::unreadable(path, DAMAGED, &repair(path), e))?;
    if verdict != "ok" {
        return Err(damaged(path, verdict));
    }
    // The end of a long text has its own page. If that page is zero, SQLite reports no error.
    let broken = |table: &str, column: &str| {
        let is_there = connection.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1")?.exists([table])?;
        Ok(is_there && connection.prepare(&format!("SELECT 1 FROM {table} WHERE NOT json_valid({column})"))?.exists(())?)
    };
    for (table, column) in JSON {
        if broken(table, column).map_err(|e: rusqlite::Error| StoreError::unreadable(path, DAMAGED, &repair(path), e))? {
            return Err(damaged(path, format!("the table {table} contains broken text")));
        }
    }
    Ok(())
}

/// Result of the cheap inspection.
enum Sign {
    None,
    NoHeader,
    Suspicious,
}

fn sign(path: &Path) -> std::io::Result<Sign> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut header = [0; HEADER];
    if size < HEADER as u64 {
        // An empty file was never checkpointed: all data is in the log, which has checksums.
        return Ok(if size == 0 { Sign::None } else { Sign::NoHeader });
    }
    file.read_exact(&mut header)?;
    let page = match u64::from(u16::from_be_bytes([header[16], header[17]])) {
        1 => 65_536,
        size => size.max(512),
    };
    let pages = u64::from(u32::from_be_bytes([header[28], header[29], header[30], header[31]]));
    if pages * page > size {
        return Ok(Sign::Suspicious);
    }
    file.seek(SeekFrom::Start(size - size.min(TAIL) / page * page))?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail)?;
    let zero = tail.chunks(usize::try_from(page).unwrap_or(4096)).any(|page| page.iter().all(|byte| *byte == 0));
    Ok(if zero { Sign::Suspicious } else { Sign::None })
}
