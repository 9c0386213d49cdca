//! A second run sends only changes.

use crate::order::ECHO;
use crate::support::{Finished, ModelServer, Reply, Workspace, jpeg_cut_off, png};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Three texts after a run of the job `echo`.
struct Done {
    server: ModelServer,
    workspace: Workspace,
}

impl Done {
    fn new() -> Self {
        Self::on(ModelServer::start(), |workspace| workspace)
    }

    fn on(server: ModelServer, configure: impl Fn(Workspace) -> Workspace) -> Self {
        let workspace = configure(Workspace::new().against(&server));
        workspace.write("echo.toml", ECHO);
        for name in ["a", "b", "c"] {
            workspace.doc(format!("{name}.txt"), format!("docid:{name}"));
        }
        workspace.run(["--job", "echo.toml"]).exits(0);
        Self { server, workspace }
    }

    /// Runs again and returns the documents that were sent.
    fn asked_by(&self, args: &[&str]) -> (Vec<String>, Finished) {
        let before = self.server.ledger().asks.len();
        let run = self.workspace.run(["--job", "echo.toml"].iter().chain(args));
        let asks = self.server.ledger().asks.split_off(before);
        let mut asked: Vec<String> = asks.iter().map(|ask| ask.docid.clone().unwrap_or_default()).collect();
        asked.sort_unstable();
        (asked, run.exits(0))
    }

    fn move_doc(&self, from: &str, to: &str) {
        let to = self.workspace.path("docs").join(to);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::rename(self.workspace.path("docs").join(from), to).unwrap();
    }
}

#[test]
fn an_up_to_date_run_sends_and_writes_nothing_and_says_so() {
    let done = Done::new();
    let results = || {
        ["results.csv", "results.jsonl", "results.json", "summary.json"].map(|name| {
            let path = done.workspace.path("output/echo").join(name);
            (std::fs::read(&path).unwrap(), std::fs::metadata(&path).unwrap().modified().unwrap())
        })
    };
    let before = results();
    let (asked, run) = done.asked_by(&["--set", "llm.concurrency=3"]);
    assert!(asked.is_empty());
    run.says(&["up to date  3 documents: 3 ok"]);
    assert!(results() == before, "result files were touched");
}

#[test]
fn only_new_or_edited_documents_are_sent() {
    let done = Done::new();
    done.workspace.doc("ab.txt", "docid:ab").doc("c.txt", "docid:c and more");
    let (asked, run) = done.asked_by(&[]);
    assert_eq!(asked, ["ab", "c"]);
    assert_eq!(run.csv("echo").column("document"), ["a.txt", "ab.txt", "b.txt", "c.txt"]);
    assert_eq!(run.csv("echo").column("index"), ["0", "1", "2", "3"]);
    std::fs::remove_file(done.workspace.path("docs/a.txt")).unwrap();
    let (asked, run) = done.asked_by(&[]);
    assert!(asked.is_empty());
    assert_eq!(run.csv("echo").column("document"), ["ab.txt", "b.txt", "c.txt"]);
    // Restored documents are known.
    done.workspace.doc("a.txt", "docid:a").doc("c.txt", "docid:c");
    assert!(done.asked_by(&[]).0.is_empty());
}

#[test]
fn renamed_moved_and_swapped_files_are_recognised_and_copies_are_new_documents() {
    let done = Done::new();
    done.move_doc("a.txt", "z.txt");
    done.move_doc("b.txt", "new/place/b.txt");
    let (asked, run) = done.asked_by(&[]);
    assert_eq!(asked, [""; 0]);
    assert_eq!(run.csv("echo").column("document"), ["c.txt", "new/place/b.txt", "z.txt"]);
    assert_eq!(run.csv("echo").column("said"), ["said of docid:c", "said of docid:b", "said of docid:a"]);

    done.move_doc("c.txt", "x.txt");
    done.move_doc("z.txt", "c.txt");
    done.move_doc("x.txt", "z.txt");
    let (asked, run) = done.asked_by(&[]);
    assert_eq!(asked, [""; 0]);
    assert_eq!(run.csv("echo").column("said"), ["said of docid:a", "said of docid:b", "said of docid:c"]);

    done.workspace.doc("a copy.txt", "docid:a");
    let (asked, run) = done.asked_by(&[]);
    assert_eq!(asked, ["a"]);
    assert_eq!(run.csv("echo").rows.len(), 4);
    assert!(done.asked_by(&[]).0.is_empty());
    done.workspace.docmill(["verify"]).exits(0);
}

