//! Results that are there stay in view: a run that would drop rows asks, is refused, adds to them, or replaces them.

use crate::order::ECHO;
use crate::support::{Finished, ModelServer, Workspace};
use std::fmt::Write as _;

const ECHOES: [&str; 2] = ["--job", "echo.toml"];

/// A run with inputs of its own.
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
    // Another job has results of its own, and another directory too.
    workspace.write("other.toml", ECHO.replace("name = \"echo\"", "name = \"other\""));
    workspace.run_on(["more", "--job", "other.toml"], "").exits(0);
    run(&workspace, &["more", "--output", "elsewhere"]).exits(0);
    workspace.docmill(["verify"]).exits(0);
}

#[test]
fn everything_that_results_are_about_may_be_looked_at_again_however_it_is_called() {
    let server = ModelServer::start();
    let workspace = echoing(&server);
    text(&workspace, &["docs/a.txt", "docs/b.txt", "docs/c.txt"]);
    run(&workspace, &["docs"]).exits(0);
    let whole = workspace.path("docs").display().to_string();
    run(&workspace, &["./docs/"]).exits(0);
    run(&workspace, &[&whole]).exits(0);
    // What is gone is gone, and what is new is new.
    std::fs::remove_file(workspace.path("docs/b.txt")).unwrap();
    std::fs::remove_file(workspace.path("docs/c.txt")).unwrap();
    text(&workspace, &["docs/d.txt", "more/e.txt"]);
    assert_eq!(documents(&run(&workspace, &["docs"]).exits(0)), ["a.txt", "d.txt"]);
    assert_eq!(documents(&run(&workspace, &["docs", "more"]).exits(0)), ["docs/a.txt", "docs/d.txt", "more/e.txt"]);
    assert_eq!(server.requests(), 5);
    // A table may lose some of its rows. If it loses most, it is another one.
    let table = |ids: std::ops::Range<u32>| ids.fold("id,body\n".to_owned(), |table, id| table + &format!("{id},docid:row{id}\n"));
    let rows = ["--rows", "t.csv", "--id-column", "id", "--text-column", "body", "--output", "rows"];
    let count = || std::fs::read_to_string(workspace.path("rows/echo/results.jsonl")).unwrap().lines().count();
    workspace.write("t.csv", table(0..10));
    run(&workspace, &rows).exits(0);
    workspace.write("t.csv", table(3..12));
    run(&workspace, &rows).exits(0);
    assert_eq!(count(), 9);
    workspace.write("t.csv", table(10..30));
    run(&workspace, &rows).exits(2).says(&["has 9 rows; this run would leave 2 of them (it looks at 20 documents)"]);
    assert_eq!(count(), 9);
}

