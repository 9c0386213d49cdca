//! The inputs of a run: checked, and named.

use super::containers::Containers;
use super::environment::InputEnvironment;
use super::file_list::FileList;
use super::filter::{Filter, is_hidden};
use super::lines::{Lines, STDIN};
use super::path_names::{printable, real, unprintable};
use super::record::{InputKind, InputRecord, is_made_up, joined, path_of, prefix_beside, rest_of};
use super::remote::Remote;
use super::settings::{Grouping, InputSettings, Tables};
use super::slice::Slice;
use super::table::{Table, is_table_name, is_workbook_name};
use crate::model::{Digest, Place, Stamp};
use crate::remote::Address;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempPath;

/// An error in `input.paths`.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct InputError(String);

/// The checked inputs of a run. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Roots {
    pub(super) inputs: Arc<Vec<Root>>,
    /// How archives and attachments become documents.
    pub(super) containers: Arc<Containers>,
    /// The part of the documents that a shard takes; `None` for all of them.
    pub(super) slice: Option<Arc<Slice>>,
}

#[derive(Debug)]
pub(super) struct Root {
    pub path: PathBuf,
    /// The prefix of names before the relative path. Empty for a single directory.
    pub prefix: String,
    pub kind: RootKind,
    /// The input as the run store records it.
    pub record: InputRecord,
}

#[derive(Debug)]
pub(super) enum RootKind {
    File,
    /// A document from standard input, in a temporary file. The file is removed when dropped.
    Spooled {
        /// Held only for its removal on drop.
        _file: TempPath,
    },
    Directory(Filter),
    /// A table whose rows are the documents.
    Table(Table),
    /// A list that names the documents.
    List(FileList),
    /// Lines of standard input, which arrive during the run.
    Lines(Lines),
    /// A remote input. A single object has no filter.
    Remote(Arc<Remote>, Option<Filter>),
}

impl Roots {
    /// Checks that every input exists and that inputs do not overlap.
    ///
    /// `output` is excluded from the walk. `used` are the columns of tables that templates use;
    /// `None`: all columns.
    pub fn open(
        settings: &InputSettings,
        environment: &InputEnvironment,
        used: Option<Vec<String>>,
        output: &Path,
    ) -> Result<Self, InputError> {
        Self::open_beside(settings, environment, used, output, &[])
    }