#[test]
fn equal_files_have_separate_calls_unless_identical_calls_are_shared() {
    for (share, calls) in [(false, 5), (true, 1)] {
        let server = ModelServer::start();
        let workspace = Workspace::new().against(&server).set("llm.share_identical_calls", share);
        workspace.write("echo.toml", ECHO);
        for n in 0..5 {
            workspace.doc(format!("{n}.txt"), "docid:same");
        }
        let run = workspace.run(["--job", "echo.toml"]).exits(0);
        assert_eq!(server.ledger().requests(), calls, "share: {share}");
        assert!(run.csv("echo").column("said").iter().all(|said| *said == "said of docid:same"));
        let rows = run.jsonl("echo");
        assert_eq!(rows.len(), 5);
        assert_eq!(rows.iter().filter(|row| row["calls"][0]["shared_from"].is_string()).count(), 5 - calls);
        assert_eq!(rows.iter().map(|row| row["calls"][0]["attempts"].as_u64().unwrap()).sum::<u64>(), calls as u64);
        workspace.doc("9.txt", "docid:same");
        workspace.run(["--job", "echo.toml"]).exits(0);
        assert_eq!(server.ledger().requests(), if share { 1 } else { 6 }, "share: {share}");
        workspace.docmill(["verify"]).exits(0);
    }
}

#[test]
fn changing_a_setting_sends_changed_calls_and_changing_it_back_sends_nothing() {
    let done = Done::new();
    let changed = [
        ("prompt = \"Say which", "prompt = \"Tell me which"),
        ("max_output_tokens = 100", "max_output_tokens = 101"),
        ("max_output_tokens = 100", "max_output_tokens = 100\nmodel = \"another\""),
        ("{ type = \"string\" }", "{ type = \"string\", description = \"short\" }"),
    ];
    for (old, new) in changed {
        done.workspace.write("echo.toml", ECHO.replace(old, new));
        assert_eq!(done.asked_by(&[]).0, ["a", "b", "c"], "{new}");
        done.workspace.write("echo.toml", ECHO);
        assert!(done.asked_by(&[]).0.is_empty(), "back from {new}");
    }
    // Comments in a job file and its name do not matter.
    done.workspace.write("echo.toml", format!("# Nothing.\n{ECHO}"));
    assert!(done.asked_by(&[]).0.is_empty());
    done.workspace.write("renamed.toml", ECHO);
    let before = done.server.ledger().requests();
    done.workspace.run(["--job", "renamed.toml"]).exits(0);
    assert_eq!(done.server.ledger().requests(), before);
}

#[test]
fn changing_the_image_size_sends_only_affected_images() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    // The images have 40 x 30 pixels.
    workspace.doc("a.png", png(1)).doc("b.png", png(2));
    workspace.run(["--job", "material-single"]).exits(0);
    assert_eq!(server.ledger().requests(), 2);
    workspace.run(["--job", "material-single", "--set", "prepare.image.max_edge=1000"]).exits(0);
    assert_eq!(server.ledger().requests(), 2, "these images are smaller");
    workspace.run(["--job", "material-single", "--set", "prepare.image.max_edge=20"]).exits(0);
    assert_eq!(server.ledger().requests(), 4);
}

/// A server with a switch: 0 answers, 1 declines, 2 fails.
fn switched() -> (ModelServer, Arc<AtomicU64>) {
    let switch = Arc::new(AtomicU64::new(0));
    let mode = Arc::clone(&switch);
    let server = ModelServer::script()
        .faults(move |ask| match (ask.docid.as_deref(), mode.load(Ordering::SeqCst)) {
            (Some("b"), 1) => Reply::Refusal,
            (Some("b"), 2) => Reply::error(ask, 500, "api_error", "it broke"),
            _ => Reply::Ok,
        })
        .start();
    (server, switch)
}

