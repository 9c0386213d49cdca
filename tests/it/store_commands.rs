//! Commands on the run store.

use crate::order::ECHO;
use crate::support::{ModelServer, Reply, Workspace};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn done(server: &ModelServer) -> Workspace {
    let workspace = Workspace::new().against(server);
    workspace.write("echo.toml", ECHO).doc("a.txt", "docid:a").doc("b.txt", "docid:b");
    workspace.run(["--job", "echo.toml"]).exits(0);
    workspace
}

fn sql(workspace: &Workspace, statement: &str) -> usize {
    rusqlite::Connection::open(workspace.path("output/docmill.db")).unwrap().execute(statement, ()).unwrap()
}

fn answers(workspace: &Workspace) -> usize {
    let store = rusqlite::Connection::open(workspace.path("output/docmill.db")).unwrap();
    store.query_row("SELECT count(*) FROM answers", (), |row| row.get(0)).unwrap()
}

#[test]
fn an_unreadable_stored_answer_is_asked_once_and_replaced() {
    let server = ModelServer::start();
    let workspace = done(&server);
    for (requests, damage) in [(3, true), (3, false)] {
        if damage {
            assert_eq!(sql(&workspace, "UPDATE answers SET call = substr(call, 1, 9) WHERE document = 1"), 1);
        }
        sql(&workspace, "DELETE FROM rows");
        workspace.run(["--job", "echo.toml"]).exits(0);
        assert_eq!((server.requests(), answers(&workspace)), (requests, 2));
    }
}

#[test]
fn result_files_can_be_exported_at_any_time_to_any_directory() {
    let server = ModelServer::start();
    let workspace = done(&server);
    let results = workspace.path("output/echo");
    let made = ["results.csv", "results.jsonl", "results.json"].map(|name| (name, std::fs::read(results.join(name)).unwrap()));
    std::fs::remove_dir_all(&results).unwrap();
    workspace.docmill(["export", "--format", "csv,jsonl,json"]).exits(0);
    for (name, bytes) in &made {
        assert_eq!(&std::fs::read(results.join(name)).unwrap(), bytes, "{name}");
    }
    workspace.docmill(["export", "--to", "elsewhere", "--job", "echo", "--format", "jsonl"]).exits(0);
    assert_eq!(std::fs::read(workspace.path("elsewhere/echo/results.jsonl")).unwrap(), made[1].1);
    assert!(!workspace.path("elsewhere/echo/results.csv").exists());
    let streamed = workspace.docmill(["export", "--to", "-", "--job", "echo", "--format", "csv"]).exits(0);
    assert_eq!(streamed.stdout.into_bytes(), made[0].1);
    workspace.docmill(["export", "--job", "nonsense"]).exits(2).says(&["nonsense"]);
    // A run also restores them without sending anything.
    std::fs::remove_file(results.join("results.csv")).unwrap();
    workspace.run(["--job", "echo.toml"]).exits(0);
    workspace.run(["--job", "echo.toml"]).exits(0);
    assert_eq!(std::fs::read(results.join("results.csv")).unwrap(), made[0].1);
    assert_eq!(server.ledger().requests(), 2);
}

#[test]
fn files_of_a_removed_format_stay_up_to_date() {
    let server = ModelServer::start();
    let workspace = done(&server);
    workspace.doc("c.txt", "docid:c");
    let run = workspace.run(["--job", "echo.toml", "--set", "output.formats=[\"csv\"]"]).exits(0);
    assert_eq!((run.csv("echo").rows.len(), run.jsonl("echo").len(), run.json("echo").len()), (3, 3, 3));
}

/// A change of files that bypasses docmill.
type Tampering = fn(&Workspace);

