//! Runs that would drop existing rows. Such a run asks, is refused, adds to the rows, or replaces
//! them.

use crate::order::ECHO;
use crate::support::{Finished, ModelServer, Workspace};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

const ECHOES: [&str; 2] = ["--job", "echo.toml"];

/// A run with these arguments as inputs.
fn run(workspace: &Workspace, args: &[&str]) -> Finished {
    workspace.run_on(ECHOES.iter().chain(args), "")
}

fn echoing(server: &ModelServer) -> Workspace {
    let workspace = Workspace::new().against(server);
    workspace.write("echo.toml", ECHO);
    workspace
}

fn text(workspace: &Workspace, names: &[&str]) {
    for name in names {
        workspace.write(name, format!("docid:{}", name.replace('/', "-")));
    }
}

fn documents(run: &Finished) -> Vec<String> {
    run.csv("echo").column("document").into_iter().map(str::to_owned).collect()
}

#[test]
fn a_run_over_another_input_is_refused_before_anything_is_sent() {
    let server = ModelServer::start();
    let workspace = echoing(&server);
    text(&workspace, &["docs/a.txt", "docs/b.txt", "docs/part/c.txt", "more/a.txt"]);
    run(&workspace, &["docs"]).exits(0);
    workspace.write("list.txt", "docs/b.txt\n").write("t.csv", "id,body\n1,docid:x\n2,docid:y\n");
    workspace.write("narrow.toml", "[input]\npaths = [\"docs\"]\nexclude = [\"part/**\"]\n");
    let refused = [
        (&["more"][..], "would leave 0 of them (it looks at 1 document)"),
        (&["docs/part"], "would leave 1 of them (it looks at 1 document)"),
        (&["docs/a.txt", "docs/b.txt"], "would leave 2 of them (it looks at 2 documents)"),
        (&["--files-from", "list.txt"], "would leave 1 of them (it looks at 1 document)"),
        (&["--rows", "t.csv"], "would leave 0 of them (it looks at 2 documents)"),
        (&["--config", "narrow.toml"], "would leave 2 of them (it looks at 2 documents)"),
        (&["docs", "--set", "input.newer_than=1d", "--set", "input.min_bytes=17"], "would leave 1 of them"),
    ];
    for (args, says) in refused {
        let says = format!("output/echo/results.csv has 3 rows; this run {says}");
        run(&workspace, args).exits(2).says(&[&says, "--add", "--replace", "Nothing was sent"]);
        let plan: Vec<&str> = ["plan"].iter().chain(&ECHOES).chain(args).copied().collect();
        assert!(workspace.start_with(plan).finish().exits(0).stdout.contains("a run would ask first"), "{args:?}");
    }
    workspace.start_with(["plan", "more", "--pilot", "1", "--yes", "--job", "echo.toml"]).finish().exits(2).says(&["has 3 rows"]);
    assert_eq!(server.requests(), 3);
    assert_eq!(workspace.docmill(["runs", "--json"]).exits(0).stdout.matches("\"started\"").count(), 1, "refused runs leave no trace");
    // Another job and another directory have separate results.
    workspace.write("other.toml", ECHO.replace("name = \"echo\"", "name = \"other\""));
    workspace.run_on(["more", "--job", "other.toml"], "").exits(0);
    run(&workspace, &["more", "--output", "elsewhere"]).exits(0);
    workspace.docmill(["verify"]).exits(0);
}

#[test]
fn a_run_over_all_inputs_of_the_results_begins_whatever_their_names() {
    let server = ModelServer::start();
    let workspace = echoing(&server);
    text(&workspace, &["docs/a.txt", "docs/b.txt", "docs/c.txt"]);
    run(&workspace, &["docs"]).exits(0);
    let whole = workspace.path("docs").display().to_string();
    run(&workspace, &["./docs/"]).exits(0);
    run(&workspace, &[&whole]).exits(0);
    // Deleted documents lose their rows, and new documents get one.
    std::fs::remove_file(workspace.path("docs/b.txt")).unwrap();
    std::fs::remove_file(workspace.path("docs/c.txt")).unwrap();
    text(&workspace, &["docs/d.txt", "more/e.txt"]);
    assert_eq!(documents(&run(&workspace, &["docs"]).exits(0)), ["a.txt", "d.txt"]);
    assert_eq!(documents(&run(&workspace, &["docs", "more"]).exits(0)), ["docs/a.txt", "docs/d.txt", "more/e.txt"]);
    assert_eq!(server.requests(), 5);
    // A table that lacks rows with an id may be another delivery.
    let table = |ids: std::ops::Range<u32>| ids.fold("id,body\n".to_owned(), |table, id| table + &format!("{id},docid:row{id}\n"));
    let rows = ["--rows", "t.csv", "--id-column", "id", "--text-column", "body", "--output", "rows"];
    let count = || std::fs::read_to_string(workspace.path("rows/echo/results.jsonl")).unwrap().lines().count();
    workspace.write("t.csv", table(0..10));
    run(&workspace, &rows).exits(0);
    workspace.write("t.csv", table(0..12));
    run(&workspace, &rows).exits(0);
    workspace.write("t.csv", table(3..12));
    let plan: Vec<&str> = ["plan"].iter().chain(&ECHOES).chain(&rows).copied().collect();
    let says = "has 12 rows; this run would leave 9 of them";
    assert!(workspace.start_with(plan).finish().exits(0).stdout.contains(says));
    run(&workspace, &rows).exits(2).says(&[says, "--replace"]);
    run(&workspace, &[&rows[..], &["--replace"]].concat()).exits(0);
    assert_eq!(count(), 9);
    workspace.write("t.csv", table(10..30));
    run(&workspace, &rows).exits(2).says(&["has 9 rows; this run would leave 2 of them (it looks at 20 documents)"]);
    assert_eq!(count(), 9);
}

