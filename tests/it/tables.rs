//! Tables and lists as inputs: each row is a document. Paid rows are never paid again.

use crate::order::ECHO;
use crate::support::{ModelServer, Workspace};
use std::fmt::Write as _;

/// A job whose prompt uses columns.
const GREETS: &str = r#"
name = "echo"
input = "text"
[[task]]
id = "echo"
prompt = "docid:{{ row.sku }} for {{ row.customer }}: {{ document }}"
[task.answer]
said = { type = "string" }
"#;

fn shop(rows: &[(&str, &str, &str)]) -> String {
    rows.iter().fold("sku,customer,body\n".to_owned(), |mut table, (sku, customer, body)| {
        writeln!(table, "{sku},{customer},\"{body}\"").unwrap();
        table
    })
}

#[test]
fn each_row_is_a_document_with_its_columns() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.write("greets.toml", GREETS);
    workspace.write("shop.csv", shop(&[("a1", "Ann", "good, \"\"very\"\" good"), ("b2", "Bob", "bad\nand {{ row.sku }}")]));
    let args =
        ["--job", "greets.toml", "--rows", "shop.csv", "--text-column", "body", "--id-column", "sku", "--keep-columns", "customer,sku"];
    let run = workspace.run_on(args, "").exits(0);
    let csv = run.csv("echo");
    assert_eq!(csv.column("document"), ["shop.csv#a1", "shop.csv#b2"]);
    assert_eq!(csv.columns[3..5], ["customer", "sku"]);
    assert_eq!((csv.column("customer"), csv.column("sku")), (vec!["Ann", "Bob"], vec!["a1", "b2"]));
    let prompts: Vec<String> = server.ledger().calls.iter().map(|call| call.text.clone()).collect();
    let whole =
        |prompt: &String| prompt.starts_with("docid:a1 for Ann: <document-") && prompt.contains("\ngood, \"very\" good\n</document-");
    assert!(prompts.iter().any(whole), "{prompts:?}");
    assert!(prompts.iter().any(|prompt| prompt.contains("bad\nand {{ row.sku }}")), "a row is data and never template: {prompts:?}");
    workspace.run_on(args, "").exits(0);
    assert_eq!(server.requests(), 2, "nothing is sent again");
}

#[test]
fn verification_accounts_for_every_row() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.write("echo.toml", ECHO);
    let args = ["--job", "echo.toml", "--rows", "shop.csv", "--text-column", "body", "--id-column", "sku"];
    workspace.write("shop.csv", shop(&[("a1", "Ann", "docid:a"), ("b2", "Bob", "docid:b"), ("c3", "Cid", "")]));
    workspace.run_on(args, "").exits(3);
    let receipt = workspace.docmill(["verify"]).exits(0).stdout;
    assert!(receipt.contains("3 inputs are unchanged, 0 changed, 0 gone"), "{receipt}");
    workspace.write("shop.csv", shop(&[("a1", "Ann", "docid:a, edited"), ("c3", "Cid", "")]));
    let receipt = workspace.docmill(["verify"]).exits(4).stdout;
    assert!(receipt.contains("1 inputs are unchanged, 1 changed, 1 gone"), "{receipt}");
}

#[test]
fn a_plan_knows_the_rows_of_each_job_in_one_directory() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.write("echo.toml", ECHO).write("greets.toml", GREETS);
    let rows: Vec<String> = (0..12).map(|n| format!("row{n}")).collect();
    let rows: Vec<_> = rows.iter().map(|row| (row.as_str(), "Ann", row.as_str())).collect();
    workspace.write("shop.csv", shop(&rows));
    let args = |job| ["--job", job, "--rows", "shop.csv", "--text-column", "body", "--id-column", "sku"];
    for job in ["echo.toml", "greets.toml"] {
        workspace.run_on(args(job), "").exits(0);
    }
    for job in ["echo.toml", "greets.toml"] {
        let plan = workspace.start_with([&["plan", "--json"][..], &args(job)].concat()).finish().exits(0);
        let plan: serde_json::Value = serde_json::from_str(&plan.stdout).unwrap();
        assert_eq!(
            (&plan["up_to_date"]["ok"], &plan["pending"], &plan["identical_documents"]),
            (&12.into(), &0.into(), &0.into()),
            "{job}"
        );
    }
}