#[test]
fn transient_failures_are_retried_and_others_only_on_demand() {
    for (mode, code, again) in [(1, "refused", 0), (2, "server_error", 1)] {
        let (server, switch) = switched();
        switch.store(mode, Ordering::SeqCst);
        let workspace = Workspace::new().against(&server).set("llm.retry.max_attempts", 1);
        workspace.write("echo.toml", ECHO).doc("a.txt", "docid:a").doc("b.txt", "docid:b");
        let run = workspace.run(["--job", "echo.toml"]).exits(3);
        assert_eq!(run.csv("echo").row("b.txt")["failure_code"], code);
        workspace.run(["--job", "echo.toml"]).exits(3);
        assert_eq!(server.ledger().of("b").iter().map(|call| call.requests).sum::<u32>(), 1 + again, "{code}");
        switch.store(0, Ordering::SeqCst);
        // The option does not retry failures with another code.
        workspace.run(["--job", "echo.toml", "--retry-failed=too_long"]).exits(if mode == 1 { 3 } else { 0 });
        let run = workspace.run(["--job", "echo.toml", &format!("--retry-failed={code}")]).exits(0);
        assert_eq!(run.csv("echo").row("b.txt")["status"], "ok");
        assert_eq!(server.ledger().of("a").iter().map(|call| call.requests).sum::<u32>(), 1);
        workspace.run(["--job", "echo.toml", "--retry-failed"]).exits(0).says(&["up to date"]);
        workspace.docmill(["verify"]).exits(0);
    }
}

#[test]
fn a_failure_is_retried_when_its_document_changes() {
    let (server, switch) = switched();
    switch.store(1, Ordering::SeqCst);
    let workspace = Workspace::new().against(&server);
    workspace.write("echo.toml", ECHO).doc("b.txt", "docid:b").doc("c.txt", "");
    let run = workspace.run(["--job", "echo.toml"]).exits(3);
    assert_eq!(run.csv("echo").column("failure_code"), ["refused", "empty"]);
    switch.store(0, Ordering::SeqCst);
    workspace.run(["--job", "echo.toml"]).exits(3);
    assert_eq!(server.ledger().requests(), 1);
    workspace.doc("b.txt", "docid:b, edited").doc("c.txt", "docid:c");
    let run = workspace.run(["--job", "echo.toml"]).exits(0);
    assert_eq!(run.csv("echo").column("status"), ["ok", "ok"]);
    assert_eq!(server.ledger().requests(), 3);
}

#[test]
fn the_error_for_an_unknown_code_lists_the_codes() {
    let workspace = Workspace::new();
    workspace.doc("a.txt", "a");
    workspace.run(["--retry-failed=nonsense"]).exits(2).says(&["nonsense", "timed_out", "refused"]);
}

#[test]
fn only_the_missing_call_and_the_aggregation_are_sent() {
    let broken = Arc::new(AtomicU64::new(1));
    let switch = Arc::clone(&broken);
    let server = ModelServer::script()
        .faults(move |ask| {
            let seventh = ask.text.contains("elastomer") && ask.attempt == 1 && switch.fetch_min(0, Ordering::SeqCst) == 1;
            if seventh { Reply::error(ask, 500, "api_error", "no") } else { Reply::Ok }
        })
        .start();
    let workspace = Workspace::new().against(&server).set("llm.retry.max_attempts", 1).set("llm.concurrency", 1);
    workspace.doc("a.png", png(1));
    let run = workspace.run(["--job", "material-conditions"]).exits(3);
    assert_eq!(run.csv("material-conditions").rows[0]["status"], "partial");
    assert_eq!(server.ledger().requests(), 19);
    let run = workspace.run(["--job", "material-conditions"]).exits(0);
    assert_eq!(run.csv("material-conditions").rows[0]["status"], "ok");
    assert_eq!(server.ledger().requests(), 21);
}

