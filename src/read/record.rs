//! Inputs as the run store records them. A record says which documents a run could find, and their
//! names.
//!
//! A later run compares its own inputs with these records. The comparison decides whether the run
//! covers all documents of the results, and how its documents are named beside existing ones.

use super::path_names::{printable, unprintable};
use crate::model::UNNAMED_ROW;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The end of the rules of a directory whose tables are inputs.
pub(super) const TABLES_AS_ROWS: &str = " tables as rows";

/// One input of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputRecord {
    /// The kind of the input.
    pub kind: InputKind,
    /// Its real path with `/` between parts, or its address.
    pub path: String,
    /// The prefix of the names of its documents.
    pub prefix: String,
    /// The rules of a directory. `None` if their outcome depends on the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<String>,
    /// For a table with ids: a digest of its columns.
    ///
    /// In tables with the same digest, rows are identified by their ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<String>,
    /// The stamp of a table's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamp: Option<String>,
    /// For a table: the columns that make rows documents. `None` if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_by: Option<RowColumns>,
    /// For a table: whether the results have rows of its earlier deliveries.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_earlier: bool,
    /// For a list: the directory to which its paths are relative.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
}

/// The columns that make rows of a table documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowColumns {
    /// The column with the id of a row; `None`: the row number.
    pub id: Option<String>,
    /// The column with the text; `None`: all columns.
    pub text: Option<String>,
}

impl InputRecord {
    /// A record with only these fields set.
    pub(super) fn new(kind: InputKind, path: String, prefix: &str) -> Self {
        Self {
            kind,
            path,
            prefix: prefix.to_owned(),
            rules: None,
            columns: None,
            stamp: None,
            read_by: None,
            has_earlier: false,
            base: None,
        }
    }

    /// Whether this is a directory whose tables are inputs too.
    pub fn has_tables(&self) -> bool {
        self.kind == InputKind::Directory && self.rules.as_ref().is_some_and(|rules| rules.ends_with(TABLES_AS_ROWS))
    }

    /// The record of the list in the file `given`.
    pub(super) fn of_list(given: &str) -> Self {
        let shown = |path: PathBuf| printable(path.as_os_str());
        let path = std::fs::canonicalize(given).map_or_else(|_| given.to_owned(), shown);
        Self { base: std::env::current_dir().ok().map(shown), ..Self::new(InputKind::List, path, "") }
    }
}

/// Whether the row `new` is another version of the row `old`.
///
/// `pairs` are the prefixes of the rows' names in both tables.
pub fn is_version_of(pairs: &[(String, String)], old: &str, new: &str) -> bool {
    let id = |name: &str, prefix: &str| name.strip_prefix(prefix)?.strip_prefix('#').filter(|id| !is_made_up(id)).map(str::to_owned);
    pairs.iter().any(|(before, now)| id(old, before).is_some_and(|id_before| id(new, now) == Some(id_before)))
}

/// Name prefixes of tables whose rows may be versions of each other.
///
/// Tables with the same columns and ids in the same column are deliveries of one table.
pub fn versions(before: &[InputRecord], now: &[InputRecord]) -> Vec<(String, String)> {
    let pairs = now.iter().flat_map(|new| before.iter().map(move |old| (old, new)));
    let same_table =
        |(old, new): &(&InputRecord, &InputRecord)| old.columns.is_some() && old.columns == new.columns && old.prefix != new.prefix;
    pairs.filter(same_table).map(|(old, new)| (old.prefix.clone(), new.prefix.clone())).collect()
}

/// The id of the row called `name`. `None` unless the row is in a table with ids among `records`.
pub fn id_of<'n>(name: &'n str, records: &[InputRecord]) -> Option<&'n str> {
    let mut ids = records.iter().filter(|record| record.columns.is_some());
    ids.find_map(|record| name.strip_prefix(&*record.prefix)?.strip_prefix('#'))
}

/// Whether docmill made this id from the row number. It does so if the row has no id.
pub fn is_made_up(id: &str) -> bool {
    id.starts_with(UNNAMED_ROW)
}