#[test]
fn rows_may_move_and_repeat_and_only_new_ones_are_sent() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.write("echo.toml", ECHO);
    let table = |rows: &[&str]| {
        let lines: String = rows.iter().map(|row| format!("{{\"body\": \"docid:{row}\", \"n\": 1}}\n")).collect();
        workspace.write("t.jsonl", &lines);
    };
    let args = ["--job", "echo.toml", "--rows", "t.jsonl", "--text-column", "body", "--keep-columns", "n"];
    let said = || workspace.run_on(args, "").exits(0).csv("echo").column("said").into_iter().map(str::to_owned).collect::<Vec<_>>();
    table(&["a", "b", "same", "same"]);
    assert_eq!(said(), ["said of docid:a", "said of docid:b", "said of docid:same", "said of docid:same"]);
    assert_eq!(server.requests(), 4);
    // With a new first row, all others move by one.
    table(&["new", "a", "b", "same", "same"]);
    assert_eq!(said()[..3], ["said of docid:new", "said of docid:a", "said of docid:b"]);
    assert_eq!(server.requests(), 5);
    // A third copy is a separate document.
    table(&["new", "a", "b", "same", "same", "same"]);
    assert_eq!(said().len(), 6);
    assert_eq!(server.requests(), 6);
    // Columns that no prompt uses change the results without a call.
    let text = std::fs::read_to_string(workspace.path("t.jsonl")).unwrap().replace("\"n\": 1", "\"n\": 2");
    workspace.write("t.jsonl", &text);
    let run = workspace.run_on(args, "").exits(0);
    assert_eq!(run.csv("echo").column("n"), ["2"; 6]);
    assert_eq!(server.requests(), 6);
    workspace.docmill(["verify"]).exits(0);
}

#[test]
fn repeated_ids_may_change_their_order_between_deliveries() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.write("echo.toml", ECHO);
    workspace.write("p.csv", shop(&[("A", "", "docid:one"), ("A", "", "docid:two"), ("B", "", "docid:x")]));
    workspace.write("q.csv", shop(&[("A", "", "docid:zero"), ("A", "", "docid:one"), ("A", "", "docid:two"), ("B", "", "docid:x")]));
    let run = |table: &str, more: &[&str]| {
        let args = ["--job", "echo.toml", "--rows", table, "--text-column", "body", "--id-column", "sku"];
        workspace.run_on(args.iter().chain(more), "").exits(0)
    };
    run("p.csv", &[]);
    assert_eq!(server.requests(), 3);
    let said = run("q.csv", &["--add"]).csv("echo").column("said").into_iter().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(server.requests(), 4, "only the new row is sent: {said:?}");
    for id in ["zero", "one", "two", "x"] {
        assert!(said.contains(&format!("said of docid:{id}")), "{said:?}");
    }
}

#[test]
fn a_changed_column_is_sent_only_to_tasks_that_use_it() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    let task =
        |id: &str, prompt: &str| format!("[[task]]\nid = \"{id}\"\nprompt = \"{prompt}\"\n[task.answer]\nsaid = {{ type = \"string\" }}\n");
    workspace.write(
        "two.toml",
        format!("name = \"two\"\ninput = \"text\"\n{}{}", task("plain", "Sum up."), task("greeting", "Greet {{ row.name }}.")),
    );
    let run = |name: &str| {
        workspace.write("t.csv", format!("id,name,body\n1,{name},docid:a\n2,Bob,docid:b\n"));
        workspace.run_on(["--job", "two.toml", "--rows", "t.csv", "--text-column", "body"], "").exits(0)
    };
    run("Ann");
    assert_eq!(server.requests(), 4);
    let changed = run("Eve");
    assert_eq!(server.requests(), 5);
    assert!(server.ledger().calls.last().is_some_and(|call| call.text.contains("Greet Eve.")));
    // Paid calls are counted once.
    assert_eq!(changed.summary("two")["attempts"], 3);
    run("Ann");
    run("Eve");
    assert_eq!(server.requests(), 5, "changing it back sends nothing");
    workspace.docmill(["verify"]).exits(0);
}

