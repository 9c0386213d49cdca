//! Files have no import cycles, and their length is limited.
//!
//! An import counts for the file that defines the name, even if a `mod.rs` re-exports the name. A
//! `mod.rs` may use the files below it.

use crate::support::sources::{Source, fail_on, sources};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

/// Allowed cycles, with reasons.
const ALLOWED: [(&[&str], &str); 0] = [];

/// Files end before this line.
const LONGEST: usize = 400;

/// Exceptions: files with the tests of one subject, or with test helpers.
const LONG: [&str; 13] = [
    "src/ask/governor/tests.rs",
    "src/prepare/tests/office.rs",
    "src/prepare/tests/pdf.rs",
    "src/store/tests.rs",
    "tests/it/damage.rs",
    "tests/it/existing.rs",
    "tests/it/hostile.rs",
    "tests/it/providers.rs",
    "tests/it/resume.rs",
    "tests/it/store_commands.rs",
    "tests/it/support/account.rs",
    "tests/it/support/workspace.rs",
    "tests/it/tables.rs",
];

/// Imports of files, by the paths of their modules.
struct Graph {
    uses: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    fn new(sources: &[Source]) -> Self {
        let passed_on: BTreeMap<String, BTreeMap<String, Vec<String>>> =
            sources.iter().map(|source| (source.module.join("::"), source.passes_on())).collect();
        // The module that defines the name at the end of a path.
        let definer = |path: &[String]| {
            let mut path = path.to_vec();
            // A name may be re-exported several times.
            for _ in 0..4 {
                let length = (1..=path.len()).rev().find(|length| passed_on.contains_key(&path[..*length].join("::")))?;
                let module = path[..length].join("::");
                match path.get(length).and_then(|name| passed_on[&module].get(name)) {
                    Some(origin) if *origin != path[..=length] => path = [origin.as_slice(), &path[length + 1..]].concat(),
                    _ => return Some(module),
                }
            }
            None
        };
        let is_front = |module: &str, of: &str| of.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
        let uses = sources.iter().map(|source| {
            let module = source.module.join("::");
            let used = source.uses().into_iter().filter_map(|(_, path)| definer(&path)).filter(|used| !is_front(&module, used));
            (module.clone(), used.collect())
        });
        Self { uses: uses.collect() }
    }

    /// All modules that a module uses, directly or indirectly.
    fn reach<'g>(&'g self, module: &'g str) -> BTreeSet<&'g str> {
        let (mut seen, mut next) = (BTreeSet::new(), VecDeque::from([module]));
        while let Some(module) = next.pop_front() {
            next.extend(self.uses.get(module).into_iter().flatten().map(String::as_str).filter(|used| seen.insert(*used)));
        }
        seen
    }

    /// Groups of modules that use each other.
    fn circles(&self) -> BTreeSet<Vec<&str>> {
        let reach: BTreeMap<&str, BTreeSet<&str>> = self.uses.keys().map(|module| (module.as_str(), self.reach(module))).collect();
        let mut circles = BTreeSet::new();
        for (module, used) in &reach {
            let circle: Vec<&str> =
                used.iter().copied().filter(|other| reach.get(other).is_some_and(|back| back.contains(module))).collect();
            if !circle.is_empty() {
                circles.insert(circle);
            }
        }
        circles
    }
}

#[test]
fn files_import_no_circles() {
    let sources = sources();
    let graph = Graph::new(&sources);
    let uses: usize = graph.uses.values().map(BTreeSet::len).sum();
    assert!(uses > 700, "only {uses} imports were found: the parser has gone blind");
    let circles = graph.circles();
    let is_allowed = |circle: &Vec<&str>| ALLOWED.iter().any(|(allowed, _)| circle.iter().all(|module| allowed.contains(module)));
    let problems = circles.iter().filter(|circle| !is_allowed(circle)).map(|circle| format!("a circle of imports: {}", circle.join(", ")));
    fail_on(&problems.collect::<Vec<_>>());
}

#[test]
fn files_are_short() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut directories, mut problems, mut files) = (vec![root.join("src"), root.join("tests")], Vec::new(), 0);
    while let Some(directory) = directories.pop() {
        for path in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files += 1;
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                let lines = std::fs::read_to_string(&path).unwrap().lines().count();
                if lines >= LONGEST && !LONG.contains(&name.as_str()) {
                    problems.push(format!("{name} has {lines} lines; files end before line {LONGEST}"));
                }
            }
        }
    }
    assert!(files > 300, "only {files} files were found");
    fail_on(&problems);
}

#[test]
fn the_finder_of_circles_finds_them() {
    let graph = |files: &[(&str, &str)]| Graph::new(&files.iter().map(|(path, text)| Source::new(path, text)).collect::<Vec<_>>());
    let circle = graph(&[
        ("a/mod.rs", "mod one; mod two; mod three; pub use one::{One, Other}; pub(crate) use two::Two; fn f() { one::g() }"),
        ("a/one.rs", "use super::Two;"),
        ("a/two.rs", "use crate::a::three::h;"),
        ("a/three.rs", "fn h() -> super::One { super::f() }"),
        ("b.rs", "use crate::a::{Other, two};"),
    ]);
    assert_eq!(circle.circles(), BTreeSet::from([vec!["a::one", "a::three", "a::two"]]));
    let line = graph(&[("a/mod.rs", "mod one; mod two; pub use one::One;"), ("a/one.rs", ""), ("a/two.rs", "use super::One;")]);
    assert_eq!((line.circles().len(), line.uses["a::two"].first().map(String::as_str)), (0, Some("a::one")));
}
