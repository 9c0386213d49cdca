//! Errors of a database.

use std::error::Error as _;
use std::fmt::Write as _;
use tokio_postgres::error::SqlState;

/// A database could not take rows.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct PostgresError {
    message: String,
    /// Whether the same attempt fails again until somebody changes something.
    pub is_permanent: bool,
    /// Whether the table refuses a row, by a constraint or a trigger. Other rows may pass.
    pub refuses_rows: bool,
}

impl PostgresError {
    pub(super) fn permanent(message: impl Into<String>) -> Self {
        Self { message: message.into(), is_permanent: true, refuses_rows: false }
    }

    pub(super) fn transient(message: impl Into<String>) -> Self {
        Self { message: message.into(), is_permanent: false, refuses_rows: false }
    }

    /// The same error behind what has failed, and with what helps.
    pub(super) fn while_doing(self, what: &str, next: &str) -> Self {
        let next = if self.is_permanent { format!(". {next}") } else { String::new() };
        Self { message: format!("{what}: {}{next}", self.message), ..self }
    }

    /// The same error with what helps.
    pub(super) fn advised(self, next: &str) -> Self {
        Self { message: format!("{}. {next}", self.message), ..self }
    }

    /// Whether the server says all of this.
    pub(super) fn says(&self, parts: &[&str]) -> bool {
        parts.iter().all(|part| self.message.contains(part))
    }

    /// The same error with the name of the database.
    pub(super) fn at(self, database: impl std::fmt::Display) -> Self {
        Self { message: format!("{database}: {}", self.message), ..self }
    }
}

impl From<tokio_postgres::Error> for PostgresError {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else {
            // A wrong certificate needs somebody, and a lost connection does not.
            let message = chain(&error);
            return Self {
                refuses_rows: false,
                is_permanent: ["certificate", "does not support TLS", "TLS is not supported", "password missing"]
                    .iter()
                    .any(|part| message.contains(part)),
                message,
            };
        };
        // For a failing row, the detail has all its values.
        let has_row = db.code().code().starts_with("23") && *db.code() != SqlState::UNIQUE_VIOLATION;
        let detail = db.detail().filter(|_| !has_row).map(|detail| format!(" ({detail})")).unwrap_or_default();
        let message = format!("{}{detail} [{}]", db.message(), db.code().code());
        // Two clients that create the same table meet in the catalog.
        let refuses_rows = is_refusal(db.code()) && db.schema() != Some("pg_catalog");
        Self { message, is_permanent: refuses_rows || is_permanent(db.code()), refuses_rows }
    }
}

/// Whether a constraint, the condition of a view or a trigger refuses a row.
fn is_refusal(code: &SqlState) -> bool {
    ["23", "27", "44", "P0"].iter().any(|class| code.code().starts_with(class))
}

/// Whether an error lasts: wrong names, rights or types. Others pass, such as a full disk, a restart,
/// a timeout or a lock.
fn is_permanent(code: &SqlState) -> bool {
    ["28", "3D", "3F", "42", "22", "0A", "54"].iter().any(|class| code.code().starts_with(class))
}

/// A message with its causes.
fn chain(error: &tokio_postgres::Error) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let _infallible = write!(message, ": {cause}");
        source = cause.source();
    }
    message
}
