//! Snapshots of output that users and scripts depend on.

use crate::order::ECHO;
use crate::support::{ModelServer, Reply, Workspace};
use insta::{assert_snapshot, with_settings};
use serde_json::json;

/// Times, addresses and versions, which differ from run to run.
const FILTERS: [(&str, &str); 14] = [
    (r#",\s*"held": ?\{[^{}]*\}"#, ""),
    (r#"\s*"bottleneck": ?\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\},"#, ""),
    (r"(?m)^ +bottleneck .*\n", ""),
    (r"127\.0\.0\.1:\d+", "[address]"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "[time]"),
    (
        r#"("(?:seconds|[a-z_]*_seconds|[a-z_]*_s|commit_ms|speed_up|requests_per_second|busy|waiting|blocked|ledger|mean|now)": ?)[\d.e-]+"#,
        "$1[n]",
    ),
    // The number of stored samples depends on the clock.
    (r#"("stage": ?"commit",\s*"done": ?)\d+"#, "$1[n]"),
    (r#"("busiest_stage": ?)"[a-z]+""#, r#"$1"[stage]""#),
    (r#"("docmill_version": ?)"[\d.]+""#, r#"$1"[version]""#),
    (r"busiest stage: .*", "busiest stage: [stages]"),
    (r"docmill run .*", "docmill run [arguments]"),
    (r"\d+(\.\d+)? m?s wall time, [\d.]+ requests/s(, [\d.]+x faster than one after another)?", "[time] wall time, [n] requests/s"),
    (r"(?m),\d+\.\d{3}(\r?)$", ",[seconds]$1"),
    (r"/tmp/[^ /]+", "[workspace]"),
];

/// A run over a valid, a refused and an empty document.
fn tiny_run() -> crate::support::Finished {
    let server = ModelServer::script()
        .faults(|ask| match ask.docid.as_deref() {
            Some("bad") => Reply::error(ask, 400, "invalid_request_error", "not to our taste"),
            _ => Reply::Ok,
        })
        .answer(|_| json!({"said": "=\"quoted\", and\nin two lines"}))
        .start();
    let workspace = Workspace::new().against(&server).set("llm.concurrency", 1).set("prepare.workers", 2);
    workspace.write("echo.toml", ECHO).doc("bad.txt", "docid:bad").doc("empty.txt", "").doc("good, really.txt", "docid:good");
    workspace.run(["--job", "echo.toml"]).exits(3)
}

#[test]
fn result_files_and_the_summary_match_their_snapshots() {
    let run = tiny_run();
    with_settings!({filters => FILTERS}, {
        assert_snapshot!("results_csv", run.file("echo", "results.csv"));
        assert_snapshot!("results_jsonl", run.file("echo", "results.jsonl"));
        assert_snapshot!("results_json", run.file("echo", "results.json"));
        assert_snapshot!("summary_json", run.file("echo", "summary.json"));
        assert_snapshot!("stderr_of_a_run", with_failures_sorted(&run.stderr));
    });
}

/// Sorts the lines of failures, because their order varies.
fn with_failures_sorted(stderr: &str) -> String {
    let (mut failures, others): (Vec<&str>, Vec<&str>) = stderr.lines().partition(|line| line.starts_with("failed: "));
    failures.sort_unstable();
    failures.into_iter().chain(others).collect::<Vec<_>>().join("\n")
}

#[test]
fn help_matches_its_snapshots() {
    let workspace = Workspace::new();
    for (name, args) in [
        ("help", &["--help"][..]),
        ("help_run", &["run", "--help"]),
        ("help_jobs", &["jobs", "--help"]),
        ("help_config_show", &["config", "show", "--help"]),
        ("help_simulate", &["simulate", "--help"]),
    ] {
        let run = workspace.docmill(args).exits(0);
        assert_eq!(run.stderr, "");
        assert_snapshot!(name, run.stdout);
    }
}

#[test]
fn lists_match_their_snapshots() {
    let workspace = Workspace::new();
    assert_snapshot!("jobs_list", workspace.docmill(["jobs", "list"]).exits(0).stdout);
    let job = workspace.docmill(["jobs", "show", "text"]).exits(0).stdout;
    assert_snapshot!("jobs_show_text", job.lines().take(12).collect::<Vec<_>>().join("\n"));
    assert_snapshot!("config_show", workspace.docmill(["config", "show"]).exits(0).stdout);
}

#[test]
fn errors_match_their_snapshots() {
    let workspace = Workspace::new();
    workspace.doc("a.txt", "x").write("pipeline.toml", "[llm]\nconcurency = 4\n[raed]\nqueue = 1\n");
    assert_snapshot!("error_unknown_keys", workspace.run([""; 0]).exits(2).stderr);
    let workspace = Workspace::new();
    assert_snapshot!("error_no_documents", workspace.run([""; 0]).exits(2).stderr);
    let workspace = Workspace::new().set("llm.provider", "anthropic");
    workspace.doc("a.txt", "x");
    assert_snapshot!("error_no_key", workspace.run([""; 0]).exits(2).stderr);
}