#[test]
fn a_null_is_the_same_as_an_empty_cell_and_a_number_as_its_digits() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.write("greets.toml", GREETS);
    let json = "{\"sku\":7,\"customer\":null,\"body\":\"good\"}\n{\"sku\":8,\"customer\":\"Ann\",\"body\":\"bad\"}\n";
    workspace.write("t.csv", "sku,customer,body\n7,,good\n8,Ann,bad\n").write("u.csv", "sku,customer,body\n7,,good\n8,Ann,bad\n");
    workspace.write("t.jsonl", json).write("u.jsonl", json);
    let book: &[&[&str]] = &[&["sku", "customer", "body"], &["7", "", "good"], &["8", "Ann", "bad"]];
    workspace.write("t.xlsx", workbook(&[("One", book)]));
    let run = |table: &str, how: &str| {
        let args = ["--job", "greets.toml", "--rows", table, "--text-column", "body", "--id-column", "sku", how];
        workspace.run_on(args, "").exits(0)
    };
    run("t.csv", "--replace");
    for (table, how) in [("t.jsonl", "--replace"), ("u.csv", "--add"), ("t.xlsx", "--add"), ("u.jsonl", "--add"), ("t.csv", "--replace")] {
        run(table, how);
        assert_eq!(server.requests(), 2, "{table} {how}");
    }
    // Earlier versions of docmill stored digests of typed values.
    run("t.jsonl", "--replace");
    let typed = [blake3::hash(b"good\0sku\x007\0customer\0null"), blake3::hash(b"bad\0sku\x008\0customer\0\"Ann\"")];
    let store = rusqlite::Connection::open(workspace.path("output/docmill.db")).unwrap();
    for (row, digest) in ["t.jsonl#7", "t.jsonl#8"].into_iter().zip(typed) {
        let changed = store.execute("UPDATE documents SET digest = ?1 WHERE name = ?2", (&digest.as_bytes()[..], row)).unwrap();
        assert_eq!(changed, 1);
    }
    drop(store);
    run("t.jsonl", "--replace");
    run("u.jsonl", "--replace");
    assert_eq!(server.requests(), 2);
}

#[test]
fn an_unreadable_row_fails_alone() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.write("echo.toml", ECHO);
    workspace.write("t.csv", "id;body\n1;docid:a\n2;docid:b;too much\n3;\n4;docid:d\n");
    workspace.write("u.jsonl", "{\"body\": \"docid:e\"}\nnot json\n\n{\"body\": \"docid:f\"}\n");
    let args = ["--job", "echo.toml", "--rows", "t.csv", "--rows", "u.jsonl", "--text-column", "body"];
    let csv = workspace.run_on(args, "").exits(3).csv("echo");
    assert_eq!(csv.column("document"), ["t.csv#1", "t.csv#2", "t.csv#3", "t.csv#4", "u.jsonl#1", "u.jsonl#2", "u.jsonl#3"]);
    assert_eq!(csv.column("failure_code"), ["", "undecodable", "empty", "", "", "undecodable", ""]);
    assert!(csv.rows[1]["failure_message"].contains("the row has 3 fields (line 3), but the table has 2 columns"), "{:?}", csv.rows[1]);
    let wrong = ["--job", "echo.toml", "--rows", "t.csv", "--text-column", "text"];
    workspace.run_on(wrong, "").exits(2).says(&["table t.csv has no column \"text\"; expected one of id, body"]);
}

