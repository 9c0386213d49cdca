//! Imports between modules point only downwards.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Modules by level. A module may use those of lower levels.
const LEVELS: [(&str, u32); 24] = [
    ("failpoint", 0),
    ("model", 0),
    ("event", 0),
    ("manual", 0),
    ("repair", 0),
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
    ("engine", 3),
    ("html_report", 3),
    ("progress", 3),
    ("setup", 4),
    ("cli", 5),
    ("lib", 6),
];

/// Imports allowed beside the rule of levels: events and repairs use the model's types.
const BESIDE: [(&str, &str); 2] = [("event", "model"), ("repair", "model")];

/// Modules that may use fewer modules than the rule of levels allows.
const ONLY: [(&str, &[&str]); 1] = [("progress", &["event", "model"])];

/// Names that pure modules must not use. `failpoint` is exempt, because it only serves tests.
const IMPURE: [&str; 6] = ["tokio", "std::fs", "std::net", "std::env", "Instant", "SystemTime"];

/// The module of a path of names: the longest entry of the table that is a prefix of the path.
fn module_of(path: &[&str]) -> Option<(&'static str, u32)> {
    let matches = |name: &str| name.split("::").eq(path.iter().copied().take(name.split("::").count()));
    LEVELS.into_iter().filter(|(name, _)| matches(name)).max_by_key(|(name, _)| name.len())
}

/// A source file with its module path, and its code without comments, strings and tests.
struct Source {
    path: String,
    module: Vec<String>,
    code: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        let mut module: Vec<String> = path.trim_end_matches(".rs").split('/').map(ToOwned::to_owned).collect();
        if module.last().is_some_and(|name| name == "mod") {
            module.pop();
        }
        Self { path: path.to_owned(), module, code: without_tests(&without_comments_and_strings(text)) }
    }

    /// Uses of other modules of this package, with their lines.
    fn uses(&self) -> BTreeSet<(usize, Vec<String>)> {
        let mut found = BTreeSet::new();
        for word in ["crate", "super", "docmill"] {
            for (at, _) in self.code.match_indices(word) {
                let before = self.code[..at].chars().next_back();
                let starts = before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':');
                let rest = &self.code[at + word.len()..];
                let Some(rest) = rest.trim_start().strip_prefix("::").filter(|_| starts) else { continue };
                let base = if word == "super" { self.module[..self.module.len() - 1].to_vec() } else { Vec::new() };
                let line = self.code[..at].matches('\n').count() + 1;
                for path in paths(rest) {
                    found.insert((line, resolved(base.clone(), &path)));
                }
            }
        }
        found
    }

    fn arrows(&self) -> Vec<String> {
        let own: Vec<&str> = self.module.iter().map(String::as_str).collect();
        let Some((from, from_level)) = module_of(&own) else { return vec![format!("src/{}: is in no level", self.path)] };
        let mut wrong = Vec::new();
        for (line, path) in self.uses() {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            // Names other than modules, such as macros of the crate, are no imports.
            let Some((to, to_level)) = module_of(&path) else { continue };
            let own_parts = from.split("::").next() == to.split("::").next();
            let granted = from_level > to_level || BESIDE.contains(&(from, to));
            let withheld = ONLY.iter().any(|(module, only)| *module == from && !only.contains(&to));
            if !own_parts && (!granted || withheld) {
                wrong.push(format!(
                    "src/{}:{line}: {from} (level {from_level}) uses {} of {to} (level {to_level})",
                    self.path,
                    path.join("::")
                ));
            }
        }
        wrong
    }

    fn impurities(&self) -> Vec<String> {
        let lines = self.code.lines().enumerate();
        let found = lines.filter_map(|(n, line)| IMPURE.iter().find(|word| line.contains(*word)).map(|word| (n + 1, word)));
        found.map(|(n, word)| format!("src/{}:{n}: {word} in a module that is to be pure", self.path)).collect()
    }
}

/// Resolves `super` in a path.
fn resolved(mut base: Vec<String>, path: &[String]) -> Vec<String> {
    for name in path {
        match name.as_str() {
            "super" => drop(base.pop()),
            "self" | "" => {}
            name => base.push(name.to_owned()),
        }
    }
    base
}

