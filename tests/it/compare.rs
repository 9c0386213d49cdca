//! Comparisons of sequential with parallel processing, and of variants.

use crate::order::ECHO;
use crate::sample_run::clone_of_the_repository;
use crate::support::{Ask, Finished, ModelServer, Reply, Workspace, filled};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const LATENCY: Duration = Duration::from_millis(25);

fn compare(workspace: &Workspace, args: &[&str]) -> Finished {
    workspace.start_with([&["compare"], args].concat()).finish()
}

fn json_of(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout).unwrap_or_else(|e| panic!("{e}: {}", finished.stdout))
}

fn csv_rows(text: &str) -> Vec<BTreeMap<String, String>> {
    csv::Reader::from_reader(text.as_bytes()).deserialize().map(Result::unwrap).collect()
}

#[test]
fn sequential_and_parallel_runs_are_compared_without_stored_answers() {
    // The run and the sequential run take 8 requests. The 4 requests of the parallel run then wait
    // until all are in flight.
    let server = ModelServer::script().latency(|_| LATENCY).hold(|_, ledger| ledger.requests() > 8 && ledger.requests() < 12).start();
    let workspace = Workspace::new().env("OPENAI_API_KEY", "sk-test").set("llm.provider", "openai").set("llm.model", "gpt-6-astra");
    let workspace = workspace.set("llm.base_url", format!("{}/v1", server.url())).set("llm.concurrency", 4);
    let workspace = workspace.set("llm.limits.slow_start", "off").set("job.use", "echo.toml").set("input.paths", "docs");
    workspace.write("echo.toml", ECHO);
    for id in ["a", "b", "c", "d"] {
        workspace.doc(format!("{id}.txt"), format!("docid:{id}"));
    }
    let asked =
        compare(&workspace, &["--sequential"]).exits(2).says(&["each of the two runs asks about 4 documents: 4 calls, $0.", "--yes"]);
    assert_eq!((server.requests(), asked.stdout.as_str()), (0, ""));
    workspace.start_with(["run"]).finish().exits(0);
    let results = std::fs::read(workspace.path("output/echo/results.jsonl")).unwrap();

    // The cap would allow one call, but the spending of the run in the directory counts too.
    let store = rusqlite::Connection::open(workspace.path("output/docmill.db")).unwrap();
    let sql = "SELECT max(at_most_pico_usd) + sum(pico_usd) / 2 FROM attempts";
    let cap = store.query_row(sql, (), |row| row.get::<_, i64>(0)).unwrap() as f64 / 1e12;
    compare(&workspace, &["--sequential", "--yes", "--set", &format!("budget.max_usd={cap:.12}")]).exits(4).says(&["budget.max_usd"]);
    assert_eq!(server.requests(), 4);

    let run = compare(&workspace, &["--sequential", "--yes", "--json"]).exits(0).says(&["4 documents: 4 calls, $0."]);
    assert_eq!(server.requests(), 12);
    let ledger = server.ledger();
    let sequential: Vec<_> = ledger.asks[4..8].iter().map(|ask| ask.arrived).collect();
    assert!(sequential.windows(2).all(|pair| pair[1] - pair[0] >= LATENCY), "two calls at a time in a sequential run");
    let found = json_of(&run);
    let all = &found["all"];
    assert_eq!((&all["calls"], &all["ideal_speed_up"], &found["concurrency"]), (&json!(4), &json!(4.0), &json!(4)));
    let number = |value: &Value| value.as_f64().unwrap();
    let quotient = number(&all["wall_seconds"]["sequential"]) / number(&all["wall_seconds"]["parallel"]);
    assert!((number(&all["speed_up"]) - quotient).abs() < 1e-9 && quotient > 1.0, "{all}");
    assert_eq!(found["tasks"].as_array().unwrap().iter().map(|task| &task["task"]).collect::<Vec<_>>(), ["echo"]);

    // A repeated comparison is paid again. The user's results do not change.
    let shown = compare(&workspace, &["--sequential", "--yes", "-q"]).exits(0).stdout;
    assert!(shown.contains("4 calls at a time are") && shown.contains("cost: $0."), "{shown}");
    assert_eq!(server.requests(), 20);
    assert_eq!(std::fs::read(workspace.path("output/echo/results.jsonl")).unwrap(), results);
    let kept: Value = serde_json::from_slice(&std::fs::read(workspace.path("output/compare/compare.json")).unwrap()).unwrap();
    assert_eq!(kept["sequential"]["all"]["calls"], 4);

    // Without a run of its own, the directory still has the cost of its comparisons.
    compare(&workspace, &["--sequential", "--yes", "-q", "--output", "only"]).exits(0);
    for command in ["status", "runs"] {
        let shown = workspace.docmill([command, "--output", "only"]).exits(0).stdout;
        assert!(shown.contains("comparison parallel: ") && shown.contains("4 requests, $"), "{shown}");
        let json: Value = serde_json::from_str(&workspace.docmill([command, "--json", "--output", "only"]).exits(0).stdout).unwrap();
        assert!(json.to_string().contains("\"comparison\":\"sequential\""), "{json}");
    }
}

