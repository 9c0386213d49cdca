//! The `[input]` and `[read]` sections.

use super::table::Columns;
use serde::Deserialize;

/// `[input]`: what to look at. The defaults are for the settings of old runs, which lack what came later.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InputSettings {
    /// Files and directories.
    pub paths: Vec<String>,
    /// Patterns of files to take, on the path below the input directory.
    pub include: Vec<String>,
    /// Patterns of files to leave out.
    pub exclude: Vec<String>,
    /// Smaller files are left out, in bytes.
    pub min_bytes: u64,
    /// Larger files are left out, in bytes; 0 = none.
    pub max_bytes: u64,
    /// Files changed before this are left out: a date, a time, or an age such as `7d`. "" = none.
    pub newer_than: String,
    /// Files changed after this are left out.
    pub older_than: String,
    /// A file that lists files, a line each; `-` is standard input. "" = none.
    pub files_from: String,
    /// Tables whose rows are documents: CSV, TSV, JSON lines or Parquet; `-` is standard input.
    pub rows: Vec<String>,
    /// What becomes of tables among the files.
    pub tables: Tables,
    /// The column that is the text of a row; "" = all of them.
    pub text_column: String,
    /// The column that names a row; "" = its number.
    pub id_column: String,
    /// Columns that are passed on to the results.
    pub keep_columns: Vec<String>,
}

/// What becomes of a file that is a table and was not named as one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tables {
    /// Somebody is asked, or the run refused.
    #[default]
    Ask,
    /// It is one document.
    Document,
    /// Its rows are documents.
    Rows,
}

impl Tables {
    /// As settings have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::Document => "document",
            Self::Rows => "rows",
        }
    }
}

/// `[read]`: how to read.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadSettings {
    /// Files read at the same time.
    pub concurrency: usize,
    /// Files read and waiting for preparation.
    pub queue: usize,
    /// Largest file, in megabytes (10^6 bytes).
    pub max_file_mb: u64,
    /// Bytes of documents in memory, in megabytes (10^6 bytes).
    pub memory_mb: u64,
}

impl InputSettings {
    /// What is what in a table, where templates use these columns.
    pub(super) fn columns(&self, used: Option<Vec<String>>) -> Columns {
        let named = |name: &String| Some(name.clone()).filter(|name| !name.is_empty());
        Columns { text: named(&self.text_column), id: named(&self.id_column), keep: self.keep_columns.clone(), used }
    }

    /// What decides which files of a directory are documents; `None` if it decides otherwise as time goes by.
    pub(super) fn rules(&self) -> Option<String> {
        let ages = [&self.newer_than, &self.older_than].iter().any(|time| !time.is_empty());
        (!ages).then(|| format!("{:?} {:?} {} {}", self.include, self.exclude, self.min_bytes, self.max_bytes))
    }
}