#[test]
fn ids_that_change_from_text_to_number_leave_rows_unchanged() {
    let server = ModelServer::start();
    let workspace = echoing(&server);
    let row = |id: &str, n: &str| format!("{{\"id\": {id}, \"body\": \"docid:{n}\"}}\n");
    workspace.write("one.jsonl", row("\"1\"", "a") + &row("\"2\"", "b") + &row("\"3\"", "c"));
    workspace.write("two.jsonl", row("1", "a") + &row("2", "b") + &row("3", "d") + &row("4", "e"));
    let columns = ["--id-column", "id", "--text-column", "body", "--add"];
    run(&workspace, &[&["--rows", "one.jsonl"][..], &columns].concat()).exits(0);
    let added = run(&workspace, &[&["--rows", "two.jsonl"][..], &columns].concat()).exits(0);
    added.says(&["table two.jsonl: 4 rows: 1 replaced, 2 unchanged, 1 new"]);
    assert_eq!(server.requests(), 5);
}

/// Arguments that read a table with ids.
fn with_ids<'a>(table: &'a str, how: &'a str) -> [&'a str; 7] {
    ["--rows", table, "--id-column", "id", "--text-column", "body", how]
}

#[test]
fn a_copy_of_a_table_that_left_the_results_is_added_without_a_request() {
    let server = ModelServer::start();
    let workspace = echoing(&server);
    let rows = "id,body\n4,docid:d\n5,docid:same\n6,docid:same\n";
    workspace.write("se.csv", "id,body\n1,docid:a\n2,docid:b\n3,docid:same\n").write("sd.csv", rows);
    run(&workspace, &with_ids("se.csv", "--add")).exits(0);
    run(&workspace, &with_ids("sd.csv", "--add")).exits(0);
    assert_eq!(server.requests(), 6);
    let json = "{\"id\":4,\"body\":\"docid:d\"}\n{\"id\":5,\"body\":\"docid:same\"}\n{\"id\":6,\"body\":\"docid:same\"}\n";
    workspace.write("sd2.csv", rows).write("sd3.csv.gz", crate::tables::gzip(rows)).write("sd4.jsonl", json);
    for copy in ["sd2.csv", "sd3.csv.gz", "sd4.jsonl", "sd.csv"] {
        run(&workspace, &with_ids("se.csv", "--replace")).exits(0);
        let plan = ["plan"].into_iter().chain(ECHOES).chain(with_ids(copy, "--add"));
        assert!(workspace.start_with(plan).finish().exits(0).stdout.contains("none to send"), "{copy}");
        let added = run(&workspace, &with_ids(copy, "--add")).exits(0);
        let named = |id: &str| format!("{copy}#{id}");
        assert_eq!(documents(&added)[3..], [named("4"), named("5"), named("6")]);
        assert_eq!(server.requests(), 6, "{copy}");
        workspace.docmill(["verify"]).exits(0);
    }
    // A row with another id and the text of an existing row is a new document.
    workspace.write("more.csv", "id,body\n7,docid:a\n");
    run(&workspace, &with_ids("more.csv", "--add")).exits(0);
    assert_eq!(server.requests(), 7);
}

#[test]
fn a_resumed_delivery_counts_the_rows_replaced_before_it_was_killed() {
    let server = ModelServer::start();
    let workspace = echoing(&server);
    let table = |note: &str| (0..8).fold("id,body,note\n".to_owned(), |table, id| table + &format!("{id},docid:row{id},{note}\n"));
    let columns = ["--id-column", "id", "--text-column", "body", "--keep-columns", "note", "--add"];
    let add = |name: &'static str| [&["--rows", name][..], &columns].concat();
    workspace.write("one.csv", table("old")).write("two.csv", table("new"));
    run(&workspace, &add("one.csv")).exits(0);
    // The run dies when all its rows are committed.
    let dying = workspace.clone().env("FAILPOINTS", "publish=1");
    assert!(dying.start_with(["run"].iter().chain(&ECHOES).chain(&add("two.csv")).copied()).end().is_err());
    run(&workspace, &add("two.csv")).exits(0).says(&["table two.csv: 8 rows: 8 replaced, 0 unchanged, 0 new"]);
    assert_eq!(server.requests(), 8);
}

#[test]
fn a_delivery_that_reverts_rows_reports_it() {
    let server = ModelServer::start();
    let workspace = echoing(&server);
    workspace.write("one.csv", "id,body\n1,docid:a\n2,docid:b\n").write("two.csv", "id,body\n1,docid:c\n2,docid:d\n");
    let add = |table: &str| run(&workspace, &["--rows", table, "--id-column", "id", "--text-column", "body", "--add"]).exits(0);
    add("one.csv");
    add("two.csv").says(&["table two.csv: 2 rows: 2 replaced, 0 unchanged, 0 new"]);
    let warning = "table one.csv was delivered before two.csv: rows that two.csv changed go back to their version in one.csv";
    let plan = ["plan", "--rows", "one.csv", "--id-column", "id", "--text-column", "body", "--add"];
    let plan = workspace.start_with(plan.iter().chain(&ECHOES).copied()).finish().exits(0);
    assert!(plan.stdout.contains(warning), "{}", plan.stdout);
    add("one.csv").says(&[warning, "table one.csv: 2 rows: 2 replaced (2 of them by content that they had before), 0 unchanged, 0 new"]);
    assert_eq!(server.requests(), 4);
}

#[test]
fn ids_in_several_tables_of_a_run_are_reported() {
    let server = ModelServer::start();
    let workspace = echoing(&server);
    workspace.write("one.csv", "id,body\n1,docid:a\n2,docid:b\n3,docid:c\n").write("two.csv", "id,body\n2,docid:d\n3,docid:e\n4,docid:f\n");
    workspace.write("apart.csv", "id,text,body\n1,x,docid:g\n");
    let rows = ["--rows", "one.csv", "--rows", "two.csv", "--rows", "apart.csv", "--id-column", "id", "--text-column", "body"];
    let says = "table two.csv: 2 rows have an id that another table of this run has (2, 3)";
    let plan: Vec<&str> = ["plan"].iter().chain(&ECHOES).chain(&rows).copied().collect();
    assert!(workspace.start_with(plan).finish().exits(0).stdout.contains(says));
    let run = run(&workspace, &rows).exits(0).says(&[says, "over each later one with --add"]);
    run.says_nothing_of("table apart.csv");
    assert_eq!(server.requests(), 7);
}