/// A job with its own system text.
fn job(name: &str) -> String {
    let choice = "best_material = { type = \"string\", enum = [\"metal\", \"wood\"] }\ngrade = { type = \"integer\", min = 1, max = 9 }";
    ECHO.replace("name = \"echo\"", &format!("name = \"{name}\"\nsystem = \"You are {name}.\""))
        .replace("said = { type = \"string\" }", choice)
}

/// The answers of two jobs on eight documents. The second job declines the last document.
fn says(ask: &Ask) -> Value {
    let (one, other) = ("mwwwmmwm", "mmwmmmw-");
    let place = ask.docid.as_ref().unwrap().parse::<usize>().unwrap();
    let answers = if ask.system.contains("You are one") { one } else { other };
    let grade = if answers == one { place + 1 } else { 8 - place };
    json!({"best_material": if answers.as_bytes()[place] == b'm' { "metal" } else { "wood" }, "grade": grade})
}

fn declines(ask: &Ask) -> bool {
    ask.system.contains("You are other") && ask.docid.as_deref() == Some("7")
}

/// Labels with a byte order mark, semicolons and several faults. One name is unknown, one is
/// repeated and one is missing.
const LABELS: &str = "\u{feff}document;label\r\n0.txt;Metal\r\n1.txt;metal\r\n2.txt;wood \r\n3.txt;wood\r\n4.txt; wood\r\n5.txt;METAL\r\n\
    7.txt;wood\r\nnobody.txt;wood\r\n0.txt;metal\r\n";

fn two_jobs(server: &ModelServer) -> Workspace {
    let workspace = Workspace::new().against(server).set("input.paths", "docs");
    workspace.write("one.toml", job("one")).write("other.toml", job("other")).write("labels.csv", LABELS);
    for id in 0..8 {
        workspace.doc(format!("{id}.txt"), format!("docid:{id}"));
    }
    workspace
}

const BOTH: [&str; 4] = ["--variant", "one.toml", "--variant", "other.toml"];

#[test]
fn expensive_variants_need_confirmation() {
    let server = ModelServer::script().answer(says).start();
    let workspace = two_jobs(&server);
    let price = "prices.test-model={ input = 9000.0, output = 9000.0 }";
    let dear = [&BOTH[..], &["--set", price]].concat();
    compare(&workspace, &dear).exits(2).says(&["compare: variant one.toml with test-model: 8 calls, $", "Pass --yes to agree"]);
    assert_eq!(server.requests(), 0);
    compare(&workspace, &[&dear[..], &["--yes", "-q"]].concat()).exits(0);
    assert_eq!(server.requests(), 16);
    // Answered calls cost nothing, so no confirmation is needed.
    compare(&workspace, &[&dear[..], &["-q"]].concat()).exits(0);
}