/// Tables of `now` with ids but other columns than every earlier table.
///
/// Their rows are never versions of earlier rows. Returns pairs of name prefixes: the new table,
/// and the last earlier table with ids.
pub fn standing_apart(before: &[InputRecord], now: &[InputRecord]) -> Vec<(String, String)> {
    let with_ids = |record: &&InputRecord| record.columns.is_some();
    let apart = |new: &InputRecord| {
        let same = before.iter().any(|old| old.columns == new.columns || old.prefix == new.prefix);
        before.iter().filter(|_| !same).rfind(with_ids).map(|old| (new.prefix.clone(), old.prefix.clone()))
    };
    now.iter().filter(with_ids).filter_map(apart).collect()
}

/// Tables of `now` that were delivered before, and later tables that share their ids.
///
/// Their rows replace the versions of the later tables. Returns pairs of name prefixes: the table,
/// and the last later table.
pub fn delivered_before(before: &[InputRecord], now: &[InputRecord]) -> Vec<(String, String)> {
    let again = |new: &InputRecord| {
        let at = before.iter().position(|old| old.kind == new.kind && old.path == new.path && old.stamp == new.stamp)?;
        let later = before[at + 1..].iter().rfind(|other| other.columns == new.columns && !now.iter().any(|own| own.path == other.path))?;
        Some((new.prefix.clone(), later.prefix.clone()))
    };
    now.iter().filter(|new| new.columns.is_some() && new.stamp.is_some()).filter_map(again).collect()
}

/// Settings that define rows and differ between `before` and `now`.
pub fn read_otherwise(before: &[InputRecord], now: &[InputRecord]) -> Vec<&'static str> {
    let pairs = || {
        now.iter()
            .filter_map(|new| new.read_by.as_ref())
            .flat_map(|new| before.iter().filter_map(move |old| Some((old.read_by.as_ref()?, new))))
    };
    let mut keys = Vec::new();
    if pairs().any(|(old, new)| old.id != new.id) {
        keys.push("input.id_column");
    }
    if pairs().any(|(old, new)| old.text != new.text) {
        keys.push("input.text_column");
    }
    keys
}

/// The kind of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputKind {
    /// A document.
    File,
    /// A directory, or a prefix in object storage.
    Directory,
    /// A table whose rows are documents.
    Table,
    /// A list of files.
    List,
    /// Standard input.
    Stream,
}

/// Relation of a run's inputs to the inputs of existing results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// The run covers all earlier inputs. Documents that it does not find are gone.
    All,
    /// The run covers all earlier inputs, but tables among them changed.
    ///
    /// Rows may be gone, or the table may be another one.
    ChangedTables,
    /// The run may cover other documents.
    Unknown,
}

/// Compares the inputs `now` with the earlier inputs `before`.
pub fn coverage(now: &[InputRecord], before: &[InputRecord]) -> Coverage {
    let mut coverage = if before.is_empty() { Coverage::Unknown } else { Coverage::All };
    for old in before {
        let same = |new: &&InputRecord| new.kind == old.kind && new.path == old.path;
        let covered = match old.kind {
            InputKind::File => now.iter().any(|new| same(&new)),
            InputKind::Directory => now.iter().any(|new| {
                let around = new.kind == InputKind::Directory && below(&old.path, &new.path).is_some();
                around && new.rules.is_some() && new.rules == old.rules
            }),
            InputKind::Table => match now.iter().find(same) {
                // The file has only the last delivery.
                Some(_) if old.has_earlier => false,
                Some(new) => {
                    if new.stamp != old.stamp {
                        coverage = Coverage::ChangedTables;
                    }
                    true
                }
                None => !old.has_earlier && now.iter().any(|new| new.has_tables() && below(&old.path, &new.path).is_some()),
            },
            InputKind::List | InputKind::Stream => false,
        };
        if !covered {
            return Coverage::Unknown;
        }
    }
    coverage
}