#[test]
fn rows_named_by_their_numbers_are_not_kept_when_a_table_changes() {
    let server = ModelServer::start();
    let workspace = echoing(&server);
    let rows = ["--rows", "t.csv", "--id-column", "id", "--text-column", "body"];
    workspace.write("t.csv", "id,body\n1,docid:a\n2,docid:b\n3,docid:c\n,docid:d\n");
    run(&workspace, &rows).exits(0);
    workspace.write("t.csv", "id,body\n3,docid:c\n4,docid:e\n5,docid:f\n,docid:g\n");
    run(&workspace, &rows).exits(2).says(&["has 4 rows; this run would leave 1 of them"]);
    assert_eq!(server.requests(), 4);
}

#[test]
fn documents_are_added_to_existing_ones_and_keep_their_names() {
    let server = ModelServer::start();
    let workspace = echoing(&server);
    text(&workspace, &["docs/a.txt", "docs/part/b.txt", "more/a.txt", "one.txt", "docs/c.txt"]);
    run(&workspace, &["docs"]).exits(0);
    let added = run(&workspace, &["more", "one.txt", "--add"]).exits(0);
    let there = ["a.txt", "c.txt", "part/b.txt", "more/a.txt", "one.txt"];
    assert_eq!(documents(&added), there);
    let said = added.csv("echo").column("said").into_iter().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(said[0], "said of docid:docs-a");
    assert_eq!(said[3], "said of docid:more-a");
    assert_eq!(added.csv("echo").column("index"), ["0", "1", "2", "3", "4"]);
    assert_eq!((server.requests(), added.summary("echo")["documents"]["ok"].clone()), (5, 5.into()));
    // A repeated run has nothing to do and writes nothing.
    let before = std::fs::metadata(workspace.path("output/echo/results.csv")).unwrap().modified().unwrap();
    run(&workspace, &["more", "one.txt", "--add"]).exits(0);
    assert_eq!(std::fs::metadata(workspace.path("output/echo/results.csv")).unwrap().modified().unwrap(), before);
    // Adds existing documents by another path or with new content.
    workspace.write("docs/part/b.txt", "docid:new").write("list.txt", "docs/a.txt\nmore/a.txt\n");
    let changed = run(&workspace, &["docs/part", "--add"]).exits(0);
    assert_eq!(documents(&changed), there);
    assert_eq!(changed.csv("echo").column("said")[2], "said of docid:new");
    assert_eq!(documents(&run(&workspace, &["--files-from", "list.txt", "--add"]).exits(0)), there);
    assert_eq!(server.requests(), 6);
    for command in ["verify", "status", "report"] {
        workspace.docmill([command]).exits(0);
    }
    assert!(workspace.docmill(["verify"]).stdout.contains("5 inputs are unchanged, 0 changed, 0 gone"));
    assert!(workspace.docmill(["prune"]).stdout.contains("1 documents"), "only the old version is of no use");
    assert!(workspace.docmill(["export", "--format", "csv"]).exits(0).stdout.contains("5 rows"));
    // A run over a part of the inputs would drop the other rows. A run over all drops none.
    run(&workspace, &["more"]).exits(2).says(&["has 5 rows; this run would leave 1 of them"]);
    run(&workspace, &["docs", "more", "one.txt"]).exits(0);
    assert_eq!(server.requests(), 6);
    let replaced = run(&workspace, &["more", "--replace"]).exits(0);
    assert_eq!((documents(&replaced), server.requests()), (vec!["a.txt".to_owned()], 6));
    run(&workspace, &["more", "--set", "output.existing=keep"]).exits(2).says(&["ask, add, replace"]);
}

#[test]
fn deliveries_of_a_table_are_one_table_in_the_results() {
    let server = ModelServer::start();
    let workspace = echoing(&server);
    let write = |name: &str, rows: &[(u32, &str)]| {
        let lines = rows.iter().fold("id,body\n".to_owned(), |mut table, (id, text)| {
            writeln!(table, "{id},docid:{text}").unwrap();
            table
        });
        workspace.write(name, lines);
    };
    let deliver = |name: &str, how: &str| {
        run(&workspace, &["--rows", name, "--id-column", "id", "--text-column", "body", "--set", &format!("output.existing={how}")])
    };
    let result = |run: Finished| {
        let csv = run.exits(0).csv("echo");
        let said = csv.column("said").into_iter().map(|said| said.trim_start_matches("said of docid:").to_owned());
        csv.column("document").into_iter().map(str::to_owned).zip(said).map(|(name, said)| format!("{name} {said}")).collect::<Vec<_>>()
    };
    write("day1.csv", &[(1, "a"), (2, "b"), (3, "c"), (4, "same"), (5, "same")]);
    deliver("day1.csv", "add").exits(0);
    // The delivery has a new row with the content of another, a changed row, and an unchanged row.
    write("day2.csv", &[(9, "same"), (2, "b2"), (1, "a")]);
    deliver("day2.csv", "ask").exits(2).says(&["has 5 rows; this run would leave 1 of them (it looks at 3 documents)"]);
    let there = ["day1.csv#1 a", "day2.csv#2 b2", "day1.csv#3 c", "day1.csv#4 same", "day1.csv#5 same", "day2.csv#9 same"];
    let run = deliver("day2.csv", "add")
        .says(&["1 replaced, 1 unchanged, 1 new (rows with the same id are versions of one row, and the new one counts)"]);
    assert_eq!(result(run), there);
    assert_eq!(server.requests(), 7);
    // The same file contains the next delivery.
    write("day2.csv", &[(3, "c3"), (10, "d")]);
    let there =
        ["day1.csv#1 a", "day2.csv#2 b2", "day2.csv#3 c3", "day1.csv#4 same", "day1.csv#5 same", "day2.csv#9 same", "day2.csv#10 d"];
    assert_eq!(result(deliver("day2.csv", "add")), there);
    assert_eq!(server.requests(), 9);
    deliver("day2.csv", "add").exits(0).says(&["up to date  2 documents: 2 ok; nothing was sent"]);
    // A row that reverts to an earlier version keeps the name and the answers of that version.
    write("day3.csv", &[(2, "b"), (10, "d")]);
    let there = ["day1.csv#1 a", "day1.csv#2 b", "day2.csv#3 c3", "day1.csv#4 same", "day1.csv#5 same", "day2.csv#9 same", "day2.csv#10 d"];
    assert_eq!(result(deliver("day3.csv", "add")), there);
    assert_eq!(server.requests(), 9);
    workspace.docmill(["verify"]).exits(0);
    // Another table may have the same ids. Tables differ by their columns.
    workspace.write("other.csv", "id,price,body\n1,2,docid:o1\n2,3,docid:o2\n");
    let both = result(deliver("other.csv", "add"));
    assert_eq!((&both[..7], &both[7..]), (&there.map(str::to_owned)[..], &["other.csv#1 o1".to_owned(), "other.csv#2 o2".to_owned()][..]));
    // Rows without ids are refused, because their numbers could match other rows.
    let numbered = ["--rows", "day2.csv", "--text-column", "body", "--add", "--output", "numbers"];
    self::run(&workspace, &numbered).exits(0);
    write("day2.csv", &[(11, "e")]);
    self::run(&workspace, &numbered).exits(2).says(&["it is unclear which rows are the same", "--id-column"]);
    assert!(workspace.docmill(["status"]).exits(0).stdout.contains("9 done, 0 pending"));
}