#[test]
fn tables_are_read_in_their_encodings_and_from_standard_input() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server).set("output.existing", "replace");
    workspace.write("echo.toml", ECHO);
    let text = "name\tbody\nMüller\tdocid:grüße aus Köln, schöne Straße\n";
    let (latin, _, _) = encoding_rs::WINDOWS_1252.encode(text);
    std::fs::write(workspace.path("latin.tsv"), &latin).unwrap();
    let utf16: Vec<u8> = [0xFF, 0xFE].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    std::fs::write(workspace.path("wide.tsv"), utf16).unwrap();
    let args = ["--job", "echo.toml", "--rows", "latin.tsv", "--rows", "wide.tsv", "--text-column", "body", "--keep-columns", "name"];
    let csv = workspace.run_on(args, "").exits(0).csv("echo");
    assert_eq!(csv.column("name"), ["Müller", "Müller"]);
    let piped = workspace.run_on(["--job", "echo.toml", "--rows", "-", "--text-column", "body"], "body\ndocid:piped\n").exits(0);
    assert_eq!(piped.csv("echo").column("document"), ["stdin#1"]);
    let listed =
        workspace.doc("x y.txt", "docid:listed").run_on(["--job", "echo.toml", "--files-from", "-"], "docs/x y.txt\ndocs/none.txt\n");
    let csv = listed.exits(3).csv("echo");
    workspace.write("twice.csv", "id,body\na,docid:1\na,docid:2\na~2,docid:2\n,docid:3\n(row 4),docid:3\n");
    let args = ["--job", "echo.toml", "--rows", "twice.csv", "--rows", "twice.csv", "--text-column", "body", "--id-column", "id"];
    let twice = workspace.run_on(args, "").exits(0).csv("echo");
    let named = ["twice.csv#a", "twice.csv#a~2", "twice.csv#a~2~2", "twice.csv#(row 4)", "twice.csv#(row 4)~2"];
    assert_eq!(twice.column("document"), named, "each once, and none has another's name");
    workspace.doc("book.csv", b"PK\x03\x04\x14\0\0\0\0\0");
    workspace.run_on(["--rows", "docs/book.csv"], "").exits(2).says(&["this is ZIP archive, not a table. Save it as CSV"]);
    assert_eq!((csv.column("document"), csv.column("failure_code")), (vec!["docs/x y.txt", "docs/none.txt"], vec!["", "unreadable"]));
}

fn mkfifo(path: &std::path::Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn entries_of_a_list_that_are_not_files_are_reported() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.write("echo.toml", ECHO).doc("a.txt", "docid:a");
    let pipe = workspace.path("docs/pipe");
    mkfifo(&pipe);
    workspace.write("list.txt", "docs/a.txt\ndocs/pipe\ndocs\ndocs/b.txt\ns3://test/c.txt\n");
    let csv = workspace.run_on(["--job", "echo.toml", "--files-from", "list.txt"], "").exits(3).csv("echo");
    assert_eq!(csv.column("failure_code"), ["", "unreadable", "unreadable", "unreadable", "unreadable"]);
    let parts = ["", "not a regular file", "this is a directory", "does not exist", "this is an address"];
    for (why, part) in csv.column("failure_message").into_iter().zip(parts) {
        assert!(why.contains(part), "{why}");
    }
    workspace.docmill(["verify"]).exits(0);
}

#[test]
fn rows_of_tables_in_a_directory_are_documents_if_so_wanted() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.write("echo.toml", ECHO);
    workspace.write("in/letter.txt", "docid:letter");
    workspace.write("in/old/shop.csv", shop(&[("a1", "Ann", "docid:a1"), ("b2", "Bob", "docid:b2")]));
    workspace.write("in/left-out.csv", shop(&[("c3", "Cid", "docid:c3")]));
    let args = ["in", "--job", "echo.toml", "--tables", "rows", "--text-column", "body", "--id-column", "sku"];
    let args = || args.into_iter().chain(["--set", "input.exclude=[\"left-out.csv\"]"]);
    let plan = workspace.docmill(["plan"].into_iter().chain(args())).exits(0);
    assert!(plan.stdout.contains("3 documents"), "{}", plan.stdout);
    let run = workspace.run_on(args(), "").exits(0);
    assert_eq!(run.csv("echo").column("document"), ["letter.txt", "old/shop.csv#a1", "old/shop.csv#b2"]);
    let receipt = workspace.docmill(["verify"]).exits(0).stdout;
    assert!(receipt.contains("3 inputs are unchanged, 0 changed, 0 gone"), "{receipt}");
    workspace.run_on(args(), "").exits(0);
    assert_eq!(server.requests(), 3, "nothing is sent again");
}