#[test]
fn variants_are_compared_on_common_answers_and_figures_match_a_manual_count() {
    let server = ModelServer::script().answer(says).faults(|ask| if declines(ask) { Reply::Refusal } else { Reply::Ok }).start();
    let workspace = two_jobs(&server);
    let args = [&BOTH[..], &["--labels", "labels.csv", "--json"]].concat();
    let found = json_of(&compare(&workspace, &args).exits(3));
    assert_eq!((&found["field"], &found["documents"], &found["compared"]), (&json!("best_material"), &json!(8), &json!(7)));
    assert_eq!(found["left_out"], json!([{"variant": "other.toml", "reason": "refused", "documents": 1}]));
    let labels = &found["labels"];
    assert_eq!((&labels["labels"], &labels["repeated"], &labels["documents_without"]), (&json!(8), &json!(1), &json!(1)));
    assert_eq!(labels["unknown"], json!(["nobody.txt"]));
    // Six of the seven documents have a label. `one` is right on 0, 2, 3 and 5, and `other` on 0,
    // 1, 2 and 5.
    for variant in found["variants"].as_array().unwrap() {
        assert_eq!((&variant["accuracy"]["of"], &variant["accuracy"]["n"]), (&json!(4), &json!(6)), "{variant}");
    }
    let confusion = [("metal", "metal", 2), ("metal", "wood", 1), ("wood", "metal", 1), ("wood", "wood", 2)];
    let confusion = confusion.map(|(label, answer, documents)| json!({"label": label, "answer": answer, "documents": documents}));
    assert_eq!(found["variants"][0]["confusion"], json!(confusion));
    let pair = &found["pairs"][0];
    assert_eq!((&pair["agreed"]["of"], &pair["agreed"]["n"]), (&json!(5), &json!(7)));
    // Agreement is 5/7, and by chance 3/7 * 5/7 + 4/7 * 2/7 = 23/49. Kappa: (35 - 23) / (49 - 23).
    assert!((pair["kappa"]["value"].as_f64().unwrap() - 12.0 / 26.0).abs() < 1e-9, "{pair}");
    assert_eq!((&pair["only_right"], &pair["mcnemar_p"]), (&json!([1, 1]), &json!(1.0)));

    let csv = std::fs::read_to_string(workspace.path("output/compare/compare.csv")).unwrap();
    let rows = csv_rows(&csv);
    let row = |at: usize| ["document", "label", "one.toml", "other.toml", "agree"].map(|column| rows[at][column].clone());
    assert_eq!((row(1), rows.len()), (["1.txt", "metal", "wood", "metal", "false"].map(str::to_owned), 8));
    assert_eq!(row(6), ["6.txt", "", "wood", "wood", "true"]);
    assert_eq!(row(7), ["7.txt", "wood", "metal", "", ""]);

    // All answers are stored, so neither this nor the comparison of numbers sends anything.
    assert_eq!(server.requests(), 16);
    let shown = compare(&workspace, &args[..6]).exits(3).stdout;
    for part in ["compared on 7 of 8 documents", "1 without an answer of other.toml: refused", "nobody.txt", "4/6 = 67 %", "5/7 = 71 %"] {
        assert!(shown.contains(part), "no {part:?} in:\n{shown}");
    }
    let numbers = json_of(&compare(&workspace, &[&BOTH[..], &["--field", "grade", "--json"]].concat()).exits(3));
    let close = &numbers["pairs"][0]["numbers"];
    // Grades 1 to 7 and 8 to 2 differ by 7, 5, 3, 1, 1, 3 and 5.
    assert!((close["mean_absolute_difference"].as_f64().unwrap() - 25.0 / 7.0).abs() < 1e-9, "{close}");
    assert!((close["correlation"].as_f64().unwrap() + 1.0).abs() < 1e-9, "{close}");
    assert_eq!(server.requests(), 16);
}

#[test]
fn a_killed_comparison_is_resumed() {
    let stuck = Arc::new(AtomicBool::new(true));
    let hangs = Arc::clone(&stuck);
    let last = |ask: &Ask| ask.system.contains("You are other") && ask.docid.as_deref() == Some("7");
    let server = ModelServer::script()
        .answer(filled)
        .faults(move |ask| if last(ask) && hangs.load(Ordering::SeqCst) { Reply::Hang } else { Reply::Ok })
        .start();
    let workspace = two_jobs(&server);
    let run = workspace.start_with(["compare"].into_iter().chain(BOTH));
    server.wait_until("only the last one hangs", |ledger| ledger.calls.iter().filter(|call| call.served > 0).count() == 15);
    let second = compare(&workspace, &BOTH).exits(6);
    assert!(second.stderr.contains("output directory output/compare: another docmill is running there"), "{}", second.stderr);
    run.signal("KILL");
    assert!(run.end().is_err());
    stuck.store(false, Ordering::SeqCst);
    let found = json_of(&compare(&workspace, &[&BOTH[..], &["--json"]].concat()).exits(0));
    assert_eq!((&found["compared"], &found["pairs"][0]["agreed"]["of"]), (&json!(8), &json!(8)));
    let requests = server.ledger().calls.iter().filter(|call| call.requests == 1).count();
    assert!(requests >= 8, "answers of the first variant were paid twice");
    assert!(server.requests() < 25, "{} requests for 16 calls", server.requests());
}