#[test]
fn an_overwritten_and_added_file_does_not_count_as_all_results() {
    let server = ModelServer::start();
    let workspace = echoing(&server);
    let table = ["--rows", "t.csv", "--id-column", "id", "--text-column", "body"];
    let add = [&table[..], &["--add"]].concat();
    let delivery = |ids: std::ops::Range<u32>| ids.fold("id,body\n".to_owned(), |rows, id| rows + &format!("{id},docid:row{id}\n"));
    workspace.write("t.csv", delivery(0..10));
    run(&workspace, &table).exits(0);
    workspace.write("t.csv", delivery(8..12));
    let refusal = "rows; this run would leave";
    run(&workspace, &table).exits(2).says(&["has 10 rows; this run would leave 2 of them"]);
    let added = run(&workspace, &add).exits(0).says(&["table t.csv: 4 rows: 0 replaced, 2 unchanged, 2 new"]);
    assert_eq!(documents(&added).len(), 12);
    run(&workspace, &table).exits(2).says(&["has 12 rows; this run would leave 4 of them"]);
    // The refusal also comes if the file contains most of the rows and was added again.
    workspace.write("t.csv", delivery(1..12));
    run(&workspace, &add).exits(0);
    run(&workspace, &table).exits(2).says(&[refusal]);
    // A file with all rows replaces the results without a question.
    workspace.write("t.csv", delivery(0..12));
    assert_eq!(documents(&run(&workspace, &table).exits(0)).len(), 12);
    assert_eq!(server.requests(), 12);
    let why = workspace.write("t.csv", delivery(9..10)).docmill(["verify"]).exits(4);
    assert!(why.stdout.contains("If a table contains the next delivery, use --add"), "{}", why.stdout);
}

#[test]
fn a_requeued_row_is_asked_again_and_keeps_its_bill() {
    for share in [false, true] {
        let server = ModelServer::start();
        let workspace = echoing(&server).set("llm.share_identical_calls", share);
        workspace.write("t.csv", "id,body\n1,docid:a\n2,docid:b\n");
        let table = ["--rows", "t.csv", "--id-column", "id", "--text-column", "body"];
        run(&workspace, &table).exits(0);
        workspace.docmill(["requeue", "--all", "t.csv#1"]).exits(0);
        let again = run(&workspace, &table).exits(0);
        assert_eq!((server.requests(), again.csv("echo").column("attempts")), (3, vec!["2", "1"]), "share {share}");
        workspace.docmill(["verify"]).exits(0);
    }
}

#[test]
fn rows_read_by_other_columns_are_not_added() {
    let server = ModelServer::start();
    let workspace = echoing(&server);
    for day in ["day1.csv", "day2.csv"] {
        workspace.write(day, format!("id,body,other\n1,docid:{day}1,docid:x\n2,docid:{day}2,docid:y\n"));
    }
    let add = |columns: &[&str]| run(&workspace, &[&["--rows", "day2.csv", "--add"], columns].concat());
    run(&workspace, &["--rows", "day1.csv", "--id-column", "id", "--text-column", "body"]).exits(0);
    for (columns, key) in [
        (&["--id-column", "id", "--text-column", "other"][..], "input.text_column"),
        (&["--id-column", "id"], "input.text_column"),
        (&["--id-column", "other", "--text-column", "body"], "input.id_column"),
        (&["--text-column", "body"], "input.id_column"),
        (&[], "input.id_column, input.text_column"),
    ] {
        let says = format!("--add: the results were made with other settings ({key}), but all rows of a file need the same");
        add(columns).exits(2).says(&[&says]);
    }
    assert_eq!(server.requests(), 2);
    add(&["--id-column", "id", "--text-column", "body"]).exits(0).says(&["table day2.csv: 2 rows: 2 replaced, 0 unchanged, 0 new"]);
    // A run over all deliveries at once would have rows twice, so the refusal does not advise it.
    let other = ["--rows", "day2.csv", "--id-column", "id", "--text-column", "body", "--add", "--set", "prepare.text.clean=true"];
    run(&workspace, &other).exits(2).says(&["run over the first delivery with --replace, and over each later one with --add"]);
}

