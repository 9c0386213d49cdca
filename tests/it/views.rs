//! Views of results in the run store, read by Python's sqlite3 and by the sqlite3 command.

use crate::order::ECHO;
use crate::support::{ModelServer, Workspace};
use serde_json::{Value, json};
use std::process::Command;

const JOB: &str = r#"
name = "all-kinds"
input = "text"
[[task]]
id = "kinds"
prompt = "Fill this in.\n\n{{ document }}"
max_output_tokens = 100
[task.answer]
words = { type = "string", nullable = true }
whole = { type = "integer", nullable = true }
real = { type = "number", nullable = true }
yes = { type = "boolean", nullable = true }
tags = { type = "array", items = "string" }
maker = { type = "object", fields = { name = "string" }, nullable = true }
"Größe (mm)" = { type = "integer", nullable = true }
"#;

/// Prints a query as JSON, one row a line.
const PYTHON: &str = r"
import json, sqlite3, sys
db = sqlite3.connect('file:' + sys.argv[1] + '?mode=ro', uri=True)
rows = db.execute(sys.argv[2])
names = [column[0] for column in rows.description]
for row in rows: print(json.dumps(dict(zip(names, row))))
";

fn python(workspace: &Workspace, sql: &str) -> Vec<Value> {
    let done = Command::new("python3").args(["-c", PYTHON]).arg(workspace.path("output/docmill.db")).arg(sql).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    let required = std::env::var_os("DOCMILL_TEST_POSTGRES").is_some_and(|value| value == "required");
    assert!(found || !required, "no {program}");
    if !found {
        eprintln!("skipped: there is no {program}");
    }
    found
}

/// Fails unless the view has the rows of results.jsonl and results.csv.
#[track_caller]
fn equal(workspace: &Workspace, job: &str, view: &str) {
    let file = |name: &str| std::fs::read_to_string(workspace.path(format!("output/{job}/{name}"))).unwrap();
    let results: Vec<Value> = file("results.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let csv = file("results.csv");
    let mut csv = csv::Reader::from_reader(csv.as_bytes());
    let columns = csv.headers().unwrap().clone();
    let rows = python(workspace, &format!("SELECT * FROM {view} ORDER BY \"index\""));
    assert_eq!(rows.len(), results.len());
    for ((row, result), line) in rows.iter().zip(&results).zip(csv.records()) {
        let line = line.unwrap();
        let names: Vec<&str> = row.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, columns.iter().collect::<Vec<_>>());
        for (name, cell) in columns.iter().zip(&line) {
            let shown = match (&row[name], result["answers"].get(name)) {
                (there, Some(answer)) => {
                    let expected = match answer {
                        Value::Bool(yes) => json!(u8::from(*yes)),
                        Value::Array(_) | Value::Object(_) => json!(answer.to_string()),
                        other => other.clone(),
                    };
                    let is_same = *there == expected || (there.as_f64().is_some() && there.as_f64() == expected.as_f64());
                    assert!(is_same, "{name} of {}: {there} in the view, {answer} in results.jsonl", result["document"]);
                    continue;
                }
                (Value::Null, _) => String::new(),
                (Value::String(text), _) => text.clone(),
                (Value::Number(number), _) if number.as_f64() == cell.parse().ok() => cell.to_owned(),
                (other, _) => other.to_string(),
            };
            assert_eq!(shown, cell.strip_prefix('\'').unwrap_or(cell), "{name} of {}", result["document"]);
        }
    }
}

/// An answer with each kind of value.
fn answer(ask: &crate::support::Ask) -> Value {
    let n: usize = ask.docid.as_ref().unwrap().parse().unwrap();
    let one = |values: &[Value]| values[n % values.len()].clone();
    json!({
        "words": one(&[json!("it's \"quoted\"\n🦀"), json!(""), Value::Null, json!("a\\u0000b"), json!("ü")]),
        "whole": one(&[json!(3), json!(i64::MIN), Value::Null, json!(i64::MAX)]),
        "real": one(&[json!(0.1), json!(-2), Value::Null, json!(1.5e300), json!(12345.678)]),
        "yes": one(&[json!(true), json!(false), Value::Null]),
        "tags": one(&[json!([]), json!(["a", "é\"\n"])]),
        "maker": one(&[json!({"name": "x"}), Value::Null]),
        "Größe (mm)": n,
    })
}

#[test]
#[ignore = "takes minutes; run it when views or the writing of rows change"]
fn a_view_of_a_hundred_thousand_rows_has_the_results() {
    let server = ModelServer::script().answer(answer).start();
    let workspace = Workspace::new().against(&server).set("llm.model", "gpt-5-mini");
    workspace.write("job.toml", JOB);
    for n in 0..100_000 {
        workspace.doc(format!("d{n:05}.txt"), format!("This is docid:{n} and nothing else.\n"));
    }
    workspace.run(["--job", "job.toml"]).exits(0);
    equal(&workspace, "all-kinds", "results_all_kinds");
}

