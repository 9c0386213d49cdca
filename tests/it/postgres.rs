//! Rows in a real PostgreSQL server: types, columns, owners and encryption.

use crate::order::ECHO;
use crate::support::postgres::{PASSWORD, Postgres};
use crate::support::{ModelServer, Workspace};
use serde_json::{Value, json};

/// One answer of each type.
const KINDS: &str = r#"
name = "kinds"
input = "text"
[[task]]
id = "kinds"
prompt = "Fill this in.\n\n{{ document }}"
max_output_tokens = 100
[task.answer]
words = { type = "string", description = "what it's about", nullable = true }
whole = { type = "integer", unit = "pieces", nullable = true }
real = { type = "number", nullable = true }
yes = { type = "boolean", nullable = true }
day = { type = "date", nullable = true }
hour = { type = "time", nullable = true }
moment = { type = "date-time", nullable = true }
mood = { type = "string", enum = ["good", "so-so; \"well\""], nullable = true }
tags = { type = "array", items = { type = "string", nullable = true } }
counts = { type = "array", items = "integer" }
reals = { type = "array", items = "number" }
flags = { type = "array", items = "boolean" }
maker = { type = "object", fields = { name = "string", since = "date" }, nullable = true }
lines = { type = "array", fields = { text = "string", amount = "number" } }
"#;

/// The answer about a document. `n` chooses its values.
fn kinds(n: usize) -> Value {
    let words = [
        json!("plain"),
        json!(""),
        Value::Null,
        json!("tab\t, line\nand \r\n end, back\\slash \\N \\. 'quotes' \"double\""),
        json!("=1+1"),
        json!("🦀 é \u{202e}x\u{feff}"),
        json!("NULL"),
        json!("{a,b}"),
    ];
    let one = |values: &[Value]| values[n % values.len()].clone();
    json!({
        "words": one(&words),
        "whole": one(&[json!(1), json!(-7), Value::Null, json!(i64::MAX), json!(i64::MIN), json!(0)]),
        "real": one(&[json!(0.1), json!(-1e-300), json!(1e300), Value::Null, json!(3), json!(0.300_000_000_000_000_04), json!(1e22)]),
        "yes": one(&[json!(true), json!(false), Value::Null]),
        "day": one(&[json!("2026-02-28"), json!("0001-01-01"), json!("9999-12-31"), Value::Null]),
        "hour": one(&[json!("14:30"), json!("00:00:00"), json!("23:59:59.123456"), Value::Null]),
        "moment": one(&[json!("2026-02-28T14:30"), json!("1815-06-18T11:35:01.5"), Value::Null]),
        "mood": one(&[json!("good"), json!("so-so; \"well\""), Value::Null]),
        "tags": one(&[json!([]), json!(["a", null, "NULL", "x\"y\\z", "{,}", " ", "", "line\nbreak"]), json!(["é"])]),
        "counts": one(&[json!([]), json!([1, -2, i64::MAX])]),
        "reals": one(&[json!([0.1, 1e-300]), json!([])]),
        "flags": one(&[json!([true, false]), json!([])]),
        "maker": one(&[json!({"name": "Ä\u{7f}\n", "since": "1999-01-01"}), Value::Null]),
        "lines": one(&[json!([]), json!([{"text": "a\tb", "amount": 0.5}, {"text": "", "amount": -0.25}])]),
    })
}

/// A server that answers about document `docid:N` with [`kinds`] of N, changed by `change`.
fn server(change: impl Fn(usize, &mut Value) + Send + Sync + 'static) -> ModelServer {
    let answer = move |ask: &crate::support::Ask| {
        let n = ask.docid.as_ref().unwrap().parse().unwrap();
        let mut answer = kinds(n);
        change(n, &mut answer);
        if ask.schema["properties"]["title"].is_object() {
            let words = answer.as_object_mut().unwrap().remove("words").unwrap();
            (answer["title"], answer["phrases"]) = (json!(format!("Title {n}")), words);
        }
        answer
    };
    ModelServer::script().answer(answer).start()
}

/// A workspace whose runs write to the database.
pub(crate) fn workspace(server: &ModelServer, database: &Postgres, job: &str) -> Workspace {
    let workspace = Workspace::new().against(server).env("PG_ADDRESS", &database.url()).set("output.postgres", "env:PG_ADDRESS");
    workspace.write("job.toml", job);
    workspace
}