#[test]
fn replaced_rows_are_reported_and_ids_match_in_all_notations() {
    let server = ModelServer::start();
    let workspace = echoing(&server);
    let add = |name: &str| run(&workspace, &["--rows", name, "--id-column", "id", "--text-column", "body", "--add"]).exits(0);
    workspace.write("one.csv", "id,body\n1,docid:a\n2,docid:b\n3,docid:c\n");
    add("one.csv");
    workspace
        .write("two.jsonl", "{\"id\":2.0,\"body\":\"docid:b2\"}\n{\"id\":\" 3 \",\"body\":\"docid:c\"}\n{\"id\":4,\"body\":\"docid:d\"}\n");
    let two = add("two.jsonl").says(&["table two.jsonl: 3 rows: 2 replaced, 0 unchanged, 1 new"]);
    assert_eq!(documents(&two), ["one.csv#1", "two.jsonl#2", "one.csv#3", "two.jsonl#4"]);
    add("two.jsonl").says(&["table two.jsonl: 3 rows: 0 replaced, 3 unchanged, 0 new"]);
    // First no id is known, then the table has other columns.
    workspace.write("three.csv", "id,body\nA-1,docid:e\nA-2,docid:f\n");
    let three = add("three.csv").says(&["2 rows: 0 replaced, 0 unchanged, 2 new", "no row has a known id: three.csv#A-1 is new"]);
    three.says_nothing_of("the new one counts");
    workspace.write("four.csv", "id,body,more\n1,docid:a4,x\n");
    add("four.csv").says(&["table four.csv has other columns than three.csv: its rows are added", "1 row: 0 replaced, 0 unchanged, 1 new"]);
    // This table repeats ids.
    workspace.write("five.csv", "id,body\n1,docid:a5\n1,docid:a6\n2,docid:b5\n1,docid:a7\n");
    let says = "table five.csv: 2 rows have an id that an earlier row has (1). Each row is a document: the second is called 1~2";
    let five = add("five.csv").says(&[says]);
    add("five.csv").says_nothing_of("an id that an earlier row has");
    assert_eq!(documents(&five)[..2], ["five.csv#1", "five.csv#2"]);
    assert_eq!(server.requests(), 12);
}

#[test]
fn results_that_are_incomplete_or_made_with_other_settings_are_not_extended() {
    let server = ModelServer::script().hold(|ask, _| ask.text.contains("docid:docs-b")).start();
    let workspace = echoing(&server).set("llm.drain_s", 0);
    text(&workspace, &["docs/a.txt", "docs/b.txt", "more/c.txt"]);
    let running = workspace.start_with(["run", "docs", "--job", "echo.toml"]);
    while !workspace.docmill(["status"]).stdout.contains("1 done") {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    running.signal("INT");
    running.finish().exits(4);
    run(&workspace, &["more", "--add"]).exits(2).says(&["--add: run 1 is incomplete: finish it first with `docmill run "]);
    run(&workspace, &["more"]).exits(2).says(&["has 1 row; this run would leave 0 of them", "run 1 is incomplete"]);
    run(&workspace, &["more", "--replace"]).exits(0);
    let other = ["docs/a.txt", "--set", "prepare.text.clean=true"];
    let why = "the results were made with other settings (prepare.text.clean)";
    run(&workspace, &other).exits(2).says(&[&format!("--add is not possible: {why}")]);
    run(&workspace, &[&other[..], &["--add"]].concat()).exits(2).says(&[&format!("--add: {why}")]);
    assert_eq!(server.requests(), 3);
}

#[test]
fn the_next_delivery_includes_a_killed_one() {
    let server = ModelServer::start();
    let workspace = echoing(&server);
    let days = ["day1.csv", "day2.csv", "day3.csv"];
    for (day, name) in days.iter().enumerate() {
        workspace.write(name, (0..5).fold("id,body\n".to_owned(), |table, n| table + &format!("{day}{n},docid:{day}-{n}\n")));
    }
    let add = |name: &'static str| ["--rows", name, "--id-column", "id", "--text-column", "body", "--add"];
    let kill = |name: &'static str| {
        let dying = workspace.clone().env("FAILPOINTS", "committed=1");
        assert!(dying.start_with(["run"].iter().chain(&ECHOES).chain(&add(name)).copied()).end().is_err());
    };
    for (day, name) in days.iter().enumerate() {
        kill(name);
        let other = days[(day + 1) % 3];
        let message = "is incomplete, and its documents would be left out: finish it first with `docmill run ";
        run(&workspace, &add(other)).exits(2).says(&["--add: run", message]);
        // The same command resumes.
        assert_eq!(documents(&run(&workspace, &add(name)).exits(0)).len(), 5 * (day + 1));
    }
    assert_eq!(
        documents(&run(&workspace, &["--rows", "day1.csv", "--id-column", "id", "--text-column", "body", "--replace"]).exits(0)).len(),
        5
    );
}

