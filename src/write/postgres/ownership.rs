//! Whose a table is: the table of states, and the lock of a table.

use super::error::PostgresError;
use tokio_postgres::Client;

/// The table with the state of all tables of a schema.
pub(super) const TABLES: &str = "docmill_tables";

/// The statement that creates the table of states. Another user may have created it, and another docmill
/// may be creating it.
pub(super) fn states(tables: &str) -> String {
    format!(
        "DO $states$ BEGIN IF to_regclass({0}) IS NULL THEN
            PERFORM pg_advisory_xact_lock(hashtext({0}));
            CREATE TABLE IF NOT EXISTS {tables} (name text PRIMARY KEY, store text NOT NULL, columns text[] NOT NULL,
                streamed bigint NOT NULL DEFAULT 0, run bigint, checksum text, updated timestamptz NOT NULL DEFAULT now());
            COMMENT ON TABLE {tables} IS 'Tables that docmill writes, and how far they have come.';
         END IF; END $states$",
        literal(tables)
    )
}

/// The same error, with what helps if another user owns the table of states.
pub(super) fn with_grant(error: PostgresError, tables: &str) -> PostgresError {
    if !error.says(&["permission denied", TABLES]) {
        return error;
    }
    let tables = tables.replace('"', "");
    error.advised(&format!("Let its owner run: GRANT SELECT, INSERT, UPDATE ON {tables} TO the user of docmill"))
}

/// A sum over these columns of all rows, both in any order, as an expression of SQL. It shows whether
/// somebody else has changed them.
pub(super) fn checksum<'c>(table: &str, columns: impl IntoIterator<Item = &'c str>) -> String {
    let mut columns: Vec<String> = columns.into_iter().map(quoted).collect();
    columns.sort_unstable();
    let columns = columns.join(", ");
    format!("(SELECT coalesce(sum(hashtextextended(ROW({columns})::text, 0)::numeric), 0)::text FROM {table})")
}

/// The owner of the table of a job. Owners of vectors contain a slash.
pub(super) fn owner_of(store: &str, job: &str) -> String {
    format!("{store} {job}")
}

/// Whether a table belongs to a job of a store. Earlier versions noted the store alone.
pub(super) fn is_owner(owner: &str, store: &str, job: &str) -> bool {
    owner == owner_of(store, job) || owner == store
}

pub(super) fn elsewhere(table: &str) -> PostgresError {
    PostgresError::permanent(format!(
        "table {table} has the results of another job or output directory. Choose another name with output.postgres_table (it may contain \
            {{job}} and {{dir}}), or drop the table, or replace its rows with --replace"
    ))
}

/// Takes the lock of a table for this session.
pub(super) async fn lock(client: &Client, name: &str) -> Result<(), PostgresError> {
    let digest = blake3::hash(format!("docmill table {name}").as_bytes());
    let key = digest.as_bytes().first_chunk().map_or(0, |first| i64::from_le_bytes(*first));
    if client.query_one("SELECT pg_try_advisory_lock($1)", &[&key]).await?.get(0) {
        return Ok(());
    }
    Err(PostgresError::transient(format!("another docmill writes to table {}", name.replace('"', ""))))
}

pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
