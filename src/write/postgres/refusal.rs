//! Which row a constraint or a trigger of a table refuses.

use super::error::PostgresError;
use super::ownership::literal;
use super::session::{Open, SentRow};
use super::table::Table;
use tokio_postgres::Client;

/// What helps.
const NEXT: &str = "Change the constraint or the trigger of the table";

impl Open {
    /// The error with the document whose row the server refuses.
    pub(super) async fn explained(&self, error: PostgresError, rows: &[SentRow]) -> PostgresError {
        if !error.refuses_rows {
            return error;
        }
        let first = self.first_refused(rows).await;
        error.while_doing(&first.map_or_else(|| "a row".to_owned(), |document| format!("the row of {document}")), NEXT)
    }

    /// Finds the last row of the shortest group that the server refuses. Writes nothing.
    async fn first_refused<'r>(&self, rows: &'r [SentRow]) -> Option<&'r str> {
        let (mut taken, mut refused) = (0, rows.len());
        self.client.batch_execute("ROLLBACK").await.ok()?;
        while taken + 1 < refused {
            let middle = usize::midpoint(taken, refused);
            let groups = self.lines(&rows[..middle]).ok()?;
            match self.write(groups, "SET CONSTRAINTS ALL IMMEDIATE; ROLLBACK").await {
                Ok(()) => taken = middle,
                Err(error) if error.refuses_rows => {
                    refused = middle;
                    self.client.batch_execute("ROLLBACK").await.ok()?;
                }
                Err(_) => return None,
            }
        }
        rows.get(refused.checked_sub(1)?).map(|sent| sent.row.document.as_str())
    }
}

impl Table {
    /// The error with the document whose row in the table cannot be marked as changed.
    pub(super) async fn explained(&self, client: &Client, error: PostgresError) -> PostgresError {
        if !error.refuses_rows {
            return error;
        }
        let one = format!("{} WHERE document = r.document", self.forget_digests());
        let all = format!(
            "ROLLBACK; DO {} ",
            literal(&format!(
                "DECLARE r record; BEGIN FOR r IN SELECT document FROM {} ORDER BY index LOOP
                    BEGIN {one};
                    EXCEPTION WHEN OTHERS THEN
                        RAISE EXCEPTION USING MESSAGE = 'the row of ' || r.document || ': ' || SQLERRM, ERRCODE = SQLSTATE;
                    END;
                 END LOOP; END",
                self.name
            ))
        );
        let found = client.batch_execute(&all).await.err().map(PostgresError::from).filter(|found| found.refuses_rows);
        let table = format!("table {}", self.name.replace('"', ""));
        found.unwrap_or(error).while_doing(&table, NEXT)
    }
}