/// Writes the documents with these numbers.
pub(crate) fn documents(workspace: &Workspace, numbers: std::ops::Range<usize>) {
    for n in numbers {
        workspace.doc(format!("d{n:05}.txt"), format!("This is docid:{n} and nothing else.\n"));
    }
}

/// Fails unless the table has the rows of `results.jsonl`, cell by cell, and no others.
#[track_caller]
pub(crate) fn equal(here: &Workspace, database: &Postgres, job: &str) {
    equal_in(here, database, job, &format!("docmill_{job}"));
}

/// The same for a table of another name.
#[track_caller]
fn equal_in(workspace: &Workspace, database: &Postgres, job: &str, table: &str) {
    let file = std::fs::read_to_string(workspace.path(format!("output/{job}/results.jsonl"))).unwrap();
    let results: Vec<Value> = file.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let rows = database.rows(table);
    assert_eq!(rows.len(), results.len(), "rows in the table and in results.jsonl");
    for (row, result) in rows.iter().zip(&results) {
        for name in ["index", "document", "status", "provider", "model"] {
            assert_eq!(row[name], result[name], "{name} of {}", result["document"]);
        }
        let sum =
            |path: &str| result["calls"].as_array().unwrap().iter().map(|call| call.pointer(path).unwrap().as_u64().unwrap()).sum::<u64>();
        assert_eq!(row["output_tokens"], sum("/usage/output"));
        assert_eq!(row["attempts"], sum("/attempts"));
        assert_eq!(row["failure_code"], result["failure"]["code"]);
        for (name, answer) in result["answers"].as_object().unwrap() {
            assert!(is_same(&row[name], answer), "{name} of {}: {} in the table, {answer} in results.jsonl", result["document"], row[name]);
        }
    }
}

/// Whether a value of the server means the same as that of the results.
fn is_same(there: &Value, here: &Value) -> bool {
    match (there, here) {
        (Value::Number(one), Value::Number(other)) => one == other || (one.as_f64() == other.as_f64() && (one.is_f64() || other.is_f64())),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len() && one.iter().all(|(key, value)| other.get(key).is_some_and(|other| is_same(value, other)))
        }
        // The server shows seconds.
        (Value::String(one), Value::String(other)) => one == other || *one == format!("{other}:00"),
        (one, other) => one == other,
    }
}

#[test]
#[ignore = "takes minutes; run it when the database stage or the types of columns change"]
fn a_table_of_a_hundred_thousand_rows_equals_the_results_cell_by_cell() {
    let Some(database) = Postgres::start() else { return };
    let server = server(|_, _| {});
    let workspace = workspace(&server, &database, KINDS);
    documents(&workspace, 0..100_000);
    workspace.run(["--job", "job.toml"]).exits(0);
    equal(&workspace, &database, "kinds");
}