#[test]
fn incomparable_variants_are_reported_before_anything_is_sent() {
    let server = ModelServer::start();
    let workspace = two_jobs(&server);
    workspace.write("echo.toml", ECHO).write("twice.csv", "document,label\n0.txt,metal\n0.txt,wood\n");
    let wrong: [(&[&str], &str); 8] = [
        (&[], "--variant"),
        (&["--sequential", "--variant", "one.toml"], "cannot be used with"),
        (&["--variant", "one.toml"], "another --variant, or --labels"),
        (&["--variant", "one.toml", "--variant", "echo.toml"], "no column in common"),
        (&["--variant", "one.toml", "--variant", "one.toml"], "is given twice"),
        (&["--variant", "one.toml", "--variant", "none.toml"], "--variant 'none.toml': "),
        (&["--variant", "one.toml", "--variant", "one.toml llm.modle=x"], "did you mean llm.model"),
        (&["--variant", "one.toml", "--labels", "twice.csv"], "0.txt is \"metal\" in line 2 and \"wood\" in line 3"),
    ];
    for (args, message) in wrong {
        compare(&workspace, args).exits(2).says(&[message]);
    }
    workspace.docmill(["compare", "-", "--sequential"]).exits(2).says(&["standard input can be read only once"]);
    compare(&workspace, &[&BOTH[..], &["--field", "nonsense"]].concat()).exits(2).says(&["all have: best_material, grade"]);
    workspace.write("output/compare/sequential/notes.txt", "mine");
    compare(&workspace, &["--sequential", "--yes", "--job", "echo.toml"]).exits(2).says(&["files that docmill did not write"]);
    assert_eq!(std::fs::read_to_string(workspace.path("output/compare/sequential/notes.txt")).unwrap(), "mine");
    assert_eq!(server.requests(), 0);
}

#[test]
fn the_accuracy_on_the_sample_data_is_the_share_of_results_that_equal_their_label() {
    let workspace = Workspace::new().set("simulator.latency_ms", 0).set("simulator.jitter_ms", 0);
    clone_of_the_repository(&workspace);
    let args = ["--variant", "material", "--variant", "material-single", "--labels", "sample_data/labels.csv", "--json"];
    let found = json_of(&compare(&workspace, &args).exits(0));
    let labels = csv_rows(&std::fs::read_to_string(workspace.path("sample_data/labels.csv")).unwrap());
    assert_eq!((found["compared"].as_u64().unwrap(), labels.len()), (16, 16));
    for variant in found["variants"].as_array().unwrap() {
        let name = variant["variant"].as_str().unwrap();
        let results = std::fs::read_to_string(workspace.path(format!("output/compare/{name}/{name}/results.csv"))).unwrap();
        let results = csv_rows(&results);
        let right = |label: &&BTreeMap<String, String>| {
            results.iter().any(|row| row["document"] == label["file"] && row["best_material"] == label["material"])
        };
        let right = labels.iter().filter(right).count();
        assert_eq!((&variant["accuracy"]["of"], &variant["accuracy"]["n"]), (&json!(right), &json!(16)), "{name}");
        assert!(right > 0, "{name} has nothing right: the count shows nothing");
    }
    // Files of comparisons are never documents.
    let run = workspace.docmill(["run", ".", "--output", "elsewhere", "--set", "input.include=output/**"]).exits(2);
    assert!(run.stderr.contains("no documents"), "{}", run.stderr);
}

#[test]
fn a_slower_run_is_marked_as_a_regression() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.write("echo.toml", ECHO).doc("a.txt", "docid:a");
    workspace.run(["--job", "echo.toml"]).exits(0);
    let store = rusqlite::Connection::open(workspace.path("output/docmill.db")).unwrap();
    // Five runs like the first, with forty requests each. The last one takes three times as long.
    for (run, ms) in [(2, 100), (3, 101), (4, 99), (5, 100), (6, 300)] {
        let figures = json!({"requests_per_second": 1000.0 / f64::from(ms), "wall_seconds": 1.0}).to_string();
        store
            .execute(
                "INSERT INTO runs (id, started, ended, docmill_version, settings, summary, command, recipe, jobs, outcome, figures)
                 SELECT ?1, started, ended, docmill_version, settings, '[]', command, recipe, jobs, outcome, ?2 FROM runs WHERE id = 1",
                (run, figures),
            )
            .unwrap();
        store
            .execute(
                "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)
                 INSERT INTO attempts (run, document, call_key, call, attempt, sent_ms, ended_ms, outcome, pico_usd)
                 SELECT ?1, 1, zeroblob(32), 'echo', 1, 1000 * i, 1000 * i + ?2, 'answered', 1000000 FROM n",
                (run, ms),
            )
            .unwrap();
        store.execute("UPDATE attempts SET request = id WHERE run = ?1", [run]).unwrap();
    }
    let text = workspace.docmill(["runs"]).exits(0).stdout;
    let pointed: Vec<&str> =
        text.lines().map(str::trim).filter(|line| line.starts_with("run ") && line.contains(':') && line.contains('%')).collect();
    assert_eq!(
        pointed,
        [
            "run 6: 67 % slower than runs 2 to 5 (3.3 requests/s, median 10.0)",
            "run 6: answers take 200 % longer than in runs 2 to 5 (0.30 s, median 0.10 s)",
        ]
    );
    let runs: Value = serde_json::from_str(&workspace.docmill(["runs", "--json"]).exits(0).stdout).unwrap();
    let counts: Vec<usize> = runs.as_array().unwrap().iter().map(|run| run["regressions"].as_array().unwrap().len()).collect();
    assert_eq!(counts, [0, 0, 0, 0, 0, 2]);
    assert_eq!((&runs[5]["requests"], &runs[5]["median_request_ms"]), (&json!(40), &json!(300.0)));
}

