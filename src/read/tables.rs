//! Tables among the inputs: declared tables, and files that look like tables.

use super::lines::STDIN;
use super::path_names::{printable, unprintable, with_slashes};
use super::record::{InputKind, InputRecord, prefix_beside, rest_of};
use super::roots::{Root, RootKind, Roots, is_missing};
use super::table::{Columns, Table, is_table_name, is_workbook_name};
use crate::model::Place;
use std::io::Read as _;
use std::path::Path;

/// Minimum number of rows of a table that is an input.
const FEW: usize = 2;
/// Minimum number of rows of a table on standard input.
const SEVERAL: usize = 5;
/// Minimum number of rows of a table alone in a directory.
const MANY: usize = 20;
/// Maximum number of rows to count.
const COUNTED: usize = 100_000;

/// Whether a file has no bytes but a byte order mark.
fn is_blank(path: &Path) -> bool {
    const MARKS: [&[u8]; 4] = [b"", b"\xEF\xBB\xBF", b"\xFF\xFE", b"\xFE\xFF"];
    let mut start = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(4).read_to_end(&mut start));
    read.is_ok() && MARKS.contains(&&*start)
}

impl Roots {
    /// Undeclared inputs that look like tables, with their row counts.
    ///
    /// This covers the files named as inputs, standard input, and the only document of a directory.
    /// Counting stops at `COUNTED`.
    pub fn unnamed_tables(&self) -> Vec<(String, usize)> {
        let only = || if self.unsorted().take(2).count() == 1 { self.walk().next() } else { None };
        let named = |path: &Path| path.to_str().filter(|name| is_table_name(name) || is_workbook_name(name)).map(ToOwned::to_owned);
        let of_root = |root: &Root| match &root.kind {
            RootKind::File => Some((named(&root.path)?, FEW)),
            RootKind::Directory(_) if self.inputs.len() == 1 => match only()?.0.place {
                Place::File(path) => Some((named(&path)?, MANY)),
                _ => None,
            },
            RootKind::Spooled { .. } => Some((root.path.to_str()?.to_owned(), SEVERAL)),
            _ => None,
        };
        let counted = self.inputs.iter().filter_map(|root| {
            let (given, least) = of_root(root)?;
            let table = Table::open(&given, &Columns::default()).ok()?;
            let is_stream = matches!(root.kind, RootKind::Spooled { .. });
            // Standard input has no file name, so its content must look like a table.
            let rows = table.count().take(COUNTED).count();
            let is_table = rows >= least && (!is_stream || table.is_regular());
            is_table.then(|| (if is_stream { "-".to_owned() } else { with_slashes(&given) }, rows))
        });
        counted.collect()
    }

    /// Why the first table among the inputs has no rows. `None` without a table.
    pub fn without_rows(&self) -> Option<&'static str> {
        self.inputs.iter().find_map(|root| if let RootKind::Table(table) = &root.kind { Some(table.without_rows()) } else { None })
    }

    /// Notes on repeated ids among the rows read so far.
    pub fn repeated_ids(&self) -> Vec<String> {
        let of_root = |root: &Root| match &root.kind {
            RootKind::Table(table) => table.repeated_ids(&root.path.to_string_lossy()),
            _ => Vec::new(),
        };
        self.inputs.iter().flat_map(of_root).collect()
    }

    /// Notes on inputs, such as sheets that are not read.
    pub fn notes(&self) -> Vec<String> {
        let of_root = |root: &Root| if let RootKind::Table(table) = &root.kind { table.note(&root.path.to_string_lossy()) } else { None };
        self.inputs.iter().filter_map(of_root).collect()
    }
}

impl Root {
    /// Opens the tables in this directory whose rows are documents. A table that cannot be opened
    /// becomes a document of the directory, so that it fails without the others.
    pub fn open_tables_inside(&mut self, columns: &Columns, before: &[InputRecord]) -> Result<Vec<Self>, String> {
        let mut tables = Vec::new();
        for (path, name) in self.tables_inside() {
            let opened = if is_blank(Path::new(&path)) { Err(None) } else { Table::open(&path, columns).map_err(Some) };
            match (opened, &mut self.kind) {
                (Ok(table), _) => tables.push(Self::open_table(&path, name, table, before)?),
                (Err(why), RootKind::Directory(filter)) => {
                    let relative = Path::new(&path).strip_prefix(&self.path).unwrap_or(Path::new(&path));
                    filter.note_without_rows(relative.to_owned(), why);
                }
                (Err(_), _) => {}
            }
        }
        Ok(tables)
    }

    /// Whether a table at this real path, as in [`InputRecord`], would be in this directory but is gone.
    pub fn has_lost_table(&self, path: &str) -> bool {
        let RootKind::Directory(filter) = &self.kind else { return false };
        let Some(rest) = rest_of(path, &self.record.path).filter(|rest| !rest.is_empty()) else { return false };
        let relative = unprintable(rest).unwrap_or_else(|| rest.into());
        filter.has_rows(&relative) && filter.selects(&self.path, &relative) && is_missing(&self.path.join(&relative))
    }

    /// The input for the table called `given`, whose rows have names that begin with `prefix`.
    /// `before` are the inputs of existing results.
    pub fn open_table(given: &str, prefix: String, table: Table, before: &[InputRecord]) -> Result<Self, String> {
        let is_stream = given == "-";
        let prefix = if is_stream { STDIN.to_owned() } else { prefix };
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
                "table {given}: the results have rows of {prefix}, and it is unclear which rows are the same. Name the id column with --id-column, the same in each run, or rename the table"
            ));
        }
        Ok(Self { path: given.into(), prefix, kind: RootKind::Table(table), record })
    }
}