/// Merges the inputs `now` into the records of earlier inputs.
pub fn united(before: &[InputRecord], now: Vec<InputRecord>) -> Vec<InputRecord> {
    let mut all = before.to_vec();
    for new in now {
        match all.iter_mut().find(|old| old.kind == new.kind && old.path == new.path) {
            Some(old) => {
                let has_earlier = old.has_earlier || (old.kind == InputKind::Table && old.stamp != new.stamp);
                *old = InputRecord { has_earlier, ..new };
            }
            None => all.push(new),
        }
    }
    all
}

/// The part of `path` below `above`; empty if both are equal.
fn below<'p>(path: &'p str, above: &str) -> Option<&'p str> {
    let rest = path.strip_prefix(above)?;
    if rest.is_empty() || above.ends_with('/') { Some(rest) } else { rest.strip_prefix('/') }
}

pub(super) fn joined(prefix: &str, rest: &str) -> String {
    match (prefix.is_empty(), rest.is_empty()) {
        (true, _) => rest.to_owned(),
        (false, true) => prefix.to_owned(),
        (false, false) => format!("{prefix}/{rest}"),
    }
}

/// The name prefix of the input at the real path `path`. The user calls the input `given`.
///
/// A document that the results already have keeps its name, and no other document gets that name.
pub(super) fn prefix_beside(path: &str, given: &str, before: &[InputRecord]) -> Result<String, String> {
    if let Some(name) = name_beside(path, before) {
        return Ok(name);
    }
    let inside = |old: &&InputRecord| matches!(old.kind, InputKind::File | InputKind::Directory) && below(&old.path, path).is_some();
    if let Some(old) = before.iter().find(inside) {
        return Err(format!(
            "input {given} contains {}, whose documents have other names in the results. Run over all inputs together, without --add",
            old.path
        ));
    }
    let taken = |old: &InputRecord| old.prefix == given || (old.prefix.is_empty() && Path::new(&old.path).join(given).exists());
    Ok(if before.iter().any(taken) { path.to_owned() } else { given.to_owned() })
}

/// The name of the file at a real path. `None` if these inputs do not contain it.
pub(super) fn name_beside(path: &str, before: &[InputRecord]) -> Option<String> {
    let name = |old: &InputRecord| match old.kind {
        InputKind::Directory => below(path, &old.path).map(|rest| joined(&old.prefix, rest)),
        InputKind::File | InputKind::Table => (old.path == path).then(|| old.prefix.clone()),
        InputKind::List | InputKind::Stream => None,
    };
    before.iter().find_map(name)
}

/// The real path of the existing file with this name.
pub fn file_of(name: &str, before: &[InputRecord]) -> Option<PathBuf> {
    let named = |old: &InputRecord| match old.kind {
        InputKind::File => (old.prefix == name).then(|| PathBuf::from(&old.path)),
        InputKind::List => old.base.as_ref().map(|base| Path::new(base).join(of_name(name))),
        InputKind::Directory | InputKind::Table | InputKind::Stream => None,
    };
    let mut paths = before.iter().filter_map(named).chain(path_beside(name, before));
    paths.find_map(|path| std::fs::canonicalize(path).ok())
}

/// The path of the document with this name. `before` are the inputs to search. The document may no
/// longer exist.
///
/// `None` if the name may belong to a row or a listed file. If several directories match, the one
/// with the longest prefix decides.
pub(super) fn path_of(name: &str, before: &[InputRecord]) -> Option<String> {
    let mut found: Option<(usize, String)> = None;
    for old in before {
        let path = match old.kind {
            InputKind::File => (old.prefix == name).then(|| old.path.clone()),
            InputKind::Table | InputKind::Stream => {
                let is_row = name.strip_prefix(&old.prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('#'));
                if is_row {
                    return None;
                }
                None
            }
            InputKind::List => {
                if old.base.as_ref().is_none_or(|base| Path::new(base).join(of_name(name)).exists()) {
                    return None;
                }
                None
            }
            InputKind::Directory => rest_of(name, &old.prefix).map(|rest| joined(&old.path, rest)),
        };
        let is_longer = found.as_ref().is_none_or(|(length, _)| *length < old.prefix.len());
        found = path.filter(|_| is_longer).map(|path| (old.prefix.len(), path)).or(found);
    }
    found.map(|(_, path)| path)
}