#[test]
fn a_view_has_the_results_of_a_job_with_their_types() {
    if !has("python3") || !has("sqlite3") {
        return;
    }
    let server = ModelServer::script().answer(answer).start();
    let workspace = Workspace::new().against(&server).set("llm.model", "gpt-5-mini");
    workspace.write("job.toml", JOB).write("echo.toml", ECHO);
    for n in 0..30 {
        workspace.doc(format!("d{n:02}.txt"), format!("This is docid:{n} and nothing else.\n"));
    }
    workspace.doc("empty.txt", "");
    workspace.run(["--job", "job.toml"]).exits(3);
    equal(&workspace, "all-kinds", "results_all_kinds");
    let kinds =
        python(&workspace, "SELECT typeof(whole) w, typeof(real) r, typeof(yes) y FROM results_all_kinds WHERE document = 'd01.txt'");
    assert_eq!(kinds, [json!({"w": "integer", "r": "real", "y": "integer"})]);
    // A look-up of a document uses indices only.
    let plan = python(&workspace, "EXPLAIN QUERY PLAN SELECT * FROM results_all_kinds WHERE document = 'd01.txt'");
    let plan: Vec<&str> = plan.iter().map(|step| step["detail"].as_str().unwrap()).collect();
    assert!(plan.iter().any(|step| step.starts_with("SEARCH l") && step.contains("document=?")), "{plan:?}");

    // Reruns, added documents, and another job beside the first.
    std::fs::remove_file(workspace.path("docs/empty.txt")).unwrap();
    workspace.doc("d00.txt", "This is docid:7 and something else.\n").doc("d99.txt", "This is docid:99 and nothing else.\n");
    workspace.run(["--job", "job.toml"]).exits(0);
    equal(&workspace, "all-kinds", "results_all_kinds");
    workspace.write("more/m.txt", "This is docid:1000 and nothing else.\n");
    let arguments =
        ["run", "more", "--job", "job.toml", "--add", "--set", "llm.provider=openai-compatible", "--set", "llm.model=gpt-5-mini"];
    let url = format!("llm.base_url={}/v1", server.url());
    workspace.docmill(arguments.into_iter().chain(["--set", &url])).exits(0);
    equal(&workspace, "all-kinds", "results_all_kinds");
    assert_eq!(python(&workspace, "SELECT count(*) n FROM results_all_kinds"), [json!({"n": 32})]);
    // A reader with an open connection sees other columns of a job, and a view of another tool does no harm.
    let database = workspace.path("output/docmill.db");
    let command = |sql: &str| {
        let done = Command::new("sqlite3").arg(&database).arg(sql).output().unwrap();
        assert!(done.status.success(), "{sql}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().trim_end().to_owned()
    };
    assert_eq!(command("SELECT whole FROM results_all_kinds WHERE document = 'd03.txt'"), i64::MAX.to_string());
    let reader = rusqlite::Connection::open(&database).unwrap();
    let mut count = reader.prepare("SELECT count(*) FROM results_all_kinds").unwrap();
    assert_eq!(count.query_row((), |row| row.get::<_, i64>(0)).unwrap(), 32);
    command("CREATE VIEW results_other AS SELECT 1 AS one");
    workspace.write("job.toml", JOB.replace("words = {", "title = {"));
    workspace.run(["--job", "job.toml", "--replace"]).exits(0);
    assert_eq!(count.query_row((), |row| row.get::<_, i64>(0)).unwrap(), 31);
    equal(&workspace, "all-kinds", "results_all_kinds");
    workspace.docmill(["verify"]).exits(0);
}

#[test]
fn a_view_keeps_complete_results_until_a_run_is_complete_and_shows_the_first_run_while_it_works() {
    if !has("python3") {
        return;
    }
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.write("job.toml", ECHO);
    for n in 0..10 {
        workspace.doc(format!("d{n:02}.txt"), format!("This is docid:{n} and nothing else.\n"));
    }
    workspace.run(["--job", "job.toml", "--limit", "4"]).exits(0);
    equal(&workspace, "echo", "results_echo");
    workspace.run(["--job", "job.toml"]).exits(0);
    equal(&workspace, "echo", "results_echo");
    // A trial of another version of the job changes neither files nor view.
    workspace.write("job.toml", ECHO.replace("said =", "told ="));
    workspace.run(["--job", "job.toml", "--limit", "3"]).exits(0);
    equal(&workspace, "echo", "results_echo");
    workspace.run(["--job", "job.toml"]).exits(0);
    equal(&workspace, "echo", "results_echo");
    let told = python(&workspace, "SELECT told FROM results_echo LIMIT 1");
    assert_eq!(told, [json!({"told": "told of docid:0"})]);
}