/// Stops this command by a signal after `done` finished documents.
fn stop(workspace: &Workspace, args: &[&str], done: usize) {
    let running = workspace.start_with(["run"].iter().chain(&ECHOES).chain(args).copied());
    let done = format!("{done} done");
    while !workspace.docmill(["status"]).stdout.contains(&done) {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    running.signal("TERM");
    running.finish().exits(4);
}

#[test]
fn a_stopped_delivery_is_reported_and_exported_with_earlier_rows() {
    let held = Arc::new(AtomicBool::new(true));
    let hold = Arc::clone(&held);
    let server = ModelServer::script().hold(move |ask, _| ask.text.contains("docid:slow") && hold.load(Relaxed)).start();
    let workspace = echoing(&server).set("llm.drain_s", 0);
    workspace.write("day1.csv", "id,body\n1,docid:a\n2,docid:b\n3,docid:c\n");
    workspace.write("day2.csv", "id,body\n2,docid:b2\n4,docid:d\n3,docid:slow\n");
    let add = |name: &'static str| ["--rows", name, "--id-column", "id", "--text-column", "body", "--add"];
    run(&workspace, &add("day1.csv")).exits(0);
    workspace.docmill(["verify"]).exits(0);
    stop(&workspace, &add("day2.csv"), 2);
    let says = "echo: run 2 is incomplete, and the results are from run 1; run the same command again";
    assert!(workspace.docmill(["verify"]).exits(4).stdout.contains(says));
    // Rows of the new delivery replace their earlier versions, and no other row is lost.
    let exported = workspace.docmill(["export", "--partial"]).exits(0);
    assert_eq!(documents(&exported), ["day1.csv#1", "day2.csv#2", "day1.csv#3", "day2.csv#4"]);
    assert_eq!(exported.csv("echo").column("said"), ["a", "b2", "c", "d"].map(|said| format!("said of docid:{said}")));
    workspace.docmill(["verify"]).exits(4);
    held.store(false, Relaxed);
    // The store contains the rows of the removed files.
    for name in ["csv", "json", "jsonl"] {
        std::fs::remove_file(workspace.path(format!("output/echo/results.{name}"))).unwrap();
    }
    let whole = run(&workspace, &add("day2.csv")).exits(0);
    assert_eq!(documents(&whole), ["day1.csv#1", "day2.csv#2", "day2.csv#3", "day2.csv#4"]);
    workspace.docmill(["verify"]).exits(0);
    assert_eq!(server.requests(), 7);
}

#[test]
fn results_with_fewer_rows_replace_others_only_after_confirmation() {
    let server = ModelServer::script().hold(|ask, _| ask.text.contains("docid:more-slow")).start();
    let workspace = echoing(&server).set("llm.drain_s", 0);
    text(&workspace, &["docs/a.txt", "docs/b.txt", "docs/c.txt", "more/d.txt", "more/slow.txt"]);
    run(&workspace, &["docs"]).exits(0);
    stop(&workspace, &["more", "--replace"], 1);
    let what = "the results of echo have 3 rows of run 1, but the incomplete run 2 has 1";
    workspace.docmill(["export", "--partial"]).exits(2).says(&[what, "--to DIR", "--yes"]);
    assert_eq!(documents(&workspace.docmill(["status"])), ["a.txt", "b.txt", "c.txt"]);
    workspace.docmill(["export", "--partial", "--to", "elsewhere"]).exits(0);
    assert_eq!(documents(&workspace.docmill(["export", "--partial", "--yes"]).exits(0)), ["d.txt"]);
    workspace.docmill(["verify"]).exits(4);
    assert_eq!(documents(&workspace.docmill(["export"]).exits(0)), ["a.txt", "b.txt", "c.txt"]);
}

#[test]
fn rows_without_ids_replace_no_rows_of_another_delivery() {
    let server = ModelServer::start();
    let workspace = echoing(&server);
    let add = |name: &'static str| ["--rows", name, "--id-column", "id", "--text-column", "body", "--add"];
    let names = |run: Finished| documents(&run).join(" ");
    workspace.write("one.csv", "id,body\n1,docid:a\n,docid:b\n3,docid:c,x\n,docid:same\n");
    // The last rows have the same text and number, and are still two rows.
    workspace.write("two.csv", "id,body\n1,docid:a2\n,docid:d\n5,docid:e,x\n,docid:same\n");
    assert_eq!(names(run(&workspace, &add("one.csv")).exits(3)), "one.csv#1 one.csv#(row 2) one.csv#(row 3) one.csv#(row 4)");
    let both = "two.csv#1 one.csv#(row 2) one.csv#(row 3) one.csv#(row 4) two.csv#(row 2) two.csv#(row 3) two.csv#(row 4)";
    let added = run(&workspace, &add("two.csv")).says(&["4 rows: 1 replaced, 0 unchanged, 3 new"]);
    assert_eq!(names(added), both);
    assert_eq!(names(run(&workspace, &add("two.csv"))), both);
    assert_eq!(names(workspace.docmill(["export"])), both);
    assert_eq!(server.requests(), 6);
}

#[test]
fn an_unreadable_row_is_dropped_when_its_table_is_delivered_again() {
    let server = ModelServer::start();
    let workspace = echoing(&server);
    let add = |name: &'static str| ["--rows", name, "--id-column", "id", "--text-column", "body", "--add"];
    workspace.write("one.csv", "id,body\n1,docid:a\n").write("two.csv", "id,body\n2,docid:b,x\n3,docid:c\n");
    run(&workspace, &add("one.csv")).exits(0);
    assert_eq!(documents(&run(&workspace, &add("two.csv")).exits(3)), ["one.csv#1", "two.csv#(row 1)", "two.csv#3"]);
    // Another delivery may not contain that row, so the row stays.
    workspace.write("three.csv", "id,body\n4,docid:d\n");
    assert_eq!(documents(&run(&workspace, &add("three.csv"))), ["one.csv#1", "two.csv#(row 1)", "two.csv#3", "three.csv#4"]);
    workspace.write("two.csv", "id,body\n2,docid:b\n3,docid:c\n");
    assert_eq!(documents(&run(&workspace, &add("two.csv")).exits(0)), ["one.csv#1", "two.csv#3", "three.csv#4", "two.csv#2"]);
    assert!(workspace.docmill(["prune", "--yes"]).exits(0).stdout.contains("to drop: 1 documents"));
    workspace.docmill(["verify"]).exits(0);
}

#[test]
fn a_file_missing_from_an_input_added_again_has_no_row() {
    let server = ModelServer::start();
    let workspace = echoing(&server);
    text(&workspace, &["docs/a.txt", "more/b.txt", "more/part/c.txt", "more/part/d.txt"]);
    run(&workspace, &["docs"]).exits(0);
    run(&workspace, &["more", "--add"]).exits(0);
    run(&workspace, &["more/part", "--add"]).exits(0).says(&["up to date  2 documents: 2 ok; nothing was sent"]);
    std::fs::remove_file(workspace.path("more/part/c.txt")).unwrap();
    std::fs::remove_file(workspace.path("docs/a.txt")).unwrap();
    // A renamed file is the same document.
    std::fs::rename(workspace.path("more/b.txt"), workspace.path("more/bee.txt")).unwrap();
    assert_eq!(documents(&run(&workspace, &["more", "--add"]).exits(0)), ["a.txt", "more/bee.txt", "more/part/d.txt"]);
    std::fs::rename(workspace.path("more/bee.txt"), workspace.path("more/b.txt")).unwrap();
    assert_eq!(documents(&run(&workspace, &["more", "--add"]).exits(0)), ["a.txt", "more/b.txt", "more/part/d.txt"]);
    assert_eq!(server.requests(), 4);
    // Documents outside the inputs of the run stay.
    assert_eq!(documents(&run(&workspace, &["more/part", "--add"]).exits(0)), ["a.txt", "more/b.txt", "more/part/d.txt"]);
    // Documents excluded by a pattern stay.
    let narrow = ["more", "--add", "--set", "input.exclude=[\"part/**\"]"];
    assert_eq!(documents(&run(&workspace, &narrow).exits(0)), ["a.txt", "more/b.txt", "more/part/d.txt"]);
    workspace.write("t.csv", "id,body\n1,docid:r1\n2,docid:r2\n");
    run(&workspace, &["--rows", "t.csv", "--id-column", "id", "--text-column", "body", "--add"]).exits(0);
    text(&workspace, &["docs/e.txt"]);
    std::fs::remove_file(workspace.path("more/part/d.txt")).unwrap();
    let there = ["more/b.txt", "more/part/d.txt", "t.csv#1", "t.csv#2", "e.txt"];
    assert_eq!(documents(&run(&workspace, &["docs", "--add"]).exits(0)), there);
    let there = ["more/b.txt", "t.csv#1", "t.csv#2", "e.txt"];
    assert_eq!(documents(&run(&workspace, &["more", "--add"]).exits(0)), there);
    workspace.docmill(["verify"]).exits(0);
    // The file of a delivery may contain the next one.
    workspace.write("t.csv", "id,body\n2,docid:r2\n3,docid:r3\n");
    run(&workspace, &["--rows", "t.csv", "--id-column", "id", "--text-column", "body", "--add"]).exits(0);
    assert!(workspace.docmill(["verify"]).exits(0).stdout.contains("note  1 rows come from deliveries whose files contain other rows now"));
}

#[test]
fn missing_documents_are_pruned_whatever_the_names_of_inputs() {
    let server = ModelServer::start();
    let workspace = echoing(&server);
    let dropped = || {
        let told = workspace.docmill(["prune", "--yes"]).exits(0).stdout;
        assert!(told.contains("to drop: 1 documents that no result contains any more (edited, renamed or deleted since)"), "{told}");
        assert!(!told.contains("--all"), "{told}");
    };
    text(&workspace, &["docs/a.txt", "docs/b.txt"]);
    run(&workspace, &["docs"]).exits(0);
    std::fs::remove_file(workspace.path("docs/b.txt")).unwrap();
    run(&workspace, &[workspace.path("docs").to_str().unwrap()]).exits(0);
    dropped();
    let table = ["--rows", "t.csv", "--id-column", "id", "--text-column", "body"];
    workspace.write("t.csv", "id,body\n1,docid:r1\n2,docid:r2\n3,docid:r3\n");
    run(&workspace, &[&table[..], &["--replace"]].concat()).exits(0);
    workspace.docmill(["prune", "--all", "--yes"]).exits(0);
    workspace.write("t.csv", "id,body\n1,docid:r1\n3,docid:r3\n");
    run(&workspace, &[&table[..], &["--replace"]].concat()).exits(0);
    dropped();
}

#[test]
fn an_input_is_recognised_from_any_directory() {
    let server = ModelServer::start();
    let workspace = echoing(&server);
    text(&workspace, &["docs/a.txt", "more/b.txt", "more/c.txt", "more/d.txt"]);
    workspace.write("more/list.txt", "c.txt\n");
    run(&workspace, &["docs"]).exits(0);
    let from_there = |args: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_docmill"));
        let further = ["--add", "--output", "../output", "--job", "../echo.toml", "--set", "llm.provider=openai-compatible"];
        command.arg("run").args(args).args(further).args(["--set", &format!("llm.base_url={}/v1", server.url())]);
        command.args(["--set", "llm.model=test-model", "--set", "llm.preflight=false"]);
        let done = workspace.in_here(&mut command).current_dir(workspace.path("more")).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    from_there(&["b.txt"]);
    from_there(&["--files-from", "list.txt"]);
    assert_eq!(documents(&workspace.docmill(["status"])), ["a.txt", "b.txt", "c.txt"]);
    run(&workspace, &["docs", "more", "--set", "input.exclude=[\"c.txt\"]"]).exits(2).says(&["has 3 rows; this run would leave 2 of them"]);
    let whole = run(&workspace, &["docs", "more"]).exits(0);
    assert_eq!(documents(&whole), ["docs/a.txt", "more/b.txt", "more/c.txt", "more/d.txt", "more/list.txt"]);
    assert_eq!(server.requests(), 5);
    workspace.docmill(["verify"]).exits(0);
}

#[test]
fn a_user_at_a_terminal_decides_about_existing_results() {
    let server = ModelServer::start();
    let workspace = echoing(&server);
    text(&workspace, &["docs/a.txt", "more/b.txt", "other/c.txt"]);
    run(&workspace, &["docs"]).exits(0);
    let answered = |input: &str, answer: &str| workspace.run_on_a_terminal(&["run", input, "--job", "echo.toml"], answer);
    let rows = || documents(&workspace.docmill(["status"]));
    for answer in ["\n", "c\n", "whatever\n"] {
        let Some((code, said)) = answered("more", answer) else { return };
        assert_eq!((code, rows()), (2, vec!["a.txt".to_owned()]), "{said}");
        let question =
            "results.csv has 1 row; this run would leave 0 of them (it looks at 1 document). Add to them, replace them, or cancel? [a/r/C]";
        // The terminal has lines of 80 columns.
        let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(question) && words.contains("cancelled; nothing was sent"), "{said}");
    }
    let (code, said) = answered("more", "a\n").unwrap();
    assert_eq!((code, rows()), (0, vec!["a.txt".to_owned(), "more/b.txt".to_owned()]), "{said}");
    let (code, said) = answered("other", "r\n").unwrap();
    assert_eq!((code, rows()), (0, vec!["c.txt".to_owned()]), "{said}");
    assert_eq!(server.requests(), 3);
}