#[test]
fn up_to_date_documents_are_not_read_and_failed_ones_still_count() {
    let server = ModelServer::script().faults(|ask| if ask.text.contains("heat pump") { Reply::Refusal } else { Reply::Ok }).start();
    let workspace = Workspace::new().against(&server).set("input.follow_links", "all");
    workspace.write("echo.toml", ECHO);
    // Stamps identify only files that have not changed recently, such as those of the repository.
    let texts = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample_data/texts");
    for name in ["heat-pump-drying.md", "complaint-letter.txt"] {
        std::os::unix::fs::symlink(texts.join(name), workspace.path("docs").join(name)).unwrap();
    }
    let before = workspace.run(["--job", "echo.toml"]).exits(3).file("echo", "summary.json");
    let requests = server.requests();
    let run = workspace.run(["--job", "echo.toml"]).exits(3).says(&["up to date  2 documents: 1 ok, 1 refused"]);
    assert_eq!((run.file("echo", "summary.json"), server.requests()), (before, requests));
    // With a new first document, the others are listed again, but not read.
    workspace.doc("a.txt", "docid:a");
    let run = workspace.run(["--job", "echo.toml"]).exits(3);
    assert_eq!(run.csv("echo").column("document"), ["a.txt", "complaint-letter.txt", "heat-pump-drying.md"]);
    assert_eq!(run.csv("echo").column("status"), ["ok", "ok", "refused"]);
    assert_eq!(server.requests(), requests + 1);
    // A file that replaces another one under its name is read, even if it is old.
    std::fs::remove_file(workspace.path("docs/complaint-letter.txt")).unwrap();
    std::os::unix::fs::symlink(texts.join("lighthouse-inventory.txt"), workspace.path("docs/complaint-letter.txt")).unwrap();
    workspace.run(["--job", "echo.toml"]).exits(3);
    assert_eq!(server.requests(), requests + 2);
}

#[test]
fn another_model_or_prompt_makes_another_call_and_old_answers_are_kept() {
    let job = ECHO.replace("said = { type = \"string\" }", "said = { type = \"string\", enum = [\"yes\", \"no\"] }");
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.write("echo.toml", &job).doc("a.txt", "docid:a").doc("b.txt", "docid:b");
    let other_model = workspace.clone().set("llm.model", "another-model");
    let sent_by = |workspace: &Workspace| {
        let before = server.requests();
        let run = workspace.run(["--job", "echo.toml"]).exits(0);
        (server.requests() - before, run.csv("echo").column("model")[0].to_owned())
    };
    let (tests, others) = ("test-model".to_owned(), "another-model".to_owned());
    assert_eq!(sent_by(&workspace), (2, tests.clone()));
    assert_eq!(sent_by(&other_model), (2, others.clone()));
    assert_eq!(sent_by(&workspace), (0, tests.clone()));
    workspace.write("echo.toml", job.replace("\"no\"]", "\"no\", \"perhaps\"]"));
    assert_eq!(sent_by(&workspace), (2, tests.clone()));
    workspace.write("echo.toml", &job);
    assert_eq!((sent_by(&workspace), sent_by(&other_model)), ((0, tests), (0, others)));
}

#[test]
fn returning_to_an_earlier_image_size_sends_nothing() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.doc("a.png", png(1));
    for (max_edge, requests) in [("0", 1), ("20", 2), ("0", 2), ("20", 2)] {
        let run = workspace.clone().set("prepare.image.max_edge", max_edge).run(["--job", "material-single"]).exits(0);
        assert_eq!((server.requests(), run.csv("material-single").rows.len()), (requests, 1), "max_edge = {max_edge}");
    }
}

#[test]
fn renaming_a_directory_and_back_sends_nothing() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.write("echo.toml", ECHO).doc("one/a.txt", "docid:a").doc("one/deep/b.txt", "docid:b").doc("two.txt", "docid:c");
    workspace.run(["--job", "echo.toml"]).exits(0);
    for (from, to) in [("one", "zero"), ("zero", "other"), ("other", "one")] {
        std::fs::rename(workspace.path("docs").join(from), workspace.path("docs").join(to)).unwrap();
        let csv = workspace.run(["--job", "echo.toml"]).exits(0).csv("echo");
        assert_eq!(csv.row(&format!("{to}/a.txt"))["said"], "said of docid:a");
        assert_eq!(csv.row(&format!("{to}/deep/b.txt"))["said"], "said of docid:b");
        assert_eq!(csv.rows.len(), 3);
    }
    assert_eq!(server.requests(), 3);
}