#[test]
fn rows_of_a_table_that_left_its_directory_leave_the_results() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.write("echo.toml", ECHO);
    workspace.write("in/day1.csv", shop(&[("a1", "Ann", "docid:a1"), ("b2", "Bob", "docid:b2")]));
    workspace.write("in/day2.csv", shop(&[("c3", "Cid", "docid:c3")]));
    let args = ["in", "--job", "echo.toml", "--tables", "rows", "--text-column", "body", "--id-column", "sku"];
    workspace.run_on(args, "").exits(0);
    std::fs::remove_file(workspace.path("in/day1.csv")).unwrap();
    workspace.write("in/day3.csv", shop(&[("d4", "Dan", "docid:d4")]));
    let run = workspace.run_on(args.into_iter().chain(["--add"]), "").exits(0).says(&["1 unchanged, 1 new"]);
    assert_eq!(run.csv("echo").column("document"), ["day2.csv#c3", "day3.csv#d4"]);
    let receipt = workspace.docmill(["verify"]).exits(0).stdout;
    assert!(receipt.contains("0 changed, 0 gone"), "{receipt}");
    // Without --add too: the directory has all inputs of the results.
    std::fs::remove_file(workspace.path("in/day3.csv")).unwrap();
    let run = workspace.run_on(args, "").exits(0);
    assert_eq!(run.csv("echo").column("document"), ["day2.csv#c3"]);
    assert_eq!(server.requests(), 4);
}

#[test]
fn a_bad_table_in_a_directory_fails_alone() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.write("echo.toml", ECHO);
    workspace.write("in/good.csv", shop(&[("a1", "Ann", "docid:a1")]));
    workspace.write("in/empty.csv", "").write("in/mark.csv", "\u{feff}").write("in/other.csv", "id,title\n1,docid:no\n");
    workspace.write("in/broken.parquet", b"\x00\x01\x02\x03\xFF\xFE\xFD\x00\x17");
    let args = ["in", "--job", "echo.toml", "--tables", "rows", "--text-column", "body", "--id-column", "sku"];
    let csv = workspace.run_on(args, "").exits(3).csv("echo");
    let rows: Vec<(&str, &str)> = csv.rows.iter().map(|row| (&*row["document"], &*row["failure_code"])).collect();
    let expected = [("broken.parquet", "undecodable"), ("empty.csv", "empty"), ("mark.csv", "empty"), ("other.csv", "undecodable")];
    assert_eq!(rows, expected.into_iter().chain([("good.csv#a1", "")]).collect::<Vec<_>>());
    assert!(csv.rows[3]["failure_message"].contains("has no column \"body\""), "{:?}", csv.rows[3]);
    assert_eq!(server.requests(), 1);
    workspace.docmill(["verify"]).exits(0);
    // Once it is mended, its rows take the place of the failure.
    workspace.write("in/other.csv", shop(&[("z9", "Zoe", "docid:z9")]));
    let csv = workspace.run_on(args, "").exits(3).csv("echo");
    assert_eq!(csv.column("document"), ["broken.parquet", "empty.csv", "mark.csv", "good.csv#a1", "other.csv#z9"]);
    assert_eq!(server.requests(), 2);
}

#[test]
fn names_begin_below_the_base() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.write("echo.toml", ECHO);
    workspace.write("data/a/letter.txt", "docid:letter");
    workspace.write("data/shop.csv", shop(&[("a1", "Ann", "docid:a1")]));
    let (base, a, shop) = (workspace.path("data"), workspace.path("data/a"), workspace.path("data/shop.csv"));
    let base = format!("input.base={:?}", base.to_str().unwrap());
    let args = [a.to_str().unwrap(), "--rows", shop.to_str().unwrap(), "--text-column", "body", "--id-column", "sku", "--set", &base];
    let run = workspace.run_on(["--job", "echo.toml"].into_iter().chain(args), "").exits(0);
    assert_eq!(run.csv("echo").column("document"), ["a/letter.txt", "shop.csv#a1"]);
}

#[test]
fn an_invalid_table_is_reported_before_anything_is_sent() {
    let workspace = Workspace::new();
    workspace.write("header.csv", "id,body\n").write("array.json", "[]").write("packed.csv.bz2", b"BZh91AY&SY");
    workspace.write("packed.csv.gz", b"\x1f\x8b\x08\0\0\0\0\0");
    for (table, says) in [
        ("header.csv", "no documents in header.csv: the table has no rows"),
        ("array.json", "no documents in array.json: the table has no JSON objects"),
        ("packed.csv.gz", "table packed.csv.gz: cannot decompress"),
        ("packed.csv.bz2", "this is compressed archive"),
        ("s3://bucket/t.csv", "docmill reads tables and lists only from this machine"),
    ] {
        workspace.run_on(["--job", "text", "--rows", table], "").exits(2).says(&[says]);
    }
    workspace.docmill(["inspect", "s3://bucket/a.txt"]).exits(2).says(&["inspect reads only local files"]);
    workspace.run_on(["--set", "prepare.pdf.mode=image"], "").exits(2).says(&["prepare.pdf.mode", "auto, text, pages"]);
}

