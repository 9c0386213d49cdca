//! However often a run is killed, and wherever: nothing that was paid and committed is lost or paid again, and what was in
//! flight is known.

use crate::support::{ModelServer, Workspace, dice, png};
use rusqlite::Connection;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// Probabilities that the program dies inside a commit, after it and before anyone is told, and before a result file
/// takes its name.
const FAILPOINTS: &str = "commit=0.01,committed=0.01,publish=0.3";

/// Calls of the job `material` for each document.
const CALLS: usize = 7;

#[test]
fn a_run_that_was_killed_two_hundred_times_ends_as_if_nothing_had_been() {
    let (documents, kills) = (300, 200);
    let fill = |workspace: &Workspace| {
        for n in 0..documents {
            workspace.doc(format!("{n:03}.png"), image(n));
        }
    };
    let quiet = ModelServer::start();
    let undisturbed = Workspace::new().against(&quiet);
    fill(&undisturbed);
    let undisturbed = undisturbed.run(["--job", "material"]).exits(0);

    let server = ModelServer::script().latency(|ask| Duration::from_millis(dice(3, &ask.text, ask.attempt) % 10)).start();
    let workspace = Workspace::new().against(&server).set("llm.concurrency", 8);
    fill(&workspace);
    let (mut died, mut doubts, mut committed) = (0, BTreeSet::new(), BTreeSet::new());
    for round in 0..kills {
        let before = server.ledger().requests();
        let further = usize::try_from(dice(11, "kill", u32::try_from(round).unwrap())).unwrap_or(0) % (2 * CALLS * documents / kills) + 1;
        let failpoints = if round % 2 == 0 { FAILPOINTS } else { "" };
        let run = workspace.start_run_under(&[("FAILPOINTS", failpoints)], ["--job", "material"]);
        died += usize::from(run.kill_when(|| server.ledger().requests() >= before + further));
        if !workspace.path("output/docmill.db").exists() {
            continue;
        }
        doubts.extend(in_doubt(&workspace));
        let now = answers(&workspace.path("output/docmill.db"));
        assert!(now.is_superset(&committed), "a committed answer is gone after round {round}");
        committed = now;
    }
    assert!(died > kills / 2, "only {died} of {kills} runs died");
    let run = workspace.run(["--job", "material"]).exits(0);

    for name in ["results.csv", "results.jsonl", "results.json"] {
        assert_eq!(timeless(name, &run.file("material", name)), timeless(name, &undisturbed.file("material", name)), "{name}");
    }
    let store = Connection::open(workspace.path("output/docmill.db")).unwrap();
    let count = |sql: &str| store.query_row(sql, (), |row| row.get::<_, usize>(0)).unwrap();
    let again = "SELECT count(*) FROM attempts a JOIN attempts b USING (document, call_key) WHERE b.outcome = 'answered' AND a.id > b.id";
    assert_eq!(count(again), 0, "an answered call was sent again");
    assert_eq!(count("SELECT count(*) FROM attempts WHERE outcome = 'answered'"), CALLS * documents);
    let lost = count("SELECT count(*) FROM attempts WHERE outcome = 'lost'");
    assert_eq!(lost, doubts.len(), "every call in doubt was listed by `docmill status`, and given up when it was sent again");
    let requests = server.ledger().requests();
    assert!(requests <= CALLS * documents + lost, "{requests} requests for {} calls and {lost} in doubt", CALLS * documents);
    workspace.docmill(["verify"]).exits(0);
    eprintln!("{died} of {kills} runs died; {requests} requests for {} calls, {lost} in doubt", CALLS * documents);
}

/// An image that no other is equal to.
fn image(n: usize) -> Vec<u8> {
    let mut file = png(u8::try_from(n % 256).unwrap());
    if n >= 256 {
        let picture = image::load_from_memory(&file).unwrap().flipv();
        file.clear();
        picture.write_to(&mut std::io::Cursor::new(&mut file), image::ImageFormat::Png).unwrap();
    }
    file
}

/// The calls in doubt, as `docmill status` lists them.
fn in_doubt(workspace: &Workspace) -> Vec<(String, String, String)> {
    let status: Value = serde_json::from_str(&workspace.docmill(["status", "--json"]).exits(0).stdout).unwrap();
    let text = |doubt: &Value, key: &str| doubt[key].to_string();
    status["in_doubt"].as_array().unwrap().iter().map(|d| (text(d, "run"), text(d, "document"), text(d, "key"))).collect()
}

/// Committed answers by document and call.
fn answers(store: &Path) -> BTreeSet<(i64, Vec<u8>)> {
    let store = Connection::open(store).unwrap();
    let mut answers = store.prepare("SELECT document, call_key FROM answers").unwrap();
    answers.query_map((), |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
}

/// A result file without what depends on the time.
fn timeless(name: &str, text: &str) -> String {
    if name == "results.csv" {
        // The last column.
        return text.lines().map(|line| line.rsplit_once(',').unwrap().0.to_owned() + "\n").collect();
    }
    let mut pieces = text.split("\"seconds\":");
    let first = pieces.next().unwrap().to_owned();
    first + &pieces.map(|piece| piece.trim_start_matches(|c: char| c.is_ascii_digit() || ".e-".contains(c))).collect::<String>()
}