#[test]
fn a_new_name_reaches_the_results_of_all_jobs_even_in_the_same_order() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.write("echo.toml", ECHO).write("again.toml", ECHO.replace("name = \"echo\"", "name = \"again\""));
    workspace.doc("a.txt", "docid:a").doc("c.txt", "docid:c");
    let names = |job: &str| {
        let run = workspace.run(["--job", &format!("{job}.toml")]).exits(0);
        run.csv(job).column("document").join(" ")
    };
    assert_eq!((names("echo"), names("again")), ("a.txt c.txt".into(), "a.txt c.txt".into()));
    std::fs::rename(workspace.path("docs/a.txt"), workspace.path("docs/b.txt")).unwrap();
    assert_eq!((names("echo"), names("again")), ("b.txt c.txt".into(), "b.txt c.txt".into()));
    // Both jobs send the same call on the same document, so they share one answer.
    assert_eq!(server.requests(), 2);
    workspace.run(["--job", "echo.toml"]).exits(0).says(&["up to date  2 documents"]);
    workspace.docmill(["verify"]).exits(0);
}

#[test]
fn a_shared_answer_costs_nothing_and_names_the_document_that_paid_for_it() {
    let server = ModelServer::start();
    let workspace = Workspace::new().env("OPENAI_API_KEY", "sk-test").set("llm.provider", "openai").set("llm.model", "gpt-6-astra");
    let workspace = workspace.set("llm.base_url", format!("{}/v1", server.url())).set("llm.share_identical_calls", true);
    for name in ["a", "b", "c", "d", "e"] {
        workspace.doc(format!("{name}.txt"), "docid:same");
    }
    let run = workspace.run(["--job", "text"]).exits(0);
    assert_eq!(server.requests(), 6);
    let rows = run.jsonl("text");
    assert_eq!(rows.len(), 5);
    for task in 0..6 {
        let calls: Vec<_> = rows.iter().map(|row| (&row["document"], &row["calls"][task])).collect();
        let (payers, others): (Vec<_>, Vec<_>) = calls.into_iter().partition(|(_, call)| call.get("shared_from").is_none());
        let [(payer, paid)] = payers[..] else { panic!("{} documents paid for one call", payers.len()) };
        assert!(paid["cost_usd"].as_f64().unwrap() > 0.0);
        for (document, call) in others {
            assert_eq!((&call["shared_from"], call["cost_usd"].as_f64(), call["attempts"].as_u64()), (payer, Some(0.0), Some(0)));
            assert_eq!(call["answer"], paid["answer"], "{document}");
        }
    }
    // The bill covers six calls and not thirty.
    let bill: f64 = rows.iter().flat_map(|row| row["calls"].as_array().unwrap()).map(|call| call["cost_usd"].as_f64().unwrap()).sum();
    assert!((run.summary("text")["cost"]["usd"].as_f64().unwrap() - bill).abs() < 1e-9, "{}", run.summary("text")["cost"]);
    workspace.docmill(["verify"]).exits(0);
}

/// A server whose failures depend on the document's name. The switch ends the failures.
fn failing() -> (ModelServer, Arc<AtomicBool>) {
    let well = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&well);
    let server = ModelServer::script()
        .faults(move |ask| match ask.docid.as_deref() {
            _ if switch.load(Ordering::SeqCst) => Reply::Ok,
            Some("refused") => Reply::Refusal,
            Some("invalid") => Reply::InvalidJson,
            Some("broken") => Reply::error(ask, 500, "api_error", "it broke"),
            Some("hanging") => Reply::Hang,
            _ => Reply::Ok,
        })
        .start();
    (server, well)
}