    /// The same for documents that are added to results. `before` are the inputs of the results.
    ///
    /// Documents that the results already have keep their names.
    pub fn open_beside(
        settings: &InputSettings,
        environment: &InputEnvironment,
        used: Option<Vec<String>>,
        output: &Path,
        before: &[InputRecord],
    ) -> Result<Self, InputError> {
        if settings.paths.is_empty() && settings.rows.is_empty() && settings.files_from.is_empty() {
            return Err(InputError("no input. Name files or directories, or set input.paths".into()));
        }
        let single = before.is_empty() && settings.paths.len() + settings.rows.len() + usize::from(!settings.files_from.is_empty()) == 1;
        let output = real(output);
        check_containers(settings)?;
        let mut roots = Vec::new();
        let mut canonical: Vec<(PathBuf, &str)> = Vec::new();
        let has_rows = |given: &&String| {
            settings.tables == Tables::Rows && (is_table_name(given) || is_workbook_name(given)) && Path::new(given).is_file()
        };
        for given in settings.paths.iter().filter(|given| !has_rows(given)) {
            if let Some(address) = Address::parse(given) {
                if settings.tables == Tables::Rows && is_table_name(given.split(['?', '#']).next().unwrap_or_default()) {
                    return Err(InputError(format!(
                        "input {given}: rows of tables are read from local files only. Copy the table, or read it as one document \
                        (input.tables = \"document\")"
                    )));
                }
                check_remote(settings, given)?;
                let root =
                    Root::open_remote(address, settings, environment, single, before).map_err(|e| InputError(format!("input {e}")))?;
                if let Some(other) = roots.iter().find(|other| root.overlaps(other)) {
                    let (one, other) = (other.path.display(), root.path.display());
                    return Err(InputError(format!(
                        "inputs {one} and {other} overlap, so a document would have two names. Remove one of them"
                    )));
                }
                roots.push(root);
                continue;
            }
            if given == "-" {
                let file = super::compressed::spool(given).map_err(|e| InputError(format!("standard input: cannot read it: {e}")))?;
                if before.iter().any(|old| old.prefix == STDIN) {
                    return Err(InputError(
                        "standard input: the results already contain a document with this name. Save the input in a file and pass the file"
                            .into(),
                    ));
                }
                let record = InputRecord::new(InputKind::Stream, String::new(), STDIN);
                let (path, kind) = (file.to_path_buf(), RootKind::Spooled { _file: file });
                roots.push(Root { path, prefix: STDIN.to_owned(), kind, record });
                continue;
            }
            let path = PathBuf::from(given);
            let real = std::fs::canonicalize(&path)
                .map_err(|e| InputError(format!("input {given}: {e}. Name files or directories, or set input.paths")))?;
            if output.as_ref() == Some(&real) {
                return Err(InputError(format!(
                    "input {given} is also the output directory, so results would become documents. Choose another --output"
                )));
            }
            if !real.is_dir() && !real.is_file() {
                return Err(InputError(format!("input {given} is neither a file nor a directory")));
            }
            if let Some((_, other)) = canonical.iter().find(|(other, _)| real.starts_with(other) || other.starts_with(&real)) {
                return Err(InputError(format!(
                    "inputs {other} and {given} overlap, so a document would have two names. \
                    Remove one of them"
                )));
            }
            let directory = path.is_dir();
            let shown = printable(real.as_os_str());
            canonical.push((real.clone(), given));
            let prefix = if directory && single { String::new() } else { settings.prefix(given) };
            let prefix = if before.is_empty() { Ok(prefix) } else { prefix_beside(&shown, &prefix, before) }.map_err(InputError)?;
            let filter = directory.then(|| Filter::new(settings, environment, real, output.clone())).transpose().map_err(InputError)?;
            let record = InputRecord::new(if directory { InputKind::Directory } else { InputKind::File }, shown, &prefix);
            let record = InputRecord { rules: settings.rules().filter(|_| directory), ..record };
            roots.push(Root { path, prefix, kind: filter.map_or(RootKind::File, RootKind::Directory), record });
        }
        let columns = settings.columns(used);
        let named = settings.paths.iter().filter(has_rows).chain(&settings.rows).map(|given| (given.clone(), settings.prefix(given)));
        let tables: Vec<(String, String)> = named.collect();
        let mut inside = Vec::new();
        if settings.tables == Tables::Rows {
            for root in &mut roots {
                inside.extend(root.open_tables_inside(&columns, before).map_err(InputError)?);
            }
        }
        for (given, prefix) in tables {
            let table = Table::open(&given, &columns).map_err(InputError)?;
            roots.push(Root::open_table(&given, prefix, table, before).map_err(InputError)?);
        }
        roots.extend(inside);
        share_ids(&mut roots);
        if !settings.files_from.is_empty() {
            let list = FileList::open(&settings.files_from, before, settings).map_err(InputError)?;
            let record = InputRecord::of_list(&settings.files_from);
            roots.push(Root { path: (&settings.files_from).into(), prefix: String::new(), kind: RootKind::List(list), record });
        }
        let files = roots.iter().filter(|root| matches!(root.kind, RootKind::File)).map(|root| root.path.as_path());
        let containers = Containers::new(settings, environment, files).map_err(InputError)?;
        Ok(Self { inputs: Arc::new(roots), containers: Arc::new(containers), slice: None })
    }

    /// Standard input as the only input. `used` are the columns that templates use; `None`: all.
    pub fn of_lines(settings: &InputSettings, used: Option<Vec<String>>) -> Self {
        let record = InputRecord::new(InputKind::Stream, String::new(), STDIN);
        let kind = RootKind::Lines(Lines::new(settings, used));
        let root = Root { path: PathBuf::from("-"), prefix: STDIN.to_owned(), kind, record };
        Self { inputs: Arc::new(vec![root]), containers: Arc::default(), slice: None }
    }

    /// What makes documents of the lines of standard input, if that is the input.
    pub fn lines(&self) -> Option<Lines> {
        self.inputs.iter().find_map(|root| if let RootKind::Lines(lines) = &root.kind { Some(lines.clone()) } else { None })
    }

    /// The inputs as the run store records them.
    pub fn records(&self) -> Vec<InputRecord> {
        self.inputs.iter().map(|root| root.record.clone()).collect()
    }

    /// Whether any input is a table.
    pub fn has_rows(&self) -> bool {
        self.inputs.iter().any(|root| matches!(root.kind, RootKind::Table(_) | RootKind::Lines(_)))
    }