#[test]
fn labels_are_checked_before_anything_is_sent() {
    let server = ModelServer::script().answer(says).start();
    let workspace = two_jobs(&server);
    let with = |name: &str, labels: &str, more: &[&str]| {
        workspace.write(name, labels);
        compare(&workspace, &[&["--variant", "one.toml", "--labels", name], more].concat())
    };
    for (labels, message) in [
        ("document,label\nphoto-1.jpg,wood\nphoto-2.jpg,wood\n", "no name matches a document: photo-1.jpg, photo-2.jpg"),
        ("document,label\n0.txt,\"metal\n1.txt,wood\n", "opened in line 2 is never closed"),
        ("document,label\n0.txt,metal,wood\n", "line 2 has 3 fields for 2 columns"),
        (
            "document,label\n0.txt,steel\n1.txt,oak\n",
            "no variant can answer \"oak\" (1 times), \"steel\" (1 times); best_material can be: metal, wood",
        ),
    ] {
        with("bad.csv", labels, &[]).exits(2).says(&[message]);
    }
    assert_eq!(server.requests(), 0);
    let labels = "document,label\nsome/where/0.txt,metal\n1.txt,metal\n2.txt,oak\nnobody.txt,wood\n";
    let run = with("labels.csv", labels, &["--documents", "4", "--json"]).exits(0);
    let run = run.says(&[
        "3 documents have a label, 1 of them by the end of their path, 5 have no label",
        "1 name without a document: nobody.txt",
        "no variant can answer \"oak\"",
    ]);
    assert_eq!(
        (server.requests(), &json_of(&run)["documents"], &json_of(&run)["labels"]["unknown"]),
        (4, &json!(4), &json!(["nobody.txt"]))
    );
}

#[test]
fn answers_of_the_main_store_are_reused_and_spending_is_shown() {
    let server = ModelServer::script().answer(says).start();
    let workspace = two_jobs(&server);
    workspace.run(["--job", "one.toml"]).exits(0);
    assert_eq!(server.requests(), 8);
    let price = "prices.test-model={ input = 10.0, output = 10.0 }";
    let found = json_of(&compare(&workspace, &[&BOTH[..], &["--json", "--set", price, "--yes"]].concat()).exits(0));
    assert_eq!((server.requests(), &found["compared"]), (16, &json!(8)));
    let variants = found["variants"].as_array().unwrap();
    assert_eq!((&variants[0]["calls"], &variants[1]["calls"]), (&json!(8), &json!(8)));
    workspace.docmill(["verify", "--output", "output/compare/one.toml"]).exits(0);

    let status: Value = serde_json::from_str(&workspace.docmill(["status", "--json"]).exits(0).stdout).unwrap();
    let requests: Vec<(&Value, &Value)> =
        status["comparisons"].as_array().unwrap().iter().map(|spent| (&spent["comparison"], &spent["requests"])).collect();
    assert_eq!(requests, [(&json!("one.toml"), &json!(0)), (&json!("other.toml"), &json!(8))]);
    assert!(workspace.docmill(["status"]).exits(0).stdout.contains("comparison other.toml: 8 requests, $"));
    let runs = workspace.docmill(["runs"]).exits(0).stdout;
    assert!(runs.contains("comparison other.toml: 1 run, 8 requests, $"), "{runs}");
}

#[test]
fn an_unusable_directory_is_refused_before_a_price_is_shown() {
    let server = ModelServer::start();
    let workspace = two_jobs(&server);
    workspace.write("output/compare/other.toml", "a file in the way");
    let price = "prices.test-model={ input = 9000.0, output = 9000.0 }";
    let refused = compare(&workspace, &[&BOTH[..], &["--set", price]].concat()).exits(2).says(&["other.toml: this is not a directory"]);
    assert!(!refused.stderr.contains('$'), "{}", refused.stderr);
    assert_eq!(server.requests(), 0);
}
