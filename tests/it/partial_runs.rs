//! Some tasks of a job, some documents of the input, and one call instead of several.

use crate::order::ECHO;
use crate::support::{Ask, ModelServer, Workspace, filled, png};
use serde_json::{Value, json};

fn texts(server: &ModelServer, count: usize) -> Workspace {
    let workspace = Workspace::new().against(server);
    for n in 0..count {
        workspace.doc(format!("{n:02}.txt"), format!("docid:d{n} a text"));
    }
    workspace
}

fn plan(workspace: &Workspace, args: &[&str]) -> Value {
    let told = workspace.docmill([&["plan", "docs", "--json"], args].concat()).exits(0);
    serde_json::from_str(&told.stdout).unwrap()
}

#[test]
fn only_named_tasks_are_asked_and_a_later_run_adds_the_others() {
    let server = ModelServer::start();
    let workspace = texts(&server, 2);
    assert_eq!(plan(&workspace, &["--job", "text", "--tasks", "summary,sentiment"])["calls"], 4);
    let run = workspace.run(["--job", "text", "--tasks", "sentiment, summary"]).exits(0);
    assert_eq!(server.requests(), 4);
    assert_eq!(run.csv("text").columns[3..7], ["summary", "sentiment", "sentiment_score", "provider"]);
    let run = workspace.run(["--job", "text"]).exits(0);
    assert_eq!(server.requests(), 12);
    assert_eq!(run.csv("text").rows.len(), 2);
    assert!(run.csv("text").columns.contains(&"category".to_owned()));
    // All answers are kept, so a run with fewer columns sends nothing.
    workspace.run(["--job", "text", "--tasks", "category"]).exits(0);
    assert_eq!(server.requests(), 12);
    workspace.docmill(["verify"]).exits(0);
}

#[test]
fn an_unknown_task_is_refused_with_the_nearest() {
    let server = ModelServer::start();
    let workspace = texts(&server, 1);
    for command in ["run", "plan"] {
        let refused = workspace.docmill([command, "docs", "--job", "text", "--tasks", "sumary"]).exits(2);
        refused.says(&["--tasks", "unknown task \"sumary\"", "did you mean summary?", "category"]);
    }
    assert_eq!(server.requests(), 0);
}

#[test]
fn the_aggregation_is_a_task_of_its_own() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.doc("part.png", png(7)).doc("note.txt", "docid:note");
    let run = workspace.run(["--job", "material", "--tasks", "assess", "--set", "input.include=[\"*.png\"]"]).exits(0);
    assert_eq!(server.requests(), 6);
    assert_eq!(run.csv("material").columns[3], "metal_suitability");
    workspace.run(["--job", "material", "--tasks", "combine"]).exits(2).says(&["combines the answers of other tasks"]);
    // With auto, each job has its own tasks, and a job without any is left out.
    let run = workspace.run(["--tasks", "assess,combine,summary"]).exits(0);
    assert_eq!(server.requests(), 8);
    assert_eq!(run.csv("text").rows.len() + run.csv("material").rows.len(), 2);
}

#[test]
fn a_limit_takes_the_first_documents_and_a_sample_the_same_ones_each_time() {
    let server = ModelServer::start();
    let workspace = texts(&server, 20);
    let one = ["--job", "text", "--tasks", "summary"];
    assert_eq!(plan(&workspace, &[&one[..], &["--limit", "3"]].concat())["calls"], 3);
    let run = workspace.run([&one[..], &["--limit", "3"]].concat()).exits(0).says(&["limited to 3 of 20 documents"]);
    assert_eq!(run.csv("text").column("document"), ["00.txt", "01.txt", "02.txt"]);
    let docs = |server: &ModelServer| server.ledger().asks.iter().filter_map(|ask| ask.docid.clone()).collect::<Vec<_>>();
    workspace.run([&one[..], &["--sample", "5"]].concat()).exits(0);
    let asked = docs(&server);
    let stretches: Vec<usize> = (0..5).filter(|n| (4 * n..4 * n + 4).any(|at| asked.contains(&format!("d{at}")))).collect();
    assert_eq!(stretches, [0, 1, 2, 3, 4]);
    workspace.run([&one[..], &["--sample", "5"]].concat()).exits(0);
    assert_eq!(docs(&server), asked);
    // A run of everything pays for each document once, and smaller runs leave its results alone.
    assert_eq!(workspace.run(one).exits(0).csv("text").rows.len(), 20);
    assert_eq!(server.requests(), 20);
    assert_eq!(workspace.run([&one[..], &["--limit", "2"]].concat()).exits(0).csv("text").rows.len(), 20);
    assert_eq!(server.requests(), 20);
    workspace.docmill(["verify"]).exits(0);
    workspace.run([&one[..], &["--limit", "2", "--sample", "2"]].concat()).exits(2);
    workspace.run([&one[..], &["--limit", "0"]].concat()).exits(2);
}