#[test]
fn a_table_may_come_through_a_pipe_of_the_shell_and_columns_may_be_empty() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.write("greets.toml", GREETS);
    let table = r#"{"sku": "a", "customer": null, "body": "good", "stars": 5}"#;
    let pipe = workspace.path("pipe");
    mkfifo(&pipe);
    // Writing to the pipe waits for the reader.
    let writing = std::thread::spawn(move || std::fs::write(pipe, table));
    let args = ["--job", "greets.toml", "--rows", "pipe", "--text-column", "body", "--keep-columns", "stars, customer"];
    let csv = workspace.run_on(args, "").exits(0).csv("echo");
    writing.join().unwrap().unwrap();
    assert_eq!((csv.column("stars"), csv.column("customer")), (vec!["5"], vec![""]));
    let calls = server.ledger().calls;
    assert!(calls.iter().any(|call| call.text.starts_with("docid:a for : <document-")), "{:?}", calls[0].text);
}

pub fn gzip(text: &str) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut gzip, text.as_bytes()).unwrap();
    gzip.finish().unwrap()
}

#[test]
fn a_table_named_as_a_document_needs_a_decision_before_anything_is_sent() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.write("echo.toml", ECHO);
    let csv = (0..40).fold("id,body\n".to_owned(), |table, n| table + &format!("{n},docid:row{n}\n"));
    let lines: String = (0..40).map(|n| format!("{{\"body\": \"docid:row{n}\"}}\n")).collect();
    workspace.write("t.csv", &csv).write("my table.tsv", csv.replace(',', "\t")).write("t.jsonl", &lines).write("t.csv.gz", gzip(&csv));
    workspace.doc("only.csv", &csv);
    for (given, says) in [
        ("t.csv", "`--rows t.csv` makes each row a document; `t.csv --tables document` sends"),
        ("my table.tsv", "`--rows 'my table.tsv'`"),
        ("t.jsonl", "t.jsonl is a table of 40 rows"),
        ("t.csv.gz", "t.csv.gz is a table of 40 rows"),
        ("docs", "docs/only.csv is a table of 40 rows"),
    ] {
        workspace.run_on([given, "--job", "echo.toml"], "").exits(2).says(&[says, "Nothing was sent"]);
        let plan = workspace.start_with(["plan", given, "--job", "echo.toml"]).finish().exits(0);
        assert!(plan.stdout.contains("a run would ask first"), "{}", plan.stdout);
    }
    workspace.run_on(["-", "--job", "echo.toml"], &csv).exits(2).says(&["standard input is a table of 40 rows", "`--rows -`"]);
    // Commands that assemble several runs ask too.
    let compared = ["compare", "t.csv", "--yes"];
    workspace
        .start_with(compared.into_iter().chain(["--sequential", "--job", "echo.toml"]))
        .finish()
        .exits(2)
        .says(&["t.csv is a table of 40 rows"]);
    let variants = ["--variant", "echo.toml", "--variant", "echo.toml llm.effort=low"];
    workspace.start_with(compared.into_iter().chain(variants)).finish().exits(2).says(&["t.csv is a table of 40 rows"]);
    let rehearsed = ["rehearse", "t.csv", "--job", "echo.toml", "--latency-ms", "1"];
    workspace.start_with(rehearsed).finish().exits(2).says(&["t.csv is a table of 40 rows"]);
    assert_eq!(server.requests(), 0);
    workspace.start_with(rehearsed.into_iter().chain(["--tables", "rows", "--documents", "3"])).finish().exits(0);
    let prose = "docid:prose, and more of it.\nA second line, a third comma, and so on.\nOne\ntwo\nthree\nfour, five\nsix\n";
    workspace.run_on(["-", "--job", "echo.toml", "--output", "piped"], prose).exits(0);
    assert!(std::fs::read_to_string(workspace.path("piped/echo/results.csv")).unwrap().contains("0,stdin,ok,said of docid:prose"));
    let rows = workspace.run_on(["t.csv", "--tables", "rows", "--text-column", "body", "--job", "echo.toml"], "").exits(0);
    assert_eq!(rows.csv("echo").column("said")[39], "said of docid:row39");
    workspace.docmill(["verify"]).exits(0);
    let one = workspace.run_on(["t.csv", "--set", "input.tables=document", "--job", "echo.toml", "--replace"], "").exits(0);
    assert_eq!(one.csv("echo").column("document"), ["t.csv"]);
    workspace.run_on(["t.csv", "--tables", "both", "--job", "echo.toml"], "").exits(2).says(&["ask, document, rows"]);
    // A table among other documents is one document, and a note says so.
    workspace.doc("a.txt", "docid:a");
    let run = workspace.run(["--job", "echo.toml", "--output", "mixed"]).exits(0);
    run.says(&["1 table is a document here, such as only.csv; --rows TABLE makes each of its rows a document"]);
}