#[test]
fn a_table_equals_the_results_cell_by_cell_and_later_runs_change_only_what_changed() {
    let Some(database) = Postgres::start() else { return };
    let server = server(|_, _| {});
    let workspace = workspace(&server, &database, KINDS);
    documents(&workspace, 0..60);
    workspace.run(["--job", "job.toml"]).exits(0);
    equal(&workspace, &database, "kinds");
    let kind = |column: &str| {
        let sql = "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'docmill_kinds'::regclass AND attname";
        database.sql(&format!("{sql} = '{column}'"))
    };
    for (column, expected) in [
        ("words", "text"),
        ("whole", "bigint"),
        ("real", "double precision"),
        ("yes", "boolean"),
        ("day", "date"),
        ("hour", "time without time zone"),
        ("moment", "timestamp without time zone"),
        ("mood", "text"),
        ("tags", "text[]"),
        ("counts", "bigint[]"),
        ("reals", "double precision[]"),
        ("flags", "boolean[]"),
        ("maker", "jsonb"),
        ("lines", "jsonb"),
        ("cost_usd", "numeric"),
    ] {
        assert_eq!(kind(column), expected, "{column}");
    }
    let comment = "SELECT col_description('docmill_kinds'::regclass, attnum) FROM pg_attribute WHERE attrelid = 'docmill_kinds'::regclass";
    assert_eq!(database.sql(&format!("{comment} AND attname = 'words'")), "what it's about");
    assert_eq!(database.sql(&format!("{comment} AND attname = 'whole'")), "in pieces");

    let versions = || database.sql("SELECT string_agg(xmin::text, ',' ORDER BY document) FROM docmill_kinds");
    let before = versions();
    workspace.run(["--job", "job.toml"]).exits(0);
    assert_eq!(versions(), before, "a run without changes writes nothing");
    // A table that somebody has changed is written again, even though the run store knows nothing of it.
    database.sql("DELETE FROM docmill_kinds WHERE document = 'd00007.txt'");
    let arguments = ["export", "--format", "postgres", "--set", "output.postgres=env:PG_ADDRESS"];
    let exported = workspace.docmill(arguments).exits(0);
    assert!(exported.stdout.contains("60 rows of run 2 in postgres 127.0.0.1:"), "{}", exported.stdout);
    assert!(exported.stdout.contains("60 rows written"), "{}", exported.stdout);
    equal(&workspace, &database, "kinds");
    // Documents that come, change and go.
    documents(&workspace, 60..70);
    workspace.doc("d00003.txt", "This is docid:4 and something else.\n");
    std::fs::remove_file(workspace.path("docs/d00000.txt")).unwrap();
    workspace.run(["--job", "job.toml"]).exits(0);
    equal(&workspace, &database, "kinds");
    // Another job has other columns, and earlier columns have no values then.
    workspace.write("job.toml", KINDS.replace("words = {", "title = \"string\"\nphrases = {").replace("\"pieces\"", "\"boxes\""));
    workspace.run(["--job", "job.toml"]).exits(0);
    equal(&workspace, &database, "kinds");
    assert_eq!(database.sql(&format!("{comment} AND attname = 'whole'")), "in boxes");
    assert_eq!(database.sql("SELECT count(words), count(title) FROM docmill_kinds"), "0|69");
    // Columns of the user stay.
    database.sql("ALTER TABLE docmill_kinds ADD COLUMN remark text; UPDATE docmill_kinds SET remark = 'mine' WHERE index < 5");
    documents(&workspace, 70..75);
    workspace.run(["--job", "job.toml"]).exits(0);
    equal(&workspace, &database, "kinds");
    assert_eq!(database.sql("SELECT count(remark) FROM docmill_kinds"), "5");
}

#[test]
fn a_column_gets_a_wider_type_when_a_value_does_not_fit() {
    let Some(database) = Postgres::start() else { return };
    let server = server(|n, answer| {
        if n == 20 {
            answer["whole"] = json!(u64::MAX);
            answer["real"] = json!(9_007_199_254_740_993_i64);
            answer["hour"] = json!("14:30+01:00");
            answer["moment"] = json!("2026-02-28T14:30:00+01:00");
            answer["day"] = json!("0000-01-01");
            answer["counts"] = json!([u64::MAX, 1]);
            answer["words"] = json!("a\u{0}b");
        }
    });
    let workspace = workspace(&server, &database, KINDS);
    documents(&workspace, 0..20);
    workspace.run(["--job", "job.toml"]).exits(0);
    documents(&workspace, 20..25);
    database.sql("CREATE VIEW seen AS SELECT whole FROM docmill_kinds");
    let refused = workspace.run(["--job", "job.toml"]).exits(4);
    refused.says(&["column whole of public.docmill_kinds has the type bigint, and a value of d00020.txt needs numeric", "such as a view"]);
    database.sql("DROP VIEW seen");
    let run = workspace.run(["--job", "job.toml"]).exits(0);
    run.says(&["column whole of public.docmill_kinds now has the type numeric instead of bigint, because of d00020.txt"]);
    let words = database.sql("UPDATE docmill_kinds SET words = replace(words, U&'\\FFFD', '?') WHERE index = 20 RETURNING words");
    assert_eq!(words, "a?b");
    database.sql("UPDATE docmill_kinds SET words = NULL");
    let file = std::fs::read_to_string(workspace.path("output/kinds/results.jsonl")).unwrap();
    let results: Vec<Value> = file.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (row, result) in database.rows("docmill_kinds").iter().zip(&results) {
        for (name, answer) in result["answers"].as_object().unwrap().iter().filter(|(name, _)| *name != "words") {
            assert!(is_same(&row[name], answer), "{name} of {}: {} in the table, {answer} in results.jsonl", result["document"], row[name]);
        }
    }
}