#[test]
fn a_trial_of_an_edited_job_says_where_its_rows_are() {
    let server = ModelServer::start();
    let workspace = texts(&server, 3);
    let echo = |prompt: &str| workspace.write("echo.toml", ECHO.replace("{{ document }}", &format!("{prompt} {{{{ document }}}}"))).clone();
    echo("Say").run(["--job", "echo.toml"]).exits(0);
    let before = std::fs::read(workspace.path("output/echo/results.csv")).unwrap();
    let export = "docmill export --partial --to output-trial --output output";
    echo("Repeat").run(["--job", "echo.toml", "--limit", "1"]).exits(0).says(&[
        "results of echo are unchanged: output/echo/results.csv has 3 rows of run 1",
        &format!("next  {export}"),
        "runs all documents",
    ]);
    assert_eq!(std::fs::read(workspace.path("output/echo/results.csv")).unwrap(), before);
    assert!(workspace.docmill(["verify"]).exits(0).stdout.contains("echo: run 2 was a trial with another job or other settings"));
    assert!(workspace.docmill(["export"]).exits(0).stdout.contains("3 rows of run 1 (run 2 is newer and incomplete"));
    workspace.docmill(export.split(' ').skip(1)).exits(0);
    assert_eq!(std::fs::read_to_string(workspace.path("output-trial/echo/results.csv")).unwrap().lines().count(), 2);
    // A run of everything replaces the results, and then nothing is kept apart.
    workspace.run(["--job", "echo.toml"]).exits(0).says_nothing_of("are unchanged");
    assert!(!workspace.docmill(["verify"]).exits(0).stdout.contains("trial"));
}

#[test]
fn a_limit_after_a_complete_run_says_that_nothing_is_left() {
    let server = ModelServer::start();
    let workspace = texts(&server, 3);
    workspace.write("echo.toml", ECHO).run(["--job", "echo.toml"]).exits(0);
    let run = workspace.run(["--job", "echo.toml", "--limit", "2"]).exits(0);
    let run = run.says(&[
        "up to date",
        "limited to 2 of 3 documents. The results of an earlier run already have all of them",
        "next  docmill report",
    ]);
    run.says_nothing_of("runs all documents").says_nothing_of("runs the others");
    let runs: Value = serde_json::from_str(&workspace.docmill(["runs", "--json"]).exits(0).stdout).unwrap();
    assert_eq!((&runs[1]["up_to_date"], runs[1]["documents"].as_u64().is_some()), (&json!(2), true));
}

#[test]
fn a_limited_run_with_a_failed_row_says_so() {
    let server = ModelServer::start();
    let workspace = texts(&server, 3);
    workspace.doc("00.txt", "");
    workspace.run(["--job", "text", "--limit", "2"]).exits(3);
}

#[test]
fn one_call_for_everything_has_the_columns_of_six() {
    let server = ModelServer::start();
    let workspace = texts(&server, 2);
    let single = workspace.run(["--job", "text-single"]).exits(0);
    assert_eq!(server.requests(), 2);
    let six = workspace.run(["--job", "text", "--output", "six"]).exits(0);
    assert_eq!(
        single.csv("text-single").columns,
        std::fs::read_to_string(workspace.path("six/text/results.csv")).unwrap().lines().next().unwrap().split(',').collect::<Vec<_>>(),
        "{}",
        six.stderr
    );
}

#[test]
fn a_plan_says_what_other_ways_cost() {
    let server = ModelServer::start();
    let workspace = texts(&server, 3).set("llm.model", "\"gpt-6-luna\"");
    workspace.doc("copy.txt", "docid:d0 a text");
    let told = plan(&workspace, &["--job", "text"]);
    assert_eq!((&told["calls"], &told["identical_documents"]), (&24.into(), &1.into()));
    let ways: Vec<(&str, u64)> = told["alternatives"]
        .as_array()
        .unwrap()
        .iter()
        .map(|way| (way["arguments"].as_str().unwrap(), way["calls"].as_u64().unwrap()))
        .collect();
    assert_eq!(ways, [("--job text-single", 4), ("--set llm.share_identical_calls=true", 18)]);
    let text = workspace.docmill(["plan", "docs", "--job", "text"]).exits(0).stdout;
    assert!(text.contains("With --job text-single: 4 calls instead of 24"), "{text}");
    assert!(text.contains("1 document has the same content as another. With --set llm.share_identical_calls=true: 18 calls"), "{text}");
    let back = plan(&workspace, &["--job", "text-single"]);
    assert_eq!(back["alternatives"][0]["arguments"], "--job text");
    let auto = plan(&workspace, &[]);
    assert_eq!((&auto["alternatives"][0]["arguments"], &auto["alternatives"][0]["calls"]), (&json!("--job auto-single"), &json!(4)));
    let shared = plan(&workspace, &["--job", "text", "--set", "llm.share_identical_calls=true"]);
    assert_eq!(shared["alternatives"].as_array().unwrap().len(), 1);
    assert_eq!(server.requests(), 0);
}

