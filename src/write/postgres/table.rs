//! The definition of a table: created from the columns of a job, extended, and compared.

use super::address::PostgresAddress;
use super::error::PostgresError;
use super::ownership::{TABLES, checksum, elsewhere, is_owner, literal, lock, owner_of, quoted, states, with_grant};
use super::types::{Misfit, Type, key, shortened};
use crate::model::{Column, ColumnType, JobColumns, Row, Totals};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use tokio_postgres::{Client, Statement};

/// The column with the digest of a row.
const DIGEST: &str = "docmill_digest";
/// The most columns of a table.
const MOST_COLUMNS: usize = 1600;
/// Columns that every PostgreSQL table has.
const OF_SYSTEM: [&str; 6] = ["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"];

/// The table of a job.
pub(super) struct Table {
    pub job: String,
    /// Schema and name, quoted.
    pub name: String,
    /// The table of states, quoted.
    pub tables: String,
    /// Name in the table of states.
    own: String,
    columns: Vec<TableColumn>,
    /// Columns of earlier versions of the job. New rows have no value there.
    retired: Vec<String>,
    /// Name of the temporary table.
    pub stage: String,
    /// Digest of the columns. Rows are written again if it changes.
    signature: blake3::Hash,
    /// The last row of the store that has arrived.
    pub streamed: i64,
    /// The run after which the table had all results, unless rows came since.
    pub run: Option<i64>,
    /// Whether somebody else has changed the table since.
    pub was_changed: bool,
    pub copy: Option<Statement>,
}

struct TableColumn {
    name: String,
    source: Column,
    kind: Type,
    is_answer: bool,
}

impl Table {
    /// Creates the table or extends it. With `rewrite`, all its rows count as changed. The error is
    /// permanent if its columns or its owner do not fit.
    pub async fn open(
        client: &Client,
        address: &PostgresAddress,
        job: &JobColumns,
        store: &str,
        (at, rewrite): (usize, bool),
    ) -> Result<Self, PostgresError> {
        let (schema, own) = address.table_in(client, &job.name).await?;
        let (name, tables) = (format!("{}.{}", quoted(&schema), quoted(&own)), format!("{}.{TABLES}", quoted(&schema)));
        let columns = columns(job);
        if columns.len() > MOST_COLUMNS {
            let why =
                format!("the results of {} have {} columns, and a table of PostgreSQL at most {MOST_COLUMNS}", job.name, columns.len());
            return Err(PostgresError::permanent(why + ". Ask for fewer fields, or nest them in objects"));
        }
        if let Err(busy) = lock(client, &name).await {
            // A run that waits for the lock would learn too late that it must not write there.
            let others = format!("SELECT store FROM {tables} WHERE name = $1");
            let owner = client.query_opt(&others, &[&own]).await.ok().flatten().map(|row| row.get::<_, String>(0));
            let is_other = owner.is_some_and(|owner| !is_owner(&owner, store, &job.name));
            return Err(if is_other && !address.may_replace { elsewhere(&name.replace('"', "")) } else { busy });
        }
        let mut table = Self {
            job: job.name.clone(),
            columns,
            retired: Vec::new(),
            stage: format!("pg_temp.docmill_stage_{at}"),
            signature: signature(job),
            streamed: 0,
            run: None,
            was_changed: false,
            copy: None,
            name,
            tables,
            own,
        };
        client.batch_execute(&states(&table.tables)).await.map_err(|error| with_grant(error.into(), &table.tables))?;
        client.batch_execute("BEGIN").await?;
        let comments = match table.define(client, store, (address.may_replace, rewrite)).await {
            Ok(comments) => comments,
            Err(error) => return Err(with_grant(table.explained(client, error).await, &table.tables)),
        };
        client.batch_execute("COMMIT").await?;
        // Only the owner of a table can set its comments, which are no results.
        let _others_have_old_comments = client.batch_execute(&comments).await;
        table.stage(client).await?;
        Ok(table)
    }