#[test]
fn verification_finds_contradictions() {
    let server = ModelServer::start();
    let receipt = done(&server).docmill(["verify"]).exits(0).stdout;
    assert!(receipt.contains("all agrees") && receipt.contains("2 answers") && receipt.contains("2 inputs are unchanged"), "{receipt}");
    let tampering: [(&str, Tampering); 3] = [
        ("was changed after it was published", |workspace| {
            let path = workspace.path("output/echo/results.csv");
            let text = std::fs::read_to_string(&path).unwrap().replace("said of docid:b", "said of docid:B");
            std::fs::write(path, text).unwrap();
        }),
        ("every answer in a row is in the store", |workspace| {
            assert_eq!(sql(workspace, "DELETE FROM answers WHERE document = 1"), 1);
        }),
        ("2 answers and their attempts", |workspace| {
            assert_eq!(sql(workspace, "UPDATE attempts SET outcome = NULL WHERE document = 2"), 1);
        }),
    ];
    for (finding, tamper) in tampering {
        let workspace = done(&server);
        tamper(&workspace);
        let receipt = workspace.docmill(["verify"]).exits(3).stdout;
        let wrong = receipt.lines().filter(|line| line.contains("WRONG")).collect::<Vec<_>>().join("\n");
        assert!(wrong.contains(finding), "{finding}: {receipt}");
    }
}

#[test]
fn inputs_that_differ_make_results_older_and_are_named() {
    let server = ModelServer::start();
    let workspace = done(&server);
    workspace.doc("a.txt", "docid:a, edited").doc("c.txt", "docid:c").doc("d.txt", "docid:d");
    std::fs::remove_file(workspace.path("docs/b.txt")).unwrap();
    let receipt = workspace.docmill(["verify"]).exits(4);
    let receipt = receipt.says(&["no check failed, but the results are incomplete, or older than the store or the inputs"]).stdout;
    assert!(receipt.contains("older 0 inputs are unchanged, 1 changed, 1 gone, 2 new since run 1: `docmill run docs --job"), "{receipt}");
    for named in ["changed a.txt", "gone    b.txt", "new     c.txt", "new     d.txt"] {
        assert!(receipt.contains(named), "{named}: {receipt}");
    }
    workspace.run(["--job", "echo.toml"]).exits(0);
    workspace.docmill(["verify"]).exits(0);
    // One new file is enough.
    workspace.doc("e.txt", "docid:e");
    assert!(workspace.docmill(["verify"]).exits(4).stdout.contains("new     e.txt"));
}