#[test]
fn a_table_that_belongs_to_others_or_has_other_types_is_refused_before_anything_is_sent() {
    let Some(database) = Postgres::start() else { return };
    let server = ModelServer::start();
    let here = workspace(&server, &database, ECHO);
    documents(&here, 0..3);
    database.sql("CREATE TABLE docmill_echo (a int)");
    here.run(["--job", "job.toml"]).exits(2).says(&["table public.docmill_echo exists, and docmill has not made it"]);
    database.sql("DROP TABLE docmill_echo");
    here.run(["--job", "job.toml"]).exits(0);
    let requests = server.requests();
    let elsewhere = workspace(&server, &database, ECHO);
    documents(&elsewhere, 5..8);
    elsewhere.run(["--job", "job.toml"]).exits(2).says(&["has the results of another job or output directory", "--replace"]);
    here.write("job.toml", ECHO.replace("said = { type = \"string\" }", "said = \"integer\""));
    database.sql("ALTER TABLE docmill_echo ALTER said TYPE date USING NULL");
    here.run(["--job", "job.toml"]).exits(2).says(&["column said has the type date, but the job now has bigint", "ALTER TABLE"]);
    assert_eq!(server.requests(), requests);
    // A refused run leaves no trace.
    here.docmill(["verify"]).exits(0);
    assert!(!here.docmill(["status"]).exits(0).stdout.contains("did not end"));
    // Text holds any value.
    database.sql("ALTER TABLE docmill_echo ALTER said TYPE text");
    here.run(["--job", "job.toml"]).exits(0);
    assert_eq!(database.sql("SELECT DISTINCT said FROM docmill_echo"), "1");
    // A wrong password and a missing variable.
    let wrong = Workspace::new()
        .against(&server)
        .env("PG_ADDRESS", &database.url().replace(PASSWORD, "guess"))
        .set("output.postgres", "env:PG_ADDRESS");
    documents(&wrong, 0..1);
    let run = wrong.run(["--job", "text"]).exits(2);
    run.says(&["password authentication failed"]).says_nothing_of("guess");
    wrong.set("output.postgres", "env:NOWHERE").run(["--job", "text"]).exits(2).says(&["variable NOWHERE is not set"]);
    elsewhere.run(["--job", "job.toml", "--replace"]).exits(0);
    equal(&elsewhere, &database, "echo");
    // Another user needs more than the right to create tables.
    database.sql("CREATE ROLE clerk LOGIN PASSWORD 'of the clerk'; GRANT CREATE, USAGE ON SCHEMA public TO clerk");
    let clerk = elsewhere.clone().env("PG_ADDRESS", &database.url().replace(&format!("postgres:{PASSWORD}"), "clerk:of%20the%20clerk"));
    clerk
        .set("output.postgres_table", "clerks")
        .run(["--job", "job.toml"])
        .exits(2)
        .says(&["GRANT SELECT, INSERT, UPDATE ON public.docmill_tables"]);
    let literal = Workspace::new().against(&server).set("output.postgres", database.url());
    documents(&literal, 0..1);
    literal.run(["--job", "text"]).exits(2).says(&["settings cannot hold secrets"]).says_nothing_of(PASSWORD);
}

#[test]
fn a_table_has_one_job_and_a_replaced_one_no_rows_of_others() {
    let Some(database) = Postgres::start() else { return };
    let server = ModelServer::start();
    let here = workspace(&server, &database, ECHO).set("output.postgres_table", "results");
    documents(&here, 0..3);
    here.run(["--job", "job.toml"]).exits(0);
    here.write("other.toml", ECHO.replace("name = \"echo\"", "name = \"other\""));
    here.run(["--job", "other.toml"]).exits(2).says(&["table public.results has the results of another job or output directory"]);
    let columns: Vec<String> = (0..1700).map(|n| format!("f{n} = {{ type = \"string\" }}")).collect();
    here.write("wide.toml", ECHO.replace("said = { type = \"string\" }", &columns.join("\n")));
    here.run(["--job", "wide.toml"]).exits(2).says(&["and a table of PostgreSQL at most 1600"]);
    let export = ["export", "--format", "postgres", "--set", "output.postgres=env:PG_ADDRESS", "--set", "output.postgres_table=results"];
    for change in [
        "UPDATE results SET said = 'edited' WHERE index = 1",
        "ALTER TABLE results ALTER said TYPE text USING NULL",
        "DELETE FROM results WHERE index = 2",
        "TRUNCATE results",
        "INSERT INTO results (index, document) VALUES (7, 'foreign')",
    ] {
        assert!(here.docmill(export).exits(0).stdout.contains("all there before"));
        database.sql(change);
        here.run(["--job", "job.toml"]).exits(0).says(&["another client has changed the table public.results"]);
        equal_in(&here, &database, "echo", "results");
    }
    // A job that gains or loses a column has not been changed by others.
    let wider = ECHO.replace("said = { type = \"string\" }", "said = { type = \"string\" }\nmore = { type = \"string\" }");
    for job in [&wider, ECHO] {
        here.write("job.toml", job);
        here.run(["--job", "job.toml"]).exits(0).says_nothing_of("another client");
        equal_in(&here, &database, "echo", "results");
    }
    here.clone().set("output.postgres_table", "docmill_tables").run(["--job", "job.toml"]).exits(2).says(&["state of all tables"]);
    database.sql("ALTER TABLE results ADD CHECK (document <> 'd00007.txt')");
    documents(&here, 7..8);
    let refused = here.run(["--job", "job.toml"]).exits(4);
    refused.says(&["violates check constraint"]).says_nothing_of("Failing row");
}