    /// Whether all inputs are tables or lists.
    pub fn are_listed(&self) -> bool {
        self.inputs.iter().all(|root| matches!(root.kind, RootKind::Table(_) | RootKind::List(_)))
    }

    /// All inputs, for messages.
    pub fn describe(&self) -> String {
        self.inputs.iter().map(|root| root.path.display().to_string()).collect::<Vec<_>>().join(", ")
    }

    /// Whether the document called `name` still exists with this content. `stamp` belongs to that
    /// content.
    pub fn hold(&self, name: &str, digest: Digest, stamp: Option<Stamp>) -> bool {
        let tables =
            self.inputs.iter().filter_map(|root| if let RootKind::Table(table) = &root.kind { Some((table, &root.prefix)) } else { None });
        let mut tables = tables.filter(|(_, prefix)| name.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.starts_with('#')));
        if tables.any(|(table, prefix)| table.holds(prefix, name, digest)) {
            return true;
        }
        self.locate(name).is_some_and(|place| self.still_holds(&place, digest, stamp))
    }

    /// Whether the document called `name` still has this content, as far as that shows without
    /// reading old files or asking a remote server.
    pub fn seem_to_hold(&self, name: &str, digest: Option<Digest>, stamp: Option<Stamp>) -> bool {
        match (self.locate(name), digest) {
            (Some(Place::Object { .. }), _) => true,
            (Some(place), _) if stamp.is_some() => self.stamp_of(&place) == stamp,
            // A file that was new when it was read has no stamp.
            (_, Some(digest)) => self.hold(name, digest, stamp),
            (Some(_), None) => false,
            (None, None) => self.has_row(name),
        }
    }

    /// Whether a table has a row called `name`, with any content.
    pub fn has_row(&self, name: &str) -> bool {
        let tables =
            self.inputs.iter().filter_map(|root| if let RootKind::Table(table) = &root.kind { Some((table, &root.prefix)) } else { None });
        let mut tables = tables.filter(|(_, prefix)| name.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.starts_with('#')));
        tables.any(|(table, prefix)| table.has_row(prefix, name))
    }

    /// Whether a document of earlier results, about the inputs `before`, is gone.
    ///
    /// A file is gone if it no longer exists. A row is gone if the file of its table is, or if it has
    /// no id, could not be read, and its table is read again.
    pub fn has_lost(&self, name: &str, was_read: bool, before: &[InputRecord]) -> bool {
        let is_row = |root: &Root| {
            let id = || name.strip_prefix(&root.prefix).and_then(|rest| rest.strip_prefix('#'));
            !was_read && matches!(root.kind, RootKind::Table(_)) && id().is_some_and(is_made_up)
        };
        let is_file = |root: &Root, path: &str| {
            let RootKind::Directory(filter) = &root.kind else { return false };
            if filter.group != Grouping::None {
                return joined(&root.record.path, rest_of(name, &root.prefix).unwrap_or(name)) == path && self.locate(name).is_none();
            }
            let Some(rest) = rest_of(name, &root.prefix) else { return false };
            let relative = unprintable(rest).unwrap_or_else(|| rest.into());
            joined(&root.record.path, rest) == path
                && filter.takes(&root.path, &relative)
                && is_missing(&root.path.join(relative))
                && !self.may_be_member(name)
        };
        let is_row_of = |table: &InputRecord| name.strip_prefix(&table.prefix).is_some_and(|rest| rest.starts_with('#'));
        let mut tables = before.iter().filter(|old| old.kind == InputKind::Table && is_row_of(old));
        if tables.any(|table| self.inputs.iter().any(|root| root.has_lost_table(&table.path))) {
            return true;
        }
        self.inputs.iter().any(is_row) || path_of(name, before).is_some_and(|path| self.inputs.iter().any(|root| is_file(root, &path)))
    }

    /// Whether the file at this real path is one of the documents. Listed files do not count.
    pub fn take(&self, path: &Path) -> bool {
        let shown = printable(path.as_os_str());
        self.inputs.iter().any(|root| match &root.kind {
            RootKind::File => root.record.path == shown,
            RootKind::Directory(filter) => {
                let Ok(directory) = std::fs::canonicalize(&root.path) else { return false };
                let is_seen = |relative: &Path| !relative.iter().any(|part| is_hidden(part.as_encoded_bytes()));
                path.strip_prefix(&directory).is_ok_and(|relative| is_seen(relative) && filter.takes(&directory, relative))
            }
            RootKind::Spooled { .. } | RootKind::Table(_) | RootKind::List(_) | RootKind::Lines(_) | RootKind::Remote(..) => false,
        })
    }

    /// The place of the document called `name`, whether or not it exists.
    ///
    /// `None` if no input accepts a document of this name. Blocks if the name may be that of a member
    /// of a container.
    pub fn locate(&self, name: &str) -> Option<Place> {
        let found = self.locate_itself(name);
        match &found {
            Some(Place::File(path)) if name.contains('#') && !path.exists() => self.locate_member(name).or(found),
            None if name.contains('#') => self.locate_member(name),
            _ => found,
        }
    }

    /// The place of a document that is not a member of a container.
    pub(super) fn locate_itself(&self, name: &str) -> Option<Place> {
        self.inputs.iter().enumerate().find_map(|(input, root)| {
            let filter = match &root.kind {
                RootKind::File | RootKind::Spooled { .. } => return (root.prefix == name).then(|| Place::File(root.path.clone())),
                RootKind::Table(_) | RootKind::Lines(_) => return None,
                RootKind::List(list) => return list.path_of(name).map(Place::File),
                RootKind::Remote(remote, filter) => {
                    let key = root.locate_object(remote, filter.as_ref(), name);
                    return key.map(|key| Place::Object { input, key, listed: None });
                }
                RootKind::Directory(filter) => filter,
            };
            if filter.group != Grouping::None {
                let path_of = |relative: &str| root.path.join(unprintable(relative).unwrap_or_else(|| relative.into()));
                return root.files_of_group(filter, name, path_of).map(Place::Group);
            }
            let relative = if root.prefix.is_empty() { name } else { name.strip_prefix(&root.prefix)?.strip_prefix('/')? };
            let path = root.path.join(unprintable(relative).unwrap_or_else(|| relative.into()));
            filter.takes(&root.path, path.strip_prefix(&root.path).ok()?).then_some(Place::File(path))
        })
    }
}