#[test]
fn each_class_of_failures_is_retried_by_its_rule() {
    let (server, well) = failing();
    let workspace = Workspace::new().against(&server).set("llm.retry.max_attempts", 1).set("llm.timeout_s", 1);
    workspace.write("echo.toml", ECHO);
    for name in ["broken", "good", "hanging", "invalid", "refused"] {
        workspace.doc(format!("{name}.txt"), format!("docid:{name}"));
    }
    let done = Done { server, workspace };
    let sent = |args: &[&str], code| {
        let before = done.server.requests();
        let run = done.workspace.run(["--job", "echo.toml"].iter().chain(args)).exits(code);
        let mut sent: Vec<String> = done.server.ledger().asks[before..].iter().map(|ask| ask.docid.clone().unwrap()).collect();
        sent.sort_unstable();
        (sent.join(" "), run.csv("echo").column("failure_code").join(" "))
    };
    let codes = "server_error  timed_out invalid_answer refused".to_owned();
    assert_eq!(sent(&[], 3), ("broken good hanging invalid refused".into(), codes.clone()));
    assert_eq!(sent(&[], 3), ("broken hanging".into(), codes.clone()));
    assert_eq!(sent(&["--retry-failed=invalid_answer"], 3), ("broken hanging invalid".into(), codes.clone()));
    assert_eq!(sent(&["--retry-failed"], 3), ("broken hanging invalid refused".into(), codes));
    well.store(true, Ordering::SeqCst);
    assert_eq!(sent(&[], 3), ("broken hanging".into(), "   invalid_answer refused".into()));
    assert_eq!(sent(&["--retry-failed=refused"], 3), ("refused".into(), "   invalid_answer ".into()));
    assert_eq!(sent(&["--retry-failed=all"], 0), ("invalid".into(), "    ".into()));
    assert_eq!(sent(&["--retry-failed"], 0), (String::new(), "    ".into()));
}

#[test]
fn only_transient_calls_of_a_document_are_retried() {
    let well = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&well);
    let server = ModelServer::script()
        .faults(move |ask| match &ask.schema["properties"] {
            _ if switch.load(Ordering::SeqCst) => Reply::Ok,
            fields if fields.get("summary").is_some() => Reply::Refusal,
            fields if fields.get("questions").is_some() => Reply::error(ask, 500, "api_error", "it broke"),
            _ => Reply::Ok,
        })
        .start();
    let workspace = Workspace::new().against(&server).set("llm.retry.max_attempts", 1);
    workspace.doc("a.txt", "docid:a");
    let run = workspace.run(["--job", "text"]).exits(3);
    assert_eq!((server.requests(), run.csv("text").rows[0]["status"].as_str()), (6, "partial"));
    well.store(true, Ordering::SeqCst);
    let run = workspace.run(["--job", "text"]).exits(3);
    assert!(server.ledger().asks[6..].iter().all(|ask| ask.schema["properties"].get("questions").is_some()));
    assert_eq!((server.requests(), run.csv("text").rows[0]["failure_code"].as_str()), (7, "refused"));
    let run = workspace.run(["--job", "text", "--retry-failed=refused"]).exits(0);
    assert_eq!((server.requests(), run.csv("text").rows[0]["status"].as_str()), (8, "ok"));
}

#[test]
fn an_undecodable_image_is_up_to_date_until_it_changes() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.doc("a.jpg", jpeg_cut_off(1));
    let run = workspace.run(["--job", "material-single"]).exits(3);
    assert_eq!(run.csv("material-single").column("failure_code"), ["undecodable"]);
    workspace.run(["--job", "material-single"]).exits(3).says(&["up to date  1 document: 1 failed"]);
    let status = workspace.docmill(["status"]).exits(0).stdout;
    assert!(
        status.contains("1 undecodable: Export, download or send it again") && status.contains("The next run notices the change"),
        "{status}"
    );
    workspace.doc("a.jpg", png(1));
    workspace.run(["--job", "material-single"]).exits(0);
    assert_eq!(server.requests(), 1);
}

#[test]
fn documents_have_marks_that_differ_between_stores_and_stay_the_same_in_one() {
    let mark = |done: &Done| {
        let ledger = done.server.ledger();
        let call = ledger.calls.iter().rfind(|call| call.text.contains("docid:a")).unwrap();
        let (_, rest) = call.text.split_once("<document-").unwrap();
        let (mark, body) = rest.split_once('>').unwrap();
        assert!(mark.len() == 32 && mark.bytes().all(|byte| byte.is_ascii_hexdigit()), "{mark}");
        assert!(body.contains(&format!("</document-{mark}>")), "{body}");
        mark.to_owned()
    };
    let (one, other) = (Done::new(), Done::new());
    let before = mark(&one);
    assert_ne!(mark(&other), before);
    one.workspace.docmill(["requeue", "--all", "a.txt"]).exits(0);
    assert_eq!(one.asked_by(&[]).0, ["a"]);
    assert_eq!(mark(&one), before);
}
