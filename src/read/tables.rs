//! Tables among the inputs: those that were named as such, and those that only look like it.

use super::path_names::{printable, with_slashes};
use super::record::{InputKind, InputRecord, prefix_beside};
use super::roots::{Root, RootKind, Roots, STDIN};
use super::table::{Columns, Table, is_table_name, is_workbook_name};
use crate::model::Place;
use std::path::Path;

/// A table of so many rows that was named is more than a document.
const FEW: usize = 2;
/// The same of one without a name.
const SEVERAL: usize = 5;
/// The same of one that was only found in a directory.
const MANY: usize = 20;
/// Rows that are counted.
const COUNTED: usize = 100_000;

impl Roots {
    /// Inputs, or the only document, that are tables of several rows and were not named as such: what they are called, and how many
    /// rows they have, up to a limit.
    pub fn unnamed_tables(&self) -> Vec<(String, usize)> {
        let only = || if self.unsorted().take(2).count() == 1 { self.walk().next() } else { None };
        let named = |path: &Path| path.to_str().filter(|name| is_table_name(name) || is_workbook_name(name)).map(ToOwned::to_owned);
        let of_root = |root: &Root| match &root.kind {
            RootKind::File => Some((named(&root.path)?, FEW)),
            RootKind::Directory(_) if self.0.len() == 1 => match only()?.0.place {
                Place::File(path) => Some((named(&path)?, MANY)),
                _ => None,
            },
            RootKind::Spooled { .. } => Some((root.path.to_str()?.to_owned(), SEVERAL)),
            _ => None,
        };
        let counted = self.0.iter().filter_map(|root| {
            let (given, least) = of_root(root)?;
            let table = Table::open(&given, &Columns::default()).ok()?;
            let is_stream = matches!(root.kind, RootKind::Spooled { .. });
            // What has no name must look like a table.
            let rows = table.count().take(COUNTED).count();
            let is_table = rows >= least && (!is_stream || table.is_regular());
            is_table.then(|| (if is_stream { "-".to_owned() } else { with_slashes(&given) }, rows))
        });
        counted.collect()
    }

    /// Why a table among the inputs has no rows; `None` without a table.
    pub fn without_rows(&self) -> Option<&'static str> {
        self.0.iter().find_map(|root| if let RootKind::Table(table) = &root.kind { Some(table.without_rows()) } else { None })
    }

    /// Ids of tables that occurred more than once, as far as rows were looked at.
    pub fn repeated_ids(&self) -> Vec<String> {
        let of_root =
            |root: &Root| if let RootKind::Table(table) = &root.kind { table.repeated_ids(&root.path.to_string_lossy()) } else { None };
        self.0.iter().filter_map(of_root).collect()
    }

    /// What people may not expect of the inputs.
    pub fn notes(&self) -> Vec<String> {
        let of_root = |root: &Root| if let RootKind::Table(table) = &root.kind { table.note(&root.path.to_string_lossy()) } else { None };
        self.0.iter().filter_map(of_root).collect()
    }
}

impl Root {
    /// The table that somebody calls `given`, beside results of these inputs.
    pub fn open_table(given: &str, table: Table, before: &[InputRecord]) -> Result<Self, String> {
        let is_stream = given == "-";
        let prefix = if is_stream { STDIN.to_owned() } else { with_slashes(given) };
        let path =
            if is_stream { String::new() } else { std::fs::canonicalize(given).map_or(prefix.clone(), |real| printable(real.as_os_str())) };
        let prefix = if before.is_empty() || is_stream { prefix } else { prefix_beside(&path, &prefix, before)? };
        let record = InputRecord::new(if is_stream { InputKind::Stream } else { InputKind::Table }, path, &prefix);
        let record = InputRecord { columns: table.known_by_ids(), stamp: table.stamp(), read_by: Some(table.read_by()), ..record };
        let same = |old: &&InputRecord| old.prefix == record.prefix && matches!(old.kind, InputKind::Table | InputKind::Stream);
        let unclear =
            |old: &InputRecord| (old.stamp != record.stamp || is_stream) && (record.columns.is_none() || old.columns != record.columns);
        if before.iter().find(same).is_some_and(unclear) {
            return Err(format!(
                "table {given}: results have rows of {prefix}, and nothing tells which of them these are: name a column with --id-column, the same in each run, or give the table another name"
            ));
        }
        Ok(Self { path: given.into(), prefix, kind: RootKind::Table(table), record })
    }
}