/// Checks that a file is not divided and joined with others at once.
fn check_containers(settings: &InputSettings) -> Result<(), InputError> {
    if settings.group == Grouping::None || !settings.divides_files() {
        return Ok(());
    }
    let why = "input.group makes one document of several files, and input.attachments and input.archives make several documents of one";
    Err(InputError(format!("{why}. Set only one of them")))
}

/// Checks that an input which is not on this machine can be read with these settings.
fn check_remote(settings: &InputSettings, given: &str) -> Result<(), InputError> {
    if settings.group != Grouping::None {
        return Err(InputError(format!("input {given}: input.group works in local directories only. Copy the files")));
    }
    if settings.divides_files() {
        let why = "input.attachments and input.archives read local files only. Copy the files to this machine";
        return Err(InputError(format!("input {given}: {why}")));
    }
    Ok(())
}

pub(super) fn is_missing(path: &Path) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    std::fs::symlink_metadata(path).is_err_and(|error| matches!(error.kind(), NotFound | NotADirectory))
}

impl Root {
    /// The remote input, if this is one.
    pub fn remote(&self) -> Option<&Arc<Remote>> {
        if let RootKind::Remote(remote, _) = &self.kind { Some(remote) } else { None }
    }

    /// Whether the walk looks at an entry.
    pub fn enters(&self, entry: &walkdir::DirEntry) -> bool {
        let RootKind::Directory(filter) = &self.kind else { return false };
        let relative = entry.path().strip_prefix(&self.path).unwrap_or(entry.path());
        let passed_by = || entry.file_type().is_dir() && (filter.is_output(entry.path()) || !filter.enters(&self.path, relative));
        entry.depth() == 0 || !(is_hidden(entry.file_name().as_encoded_bytes()) || passed_by())
    }
}

/// Lets tables with the same columns know each other's ids.
fn share_ids(roots: &mut [Root]) {
    let mut tables: BTreeMap<String, Vec<(usize, &mut Table)>> = BTreeMap::new();
    for (number, root) in roots.iter_mut().enumerate() {
        if let (RootKind::Table(table), Some(columns)) = (&mut root.kind, &root.record.columns) {
            tables.entry(columns.clone()).or_default().push((number, table));
        }
    }
    for same in tables.into_values().filter(|same| same.len() > 1) {
        let first = Arc::default();
        for (number, table) in same {
            table.share_ids(number, Arc::clone(&first));
        }
    }
}
