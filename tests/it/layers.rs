//! Imports between modules point only downwards.

use crate::support::sources::{Source, fail_on, sources};

/// Modules by level. A module may use those of lower levels.
const LEVELS: [(&str, u32); 30] = [
    ("failpoint", 0),
    ("model", 0),
    ("event", 0),
    ("manual", 0),
    ("repair", 0),
    ("system", 0),
    ("config", 1),
    ("job", 1),
    ("prepare", 1),
    ("insight", 1),
    ("ask::dialect", 1),
    ("ask::pricing", 1),
    ("remote", 1),
    ("read", 2),
    ("ask", 2),
    ("store", 2),
    ("write", 2),
    ("control", 2),
    ("simulator", 2),
    ("shards", 2),
    ("engine", 3),
    ("html_report", 3),
    ("progress", 3),
    ("watch", 4),
    ("gateway", 4),
    ("setup", 5),
    ("serve", 6),
    ("budget", 7),
    ("cli", 8),
    ("lib", 9),
];

/// Imports allowed despite the levels. Events and repairs use the model's types.
const BESIDE: [(&str, &str); 2] = [("event", "model"), ("repair", "model")];

/// Modules that may use fewer modules than the rule of levels allows.
const ONLY: [(&str, &[&str]); 1] = [("progress", &["event", "model", "system"])];

/// Names that pure modules must not use. `failpoint` is exempt, because it only serves tests.
/// `system` is exempt, because it wraps the operating system.
const IMPURE: [&str; 6] = ["tokio", "std::fs", "std::net", "std::env", "Instant", "SystemTime"];

/// The module of a path: the table's longest matching entry.
fn module_of(path: &[&str]) -> Option<(&'static str, u32)> {
    let matches = |name: &str| name.split("::").eq(path.iter().copied().take(name.split("::").count()));
    LEVELS.into_iter().filter(|(name, _)| matches(name)).max_by_key(|(name, _)| name.len())
}

/// Imports that violate the rule of levels or its exceptions.
fn arrows(source: &Source) -> Vec<String> {
    let own: Vec<&str> = source.module.iter().map(String::as_str).collect();
    let Some((from, from_level)) = module_of(&own) else { return vec![format!("src/{}: is in no level", source.path)] };
    let mut wrong = Vec::new();
    for (line, path) in source.uses() {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        // Other names, such as macros of the crate, are not imports.
        let Some((to, to_level)) = module_of(&path) else { continue };
        let own_parts = from.split("::").next() == to.split("::").next();
        let granted = from_level > to_level || BESIDE.contains(&(from, to));
        let withheld = ONLY.iter().any(|(module, only)| *module == from && !only.contains(&to));
        if !own_parts && (!granted || withheld) {
            wrong.push(format!(
                "src/{}:{line}: {from} (level {from_level}) uses {} of {to} (level {to_level})",
                source.path,
                path.join("::")
            ));
        }
    }
    wrong
}

/// Names that a pure module must not use, with their lines.
fn impurities(source: &Source) -> Vec<String> {
    let lines = source.code.lines().enumerate();
    let found = lines.filter_map(|(n, line)| IMPURE.iter().find(|word| line.contains(*word)).map(|word| (n + 1, word)));
    found.map(|(n, word)| format!("src/{}:{n}: {word} in a module that is to be pure", source.path)).collect()
}

#[test]
fn arrows_between_modules_point_down_only() {
    let sources = sources();
    assert!(sources.len() > 30, "only {} source files were found", sources.len());
    let found: usize = sources.iter().map(|source| source.uses().len()).sum();
    assert!(found > 100, "only {found} uses were found: the parser has gone blind");
    fail_on(&sources.iter().flat_map(arrows).collect::<Vec<_>>());
}

#[test]
fn pure_modules_use_no_runtime_files_or_clock() {
    let mut pure = 0;
    let mut problems = Vec::new();
    for source in sources() {
        let module: Vec<&str> = source.module.iter().map(String::as_str).collect();
        if module_of(&module).is_some_and(|(name, level)| level <= 1 && !["failpoint", "system"].contains(&name)) {
            pure += 1;
            problems.extend(impurities(&source));
        }
    }
    assert!(pure > 20, "only {pure} pure files were found");
    fail_on(&problems);
}

#[test]
fn the_import_finder_finds_imports() {
    let text = r##"
        //! crate::engine in a comment
        use crate::{
            model::{Call, Row},
            store::{self, Store},
        };
        use super::super::engine::Plan;
        const WORDS: &str = "crate::cli";
        const MORE: &str = r#"crate::cli "quoted" "#;
        fn f() -> char { let _ = crate::write::files(); '"' }
        #[cfg(test)]
        mod tests { use crate::cli::Args; fn g() { if true {} } }
        fn after() { crate::progress::watch() }
    "##;
    let source = Source::new("read/walk.rs", text);
    let uses: Vec<(usize, String)> = source.uses().into_iter().map(|(line, path)| (line, path.join("::"))).collect();
    let wanted = [
        (3, "model::Call"),
        (3, "model::Row"),
        (3, "store"),
        (3, "store::Store"),
        (7, "engine::Plan"),
        (10, "write::files"),
        (13, "progress::watch"),
    ];
    assert_eq!(uses, wanted.map(|(line, path)| (line, path.to_owned())));
    let wrong = arrows(&source);
    assert_eq!(wrong.len(), 5, "{wrong:?}");
    assert!(wrong[0].starts_with("src/read/walk.rs:3: read (level 2) uses store"), "{wrong:?}");

    assert!(
        arrows(&Source::new("ask/dialect/mod.rs", "use crate::ask::fault::Fault; use super::fault::Class; use crate::model::Call;"))
            .is_empty()
    );
    assert_eq!(arrows(&Source::new("progress/mod.rs", "use crate::event::E; use crate::model::M; use crate::read::R;")).len(), 1);
    assert_eq!(arrows(&Source::new("engine/ask.rs", "use crate::progress::R; use crate::ask::A;")).len(), 1);
    assert_eq!(arrows(&Source::new("config/mod.rs", "use crate::job::J;")).len(), 1);
    assert_eq!(arrows(&Source::new("misc.rs", "")), ["src/misc.rs: is in no level"]);
    assert_eq!(impurities(&Source::new("job/plan.rs", "use std::fs;\n// tokio\nlet t = Instant::now();")).len(), 2);
}