#[test]
fn past_runs_are_listed_with_the_settings_that_changed() {
    let server = ModelServer::start();
    let workspace = done(&server);
    workspace.doc("c.txt", "docid:c");
    workspace.run(["--job", "echo.toml", "--set", "llm.concurrency=3"]).exits(0);
    let text = workspace.docmill(["runs"]).exits(0).stdout;
    assert!(text.contains("llm.concurrency: 32 -> 3"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(text.contains("unknown") && text.contains("echo"), "{text}");
    let runs: Value = serde_json::from_str(&workspace.docmill(["runs", "--json"]).exits(0).stdout).unwrap();
    let requests: Vec<u64> = runs.as_array().unwrap().iter().map(|run| run["requests"].as_u64().unwrap()).collect();
    assert_eq!(requests, [2, 1]);
    assert_eq!((&runs[1]["outcome"], &runs[1]["documents"]), (&Value::from("complete"), &Value::from(3)));
}

#[test]
fn only_pruning_drops_data_and_it_asks_first() {
    let server = ModelServer::start();
    let workspace = done(&server);
    std::fs::remove_file(workspace.path("docs/a.txt")).unwrap();
    workspace.doc("b.txt", "docid:b, edited");
    workspace.write("another.toml", ECHO.replace("max_output_tokens = 100", "max_output_tokens = 100\nmodel = \"another\""));
    workspace.run(["--job", "another.toml"]).exits(0);
    workspace.run(["--job", "echo.toml"]).exits(0);
    assert_eq!(answers(&workspace), 4);
    let asked = workspace.docmill(["prune"]).exits(2).says(&["--yes"]);
    assert!(asked.stdout.contains("2 documents") && asked.stdout.contains("2 answers"), "{}", asked.stdout);
    assert!(asked.stdout.contains("2 calls of unknown cost"), "this model has no known price: {}", asked.stdout);
    assert_eq!(answers(&workspace), 4);
    workspace.docmill(["prune", "--yes"]).exits(0);
    // The answers of both models on the existing document are kept.
    assert_eq!(answers(&workspace), 2);
    assert!(workspace.docmill(["prune", "--yes"]).exits(0).stdout.contains("nothing to drop"));
    workspace.docmill(["verify"]).exits(0);
    workspace.run(["--job", "echo.toml"]).exits(0);
    assert_eq!(server.ledger().requests(), 4);
}

#[test]
fn without_a_store_there_is_a_hint() {
    let workspace = Workspace::new();
    for command in ["status", "runs", "verify", "export", "prune", "report"] {
        workspace.docmill([command]).exits(2).says(&["no run store in output", "docmill run --output output"]);
    }
}

#[test]
fn status_lists_calls_in_doubt_with_their_maximum_cost_after_a_kill() {
    let stuck = Arc::new(AtomicBool::new(true));
    let hangs = Arc::clone(&stuck);
    let server = ModelServer::script()
        .faults(move |ask| match ask.docid.as_deref() {
            Some("late") if hangs.load(Ordering::SeqCst) => Reply::Hang,
            _ => Reply::Ok,
        })
        .start();
    let workspace = Workspace::new().env("OPENAI_API_KEY", "sk-test").set("llm.provider", "openai").set("llm.model", "gpt-6-astra");
    let workspace = workspace.set("llm.base_url", format!("{}/v1", server.url()));
    workspace.write("echo.toml", ECHO).doc("early.txt", "docid:early");
    workspace.run(["--job", "echo.toml"]).exits(0);
    workspace.doc("late.txt", "docid:late");
    let run = workspace.start_run(["--job", "echo.toml"]);
    server.wait_until("the late one hangs", |ledger| ledger.of("late").len() == 1);
    run.signal("KILL");
    assert!(run.end().is_err());
    stuck.store(false, Ordering::SeqCst);

    let status = || workspace.docmill(["status"]).exits(0).stdout;
    let text = status();
    for part in [
        "did not end",
        "1 done, 1 pending",
        "in doubt  1 call, at most $0.",
        "late.txt: echo, run 2",
        "go on  docmill run docs --job echo.toml",
    ] {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
    assert!(text.contains("sends the calls in doubt again; with --in-doubt skip it does not send them"), "{text}");
    let json: Value = serde_json::from_str(&workspace.docmill(["status", "--json"]).exits(0).stdout).unwrap();
    let bound = json["in_doubt_at_most_usd"].as_f64().unwrap();

    let run = workspace.run(["--job", "echo.toml", "--in-doubt", "skip"]).exits(3);
    assert_eq!(run.csv("echo").column("failure_code"), ["", "in_doubt"]);
    assert_eq!(server.requests(), 2, "a call in doubt was sent");
    let text = status();
    assert!(text.contains("1 in_doubt: the next run tries again"), "{text}");
    assert!(text.contains("does not send the calls in doubt; without --in-doubt skip it sends them again"), "{text}");

    let run = workspace.run(["--job", "echo.toml"]).exits(0);
    assert_eq!(run.csv("echo").column("said"), ["said of docid:early", "said of docid:late"]);
    assert_eq!(server.requests(), 3);
    let paid = run.jsonl("echo")[1]["calls"][0]["cost_usd"].as_f64().unwrap();
    assert!(paid > 0.0 && paid <= bound, "{paid} was paid, and {bound} said to be the most");
    let text = status();
    assert!(!text.contains("in doubt") && !text.contains("go on"), "{text}");
}

#[test]
fn pruning_drops_old_rows_and_keeps_answers_of_existing_documents() {
    let server = ModelServer::start();
    let workspace = done(&server);
    let past = ECHO;
    for tokens in [200, 300] {
        workspace.write("echo.toml", past.replace("max_output_tokens = 100", &format!("max_output_tokens = {tokens}")));
        workspace.run(["--job", "echo.toml"]).exits(0);
    }
    assert_eq!((server.requests(), answers(&workspace)), (6, 6));
    let asked = workspace.docmill(["prune"]).exits(2).stdout;
    assert!(
        asked.contains("0 documents") && asked.contains("0 answers") && asked.contains("4 rows of earlier settings or jobs"),
        "{asked}"
    );
    workspace.docmill(["prune", "--yes"]).exits(0);
    assert_eq!(answers(&workspace), 6);
    workspace.write("echo.toml", past);
    let run = workspace.run(["--job", "echo.toml"]).exits(0);
    assert_eq!((server.requests(), run.csv("echo").rows.len()), (6, 2));
    workspace.docmill(["verify"]).exits(0);
}

#[test]
fn a_run_restores_deleted_results_without_sending_anything() {
    let server = ModelServer::start();
    let workspace = done(&server);
    let results = workspace.path("output/echo");
    let read = || ["results.csv", "results.jsonl", "results.json"].map(|name| std::fs::read(results.join(name)).unwrap());
    let made = read();
    std::fs::remove_dir_all(&results).unwrap();
    let run = workspace.run(["--job", "echo.toml"]).exits(0);
    assert!(read() == made, "they are not what they were");
    assert_eq!(run.summary("echo")["documents"]["ok"], 2);
    assert_eq!(server.requests(), 2);
}

#[test]
fn the_cost_of_a_row_includes_all_runs() {
    let well = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&well);
    let server = ModelServer::script().faults(move |_| if switch.load(Ordering::SeqCst) { Reply::Ok } else { Reply::WrongShape }).start();
    let workspace = Workspace::new().against(&server).set("llm.retry.max_attempts", 2);
    workspace.write("echo.toml", ECHO).doc("a.txt", "docid:a");
    workspace.run(["--job", "echo.toml"]).exits(3);
    workspace.run(["--job", "echo.toml", "--retry-failed"]).exits(3);
    well.store(true, Ordering::SeqCst);
    let run = workspace.run(["--job", "echo.toml", "--retry-failed"]).exits(0);
    assert_eq!((server.requests(), run.csv("echo").rows[0]["attempts"].as_str()), (5, "5"));
    workspace.docmill(["verify"]).exits(0).says(&[]);
}

#[test]
fn missing_or_empty_files_beside_the_answers_are_noticed() {
    let server = ModelServer::start();
    let workspace = done(&server);
    let summary = workspace.path("output/echo/summary.json");
    std::fs::write(&summary, "").unwrap();
    workspace.run(["--job", "echo.toml"]).exits(0);
    assert!(std::fs::metadata(&summary).unwrap().len() > 100);
    // An emptied store is not a new store.
    std::fs::remove_file(workspace.path("output/docmill.db-wal")).ok();
    std::fs::write(workspace.path("output/docmill.db"), "").unwrap();
    for command in ["status", "verify"] {
        workspace.docmill([command]).exits(2).says(&["the file is empty, but results exist"]);
    }
    workspace.run(["--job", "echo.toml"]).exits(2).says(&["Nothing was sent"]);
    std::fs::remove_file(workspace.path("output/docmill.db")).unwrap();
    assert_eq!(server.requests(), 2);
    workspace.run(["--job", "echo.toml"]).exits(0).says(&["the output directory has results but no run store"]);
    assert_eq!(server.requests(), 4);
    // If results cannot be written, nothing is sent.
    std::fs::remove_dir_all(workspace.path("output")).unwrap();
    workspace.write("output/echo", "in the way");
    workspace.run(["--job", "echo.toml"]).exits(2).says(&["output/echo"]);
    assert_eq!(server.requests(), 4);
}

#[test]
fn a_call_in_doubt_is_counted_when_resent_and_settled_when_its_file_is_edited() {
    let server = ModelServer::start();
    let workspace = done(&server);
    for (id, document) in [(71, 1), (72, 2)] {
        let values = format!("({id}, {id}, 1, {document}, zeroblob(32), 'echo', 1, 0, 9000000)");
        sql(
            &workspace,
            &format!(
                "INSERT INTO attempts (id, request, run, document, call_key, call, attempt, sent_ms, at_most_pico_usd) VALUES {values}"
            ),
        );
    }
    workspace.doc("a.txt", "docid:a, edited");
    workspace.run(["--job", "echo.toml"]).exits(0);
    let status = workspace.docmill(["status"]).exits(0).stdout;
    assert!(!status.contains("in doubt"), "{status}");
    assert!(status.contains("no response to 2 requests; the provider may bill them: at most $0.000018"), "{status}");
}

/// Waits until the run has committed `wanted` answers.
fn wait_for_answers(workspace: &Workspace, wanted: usize) {
    let deadline = Instant::now() + Duration::from_mins(2);
    while answers(workspace) < wanted {
        assert!(Instant::now() < deadline, "waited in vain for {wanted} answers");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn results_older_than_the_store_after_a_kill_are_not_wrong() {
    let (stuck, ill) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(true)));
    let (hangs, fails) = (Arc::clone(&stuck), Arc::clone(&ill));
    let server = ModelServer::script()
        .faults(move |ask| match ask.docid.as_deref() {
            Some("late") if hangs.load(Ordering::SeqCst) => Reply::Hang,
            Some("flaky") if fails.load(Ordering::SeqCst) => Reply::error(ask, 500, "api_error", "an internal error"),
            _ => Reply::Ok,
        })
        .start();
    let workspace = Workspace::new().against(&server).set("llm.drain_s", 0).set("llm.retry.max_attempts", 1);
    workspace.write("echo.toml", ECHO).doc("a.txt", "docid:a").doc("b.txt", "docid:flaky");
    workspace.run(["--job", "echo.toml"]).exits(3);
    // A failed document gets another row, one document is edited, and one is new.
    ill.store(false, Ordering::SeqCst);
    workspace.doc("a.txt", "docid:a2").doc("late.txt", "docid:late");
    for (end, outcome) in [("KILL", "did not end"), ("TERM", "stopped")] {
        let asked = || server.ledger().of("late").iter().map(|call| call.requests).sum::<u32>();
        let before = asked();
        let run = workspace.start_run(["--job", "echo.toml"]);
        server.wait_until("the late one hangs", |ledger| ledger.of("late").iter().map(|call| call.requests).sum::<u32>() > before);
        wait_for_answers(&workspace, 3);
        let told = workspace.docmill(["status"]).exits(0).stdout;
        assert!(told.contains("in flight  1 call, ") && told.contains("waiting for responses"), "{told}");
        let in_doubt = told.contains("in doubt") || told.contains("sent, outcome unknown");
        assert!(!in_doubt, "a call of the active run is not in doubt: {told}");
        run.signal(end);
        drop(run.end());
        let told = workspace.docmill(["status"]).exits(0).stdout;
        assert!(told.contains(outcome) && told.contains("in doubt  1 call") && !told.contains("in flight"), "{told}");
        let receipt = workspace.docmill(["verify"]).exits(4);
        assert!(!receipt.stdout.contains("WRONG"), "{outcome}: {}", receipt.stdout);
        let older =
            "no check failed, but the results are incomplete, or older than the store or the inputs. Run again to bring them up to date";
        assert!(receipt.stdout.contains("older") && receipt.stderr.contains(older), "{outcome}: {}{}", receipt.stdout, receipt.stderr);
    }
    // A file that was changed by hand is still reported as wrong.
    let path = workspace.path("output/echo/results.csv");
    let whole = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, whole.replace("said of", "never said of")).unwrap();
    assert!(workspace.docmill(["verify"]).exits(3).stdout.contains("WRONG"));
    stuck.store(false, Ordering::SeqCst);
    workspace.run(["--job", "echo.toml"]).exits(0);
    workspace.docmill(["verify"]).exits(0);
}

#[test]
fn pruning_after_a_kill_drops_edited_documents_and_keeps_needed_ones() {
    let hang = |docid: &Option<String>| docid.as_deref().is_some_and(|id| id.starts_with("hang"));
    let server = ModelServer::script().faults(move |ask| if hang(&ask.docid) { Reply::Hang } else { Reply::Ok }).start();
    let workspace = Workspace::new().against(&server);
    workspace.write("echo.toml", ECHO).doc("a.txt", "docid:a1").doc("b.txt", "docid:b");
    workspace.run(["--job", "echo.toml"]).exits(0);
    for edit in 2..5 {
        workspace.doc("a.txt", format!("docid:a{edit}")).doc("z.txt", format!("docid:hang{edit}"));
        let run = workspace.start_run(["--job", "echo.toml"]);
        server.wait_until("it hangs", |ledger| ledger.of(&format!("hang{edit}")).len() == 1);
        wait_for_answers(&workspace, edit + 1);
        run.signal("KILL");
        drop(run.end());
    }
    // The results need the answers to the first content. The next run needs the answers to the last
    // content. The other answers are useless.
    assert_eq!(answers(&workspace), 5);
    let asked = workspace.docmill(["prune"]).exits(2).stdout;
    assert!(asked.contains("to drop: 2 documents") && asked.contains("with 2 answers"), "{asked}");
    workspace.docmill(["prune", "--yes"]).exits(0);
    assert_eq!(answers(&workspace), 3);
    assert!(!workspace.docmill(["verify"]).exits(4).stdout.contains("WRONG"));
    workspace.doc("z.txt", "docid:z");
    let requests = server.requests();
    workspace.run(["--job", "echo.toml"]).exits(0);
    assert_eq!(server.requests(), requests + 1, "an answer was thrown away that the run needs");
}

#[test]
fn pruning_keeps_documents_outside_the_last_run_and_lists_them_separately() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.write("echo.toml", ECHO).doc("gone.txt", "docid:gone").doc("kept.txt", "docid:kept").doc("sub/part.txt", "docid:part");
    workspace.run(["--job", "echo.toml"]).exits(0);
    // One document is deleted, and then a run covers only a part of the inputs.
    std::fs::remove_file(workspace.path("docs/gone.txt")).unwrap();
    workspace.run(["--job", "echo.toml"]).exits(0);
    workspace.start_with(["prune", "--yes"]).finish().exits(0);
    assert_eq!(answers(&workspace), 2, "what was deleted is obsolete");
    workspace.run(["--job", "echo.toml", "--replace", "--set", "input.include=[\"sub/*\"]"]).exits(0);
    let told = workspace.docmill(["prune", "--yes"]).exits(0).stdout;
    assert!(told.contains("kept: 1 documents that were not part of the last run") && told.contains("--all"), "{told}");
    assert_eq!(answers(&workspace), 2);
    let asked = workspace.docmill(["prune", "--all"]).exits(2).stdout;
    assert!(asked.contains("to drop, too: 1 documents"), "{asked}");
    workspace.docmill(["prune", "--all", "--yes"]).exits(0);
    assert_eq!(answers(&workspace), 1);
}

#[test]
fn a_file_that_was_empty_and_has_been_filled_is_a_changed_input() {
    let server = ModelServer::start();
    let workspace = done(&server);
    workspace.doc("empty.txt", "");
    workspace.run(["--job", "echo.toml"]).exits(3);
    let status = workspace.docmill(["status"]).exits(0).stdout;
    assert!(status.contains("3 done (1 failed), 0 pending"), "{status}");
    workspace.docmill(["verify"]).exits(0);
    workspace.doc("empty.txt", "docid:filled");
    let receipt = workspace.docmill(["verify"]).exits(4).stdout;
    assert!(receipt.contains("1 changed, 0 gone") && receipt.contains("empty.txt"), "{receipt}");
}