    /// Creates the table or extends it. Returns the statements that bring its comments up to date.
    async fn define(&mut self, client: &Client, store: &str, (may_replace, rewrite): (bool, bool)) -> Result<String, PostgresError> {
        let sql = format!("SELECT store, columns, streamed, run, checksum FROM {} WHERE name = $1", self.tables);
        let state = client.query_opt(&sql, &[&self.own]).await?;
        let sql = "SELECT attname::text, format_type(atttypid, atttypmod), col_description(attrelid, attnum) FROM pg_attribute
            WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped";
        let (mut there, mut comments) = (BTreeMap::<String, String>::new(), BTreeMap::<String, String>::new());
        for row in client.query(sql, &[&self.name]).await? {
            comments.extend(row.get::<_, Option<String>>(2).map(|comment| (row.get(0), comment)));
            there.insert(row.get(0), row.get(1));
        }
        let name = self.name.replace('"', "");
        let is_ours = state.as_ref().is_some_and(|state| is_owner(state.get(0), store, &self.job));
        match &state {
            None if !there.is_empty() => {
                let why = "exists, and docmill has not made it. Choose another name with output.postgres_table, or drop the table";
                return Err(PostgresError::permanent(format!("table {name} {why}")));
            }
            Some(state) if !there.is_empty() && state.get::<_, &str>(0).contains('/') => {
                let why = "holds vectors. Choose another name with output.postgres_table, or drop the table";
                return Err(PostgresError::permanent(format!("table {name} {why}")));
            }
            Some(_) if !is_ours && !there.is_empty() && !may_replace => return Err(elsewhere(&name)),
            _ => {}
        }
        if there.is_empty() {
            client.batch_execute(&self.creation()).await?;
        } else {
            let known: Vec<String> = state.as_ref().map(|state| state.get(1)).unwrap_or_default();
            if let (true, Some(state)) = (is_ours, &state) {
                let (run, before): (Option<i64>, Option<String>) = (state.get(3), state.get(4));
                if let (Some(_), Some(before)) = (run, before) {
                    let sum = format!("SELECT {}", checksum(&self.name, known.iter().map(String::as_str)));
                    let has_all = known.iter().all(|name| there.contains_key(name));
                    self.was_changed = !has_all || before != client.query_one(&sum, &[]).await?.get::<_, String>(0);
                }
                if !(rewrite || self.was_changed) {
                    (self.streamed, self.run) = (state.get(2), run);
                }
            }
            if self.extend(client, &there).await? {
                (self.streamed, self.run) = (0, None);
            } else if rewrite || self.was_changed {
                client.batch_execute(&self.forget_digests()).await?;
            }
            let own: BTreeSet<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
            self.retired = known.into_iter().filter(|name| there.contains_key(name) && !own.contains(name.as_str())).collect();
        }
        let names: Vec<&str> = self.all_names().collect();
        let sql = format!(
            "INSERT INTO {} AS t (name, store, columns, streamed, run) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (name) DO UPDATE
                SET store = excluded.store, columns = excluded.columns, streamed = excluded.streamed, run = excluded.run",
            self.tables
        );
        client.execute(&sql, &[&self.own, &owner_of(store, &self.job), &names, &self.streamed, &self.run]).await?;
        let is_old = |column: &&TableColumn| {
            there.contains_key(&column.name) && about(&column.source).is_some_and(|about| comments.get(&column.name) != Some(&about))
        };
        Ok(self.columns.iter().filter(is_old).map(|column| self.comment(column)).collect())
    }

    fn creation(&self) -> String {
        let column = |column: &TableColumn| {
            let key = if column.name == "document" { " PRIMARY KEY" } else { "" };
            format!("{} {}{key}", quoted(&column.name), column.kind.name())
        };
        let columns: Vec<String> = self.columns.iter().map(column).collect();
        let comments: String = self.columns.iter().map(|column| self.comment(column)).collect();
        let about = format!("Results of the docmill job {}. docmill keeps the table equal to its results.jsonl.", self.job);
        format!("CREATE TABLE {} ({}); COMMENT ON TABLE {0} IS {}; {comments}", self.name, columns.join(", "), literal(&about))
    }

    fn comment(&self, column: &TableColumn) -> String {
        let comment = |about: String| format!("COMMENT ON COLUMN {}.{} IS {};", self.name, quoted(&column.name), literal(&about));
        about(&column.source).map_or_else(String::new, comment)
    }

