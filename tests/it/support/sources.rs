//! Reads the imports of the program's own source files.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// A source file: its module path and code. The code has no comments, strings and tests.
pub struct Source {
    pub path: String,
    pub module: Vec<String>,
    pub code: String,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Self {
        let mut module: Vec<String> = path.trim_end_matches(".rs").split('/').map(ToOwned::to_owned).collect();
        if module.last().is_some_and(|name| name == "mod") {
            module.pop();
        }
        Self { path: path.to_owned(), module, code: without_tests(&without_comments_and_strings(text)) }
    }

    /// Uses of other modules of this package, with their lines.
    pub fn uses(&self) -> BTreeSet<(usize, Vec<String>)> {
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

    /// Names that this module re-exports, with their original paths.
    pub fn passes_on(&self) -> BTreeMap<String, Vec<String>> {
        let mut found = BTreeMap::new();
        for (at, _) in self.code.match_indices("use ") {
            let before = self.code[..at].trim_end();
            let is_public =
                before.ends_with("pub") || (before.ends_with(')') && before.rsplit(')').nth(1).is_some_and(|s| s.contains("pub(")));
            for path in paths(&self.code[at + "use ".len()..]).into_iter().filter(|_| is_public) {
                let base = match path[0].as_str() {
                    "crate" => Vec::new(),
                    "super" => self.module[..self.module.len() - 1].to_vec(),
                    _ => self.module.clone(),
                };
                let own = usize::from(matches!(path[0].as_str(), "crate" | "super"));
                let name = path.last().cloned().unwrap_or_default();
                found.insert(name, resolved(base, &path[own..]));
            }
        }
        found
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

/// All paths that begin here. Groups such as `{a, b::{c, d}}` are expanded.
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

pub fn sources() -> Vec<Source> {
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

pub fn fail_on(problems: &[String]) {
    let mut all = String::new();
    for problem in problems {
        writeln!(all, "{problem}").unwrap();
    }
    assert!(problems.is_empty(), "\n{all}");
}