#[test]
fn compressed_tables_are_read_and_numbers_in_json_keep_their_digits() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.write("echo.toml", ECHO);
    let lines = "{\"id\": 12345678901234567890123, \"body\": \"docid:a\", \"score\": NaN}\n{\"id\": 1.10, \"body\": \"docid:\\ud83d\"}\n";
    workspace.write("t.jsonl.gz", gzip(lines)).write("t.jsonl.zst", zstd::stream::encode_all(lines.as_bytes(), 1).unwrap());
    workspace.write("array.json", format!("[{}]", lines.trim().replace('\n', ",\n")));
    for table in ["t.jsonl.gz", "t.jsonl.zst", "array.json"] {
        let args = ["--rows", table, "--text-column", "body", "--id-column", "id", "--keep-columns", "score", "--replace"];
        let run = workspace.run_on(args.iter().chain(&["--job", "echo.toml"]), "").exits(0);
        let csv = run.csv("echo");
        assert_eq!(csv.column("document"), [format!("{table}#12345678901234567890123"), format!("{table}#1.1")]);
        assert_eq!(csv.column("score"), ["NaN", ""]);
    }
    workspace.doc("a.txt", "docid:listed").write("list.gz", gzip("docs/a.txt\n"));
    workspace.run_on(["--files-from", "list.gz", "--job", "echo.toml", "--output", "listed"], "").exits(0);
    assert!(std::fs::read_to_string(workspace.path("listed/echo/results.csv")).unwrap().contains("said of docid:listed"));
    // A truncated table is reported, and its complete rows are kept.
    let packed = gzip(&(0..20_000).fold("body\n".to_owned(), |table, n| table + &format!("docid:row{n}\n")));
    workspace.write("cut.csv.gz", &packed[..packed.len() / 2]);
    let run = workspace.run_on(["--rows", "cut.csv.gz", "--text-column", "body", "--job", "echo.toml", "--output", "cut", "--quiet"], "");
    run.exits(3);
    let results = std::fs::read_to_string(workspace.path("cut/echo/results.csv")).unwrap();
    assert!(results.lines().last().unwrap().contains("docmill does not read the rest of the table"), "{}", results.lines().last().unwrap());
}

