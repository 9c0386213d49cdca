//! Views of the results for SQL users: `results_<job>`, with one typed column for each result column.
//!
//! A view selects the newest results itself, so it changes only when the columns of its job change.
//! docmill never reads it. Its SQL uses only functions that SQLite has had since 2022.

use crate::model::{Column, ColumnType, JobColumns, Repair, Row};
use rusqlite::{Connection, Result};
use std::collections::{BTreeMap, BTreeSet};

/// Beginning of the names of views.
pub(super) const PREFIX: &str = "results_";

/// Columns beyond this number are left out. SQLite selects at most 2,000.
const MOST: usize = 1990;

/// Makes the views that are missing or have other columns, and drops those of no job.
pub(super) fn refresh(connection: &Connection) -> Result<()> {
    let (wanted, there) = (wanted(connection)?, existing(connection)?);
    if wanted == there {
        return Ok(());
    }
    let transaction = connection.unchecked_transaction()?;
    let is_other = |(name, sql): &(&String, &String)| wanted.get(*name) != Some(*sql);
    there.iter().filter(is_other).try_for_each(|(name, _)| transaction.execute_batch(&format!("DROP VIEW {}", identifier(name))))?;
    // A user may have a table of this name.
    let is_taken = |name: &str| transaction.prepare("SELECT 1 FROM sqlite_schema WHERE name = ?1 COLLATE NOCASE")?.exists([name]);
    for (name, sql) in wanted {
        if !is_taken(&name)? {
            transaction.execute_batch(&sql)?;
        }
    }
    transaction.commit()
}

/// Statements that drop all views. Migrations cannot change tables under a view.
pub(super) fn drop_all(connection: &Connection) -> Result<String> {
    Ok(existing(connection)?.keys().map(|name| format!("DROP VIEW {};", identifier(name))).collect())
}

/// Makes look-ups of a document in a listing fast.
pub(super) fn index(connection: &Connection) -> Result<()> {
    connection.execute_batch("CREATE INDEX IF NOT EXISTS listing_by_document ON listing (document, run)")
}

fn existing(connection: &Connection) -> Result<BTreeMap<String, String>> {
    let sql = "SELECT name, sql FROM sqlite_schema WHERE type = 'view' AND name GLOB 'results_*'";
    connection.prepare(sql)?.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// The views of all jobs, by name. Columns are those of the newest complete run, or of the newest run
/// if none is complete.
fn wanted(connection: &Connection) -> Result<BTreeMap<String, String>> {
    let mut jobs: BTreeMap<String, (bool, JobColumns)> = BTreeMap::new();
    let mut statement = connection.prepare("SELECT outcome IS 'complete', jobs FROM runs ORDER BY id")?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        let complete: bool = row.get(0)?;
        let of_run: Vec<JobColumns> = serde_json::from_str(row.get_ref(1)?.as_str()?).unwrap_or_default();
        for job in of_run {
            if complete || jobs.get(&job.name).is_none_or(|(complete, _)| !complete) {
                jobs.insert(job.name.clone(), (complete, job));
            }
        }
    }
    // Names that need no change come first, so they do not depend on other jobs.
    let mut jobs: Vec<JobColumns> = jobs.into_values().map(|(_, job)| job).collect();
    jobs.sort_by_key(|job| (name_of(&job.name) != format!("{PREFIX}{}", job.name), job.name.clone()));
    let mut taken = BTreeSet::new();
    let views = jobs.into_iter().map(|job| {
        let name = unique(&name_of(&job.name), &mut taken);
        let sql = sql(&name, &job);
        (name, sql)
    });
    Ok(views.collect())
}

/// The name of a view, in characters that need no quotes.
fn name_of(job: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    PREFIX.chars().chain(job.chars().map(safe)).collect()
}

/// A name that is not taken in any letter case. SQLite does not tell cases apart.
fn unique(name: &str, taken: &mut BTreeSet<String>) -> String {
    let names = std::iter::once(name.to_owned()).chain((2..).map(|n| format!("{name}_{n}")));
    let free = names.into_iter().find(|name| taken.insert(name.to_lowercase()));
    free.unwrap_or_default()
}

fn sql(name: &str, job: &JobColumns) -> String {
    let mut taken = BTreeSet::new();
    let first = Row::first_columns().into_iter().map(|column| (fixed(&column.name), column.name));
    let answers = job.columns.iter().map(|column| (Some(answer(column)), column.name.clone()));
    let last = Row::last_columns().into_iter().map(|column| (fixed(&column.name), column.name));
    let columns = first.chain(last).chain(answers).take(MOST).collect::<Vec<_>>();
    // Fixed columns keep their names and come first in the choice of names.
    let mut named: Vec<(String, String)> = Vec::new();
    for (expression, column) in columns {
        if let Some(expression) = expression {
            named.push((expression, unique(&column, &mut taken)));
        }
    }
    // As in results.csv, answers stand between the fixed columns.
    let answers_from = Row::first_columns().len() + Row::last_columns().len();
    let answers = named.split_off(named.len().min(answers_from));
    let last = named.split_off(Row::first_columns().len());
    let listed: Vec<String> =
        named.into_iter().chain(answers).chain(last).map(|(sql, name)| format!("{sql} AS {}", identifier(&name))).collect();
    format!(
        "CREATE VIEW {name} AS SELECT\n  {}\nFROM (SELECT recipe, ifnull(listing, id) AS listing FROM runs\n    \
         WHERE EXISTS (SELECT 1 FROM json_each(runs.jobs) j WHERE json_extract(j.value, '$.name') = {job})\n    \
         ORDER BY outcome IS 'complete' DESC, id DESC LIMIT 1) n\n\
         JOIN listing l ON likely(l.run = n.listing)\nJOIN documents d ON d.id = l.document\n\
         CROSS JOIN rows r ON r.recipe = n.recipe AND r.document = l.document AND r.job = {job}",
        listed.join(",\n  "),
        job = literal(&job.name),
    )
}