#[test]
fn a_killed_run_with_add_is_resumed() {
    for place in ["commit", "committed", "publish"] {
        let server = ModelServer::start();
        let workspace = echoing(&server);
        text(&workspace, &["docs/a.txt", "docs/b.txt"]);
        let more: Vec<String> = (0..30).map(|n| format!("more/m{n:02}.txt")).collect();
        text(&workspace, &more.iter().map(String::as_str).collect::<Vec<_>>());
        run(&workspace, &["docs"]).exits(0);
        let adding = ["run", "docs/b.txt", "more", "--add", "--job", "echo.toml"];
        workspace.write("docs/b.txt", "docid:changed");
        for round in 0.. {
            let share = if place == "publish" && round < 3 { "1" } else { "0.2" };
            let failing = workspace.clone().env("FAILPOINTS", &format!("{place}={share}"));
            if failing.start_with(adding).end().is_ok() {
                break;
            }
            assert!(round < 200, "it never gets to its end");
            // The results are either the old ones or complete new ones.
            let there = std::fs::read_to_string(workspace.path("output/echo/results.jsonl")).unwrap();
            assert!([2, 32].contains(&there.lines().count()), "{there}");
        }
        workspace.start_with(adding).finish().exits(0);
        let there = std::fs::read_to_string(workspace.path("output/echo/results.csv")).unwrap();
        assert_eq!(there.lines().count(), 33, "{place}");
        assert!(there.contains("said of docid:changed") && !there.contains("said of docid:docs-b"), "{there}");
        workspace.docmill(["verify"]).exits(0);
    }
}

