//! The tables, their version, and how stores are opened.

use super::damage;
use super::error::StoreError;
use super::views;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// Characters that are percent-encoded in the paths of SQLite's URIs.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'/');

/// Marks the file as a run store ("docm" in ASCII) for `file` and SQLite tools.
const APPLICATION_ID: i32 = 0x646f_636d;

/// Entry N migrates a store from version N to N + 1. Entries are never changed, only added.
const MIGRATIONS: [&str; 9] = [
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
    include_str!("schema/4.sql"),
    include_str!("schema/5.sql"),
    include_str!("schema/6.sql"),
    include_str!("schema/7.sql"),
    include_str!("schema/8.sql"),
    include_str!("schema/9.sql"),
];

/// Opens the writing connection, and migrates the tables to this version.
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    let error = |what: &str, source: rusqlite::Error| StoreError::unwritten(path, what, source);
    damage::look_for_emptied(path)?;
    let connection = connect(path)?;
    let version = version(&connection, path)?;
    check_objects(&connection, version, path)?;
    damage::look_for(&connection, path)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(|e| error("cannot write it", e))?;
    // FULL: a commit is on disk before anyone is notified, even if the power fails.
    connection.pragma_update(None, "synchronous", "FULL").map_err(|e| error("cannot write it", e))?;
    // The writer inserts parents first. Checking each parent would cost as much as the insert
    // itself.
    connection.pragma_update(None, "foreign_keys", false).map_err(|e| error("cannot write it", e))?;
    // Each group rewrites the last pages of the tables. A longer log means fewer double writes.
    connection.pragma_update(None, "wal_autocheckpoint", 4000).map_err(|e| error("cannot write it", e))?;
    if version < MIGRATIONS.len() {
        // One transaction: readers see a store without tables, or one of this version.
        let marks = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {};", MIGRATIONS.len());
        let views = views::drop_all(&connection).map_err(|e| error("cannot read it", e))?;
        let statements = MIGRATIONS[version..].join("\n");
        connection
            .execute_batch(&format!("BEGIN IMMEDIATE; {views} {statements} {marks} COMMIT;"))
            .map_err(|e| error("cannot create its tables", e))?;
    }
    Ok(connection)
}

/// Opens a read-only connection to an existing store of this version.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, StoreError> {
    open_if_created(path)?.ok_or_else(|| StoreError::new(path, "cannot read it", "it has no tables yet"))
}

/// The same. `None` if a run is about to create its tables.
pub(super) fn open_if_created(path: &Path) -> Result<Option<Connection>, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let cannot = |e| StoreError::new(path, "cannot open it", e);
    damage::look_for_emptied(path)?;
    let mut connection = Connection::open_with_flags(path, flags).map_err(cannot)?;
    // The log needs a file beside the store, which a read-only medium or a full disk does not
    // allow. Without a log that file is not needed.
    let readable = connection.query_row("SELECT count(*) FROM sqlite_schema", (), |_| Ok(()));
    let log = path.with_extension("db-wal");
    let no_room_beside = [ErrorCode::CannotOpen, ErrorCode::ReadOnly, ErrorCode::SystemIoFailure, ErrorCode::DiskFull];
    if readable.is_err_and(|e| e.sqlite_error_code().is_some_and(|code| no_room_beside.contains(&code)))
        && std::fs::metadata(&log).map_or(0, |log| log.len()) == 0
    {
        let uri = format!("file:{}?immutable=1", percent_encode(path.as_os_str().as_encoded_bytes(), IN_PATH));
        connection = Connection::open_with_flags(uri, flags).map_err(cannot)?;
    }
    harden(&connection, path)?;
    match version(&connection, path)? {
        0 => Ok(None),
        version if version == MIGRATIONS.len() => check_objects(&connection, version, path).map(|()| Some(connection)),
        version => {
            let why = format!("an older docmill wrote it (version {version} of the tables, here {})", MIGRATIONS.len());
            Err(StoreError::new(path, "cannot read it", why)
                .advise(&format!("Bring it up to date with `{}`", damage::command(path, "run"))))
        }
    }
}

