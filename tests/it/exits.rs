//! Exit codes for documents without content, accepted failures and unknown names.

use crate::order::ECHO;
use crate::support::{ModelServer, Reply, Workspace};

/// A workspace with a good, an empty, a blank and a refused document.
fn mixed(server: &ModelServer) -> Workspace {
    let workspace = Workspace::new().against(server);
    workspace.write("echo.toml", ECHO).doc("bad.txt", "docid:bad").doc("good.txt", "docid:good");
    workspace.doc("blank.txt", " \n\t ").doc("empty.txt", "");
    workspace
}

fn refusing() -> ModelServer {
    let faults = |ask: &crate::support::Ask| match ask.docid.as_deref() {
        Some("bad") => Reply::error(ask, 400, "invalid_request_error", "not to our taste"),
        _ => Reply::Ok,
    };
    ModelServer::script().faults(faults).start()
}

#[test]
fn documents_without_content_are_skipped_if_the_settings_say_so() {
    let server = refusing();
    let workspace = mixed(&server);
    let run = workspace.run(["--job", "echo.toml"]).exits(3);
    assert_eq!(run.csv("echo").column("status"), ["failed", "failed", "failed", "ok"]);
    let skip = ["--job", "echo.toml", "--set", "input.on_empty=skip"];
    let run = workspace.run(skip).exits(3);
    assert_eq!(run.csv("echo").column("status"), ["failed", "skipped", "skipped", "ok"]);
    assert_eq!(run.csv("echo").column("failure_code"), ["rejected", "empty", "empty", ""]);
    workspace.run(skip).exits(3).says(&["up to date"]);
    let status = workspace.docmill(["status"]).exits(0).stdout;
    assert!(status.contains("2 empty: these documents have no content"), "{status}");
    assert_eq!(server.ledger().requests(), 2, "no answer was paid twice");
    workspace.run([&skip[..], &["--set", "input.exclude=bad.txt", "--replace"]].concat()).exits(0);
}

#[test]
fn a_file_that_no_job_can_read_is_not_blamed_on_the_job() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    let random: Vec<u8> = (0..2000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect();
    workspace.write("echo.toml", ECHO).doc("rand.txt", random).doc("w.docx", "docid:w");
    let run = workspace.run(["--job", "echo.toml"]).exits(3).says(&["cannot read this kind of file"]);
    assert_eq!(run.csv("echo").column("failure_code"), ["unsupported_kind", ""]);
    let note = "the name ends in .docx, but the content is plain text, which was sent";
    assert_eq!(run.csv("echo").column("input_note"), ["", note]);
    let status = workspace.docmill(["status"]).exits(0).stdout;
    assert!(status.contains("docmill cannot read this kind of file") && !status.contains("No job"), "{status}");
    assert!(status.contains("2 done (1 failed), 0 pending"), "{status}");
}

#[test]
fn accepted_codes_cause_no_exit_code_3() {
    let server = refusing();
    let workspace = mixed(&server);
    let run = |accepted: &str| workspace.run(["--job", "echo.toml", "--accept-failed", accepted]);
    run("empty").exits(3);
    run("empty,rejected").exits(0);
    // The second run finds everything up to date.
    run("rejected,empty").exits(0).says(&["up to date"]);
    run("rejected").exits(3);
    workspace.run(["--job", "echo.toml", "--set", "output.accept_failed=[\"rejected\", \"empty\"]"]).exits(0);
    run("emtpy").exits(2).says(&[
        "--accept-failed",
        "output.accept_failed: unknown code \"emtpy\"; expected one of unreadable",
        "did you mean empty?",
    ]);
}

#[test]
fn mistyped_names_get_a_suggestion() {
    let server = refusing();
    let workspace = mixed(&server);
    workspace.run(["--job", "echo.toml"]).exits(3);
    workspace.docmill(["requeue", "god.txt"]).exits(2).says(&["god.txt: the results have no such document; did you mean good.txt?"]);
    workspace.docmill(["inspect", "docs/god.txt"]).exits(2).says(&["did you mean docs/good.txt?"]);
    workspace.docmill(["inspect", "god.txt"]).exits(2).says_nothing_of("did you mean");
    workspace.docmill(["jobs", "show", "txt"]).exits(2).says(&["did you mean text?"]);
    workspace.run(["--job", "txt"]).exits(2).says(&["did you mean text?"]);
}
