//! Documents that consist of several files (`input.group`).

use crate::order::ECHO;
use crate::support::{ModelServer, Workspace, jpeg, png};

fn workspace(server: &ModelServer, group: &str) -> Workspace {
    let workspace = Workspace::new().against(server).set("input.group", group);
    workspace.write("echo.toml", ECHO).write("any.toml", ECHO.replace("input = \"text\"", "input = \"any\""));
    workspace
}

fn texts(server: &ModelServer, document: &str) -> Vec<String> {
    let calls = server.ledger().calls;
    calls.iter().map(|call| call.text.clone()).filter(|text| text.contains(document)).collect()
}

#[test]
fn the_files_of_a_directory_are_one_document_in_natural_order() {
    let server = ModelServer::script().start();
    let workspace = workspace(&server, "directory");
    for (name, text) in [
        ("p/page10.txt", "the end"),
        ("p/page2.txt", "docid:p begins"),
        ("p/part/a.txt", "docid:inner"),
        ("top.txt", "docid:top"),
        ("q/one.md", "docid:q"),
    ] {
        workspace.doc(name, text);
    }
    let run = workspace.run(["--job", "echo.toml"]).exits(0);
    assert_eq!(run.csv("echo").column("document"), [".", "p", "p/part", "q"]);
    assert_eq!(run.csv("echo").column("said"), ["said of docid:top", "said of docid:p", "said of docid:inner", "said of docid:q"]);
    let sent = texts(&server, "docid:p begins");
    assert!(sent[0].contains("[file: page2.txt]\n\ndocid:p begins\n\n[file: page10.txt]\n\nthe end"), "{}", sent[0]);
    let plan = workspace.docmill(["plan", "docs", "--job", "echo.toml"]).exits(0);
    assert!(plan.stdout.contains('4'), "{}", plan.stdout);

    // Nothing is sent again, until a file of a document changes, comes or goes.
    let before = server.requests();
    workspace.run(["--job", "echo.toml"]).exits(0);
    assert_eq!(server.requests(), before);
    workspace.doc("p/page2.txt", "docid:p begins anew");
    workspace.doc("q/two.md", "more");
    let run = workspace.run(["--job", "echo.toml"]).exits(0);
    assert_eq!(server.requests(), before + 2);
    assert_eq!(run.csv("echo").column("document"), [".", "p", "p/part", "q"]);
    std::fs::remove_file(workspace.path("docs/q/two.md")).unwrap();
    workspace.run(["--job", "echo.toml"]).exits(0);
    assert_eq!(server.requests(), before + 2, "the answer for the content before is kept");
}

#[test]
fn a_photo_and_its_note_are_one_document() {
    let server = ModelServer::script().start();
    let workspace = workspace(&server, "stem");
    workspace.doc("a.jpg", jpeg(1)).doc("a.txt", "docid:a lies on its side").doc("b.png", png(2)).doc("x/a.txt", "docid:other");
    let run = workspace.run(["--job", "any.toml"]).exits(0);
    let csv = run.csv("echo");
    assert_eq!(csv.column("document"), ["a", "b", "x/a"]);
    let rows = run.jsonl("echo");
    assert_eq!((&rows[0]["input"]["kind"], &rows[2]["input"]["kind"]), (&"image".into(), &"text".into()));
    let call = server.ledger().calls.into_iter().find(|call| call.text.contains("docid:a lies")).unwrap();
    assert!(call.text.contains("[file: a.jpg, the image that follows]") && call.text.contains("[file: a.txt]"), "{}", call.text);
    let shown = workspace.docmill(["inspect", "docs/a", "--set", "input.group=stem", "--job", "any.toml"]).exits(0).stdout;
    assert!(shown.contains("format      group") && shown.contains("docid:a lies on its side") && shown.contains("image/jpeg"), "{shown}");
}

#[test]
fn a_file_that_cannot_be_read_fails_its_document_by_name() {
    let server = ModelServer::script().start();
    let workspace = workspace(&server, "directory");
    workspace
        .doc("p/a.txt", "docid:p")
        .doc("p/b.zip", b"PK\x03\x04 not a document".repeat(3))
        .doc("q/a.txt", "docid:q")
        .doc("q/empty.txt", "");
    for number in 0..101 {
        workspace.doc(format!("r/{number}.txt"), "x");
    }
    let run = workspace.run(["--job", "echo.toml"]).exits(3);
    let csv = run.csv("echo");
    assert_eq!(csv.column("failure_code"), ["unsupported_kind", "", "too_large"]);
    assert!(csv.rows[0]["failure_message"].starts_with("b.zip: cannot read this format"), "{:?}", csv.rows[0]);
    assert_eq!(csv.rows[1]["input_note"], "empty.txt: the file is empty");
    assert!(csv.rows[2]["failure_message"].contains("101 files"), "{:?}", csv.rows[2]);
}

#[test]
fn moving_watches_and_remote_inputs_refuse_groups() {
    let server = ModelServer::script().start();
    let workspace = workspace(&server, "stem");
    workspace.doc("a.txt", "docid:a");
    workspace
        .docmill(["watch", "docs", "--job", "echo.toml", "--set", "input.group=stem", "--set", "watch.done_dir=done"])
        .exits(2)
        .says(&["input.group"]);
    workspace.docmill(["run", "s3://bucket/prefix", "--job", "echo.toml", "--set", "input.group=stem"]).exits(2).says(&["input.group"]);
    workspace.docmill(["run", "docs", "--job", "echo.toml", "--set", "input.group=pairs"]).exits(2).says(&["none, directory, stem"]);
}