#[test]
fn documents_are_added_beside_those_that_are_there_and_keep_their_names() {
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
    // Again: nothing to do, and nothing is written.
    let before = std::fs::metadata(workspace.path("output/echo/results.csv")).unwrap().modified().unwrap();
    run(&workspace, &["more", "one.txt", "--add"]).exits(0);
    assert_eq!(std::fs::metadata(workspace.path("output/echo/results.csv")).unwrap().modified().unwrap(), before);
    // A part of what is there, by any way to it, and with another content.
    workspace.write("docs/part/b.txt", "docid:new").write("list.txt", "docs/a.txt\nmore/a.txt\n");
    let changed = run(&workspace, &["docs/part", "--add"]).exits(0);
    assert_eq!(documents(&changed), there);
    assert_eq!(changed.csv("echo").column("said")[2], "said of docid:new");
    assert_eq!(documents(&run(&workspace, &["--files-from", "list.txt", "--add"]).exits(0)), there);
    assert_eq!(server.requests(), 6);
    for command in ["verify", "status", "report"] {
        workspace.docmill([command]).exits(0);
    }
    assert!(workspace.docmill(["verify"]).stdout.contains("5 inputs are as they were, 0 changed, 0 gone"));
    assert!(workspace.docmill(["prune"]).stdout.contains("1 documents"), "only the old version is of no use");
    assert!(workspace.docmill(["export", "--format", "csv"]).exits(0).stdout.contains("5 rows"));
    // Without a word the rest would be lost from view; with all of it nothing is.
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
    // One that is new, one that is changed, one that is as it was, and one that says what another row says.
    write("day2.csv", &[(9, "same"), (2, "b2"), (1, "a")]);
    deliver("day2.csv", "ask").exits(2).says(&["has 5 rows; this run would leave 0 of them (it looks at 3 documents)"]);
    let there = ["day2.csv#1 a", "day2.csv#2 b2", "day1.csv#3 c", "day1.csv#4 same", "day1.csv#5 same", "day2.csv#9 same"];
    let run =
        deliver("day2.csv", "add").says(&["rows with the same id are versions of one row, and the new one counts: day2.csv with day1.csv"]);
    assert_eq!(result(run), there);
    assert_eq!(server.requests(), 7);
    // The same file with the next delivery in it.
    write("day2.csv", &[(3, "c3"), (10, "d")]);
    let there =
        ["day2.csv#1 a", "day2.csv#2 b2", "day2.csv#3 c3", "day1.csv#4 same", "day1.csv#5 same", "day2.csv#9 same", "day2.csv#10 d"];
    assert_eq!(result(deliver("day2.csv", "add")), there);
    assert_eq!(server.requests(), 9);
    // Another table may have the same ids; what tells tables apart are their columns.
    workspace.write("other.csv", "id,price,body\n1,2,docid:o1\n2,3,docid:o2\n");
    let both = result(deliver("other.csv", "add"));
    assert_eq!((&both[..7], &both[7..]), (&there.map(str::to_owned)[..], &["other.csv#1 o1".to_owned(), "other.csv#2 o2".to_owned()][..]));
    // Rows without ids: their numbers would be taken for those of other rows.
    let numbered = ["--rows", "day2.csv", "--text-column", "body", "--add", "--output", "numbers"];
    self::run(&workspace, &numbered).exits(0);
    write("day2.csv", &[(11, "e")]);
    self::run(&workspace, &numbered).exits(2).says(&["nothing tells which of them these are", "--id-column"]);
    assert!(workspace.docmill(["status"]).exits(0).stdout.contains("9 done, 0 pending"));
}

#[test]
fn what_is_made_otherwise_or_not_whole_is_not_added_to() {
    let server = ModelServer::script().hold(|ask, _| ask.text.contains("docid:docs-b")).start();
    let workspace = echoing(&server).set("llm.drain_s", 0);
    text(&workspace, &["docs/a.txt", "docs/b.txt", "more/c.txt"]);
    let running = workspace.start_with(["run", "docs", "--job", "echo.toml"]);
    while !workspace.docmill(["status"]).stdout.contains("1 done") {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    running.signal("INT");
    running.finish().exits(4);
    run(&workspace, &["more", "--add"]).exits(2).says(&["--add: run 1 did not get to its end: run the same command again first"]);
    run(&workspace, &["more"]).exits(2).says(&["has 1 row; this run would leave 0 of them", "did not get to its end"]);
    run(&workspace, &["more", "--replace"]).exits(0);
    let other = ["docs/a.txt", "--set", "prepare.text.clean=true"];
    let why = "the results were made with other settings (prepare.text.clean)";
    run(&workspace, &other).exits(2).says(&[&format!("--add is not possible: {why}")]);
    run(&workspace, &[&other[..], &["--add"]].concat()).exits(2).says(&[&format!("--add: {why}")]);
    assert_eq!(server.requests(), 3);
}

#[test]
fn a_delivery_that_was_killed_is_not_left_out_by_the_next_one() {
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
        let message = "did not get to its end, and its documents would be left out: run the same command again first";
        run(&workspace, &add(other)).exits(2).says(&["--add: run", message]);
        // The same command goes on.
        assert_eq!(documents(&run(&workspace, &add(name)).exits(0)).len(), 5 * (day + 1));
    }
    assert_eq!(
        documents(&run(&workspace, &["--rows", "day1.csv", "--id-column", "id", "--text-column", "body", "--replace"]).exits(0)).len(),
        5
    );
}

#[test]
fn a_run_that_adds_may_be_killed_and_goes_on() {
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
            // What was there before is there, or the whole of what is new.
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