#[test]
fn null_is_an_empty_cell_and_an_empty_text_has_quotes() {
    let server = ModelServer::script()
        .answer(|ask: &Ask| match ask.docid.as_deref() {
            Some("d0") => json!({"due": null, "note": "", "kind": "odd"}),
            Some("d1") => json!({"due": "2026-11-29", "kind": "in"}),
            _ => filled(ask),
        })
        .start();
    let workspace = texts(&server, 2);
    workspace.write(
        "own.toml",
        "name = \"own\"\ninput = \"text\"\n[[task]]\nid = \"t\"\nprompt = \"p\"\n[task.answer]\ndue = { type = \"date\", nullable = true }\n\
         note = { type = \"string\", optional = true }\nkind = { type = \"string\", enum = [\"in\"], unknown = \"other\" }\n",
    );
    let checked = workspace.docmill(["jobs", "check", "own.toml"]).exits(0);
    assert!(checked.stdout.contains("own.toml: ok: job own, 1 call for each document, columns due, note, kind"), "{}", checked.stdout);
    let run = workspace.run(["--job", "own.toml"]).exits(0);
    let csv = run.file("own", "results.csv");
    let cells: Vec<String> = csv.lines().skip(1).map(|line| line.split(',').skip(3).take(3).collect::<Vec<_>>().join(",")).collect();
    assert_eq!(cells, [",\"\",other", "2026-11-29,,in"]);
    assert_eq!(run.csv("own").column("repaired"), ["unknown_value", ""]);
    let rows = run.json("own");
    assert_eq!((&rows[0]["answers"]["due"], &rows[1]["answers"]["note"]), (&Value::Null, &Value::Null));
    assert_eq!(rows[0]["answers"]["note"], "");
}

#[test]
fn lists_that_disagree_are_refused_by_check_plan_and_run() {
    let server = ModelServer::start();
    let workspace = texts(&server, 1);
    let material = workspace.docmill(["jobs", "show", "material"]).exits(0).stdout;
    workspace.write("own.toml", material.replace("# weights = { wood = 0.5 }", "weights = { wodo = 0.5 }"));
    for command in [&["jobs", "check", "own.toml"][..], &["plan", "docs", "--job", "own.toml"], &["run", "docs", "--job", "own.toml"]] {
        workspace.docmill(command).exits(2).says(&["own.toml:", "weights: unknown value `wodo`; expected metal"]);
    }
    workspace.docmill(["jobs", "check", "material", "nothing.toml"]).exits(2).says(&["nothing.toml"]);
    assert_eq!(server.requests(), 0);
}

#[test]
fn tasks_of_the_settings_file_are_those_of_its_job() {
    let server = ModelServer::start();
    let workspace = texts(&server, 3);
    workspace.write("pipeline.toml", "[job]\nuse = \"text\"\ntasks = [\"sentiment\", \"category\"]\n");
    let told = plan(&workspace, &["--pilot", "1"]);
    assert_eq!((&told["calls"], &told["alternatives"]), (&4.into(), &json!([])));
    let compared = workspace.docmill(["compare", "docs", "--variant", "text", "--variant", "text-single", "--field", "sentiment", "--yes"]);
    compared.exits(0).says(&["variant text-single has no such tasks as job.tasks names, so it asks all its tasks"]);
    workspace.run(["--job", "text-single", "--tasks", "summary,sentiment"]).exits(2).says(&[
        "unknown task \"summary\"; expected one or more of read",
        "summary is a field of an answer that job text-single asks for in one call",
    ]);
}

#[test]
fn tables_of_the_settings_file_replace_the_sample_data() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.write("rows.csv", "id,body\n1,docid:a\n2,docid:b\n");
    let table = "[input]\nrows = [\"rows.csv\"]\ntext_column = \"body\"\nid_column = \"id\"\n";
    workspace.write("pipeline.toml", table);
    let run = workspace.run_on(["--job", "text", "--tasks", "summary"], "").exits(0);
    assert_eq!(run.csv("text").column("document"), ["rows.csv#1", "rows.csv#2"]);
    // Paths that the user names are read too.
    workspace.write("pipeline.toml", table.replace("[input]", "[input]\npaths = [\"docs\"]")).doc("a.txt", "docid:c");
    workspace.run_on(["--job", "text", "--tasks", "summary", "--output", "both"], "").exits(0);
    let both = std::fs::read_to_string(workspace.path("both/text/results.csv")).unwrap();
    assert_eq!(both.lines().count(), 4, "{both}");
    assert_eq!(server.requests(), 5);
}
