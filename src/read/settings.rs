//! The `[input]` and `[read]` sections.

use super::links::FollowLinks;
use super::path_names::with_slashes;
use super::record::TABLES_AS_ROWS;
use super::table::Columns;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// `[input]`: the sources of documents.
///
/// The defaults serve the stored settings of old runs, which lack later keys.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InputSettings {
    /// Files and directories.
    pub paths: Vec<String>,
    /// Directory below which names of documents begin, and to which paths of a list refer. An input
    /// elsewhere is named by its last part. "" = names begin with the input as given.
    pub base: String,
    /// Which links to files are documents.
    pub follow_links: FollowLinks,
    /// Patterns of files to include. They match the path below the input directory.
    pub include: Vec<String>,
    /// Patterns of files to exclude.
    pub exclude: Vec<String>,
    /// Minimum file size in bytes. Smaller files are skipped.
    pub min_bytes: u64,
    /// Maximum file size in bytes. Larger files are skipped. 0 = no limit.
    pub max_bytes: u64,
    /// Files changed before this time are skipped. The value is a date, a time, or an age such as
    /// `7d`. "" = no limit.
    pub newer_than: String,
    /// Files changed after this time are skipped. "" = no limit.
    pub older_than: String,
    /// A file that lists files, one per line; `-` is standard input. "" = no list.
    pub files_from: String,
    /// Tables whose rows are documents. They are CSV, TSV, JSON lines or Parquet; `-` is standard
    /// input.
    pub rows: Vec<String>,
    /// How tables among the files are read.
    pub tables: Tables,
    /// The column with the text of a row; "" = all columns.
    pub text_column: String,
    /// The column with the id of a row; "" = the row number.
    pub id_column: String,
    /// Columns that are copied to the results.
    pub keep_columns: Vec<String>,
    /// Handling of documents without content.
    pub on_empty: OnEmpty,
    /// Which files of a directory are one document.
    pub group: Grouping,
    /// What happens to files attached to mails and PDF documents.
    pub attachments: Attachments,
    /// Which archives are read like directories.
    pub archives: Archives,
    /// Maximum files of an archive or mail that are documents. 0 = the default of old runs: none.
    pub max_members: u64,
    /// Maximum size of an unpacked archive, in megabytes (10^6 bytes).
    pub max_unpacked_mb: u64,
    /// Real paths of the settings file and of the job file. No directory has them as documents.
    pub own_files: Vec<PathBuf>,
}

/// What happens to files attached to mails and PDF documents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attachments {
    /// Their document lists them.
    #[default]
    List,
    /// Those that docmill can read are documents of their own.
    Read,
}

/// Which archives are read like directories.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Archives {
    /// Those that are named as inputs.
    #[default]
    Named,
    /// All.
    Read,
    /// None: their row fails.
    Refuse,
}

/// Which files of a directory are one document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grouping {
    /// Each file is a document.
    #[default]
    None,
    /// The files of a directory, without its subdirectories.
    Directory,
    /// The files of a directory that differ only in their extensions.
    Stem,
}

/// Handling of a document without content: no bytes, no text, or only blank pages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnEmpty {
    /// Its row is `failed`.
    #[default]
    Fail,
    /// Its row is `skipped`.
    Skip,
}

/// Handling of a file that looks like a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tables {
    /// The user is asked; without a terminal the run is refused.
    #[default]
    Ask,
    /// The table is one document.
    Document,
    /// Each row is a document.
    Rows,
}

impl Tables {
    /// The name used in settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::Document => "document",
            Self::Rows => "rows",
        }
    }
}

/// `[read]`: concurrency and memory of reading.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadSettings {
    /// Number of files read at the same time.
    pub concurrency: usize,
    /// Number of files that are read and wait for preparation.
    pub queue: usize,
    /// Largest file, in megabytes (10^6 bytes).
    pub max_file_mb: u64,
    /// Time without progress after which reading a file fails, in seconds.
    pub timeout_s: u64,
    /// Maximum size of all documents in memory, in megabytes (10^6 bytes).
    pub memory_mb: u64,
}

impl InputSettings {
    /// The columns of tables; `used` are the columns that templates use.
    pub(super) fn columns(&self, used: Option<Vec<String>>) -> Columns {
        let named = |name: &String| Some(name.clone()).filter(|name| !name.is_empty());
        Columns { text: named(&self.text_column), id: named(&self.id_column), keep: self.keep_columns.clone(), used }
    }

    /// Whether files in directories may be several documents.
    pub(super) fn divides_files(&self) -> bool {
        self.attachments == Attachments::Read || self.archives == Archives::Read
    }

    /// The rules that select files of a directory. `None` if their outcome depends on the time.
    pub(super) fn rules(&self) -> Option<String> {
        let ages = [&self.newer_than, &self.older_than].iter().any(|time| !time.is_empty());
        let links = match self.follow_links {
            FollowLinks::Inside => "",
            FollowLinks::Never => " without links",
            FollowLinks::All => " with all links",
        };
        let group = match self.group {
            Grouping::None => "",
            Grouping::Directory => " by directory",
            Grouping::Stem => " by stem",
        };
        let attachments = if self.attachments == Attachments::Read { " with attachments" } else { "" };
        let archives = if self.archives == Archives::Read { " with archives" } else { "" };
        let tables = if self.tables == Tables::Rows { TABLES_AS_ROWS } else { "" };
        (!ages).then(|| {
            format!(
                "{:?} {:?} {} {}{links}{group}{attachments}{archives}{tables}",
                self.include, self.exclude, self.min_bytes, self.max_bytes
            )
        })
    }

    /// Prefix of the names of the documents in the input `given`.
    pub(super) fn prefix(&self, given: &str) -> String {
        let below = || {
            let (given, base) = (std::path::absolute(given).ok()?, std::path::absolute(&self.base).ok()?);
            let rest = given.strip_prefix(base).ok().filter(|rest| !rest.as_os_str().is_empty());
            Some(with_slashes(rest.or(given.file_name().map(Path::new))?.to_str()?))
        };
        let below = if self.base.is_empty() { None } else { below() };
        below.unwrap_or_else(|| with_slashes(given.trim_end_matches('/')))
    }
}