    /// Adds missing columns, and takes the types of the others as they are if they hold all values.
    /// Returns whether columns were missing. Then all rows count as changed.
    async fn extend(&mut self, client: &Client, there: &BTreeMap<String, String>) -> Result<bool, PostgresError> {
        let mut missing = Vec::new();
        for column in &mut self.columns {
            let Some(actual) = there.get(&column.name) else {
                missing.push(format!("ADD COLUMN {} {}", quoted(&column.name), column.kind.name()));
                continue;
            };
            match Type::named(actual).filter(|actual| actual.holds(column.kind)) {
                Some(actual) => column.kind = actual,
                None => {
                    let (table, name, wanted) = (self.name.replace('"', ""), &column.name, column.kind.name());
                    // Any type has a text. Other values are lost until docmill writes the rows again.
                    let using = if column.kind == Type::Text { "" } else { " USING NULL" };
                    return Err(PostgresError::permanent(format!(
                        "table {table}: column {name} has the type {actual}, but the job now has {wanted}. Change it with `ALTER TABLE {} \
                         ALTER COLUMN {} TYPE {wanted}{using}`, or drop the table: docmill writes all rows again",
                        self.name,
                        quoted(name)
                    )));
                }
            }
        }
        if missing.is_empty() {
            return Ok(false);
        }
        let comments: String = self.columns.iter().filter(|c| !there.contains_key(&c.name)).map(|c| self.comment(c)).collect();
        let again = self.forget_digests();
        client.batch_execute(&format!("ALTER TABLE {} {}; {comments} {again}", self.name, missing.join(", "))).await?;
        Ok(true)
    }

    /// All rows then count as changed.
    pub fn forget_digests(&self) -> String {
        format!("UPDATE {} SET {DIGEST} = ''", self.name)
    }

    /// Creates the temporary table of a group.
    async fn stage(&mut self, client: &Client) -> Result<(), PostgresError> {
        let columns = self.column_names();
        let (stage, name) = (&self.stage, &self.name);
        client
            .batch_execute(&format!(
                "DROP TABLE IF EXISTS {stage}; CREATE TEMP TABLE {} ON COMMIT DELETE ROWS AS SELECT {columns} FROM {name} WITH NO DATA",
                stage.trim_start_matches("pg_temp.")
            ))
            .await?;
        self.copy = Some(client.prepare(&format!("COPY {stage} ({columns}) FROM STDIN")).await?);
        Ok(())
    }

    fn column_names(&self) -> String {
        self.columns.iter().map(|column| quoted(&column.name)).collect::<Vec<_>>().join(", ")
    }

    /// Gives a column a wider type. Returns a note.
    pub async fn widen(&mut self, client: &Client, at: usize, Misfit(kind): Misfit, document: &str) -> Result<String, PostgresError> {
        let column = &mut self.columns[at];
        let (name, before) = (quoted(&column.name), column.kind.name());
        column.kind = kind;
        let using = if kind == Type::Jsonb { format!("to_jsonb({name})") } else { format!("{name}::{}", kind.name()) };
        let (shown, table, kind) = (column.name.clone(), self.name.replace('"', ""), kind.name());
        let again = self.forget_digests();
        let alter = format!("BEGIN; ALTER TABLE {} ALTER COLUMN {name} TYPE {kind} USING {using}; {again}; COMMIT", self.name);
        client.batch_execute(&alter).await.map_err(|error| {
            let what = format!("the column {shown} of {table} has the type {before}, and a value of {document} needs {kind}");
            PostgresError::from(error).while_doing(&what, "Drop what depends on the column, such as a view, and make it again afterwards")
        })?;
        self.stage(client).await?;
        Ok(format!("postgres: the column {shown} of {table} now has the type {kind} instead of {before}, because of {document}"))
    }

    /// A row as a line of COPY. The error has the number of the column that cannot hold its value.
    pub fn line(&self, row: &Row, text: &str, lines: &mut String) -> Result<(), (usize, Misfit)> {
        let mut totals = Totals::default();
        totals.add(row);
        for (at, column) in self.columns.iter().enumerate() {
            if at > 0 {
                lines.push('\t');
            }
            let value = if column.is_answer {
                let name = &column.source.name;
                row.columns.get(name).or_else(|| row.answers.get(name)).cloned().unwrap_or_default()
            } else if column.name == DIGEST {
                hex(&self.digest(text)).into()
            } else {
                fixed(&column.source.name, row, &totals)
            };
            column.kind.copy(&value, lines).map_err(|misfit| (at, misfit))?;
        }
        lines.push('\n');
        Ok(())
    }

    /// Digest of a row and the columns of its table.
    pub fn digest(&self, text: &str) -> [u8; 16] {
        let mut hash = blake3::Hasher::new();
        hash.update(self.signature.as_bytes()).update(text.as_bytes());
        let mut digest = [0; 16];
        digest.copy_from_slice(&hash.finalize().as_bytes()[..16]);
        digest
    }

