//! All commands and files show the same counts of a run.

use crate::order::ECHO;
use crate::support::{Finished, ModelServer, Reply, Workspace, png};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

type Counts = BTreeMap<String, u64>;

/// Documents by status, and by code if incomplete or skipped.
#[derive(Debug, PartialEq, Eq)]
struct Tally {
    statuses: Counts,
    failures: Counts,
    skips: Counts,
}

impl Tally {
    fn rows(&self) -> u64 {
        self.statuses.values().sum()
    }

    fn of_json(statuses: &Value, failures: &Value, skips: &Value) -> Self {
        let counts = |value: &Value| -> Counts {
            let all = value.as_object().into_iter().flatten();
            all.filter_map(|(name, n)| Some((name.clone(), n.as_u64()?))).filter(|(_, n)| *n > 0).collect()
        };
        Self { statuses: counts(statuses), failures: counts(failures), skips: counts(skips) }
    }

    /// Counts the rows of the results.
    fn of_results(run: &Finished) -> Self {
        let (mut statuses, mut failures, mut skips) = (Counts::new(), Counts::new(), Counts::new());
        for row in run.csv("echo").rows {
            *statuses.entry(row["status"].clone()).or_default() += 1;
            let codes = if row["status"] == "skipped" { &mut skips } else { &mut failures };
            if !row["failure_code"].is_empty() {
                *codes.entry(row["failure_code"].clone()).or_default() += 1;
            }
        }
        Self { statuses, failures, skips }
    }

    /// Parses the counts in a summary: `3 ok, 1 failed`.
    fn of_words(text: &str) -> Self {
        let counts = |head: &str| -> Counts {
            let line = text.lines().find_map(|line| line.split_once(head)).map_or("", |(_, rest)| rest);
            let line = line.split(['(', ';']).next().unwrap();
            let pairs = line.split(", ").filter_map(|pair| pair.trim().split_once(' '));
            pairs.map(|(n, name)| (name.to_owned(), n.parse().unwrap())).collect()
        };
        Self { statuses: counts("documents: "), failures: counts("failures: "), skips: counts("skipped: ") }
    }
}

fn json_of(workspace: &Workspace, command: &[&str]) -> Value {
    serde_json::from_str(&workspace.docmill(command).exits(0).stdout).unwrap()
}

/// The counts of the last run. Fails unless all commands and files agree.
fn everywhere(workspace: &Workspace, run: &Finished) -> (Tally, u64) {
    let results = Tally::of_results(run);
    assert_eq!(Tally::of_words(&run.stderr), results, "the summary in words\n{}", run.stderr);
    let summary = run.summary("echo");
    assert_eq!(Tally::of_json(&summary["documents"], &summary["failures"], &summary["skips"]), results, "summary.json");
    let status = json_of(workspace, &["status", "--json"]);
    let documents = &status["documents"];
    assert_eq!(Tally::of_json(&documents["rows"]["echo"], &documents["failures"], &documents["skips"]), results, "status");
    let report = json_of(workspace, &["report", "--json"]);
    let statuses: serde_json::Map<String, Value> =
        report["statuses"].as_array().unwrap().iter().map(|pair| (pair[0].as_str().unwrap().to_owned(), pair[1].clone())).collect();
    let codes = |key: &str| -> Value {
        let all = report[key].as_array().unwrap().iter();
        all.map(|one| (one["code"].as_str().unwrap().to_owned(), one["documents"].clone())).collect::<serde_json::Map<_, _>>().into()
    };
    assert_eq!(Tally::of_json(&statuses.into(), &codes("failures"), &codes("skips")), results, "report");
    let pending = documents["pending"].as_u64().unwrap();
    assert_eq!((documents["done"].as_u64(), report["pending"].as_u64()), (Some(results.rows()), Some(pending)));
    let not_ok: u64 = results.failures.values().sum();
    let runs = json_of(workspace, &["runs", "--json"]);
    assert_eq!(runs.as_array().unwrap().last().unwrap()["not_ok"], not_ok, "runs");
    let statuses = ["partial", "failed", "refused"].iter().filter_map(|status| results.statuses.get(*status)).sum::<u64>();
    assert_eq!(statuses, not_ok, "failures add up to the documents without a whole answer");
    assert_eq!(results.skips.values().sum::<u64>(), results.statuses.get("skipped").copied().unwrap_or(0));
    (results, pending)
}

#[test]
fn all_commands_count_documents_by_status_alike() {
    let (open, hangs) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(true)));
    let (gate, stuck) = (Arc::clone(&open), Arc::clone(&hangs));
    let server = ModelServer::script()
        .hold(move |_, _| !gate.load(SeqCst))
        .faults(move |ask| match ask.docid.as_deref() {
            Some("refuses") => Reply::Refusal,
            Some("wrong") => Reply::WrongShape,
            Some(id) if id.starts_with("hang") && stuck.load(SeqCst) => Reply::Hang,
            _ => Reply::Ok,
        })
        .start();
    let workspace = Workspace::new().against(&server).set("llm.concurrency", 1).set("llm.retry.max_attempts", 2).set("llm.drain_s", 0);
    workspace.write("echo.toml", ECHO).doc("a0.txt", "docid:a0").doc("a1.txt", "docid:a1").doc("b.txt", "").doc("c.txt", "docid:c");
    workspace.doc("d0.png", png(1)).doc("d1.png", png(2)).doc("e.txt", "docid:refuses").doc("f.txt", "docid:wrong");
    workspace.doc("x.txt", "docid:hangs").doc("y.txt", "docid:hangs-too").doc("z.txt", "docid:hangs-as-well");
    let run = workspace.start_run(["--job", "echo.toml"]);
    server.wait_until("the first is in flight", |ledger| ledger.requests() == 1);
    // Documents may overtake each other, so the test cancels one that is not in flight.
    let first = server.ledger().calls[0].docid.clone().unwrap();
    workspace.docmill(["cancel", if first == "c" { "a0.txt" } else { "c.txt" }]).exits(0);
    workspace.docmill(["set", "llm.concurrency=8"]).exits(0);
    open.store(true, SeqCst);
    let deadline = Instant::now() + Duration::from_mins(2);
    while json_of(&workspace, &["status", "--json"])["documents"]["done"] != 8 {
        assert!(Instant::now() < deadline, "all but three should be done");
    }
    server.wait_until("three hang", |ledger| ["hangs", "hangs-too", "hangs-as-well"].iter().all(|id| ledger.of(id).len() == 1));
    run.signal("TERM");
    let run = run.finish().exits(4);
    let (tally, pending) = everywhere(&workspace, &run);
    assert_eq!(
        tally.failures,
        [("cancelled", 1), ("empty", 1), ("invalid_answer", 1), ("refused", 1)].map(|(c, n)| (c.to_owned(), n)).into()
    );
    assert_eq!((tally.statuses["ok"], tally.skips["unsupported_kind"], tally.rows(), pending), (2, 2, 8, 3));
    run.says(&["8 documents are done and kept, 3 remain, 3 calls are in doubt"]);

    hangs.store(false, SeqCst);
    let run = workspace.run(["--job", "echo.toml"]).exits(3);
    let (tally, pending) = everywhere(&workspace, &run);
    assert_eq!((tally.rows(), tally.statuses["ok"], pending), (11, 5, 0));
    // A run without work reports the same counts.
    let again = workspace.run(["--job", "echo.toml"]).exits(3);
    assert_eq!(Tally::of_words(&again.stderr), tally, "{}", again.stderr);
    assert_eq!(json_of(&workspace, &["status", "--json"])["documents"]["failures"], json!(tally.failures));
}