/// The value of a column that all jobs have.
fn fixed(column: &str) -> Option<String> {
    let text = |path: &str| format!("json_extract(r.result, '$.{path}')");
    let sum = |path: &str| format!("(SELECT ifnull(sum({path}), 0) FROM json_each(r.result, '$.calls') c)");
    let of_call = |path: &str| format!("json_extract(c.value, '$.{path}')");
    Some(match column {
        "index" => "l.position".into(),
        "document" => "d.name".into(),
        "status" => "r.status".into(),
        "provider" => text("provider"),
        "model" => text("model"),
        "failure_code" => text("failure.code"),
        "failure_message" => text("failure.message"),
        "input_note" => {
            let (note, sent) = (text("input.note"), text("input.sent_tokens"));
            let cut = format!("'cut to the first ' || {sent} || ' tokens'");
            format!("ifnull({note} || ifnull('; ' || {cut}, ''), {cut})")
        }
        "repaired" => {
            let order: String = Repair::ALL.iter().map(|repair| format!(",{}", repair.as_str())).collect();
            format!(
                "(SELECT ifnull(group_concat(value), '') FROM (SELECT DISTINCT p.value FROM json_each(r.result, '$.calls') c, \
                 json_each(c.value, '$.repaired') p ORDER BY instr('{order},', ',' || p.value || ',')))"
            )
        }
        "calls" => "json_array_length(r.result, '$.calls')".into(),
        "attempts" => sum(&of_call("attempts")),
        "input_tokens" => {
            sum(&format!("{} + {} + {}", of_call("usage.uncached_input"), of_call("usage.cache_read"), of_call("usage.cache_write")))
        }
        "cached_tokens" => sum(&of_call("usage.cache_read")),
        "output_tokens" => sum(&of_call("usage.output")),
        // A sum of integers is exact.
        "cost_usd" => format!(
            "(SELECT CASE WHEN count(*) = count({cost}) THEN ifnull(sum(CAST(round({cost} * 1e12) AS INTEGER)), 0) / 1e12 END \
             FROM json_each(r.result, '$.calls') c)",
            cost = of_call("cost_usd")
        ),
        "seconds" => format!("(SELECT round(total({}), 3) FROM json_each(r.result, '$.calls') c)", of_call("seconds")),
        _ => return None,
    })
}

/// The value of an answer.
fn answer(column: &Column) -> String {
    let value = value("answers", &column.name);
    match column.kind {
        // Columns of tables that the settings keep have no type.
        ColumnType::Json => {
            let kept = self::value("columns", &column.name);
            let json = as_json("columns", &column.name);
            let exact = format!(
                "CASE WHEN {} THEN {json} WHEN {} THEN {json} ELSE {kept} END",
                is_huge("columns", &column.name),
                has_nul(&json, &kept)
            );
            format!("ifnull({exact}, {value})")
        }
        // SQLite would round larger integers.
        ColumnType::Integer => {
            format!("CASE WHEN {} THEN {} ELSE {value} END", is_huge("answers", &column.name), as_json("answers", &column.name))
        }
        ColumnType::Number => format!(
            "CASE WHEN typeof({value}) = 'integer' AND {value} BETWEEN -9007199254740992 AND 9007199254740992 THEN CAST({value} AS REAL) \
             WHEN {} THEN {} ELSE {value} END",
            is_huge("answers", &column.name),
            as_json("answers", &column.name)
        ),
        ColumnType::String => {
            let json = as_json("answers", &column.name);
            format!("CASE WHEN {} THEN {json} ELSE {value} END", has_nul(&json, &value))
        }
        _ => value,
    }
}

/// A member of an object of the row.
fn value(object: &str, name: &str) -> String {
    match path(object, name) {
        Some(path) => format!("json_extract(r.result, {path})"),
        None => format!("(SELECT value FROM json_each(r.result, '$.{object}') WHERE key = {})", literal(name)),
    }
}

/// Whether a text has a NUL character, at which SQLite would end it.
fn has_nul(json: &str, value: &str) -> String {
    format!("instr(r.result, '\\u0000') AND instr({json}, '\\u0000') AND NOT instr({value}, '\\u0000')")
}

/// Whether a value is an integer that does not fit 64 bits.
fn is_huge(object: &str, name: &str) -> String {
    match path(object, name) {
        Some(path) => format!("json_type(r.result, {path}) = 'integer' AND typeof({}) = 'real'", value(object, name)),
        None => "0".into(),
    }
}

/// The JSON text of a value.
fn as_json(object: &str, name: &str) -> String {
    match path(object, name) {
        // Several paths result in a list, here with one element and a null.
        Some(path) => format!(
            "substr(json_extract(r.result, {path}, '$.docmill.none'), 2, length(json_extract(r.result, {path}, '$.docmill.none')) - 7)"
        ),
        None => value(object, name),
    }
}

/// The path of a member; `None` if paths cannot name it.
fn path(object: &str, name: &str) -> Option<String> {
    let is_plain = !name.contains(|c: char| c == '"' || c == '\\' || c.is_control());
    is_plain.then(|| literal(&format!("$.{object}.\"{name}\"")))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
