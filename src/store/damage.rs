//! Signs of a store that was cut short or overwritten, looked for before anything is sent.
//!
//! SQLite notices damage where it reads, which may be late: at the first write into a table that was not read before.
//! The usual damages are cheap to see at once: a file that is shorter than it says, and a tail of zeros, which is
//! what a disk leaves that lied about its cache. Only if one is seen is the whole store checked.

use super::schema::StoreError;
use rusqlite::Connection;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// How much of the end is looked at, in bytes.
const TAIL: u64 = 1 << 20;
/// Size of the header that says how many pages there are.
const HEADER: usize = 100;

const DAMAGED: &str = "it is damaged; nothing was sent. `docmill verify` says how far it can be read; restore it from a copy, or choose another output directory";

/// Says so if the store at `path` is damaged.
pub(super) fn look_for(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let error = |e: rusqlite::Error| StoreError::unreadable(path, DAMAGED, e);
    // Reading the schema also recovers what a killed process has left in the log.
    let _tables: u64 = connection.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0)).map_err(error)?;
    match sign(path).map_err(|e| StoreError::new(path, "it cannot be read", e))? {
        Sign::None => Ok(()),
        Sign::NoHeader => Err(StoreError::new(path, DAMAGED, "it is shorter than the header of a database")),
        Sign::Suspicious => check(connection, path),
    }
}

/// Whether nothing is left of a store that results were made of: its file is empty or gone, and so is its log.
pub(super) fn is_gone(path: &Path) -> bool {
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
    size(path) == 0 && size(&path.with_extension("db-wal")) == 0 && path.parent().is_some_and(has_results)
}

fn has_results(directory: &Path) -> bool {
    let jobs = std::fs::read_dir(directory).into_iter().flatten().flatten();
    jobs.map(|job| job.path()).any(|job| ["results.csv", "results.jsonl", "results.json"].iter().any(|name| job.join(name).is_file()))
}

/// Says so if the file of a store is there and has been emptied.
pub(super) fn look_for_emptied(path: &Path) -> Result<(), StoreError> {
    if path.exists() && is_gone(path) {
        let what =
            "it is empty, but results were made of it; nothing was sent. Restore it from a copy, or delete it to pay for everything again";
        return Err(StoreError::new(path, what, "the file has no bytes"));
    }
    Ok(())
}

/// Columns that are JSON, by table.
const JSON: [(&str, &str); 4] = [("runs", "settings"), ("answers", "call"), ("failures", "call"), ("rows", "result")];

/// Checks the whole store, page by page.
fn check(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let verdict: String =
        connection.query_row("PRAGMA quick_check(1)", (), |row| row.get(0)).map_err(|e| StoreError::unreadable(path, DAMAGED, e))?;
    if verdict != "ok" {
        return Err(StoreError::new(path, DAMAGED, verdict));
    }
    // The end of a long text has a page of its own; where that is zero, SQLite finds nothing wrong.
    let broken = |table: &str, column: &str| {
        let is_there = connection.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1")?.exists([table])?;
        Ok(is_there && connection.prepare(&format!("SELECT 1 FROM {table} WHERE NOT json_valid({column})"))?.exists(())?)
    };
    for (table, column) in JSON {
        if broken(table, column).map_err(|e: rusqlite::Error| StoreError::unreadable(path, DAMAGED, e))? {
            return Err(StoreError::new(path, DAMAGED, format!("there is broken text in {table}")));
        }
    }
    Ok(())
}

/// What the file looks like from outside.
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
        // If it is empty, nothing was ever checkpointed: all there is lies in the log, which has checksums.
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
