//! The table of attacks in `attacks.md` names tests that exist.

use std::collections::BTreeSet;
use std::path::Path;

const TABLE: &str = include_str!("attacks.md");

/// The attacks, each with the path of its test.
fn attacks() -> Vec<(&'static str, &'static str)> {
    let rows = TABLE.lines().filter(|line| line.starts_with("| ")).map(|line| line.trim_matches('|').split(" | ").map(str::trim));
    rows.filter_map(|mut cells| Some((cells.next()?, cells.nth(1)?.strip_prefix('`')?.strip_suffix('`')?))).collect()
}

/// The paths of all tests that run, by the names of their modules and functions.
fn tests() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = BTreeSet::new();
    for base in ["src", "tests/it"] {
        let files =
            walkdir::WalkDir::new(root.join(base)).into_iter().flatten().filter(|e| e.path().extension().is_some_and(|e| e == "rs"));
        for file in files {
            let path = file.path().strip_prefix(root.join(base)).unwrap().with_extension("").to_string_lossy().replace('/', "::");
            let module = path.trim_end_matches("::mod");
            let text = std::fs::read_to_string(file.path()).unwrap();
            let lines: Vec<&str> = text.lines().map(str::trim).collect();
            for (at, line) in lines.iter().enumerate() {
                let Some((name, _)) = line.trim_start_matches("async ").strip_prefix("fn ").and_then(|rest| rest.split_once('(')) else {
                    continue;
                };
                let attributes = || lines[..at].iter().rev().take_while(|line| line.starts_with("#["));
                if attributes().any(|a| a.contains("test")) && !attributes().any(|a| a.contains("ignore")) {
                    tests.insert(format!("{module}::{name}"));
                    tests.insert(format!("{module}::tests::{name}"));
                }
            }
        }
    }
    tests
}

#[test]
fn every_attack_has_a_test_that_runs() {
    let (tests, attacks) = (tests(), attacks());
    assert!(attacks.len() >= 60, "{}", attacks.len());
    let missing: Vec<_> = attacks.iter().filter(|(_, test)| !tests.contains(*test)).collect();
    assert!(missing.is_empty(), "no such test: {missing:#?}");
    let distinct: BTreeSet<_> = attacks.iter().map(|(attack, _)| attack).collect();
    assert_eq!(distinct.len(), attacks.len(), "an attack is listed twice");
}
