//! Result files from the run store, one format at a time.

use crate::order::ECHO;
use crate::support::{ModelServer, Workspace};
use serde_json::json;

fn bytes(workspace: &Workspace, name: &str) -> Vec<u8> {
    std::fs::read(workspace.path("output/echo").join(name)).unwrap()
}

/// A finished run over one document.
fn one(server: &ModelServer, args: &[&str]) -> Workspace {
    let workspace = Workspace::new().against(server);
    workspace.write("echo.toml", ECHO).doc("a.txt", "docid:a");
    workspace.run([&["--job", "echo.toml"], args].concat()).exits(0);
    workspace
}

#[test]
fn export_of_named_formats_writes_no_other_file() {
    let server = ModelServer::start();
    let workspace = one(&server, &[]);
    workspace.write("output/echo/results.jsonl", "edited\n");
    let exported = workspace.docmill(["export", "--format", "parquet, xlsx"]).exits(0).stdout;
    assert!(exported.contains("echo: 1 row of run 1\n") && exported.lines().count() == 3, "{exported}");
    assert_eq!(bytes(&workspace, "results.jsonl"), b"edited\n");
    assert!(!bytes(&workspace, "results.parquet").is_empty() && !bytes(&workspace, "results.xlsx").is_empty());
    workspace.docmill(["export"]).exits(0);
    workspace.docmill(["verify"]).exits(0);
    workspace.docmill(["export", "--format", "csv,nonsense"]).exits(2).says(&["nonsense", "possible values: csv, jsonl"]);
}

#[test]
fn export_keeps_the_dialect_of_csv_unless_settings_name_another() {
    let server = ModelServer::start();
    let dialect = ["output.csv_separator=;", "output.csv_decimal=,", "output.csv_bom=true"];
    let workspace = one(&server, &["--set", dialect[0], "--set", dialect[1], "--set", dialect[2]]);
    let before = bytes(&workspace, "results.csv");
    assert!(before.starts_with("\u{feff}index;document;".as_bytes()));
    for args in [&["export"][..], &["export", "--format", "xlsx"], &["export", "--format", "csv,parquet"]] {
        workspace.docmill(args).exits(0);
        assert!(bytes(&workspace, "results.csv") == before, "{args:?}");
    }
    workspace.docmill(["export", "--set", "output.csv_separator=tab"]).exits(0);
    let tabs = String::from_utf8(bytes(&workspace, "results.csv")).unwrap();
    assert!(tabs.starts_with("\u{feff}index\tdocument\t") && tabs.trim_end().rsplit('\t').next().unwrap().contains(','), "{tabs}");
    workspace.docmill(["verify"]).exits(0);
    // Settings of the run decide in a run.
    workspace.run(["--job", "echo.toml"]).exits(0);
    assert!(bytes(&workspace, "results.csv").starts_with(b"index,document,"));
}

#[test]
fn a_deleted_file_comes_back_from_the_named_command_or_is_forgotten() {
    let server = ModelServer::start();
    let workspace = one(&server, &[]);
    let delete = || {
        workspace.docmill(["export", "--format", "xlsx"]).exits(0);
        std::fs::remove_file(workspace.path("output/echo/results.xlsx")).unwrap();
        let receipt = workspace.docmill(["verify"]).exits(3).stdout;
        assert!(receipt.replace("\n        ", " ").contains("`docmill export --format xlsx --output output` writes it again"), "{receipt}");
    };
    delete();
    workspace.docmill(["export", "--format", "xlsx"]).exits(0);
    workspace.docmill(["verify"]).exits(0);
    for command in ["run", "export"] {
        delete();
        if command == "run" {
            workspace.run(["--job", "echo.toml"]).exits(0)
        } else {
            workspace.docmill(["export"]).exits(0)
        };
        let receipt = workspace.docmill(["verify"]).exits(0).stdout;
        assert!(!receipt.contains("results.xlsx") && receipt.contains("results.csv: 1 row"), "{receipt}");
    }
    assert_eq!(server.requests(), 1);
}

#[test]
fn export_into_the_output_directory_is_refused() {
    let server = ModelServer::start();
    let workspace = one(&server, &[]);
    for inside in ["output", "output/echo", "output/../output/new/deep"] {
        workspace.docmill(["export", "--to", inside]).exits(2).says(&[inside, "is in the output directory output"]);
    }
    assert!(!workspace.path("output/new").exists() && !workspace.path("output/echo/echo").exists());
    workspace.docmill(["export", "--to", "output2"]).exits(0);
    assert_eq!(std::fs::read(workspace.path("output2/echo/results.csv")).unwrap(), bytes(&workspace, "results.csv"));
}

#[test]
fn an_integer_that_would_be_rounded_is_an_invalid_answer() {
    let server = ModelServer::script()
        .answer(|ask| match ask.docid.as_deref() {
            Some("long") => json!({"n": {"card": "89490200001234567891"}}),
            _ => json!({"n": {"card": u64::MAX}}),
        })
        .start();
    let workspace = Workspace::new().against(&server);
    let job = "name = \"echo\"\ninput = \"text\"\n[[task]]\nid = \"echo\"\nprompt = \"{{ document }}\"\nmax_output_tokens = 100\n";
    workspace.write("n.toml", job.to_owned() + "[task.answer]\nn = { type = \"object\", fields = { card = \"integer\" } }\n");
    workspace.doc("a.txt", "docid:short").doc("b.txt", "docid:long");
    let rows = workspace.run(["--job", "n.toml"]).exits(3).jsonl("echo");
    assert_eq!(rows[0]["answers"]["n"]["card"], u64::MAX);
    assert_eq!(rows[1]["failure"]["code"], "invalid_answer");
    let message = rows[1]["failure"]["message"].as_str().unwrap();
    assert!(message.contains("/n/card: ") && message.contains("beyond the 64 bits") && message.contains("\"string\""), "{message}");
}

#[test]
fn columns_of_a_table_that_differ_only_by_case_from_others_are_refused() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.write("echo.toml", ECHO).doc("t.csv", "Status,body\nnew,docid:a\n");
    let args = ["--job", "echo.toml", "--text-column", "body", "--tables", "rows", "--keep-columns"];
    workspace.run([&args[..], &["Status"]].concat()).exits(2).says(&["already have the columns \"Status\""]);
    assert_eq!(server.requests(), 0);
}