/// The part of a document's name after its directory's prefix.
pub(super) fn rest_of<'n>(name: &'n str, prefix: &str) -> Option<&'n str> {
    if prefix.is_empty() { Some(name) } else { below(name, prefix) }
}

/// Converts the shown name of a document to its path.
fn of_name(name: &str) -> PathBuf {
    unprintable(name).unwrap_or_else(|| name.into())
}

/// The existing file with this name in one of these directories.
pub(super) fn path_beside(name: &str, before: &[InputRecord]) -> Option<PathBuf> {
    let directories = before.iter().filter(|old| old.kind == InputKind::Directory);
    let mut paths = directories.filter_map(|old| {
        let rest = if old.prefix.is_empty() { name } else { below(name, &old.prefix)? };
        Some(Path::new(&old.path).join(rest))
    });
    paths.find(|path| path.exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: InputKind, path: &str, prefix: &str) -> InputRecord {
        let rules = (kind == InputKind::Directory).then(|| "all".to_owned());
        InputRecord { rules, stamp: Some("1".into()), ..InputRecord::new(kind, path.into(), prefix) }
    }

    #[test]
    fn inputs_are_covered_by_equal_inputs_and_by_parent_directories() {
        let docs = record(InputKind::Directory, "/w/docs", "");
        let table = record(InputKind::Table, "/w/t.csv", "t.csv");
        let edited = InputRecord { stamp: Some("2".into()), ..table.clone() };
        let narrower = InputRecord { rules: Some("*.pdf".into()), ..docs.clone() };
        let ageing = InputRecord { rules: None, ..docs.clone() };
        let all = record(InputKind::Directory, "/w", "");
        let (part, other) = (record(InputKind::Directory, "/w/docs/part", ""), record(InputKind::Directory, "/w/docs2", ""));
        let list = record(InputKind::List, "/w/list", "");
        for (now, before, expected) in [
            (vec![docs.clone()], vec![docs.clone()], Coverage::All),
            (vec![all, table.clone()], vec![docs.clone(), table.clone()], Coverage::All),
            (vec![docs.clone(), edited], vec![docs.clone(), table.clone()], Coverage::ChangedTables),
            (vec![part], vec![docs.clone()], Coverage::Unknown),
            (vec![other], vec![docs.clone()], Coverage::Unknown),
            (vec![narrower], vec![docs.clone()], Coverage::Unknown),
            (vec![ageing.clone()], vec![ageing], Coverage::Unknown),
            (vec![docs.clone()], vec![docs.clone(), table.clone()], Coverage::Unknown),
            (vec![list.clone()], vec![list], Coverage::Unknown),
            (vec![docs], vec![], Coverage::Unknown),
        ] {
            assert_eq!(coverage(&now, &before), expected, "{now:?} {before:?}");
        }
    }

    #[test]
    fn an_existing_document_keeps_its_name_and_no_other_gets_it() {
        let before = [record(InputKind::Directory, "/w/docs", ""), record(InputKind::Directory, "/w/more", "more")];
        for (path, given, name) in [
            ("/w/docs", "docs", ""),
            ("/w/docs/part", "docs/part", "part"),
            ("/w/docs/part/a.txt", "a.txt", "part/a.txt"),
            ("/w/more/x", "./more/x", "more/x"),
            ("/w/else", "else", "else"),
            ("/v/more", "more", "/v/more"),
            ("/w/docs2", "docs2", "docs2"),
        ] {
            assert_eq!(prefix_beside(path, given, &before).as_deref(), Ok(name), "{path}");
        }
        assert!(prefix_beside("/w", ".", &before).unwrap_err().contains("contains /w/docs"));
    }
}