fn version(connection: &Connection, path: &Path) -> Result<usize, StoreError> {
    // Version and mark belong to the same moment. The transaction ends when it is dropped.
    let _snapshot = connection.unchecked_transaction().map_err(|e| StoreError::new(path, "cannot read it", e))?;
    let version: usize = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(|e| {
        let advice = "Nothing was sent. Restore it from a copy, or choose another output directory";
        StoreError::unreadable(path, "the file is damaged, or is not a run store", advice, e)
    })?;
    if !is_ours(connection, version).map_err(|e| StoreError::unreadable(path, damage::DAMAGED, &damage::repair(path), e))? {
        let error = StoreError::new(path, "not a run store", "another program created this database");
        return Err(error.advise("docmill leaves it unchanged. Choose another output directory"));
    }
    if version > MIGRATIONS.len() {
        let why = format!("a newer docmill wrote it (version {version} of the tables, here {})", MIGRATIONS.len());
        return Err(StoreError::new(path, "cannot open it", why).advise("Use the newer docmill, or choose another output directory"));
    }
    Ok(version)
}

/// Whether a database is a run store, or is empty and may become one.
fn is_ours(connection: &Connection, version: usize) -> rusqlite::Result<bool> {
    let mark: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let is_empty = || connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", (), |row| row.get(0));
    if mark == APPLICATION_ID { Ok(true) } else { Ok(mark == 0 && version == 0 && is_empty()?) }
}

/// Checks that triggers, views and the definitions of tables are those of this version.
///
/// A store may come from a stranger. A trigger in it would run with docmill's own statements. Views
/// of results are for users: docmill does not read them, and each run makes changed ones again.
fn check_objects(connection: &Connection, version: usize, path: &Path) -> Result<(), StoreError> {
    type Objects = BTreeMap<String, String>;
    let objects = |connection: &Connection| -> rusqlite::Result<Objects> {
        let sql = "SELECT name, type || ' ' || ifnull(sql, '') FROM sqlite_schema
            WHERE type IN ('table', 'trigger', 'view') AND name NOT GLOB 'sqlite_*'";
        connection.prepare(sql)?.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    };
    let expected = || {
        let fresh = Connection::open_in_memory()?;
        MIGRATIONS.iter().take(version).try_for_each(|statements| fresh.execute_batch(statements))?;
        objects(&fresh)
    };
    let unreadable = |e: rusqlite::Error| StoreError::unreadable(path, damage::DAMAGED, &damage::repair(path), e);
    let (found, expected) = (objects(connection).map_err(unreadable)?, expected().map_err(unreadable)?);
    let is_foreign = |(name, object): &(&String, &String)| match expected.get(*name) {
        Some(known) => known != *object,
        None => !(object.starts_with("table ") || (object.starts_with("view ") && name.starts_with(views::PREFIX))),
    };
    match found.iter().find(is_foreign) {
        None => Ok(()),
        Some((name, _)) => {
            let error = StoreError::new(path, "cannot trust its tables", format!("another program made or changed {name}"));
            Err(error.advise("docmill leaves the store unchanged. Choose another output directory"))
        }
    }
}

/// Attaches another store, to read it under the name `other`.
pub(super) fn attach(connection: &Connection, path: &Path) -> rusqlite::Result<()> {
    let uri = format!("file:{}?mode=ro", percent_encode(path.as_os_str().as_encoded_bytes(), IN_PATH));
    connection.execute("ATTACH ?1 AS other", [uri]).map(|_| ())
}

/// A connection that waits for other processes instead of failing at once.
pub(super) fn connect(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(path).map_err(|e| StoreError::new(path, "cannot open it", e))?;
    harden(&connection, path)?;
    Ok(connection)
}

/// Makes a connection wait for other processes, keep the plans of its statements, and distrust what
/// the file itself defines.
fn harden(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let harden = || {
        connection.busy_timeout(Duration::from_secs(10))?;
        // Otherwise SQLite plans some cached statements again each time they get other values.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)
    };
    harden().map(drop).map_err(|e| StoreError::new(path, "cannot open it", e))
}