    /// The statement that takes the rows of the temporary table over.
    pub fn upsert(&self) -> String {
        let columns = self.column_names();
        let set = |name: &String| format!("{0} = excluded.{0}", quoted(name));
        let sets =
            self.columns.iter().map(|column| set(&column.name)).chain(self.retired.iter().map(|name| format!("{} = NULL", quoted(name))));
        format!(
            "INSERT INTO {} AS t ({columns}) SELECT DISTINCT ON (document) {columns} FROM {} ORDER BY document, index DESC
             ON CONFLICT (document) DO UPDATE SET {}
             WHERE t.{DIGEST} IS DISTINCT FROM excluded.{DIGEST} OR t.index IS DISTINCT FROM excluded.index;",
            self.name,
            self.stage,
            sets.collect::<Vec<_>>().join(", ")
        )
    }

    /// The statement that notes how far the table has come.
    pub fn note(&self, streamed: Option<i64>, run: Option<i64>) -> String {
        let streamed = streamed.map(|id| format!("streamed = {id}, ")).unwrap_or_default();
        let (run, checksum) =
            run.map_or(("NULL".to_owned(), "NULL".to_owned()), |run| (run.to_string(), checksum(&self.name, self.all_names())));
        format!(
            "UPDATE {} SET {streamed}run = {run}, checksum = {checksum}, updated = now() WHERE name = {};",
            self.tables,
            literal(&self.own)
        )
    }

    /// Names of all columns, those of earlier versions of the job last.
    fn all_names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str()).chain(self.retired.iter().map(String::as_str))
    }
}

/// The comment of a column.
fn about(column: &Column) -> Option<String> {
    let choices = match &column.kind {
        ColumnType::Enum(values) => Some(format!("one of: {}", values.join(", "))),
        _ => None,
    };
    let unit = column.unit.as_ref().map(|unit| format!("in {unit}"));
    let parts: Vec<String> = column.description.iter().cloned().chain(unit).chain(choices).collect();
    (!parts.is_empty()).then(|| parts.join("; ").replace('\0', ""))
}

fn columns(job: &JobColumns) -> Vec<TableColumn> {
    let digest = Column::new(DIGEST, ColumnType::String);
    let mut taken: BTreeSet<String> = OF_SYSTEM.iter().map(|name| (*name).to_owned()).collect();
    let mut named = |source: Column, kind: Type, is_answer: bool| {
        let mut name = shortened(&source.name.replace('\0', ""));
        while name.is_empty() || !taken.insert(name.clone()) {
            name = shortened(&format!("{name}_"));
        }
        TableColumn { name, source, kind, is_answer }
    };
    // Columns of all jobs keep their names.
    let mut first: Vec<TableColumn> = Row::first_columns().into_iter().map(|c| named(c.clone(), Type::of(&c), false)).collect();
    let last: Vec<TableColumn> = Row::last_columns().into_iter().map(|c| named(c.clone(), Type::of(&c), false)).collect();
    let digest = named(digest, Type::Bytea, false);
    first.extend(job.columns.iter().map(|column| named(column.clone(), Type::of(column), true)));
    first.into_iter().chain(last).chain([digest]).collect()
}

fn signature(job: &JobColumns) -> blake3::Hash {
    let columns: Vec<Column> = job.all().collect();
    let columns: Vec<_> = columns.iter().map(|column| (&column.name, &column.kind)).collect();
    blake3::hash(serde_json::to_string(&columns).unwrap_or_default().as_bytes())
}

/// The value of a column that all jobs have.
fn fixed(name: &str, row: &Row, totals: &Totals) -> Value {
    match name {
        "index" => row.index.into(),
        "document" => key(&row.document).into(),
        "status" => row.status.as_str().into(),
        "provider" => row.provider.as_str().into(),
        "model" => row.model.as_str().into(),
        "failure_code" => row.failure.as_ref().map(|failure| failure.code.as_str()).into(),
        "failure_message" => row.failure.as_ref().map(|failure| failure.message.as_str()).into(),
        "input_note" => row.note().into(),
        "repaired" => row.repaired().into(),
        "calls" => totals.calls.into(),
        "attempts" => totals.attempts.into(),
        "input_tokens" => totals.tokens.input().into(),
        "cached_tokens" => totals.tokens.cache_read.into(),
        "output_tokens" => totals.tokens.output.into(),
        // Exact to the trillionth of a dollar.
        "cost_usd" => {
            totals.cost.exact().map(|cost| format!("{}.{:012}", cost.pico() / 1_000_000_000_000, cost.pico() % 1_000_000_000_000)).into()
        }
        "seconds" => totals.shown_seconds().into(),
        _ => Value::Null,
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        use std::fmt::Write as _;
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}