/// All paths that begin here, with groups such as `{a, b::{c, d}}` expanded.
fn paths(text: &str) -> Vec<Vec<String>> {
    let text = text.trim_start();
    if let Some(inside) = text.strip_prefix('{') {
        let mut found = Vec::new();
        let (mut depth, mut start) = (0, 0);
        for (at, c) in inside.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth > 0 => depth -= 1,
                ',' | '}' if depth == 0 => {
                    found.extend(paths(&inside[start..at]));
                    start = at + 1;
                    if c == '}' {
                        break;
                    }
                }
                _ => {}
            }
        }
        return found;
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let name = text[..end].to_owned();
    match text[end..].trim_start().strip_prefix("::") {
        Some(rest) => paths(rest).into_iter().map(|tail| [vec![name.clone()], tail].concat()).collect(),
        None if name.is_empty() => Vec::new(),
        None => vec![vec![name]],
    }
}

/// Blanks comments and the contents of strings. Lines keep their numbers.
fn without_comments_and_strings(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let blank = |out: &mut String, piece: &str| out.extend(piece.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(raw) = raw_string(rest) {
            raw
        } else if first == '"' {
            let mut escaped = false;
            let end = rest[1..].find(|c| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            });
            end.map_or(rest.len(), |end| end + 2)
        } else if rest.starts_with("'\"'") || rest.starts_with("'{'") || rest.starts_with("'}'") {
            3
        } else if rest.starts_with("'\\''") || rest.starts_with("'\\\"'") {
            4
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        blank(&mut out, &rest[..length]);
        rest = &rest[length..];
    }
    out
}

/// Length of a raw string that begins here.
fn raw_string(text: &str) -> Option<usize> {
    let after = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let marks = after.bytes().take_while(|byte| *byte == b'#').count();
    let body = after[marks..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(marks));
    Some(text.len() - body.len() + body.find(&close)? + close.len())
}

/// Blanks all code under `#[cfg(test)]`, because tests may use any module.
fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut out = String::new();
    let mut rest = code;
    while let Some(at) = rest.find(MARK) {
        out.push_str(&rest[..at]);
        let item = &rest[at..];
        let (mut depth, mut end) = (0_u32, item.len());
        for (at, c) in item.char_indices().skip(MARK.len()) {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 && matches!(c, '}' | ';') {
                end = at + 1;
                break;
            }
        }
        out.extend(item[..end].chars().filter(|c| *c == '\n'));
        rest = &item[end..];
    }
    out + rest
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut directories, mut files) = (vec![root.clone()], Vec::<PathBuf>::new());
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { directories.push(path) } else { files.push(path) }
        }
    }
    files.sort_unstable();
    let rust = files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let named = rust.map(|path| (path, path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned()));
    let production = named.filter(|(_, name)| !name.split('/').any(|part| matches!(part, "tests.rs" | "tests" | "main.rs")));
    production.map(|(path, name)| Source::new(&name, &std::fs::read_to_string(path).unwrap())).collect()
}

fn fail_on(problems: &[String]) {
    let mut all = String::new();
    for problem in problems {
        writeln!(all, "{problem}").unwrap();
    }
    assert!(problems.is_empty(), "\n{all}");
}

#[test]
fn arrows_between_modules_point_down_only() {
    let sources = sources();
    assert!(sources.len() > 30, "only {} source files were found", sources.len());
    let arrows: usize = sources.iter().map(|source| source.uses().len()).sum();
    assert!(arrows > 100, "only {arrows} uses were found: the parser has gone blind");
    fail_on(&sources.iter().flat_map(Source::arrows).collect::<Vec<_>>());
}

#[test]
fn pure_modules_use_no_runtime_files_or_clock() {
    let mut pure = 0;
    let mut problems = Vec::new();
    for source in sources() {
        let module: Vec<&str> = source.module.iter().map(String::as_str).collect();
        if module_of(&module).is_some_and(|(name, level)| level <= 1 && name != "failpoint") {
            pure += 1;
            problems.extend(source.impurities());
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
    let arrows = source.arrows();
    assert_eq!(arrows.len(), 5, "{arrows:?}");
    assert!(arrows[0].starts_with("src/read/walk.rs:3: read (level 2) uses store"), "{arrows:?}");

    assert!(
        Source::new("ask/dialect/mod.rs", "use crate::ask::fault::Fault; use super::fault::Class; use crate::model::Call;")
            .arrows()
            .is_empty()
    );
    assert_eq!(Source::new("progress/mod.rs", "use crate::event::E; use crate::model::M; use crate::read::R;").arrows().len(), 1);
    assert_eq!(Source::new("engine/ask.rs", "use crate::progress::R; use crate::ask::A;").arrows().len(), 1);
    assert_eq!(Source::new("config/mod.rs", "use crate::job::J;").arrows().len(), 1);
    assert_eq!(Source::new("misc.rs", "").arrows(), ["src/misc.rs: is in no level"]);
    assert_eq!(Source::new("job/plan.rs", "use std::fs;\n// tokio\nlet t = Instant::now();").impurities().len(), 2);
}