#[test]
fn a_database_that_cannot_hold_all_characters_is_refused() {
    let Some(database) = Postgres::start() else { return };
    database.sql("CREATE DATABASE western ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
    let server = ModelServer::start();
    let western = format!("{}/western", database.url().trim_end_matches("/postgres"));
    let here = Workspace::new().against(&server).env("PG_ADDRESS", &western).set("output.postgres", "env:PG_ADDRESS");
    documents(&here, 0..1);
    here.run(["--job", "text"]).exits(2).says(&["stores texts as LATIN1", "encoding UTF8"]);
    assert_eq!(server.requests(), 0);
}

#[test]
fn encryption_and_certificates_are_as_sslmode_says_and_the_password_appears_nowhere() {
    let key = include_str!("support/tls/first.key.pem");
    let Some(mut database) = Postgres::start() else { return };
    let (certificate, key) =
        (database.private_file("cert.pem", include_str!("support/tls/first.pem")), database.private_file("key.pem", key));
    for (name, value) in [("ssl", "on"), ("ssl_cert_file", certificate.to_str().unwrap()), ("ssl_key_file", key.to_str().unwrap())] {
        database.sql(&format!("ALTER SYSTEM SET {name} = '{value}'"));
    }
    database.sql("ALTER SYSTEM SET listen_addresses = '127.0.0.1,127.0.0.2'");
    database.restart_with_own_addresses();
    let server = ModelServer::start();
    let base = workspace(&server, &database, ECHO).set("output.postgres_wait_s", 0);
    documents(&base, 0..3);
    base.write("ca.pem", include_str!("support/tls/ca.pem"));
    base.write("other.pem", include_str!("support/tls/second.pem"));
    let (ca, other) = (base.path("ca.pem"), base.path("other.pem"));
    let (ca, other) = (ca.to_str().unwrap(), other.to_str().unwrap());
    let run = |host: &str, query: &str| {
        let url = format!("{}?{query}", database.url().replace("127.0.0.1", host));
        base.clone().env("PG_ADDRESS", &url).run(["--job", "job.toml"])
    };
    let mut said = String::new();
    said += &run("127.0.0.1", &format!("sslmode=verify-full&sslrootcert={ca}")).exits(0).stderr;
    equal(&base, &database, "echo");
    for (host, query, message) in [
        ("127.0.0.2", format!("sslmode=verify-full&sslrootcert={ca}"), "certificate not valid for name"),
        ("127.0.0.1", format!("sslmode=verify-full&sslrootcert={other}"), "certificate"),
        ("127.0.0.1", "sslmode=verify-full".to_owned(), "certificate"),
        ("127.0.0.1", "sslmode=verify-ca&sslrootcert=nowhere.pem".to_owned(), "sslrootcert nowhere.pem"),
    ] {
        said += &run(host, &query).exits(2).says(&[message]).stderr;
    }
    for (host, query) in [
        ("127.0.0.2", format!("sslmode=verify-ca&sslrootcert={ca}")),
        ("127.0.0.1", "sslmode=require".to_owned()),
        ("127.0.0.1", "sslmode=disable".to_owned()),
        ("localhost", String::new()),
    ] {
        said += &run(host, &query).exits(0).stderr;
    }
    assert!(!said.contains(PASSWORD), "{said}");
    let files = std::process::Command::new("grep").args(["-rlF", PASSWORD]).arg(base.path("output")).output().unwrap();
    assert_eq!(String::from_utf8(files.stdout).unwrap(), "", "files with the password");
}