#[test]
fn unchanged_rows_are_counted_as_unchanged_whatever_their_format() {
    let server = ModelServer::start();
    let workspace = echoing(&server);
    let add = |name: &'static str| ["--rows", name, "--id-column", "id", "--text-column", "body", "--add"];
    workspace.write("one.csv", "id,body,n\n1,docid:a,1\n2,,2\n3,docid:c,3\n4,   ,4\n");
    run(&workspace, &add("one.csv")).exits(3);
    let rows = [r#"{"id":1,"body":"docid:a","n":1}"#, r#"{"id":2,"body":"","n":2}"#, r#"{"id":5,"body":"docid:e","n":5}"#];
    workspace.write("two.jsonl", rows.join("\n"));
    let plan = workspace.start_with([&["plan", "--json"], &ECHOES[..], &add("two.jsonl")].concat()).finish().exits(0).stdout;
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    assert_eq!((&plan["up_to_date"]["ok"], &plan["up_to_date"]["failed"], &plan["pending"]), (&1.into(), &1.into(), &1.into()));
    let added = run(&workspace, &add("two.jsonl")).exits(3);
    let added = added.says(&["3 rows: 0 replaced, 2 unchanged, 1 new; 2 rows of earlier deliveries are not in it and stay in the results"]);
    assert_eq!(documents(&added), ["one.csv#1", "one.csv#2", "one.csv#3", "one.csv#4", "two.jsonl#5"]);
    assert_eq!(server.requests(), 3);
    // A later delivery with all rows loses none of them.
    let all = [&rows[..], &[r#"{"id":3,"body":"docid:c","n":3}"#, r#"{"id":4,"body":"   ","n":4}"#]].concat();
    workspace.write("three.jsonl", all.join("\n"));
    let plain = ["--rows", "three.jsonl", "--id-column", "id", "--text-column", "body"];
    assert_eq!(run(&workspace, &plain).exits(3).csv("echo").rows.len(), 5);
    // Other content under the same ids is another matter.
    workspace.write("four.jsonl", all.join("\n").replace("docid:c", "docid:x"));
    run(&workspace, &["--rows", "four.jsonl", "--id-column", "id", "--text-column", "body"]).exits(2).says(&["would leave 4 of them"]);
}

#[test]
fn a_project_that_has_moved_keeps_its_results() {
    let server = ModelServer::start();
    let workspace = echoing(&server);
    text(&workspace, &["docs/a.txt", "docs/b.txt"]);
    // A document without content has nothing to be known by.
    workspace.write("docs/empty.txt", "");
    run(&workspace, &["docs"]).exits(3);
    let moved = Workspace::new().against(&server);
    moved.write("echo.toml", ECHO);
    for file in [
        "docs/a.txt",
        "docs/b.txt",
        "docs/empty.txt",
        "output/docmill.db",
        "output/echo/results.csv",
        "output/echo/results.jsonl",
        "output/echo/results.json",
    ] {
        moved.write(file, std::fs::read(workspace.path(file)).unwrap());
    }
    assert_eq!(documents(&run(&moved, &["docs"]).exits(3)), ["a.txt", "b.txt", "empty.txt"]);
    assert_eq!(server.requests(), 2);
    let plan = moved.start_with([&["plan", "docs", "--json"], &ECHOES[..]].concat()).finish().exits(0).stdout;
    assert_eq!(serde_json::from_str::<serde_json::Value>(&plan).unwrap()["pending"], 0);
}

#[test]
fn a_plan_recognises_a_renamed_file() {
    let server = ModelServer::start();
    let workspace = echoing(&server);
    text(&workspace, &["docs/a.txt", "docs/b.txt"]);
    run(&workspace, &["docs"]).exits(0);
    std::fs::rename(workspace.path("docs/b.txt"), workspace.path("docs/c.txt")).unwrap();
    let plan = workspace.start_with([&["plan", "docs", "--json"], &ECHOES[..]].concat()).finish().exits(0).stdout;
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    assert_eq!((&plan["up_to_date"]["ok"], &plan["pending"]), (&2.into(), &0.into()));
}