/// A workbook with these sheets. Cells are written as text or as numbers.
fn workbook(sheets: &[(&str, &[&[&str]])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let mut put = |name: &str, text: String| {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut zip, text.as_bytes()).unwrap();
    };
    let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    let office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let packages = "http://schemas.openxmlformats.org/package/2006/relationships";
    let all =
        |each: &dyn Fn(usize, &str) -> String| sheets.iter().enumerate().map(|(at, (name, _))| each(at + 1, name)).collect::<String>();
    put(
        "_rels/.rels",
        format!(
            "<Relationships xmlns=\"{packages}\"><Relationship Id=\"rId1\" Type=\"{office}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"
        ),
    );
    let names = all(&|at, name| format!("<sheet name=\"{name}\" sheetId=\"{at}\" r:id=\"rId{at}\"/>"));
    put("xl/workbook.xml", format!("<workbook xmlns=\"{main}\" xmlns:r=\"{office}\"><sheets>{names}</sheets></workbook>"));
    let parts = all(&|at, _| format!("<Relationship Id=\"rId{at}\" Type=\"{office}/worksheet\" Target=\"worksheets/sheet{at}.xml\"/>"));
    put("xl/_rels/workbook.xml.rels", format!("<Relationships xmlns=\"{packages}\">{parts}</Relationships>"));
    for (at, (_, rows)) in sheets.iter().enumerate() {
        let cell = |(column, row, value): (u8, usize, &str)| {
            let place = format!("{}{row}", char::from(b'A' + column));
            match value.parse::<f64>() {
                Ok(_) => format!("<c r=\"{place}\"><v>{value}</v></c>"),
                Err(_) => format!("<c r=\"{place}\" t=\"inlineStr\"><is><t xml:space=\"preserve\">{value}</t></is></c>"),
            }
        };
        let row = |(at, row): (usize, &&[&str])| {
            let cells: String = (0_u8..).zip(*row).map(|(column, value)| cell((column, at + 1, value))).collect();
            format!("<row r=\"{}\">{cells}</row>", at + 1)
        };
        let rows: String = rows.iter().enumerate().map(row).collect();
        put(
            &format!("xl/worksheets/sheet{}.xml", at + 1),
            format!("<worksheet xmlns=\"{main}\"><sheetData>{rows}</sheetData></worksheet>"),
        );
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn cells_of_a_sheet_keep_the_blanks_around_their_text() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.write("echo.toml", ECHO);
    let sheet: &[&[&str]] = &[&["id", "body", "note"], &["a1", " docid:one ", "  lead"], &["a2", "docid:two", " "]];
    workspace.write("book.xlsx", workbook(&[("One", sheet)]));
    let args = ["--rows", "book.xlsx", "--text-column", "body", "--id-column", "id", "--job", "echo.toml", "--keep-columns", "note"];
    let csv = workspace.run_on(args, "").exits(0).csv("echo");
    assert_eq!(csv.column("note"), ["  lead", ""]);
    assert!(server.ledger().calls.iter().any(|call| call.text.contains("\n docid:one \n")));
}

#[test]
fn rows_of_a_workbook_are_documents() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.write("echo.toml", ECHO);
    let first: &[&[&str]] = &[&["id", "body", "price"], &["a1", "docid:one", "12.50"], &["a2", "docid:two", "0.1"]];
    let book = workbook(&[("Orders", first), ("Old orders", &[&["id", "body"], &["b1", "docid:old"]])]);
    workspace.write("book.xlsx", &book).write("renamed.csv", &book);
    let run = |table: &str, further: &[&str]| {
        let args = ["--rows", table, "--text-column", "body", "--id-column", "id", "--job", "echo.toml", "--replace"];
        workspace.run_on(args.iter().chain(further), "")
    };
    let orders = run("book.xlsx", &["--keep-columns", "price"]).exits(0);
    let csv = orders.csv("echo");
    assert_eq!(csv.column("document"), ["book.xlsx#a1", "book.xlsx#a2"]);
    assert_eq!((csv.column("said"), csv.column("price")), (vec!["said of docid:one", "said of docid:two"], vec!["12.5", "0.1"]));
    orders
        .says(&["book.xlsx: docmill reads only sheet Orders. The others are Old orders: --rows 'book.xlsx#Old orders' reads one of them"]);
    let old = run("book.xlsx#Old orders", &[]).exits(0).says_nothing_of("The others are");
    assert_eq!(old.csv("echo").column("document"), ["book.xlsx#Old orders#b1"]);
    assert_eq!(run("renamed.csv", &[]).exits(0).csv("echo").column("said").len(), 2);
    workspace.docmill(["verify"]).exits(0);
    run("book.xlsx#Nothing", &[]).exits(2).says(&["no sheet Nothing; expected one of Orders, Old orders"]);
    run("book.xlsx", &["--keep-columns", "weight"]).exits(2).says(&["has no column \"weight\"; expected one of id, body, price"]);
    workspace.write("cut.xlsx", &book[..book.len() / 2]);
    run("cut.xlsx", &[]).exits(2).says(&["table cut.xlsx"]);
    workspace.run_on(["book.xlsx", "--job", "echo.toml", "--replace"], "").exits(2).says(&["book.xlsx is a table of 2 rows"]);
    workspace.write("greets.toml", GREETS);
    let says = ["uses columns", "book.xlsx is a table of 2 rows", "`--rows book.xlsx` makes each row a document"];
    workspace.start_with(["plan", "book.xlsx", "--job", "greets.toml"]).finish().exits(2).says(&says);
}
