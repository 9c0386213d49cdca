//! The `[output]` section.

use super::csv_dialect::{CsvDialect, Decimal, Separator};
use super::document_files::DocumentFiles;
use serde::Deserialize;
use std::path::PathBuf;

/// `[output]`: destination and form of the results.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputSettings {
    /// Directory of the run store. Each job has a subdirectory.
    pub dir: PathBuf,
    /// Result files to write.
    pub formats: Vec<Format>,
    /// Whether `results.csv` begins with a byte order mark.
    pub csv_bom: bool,
    /// Separator of the cells in `results.csv`.
    pub csv_separator: Separator,
    /// Decimal mark of the numbers in `results.csv`.
    pub csv_decimal: Decimal,
    /// Address in object storage for copies of finished results; empty disables copies.
    pub copy_to: String,
    /// Address of a PostgreSQL database for the rows, or `env:VARIABLE`; empty for none.
    pub postgres: String,
    /// Name of its tables.
    pub postgres_table: String,
    /// Seconds to wait for the database at the end of a run.
    pub postgres_wait_s: u64,
    /// What happens to results that the run would drop.
    pub existing: Existing,
    /// Failure codes of rows that do not make the run end with exit code 3.
    pub accept_failed: Vec<String>,
    /// Permissions of new files.
    pub mode: FileMode,
    /// Whether existing files of other formats stay as they are.
    #[serde(skip)]
    pub only_formats: bool,
    /// Files of the documents, for links and pictures.
    #[serde(skip)]
    pub files: DocumentFiles,
}

impl OutputSettings {
    /// The form of `results.csv`.
    pub fn csv(&self) -> CsvDialect {
        CsvDialect { bom: self.csv_bom, separator: self.csv_separator, decimal: self.csv_decimal }
    }

    /// These settings with the dialect of the existing `results.csv` of a job. Keys of this section
    /// that the user `has_set` stay.
    #[must_use]
    pub fn with_csv_of(self, job: &str, has_set: impl Fn(&str) -> bool) -> Self {
        let CsvDialect { bom, separator, decimal } = self.csv().of_file(&self.dir.join(job).join(Format::Csv.file_name()));
        Self {
            csv_bom: if has_set("csv_bom") { self.csv_bom } else { bom },
            csv_separator: if has_set("csv_separator") { self.csv_separator } else { separator },
            csv_decimal: if has_set("csv_decimal") { self.csv_decimal } else { decimal },
            ..self
        }
    }
}

/// Permissions of new files. Existing files keep theirs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileMode {
    /// Only the user can read them.
    #[default]
    Private,
    /// The permission mask of the user decides.
    Umask,
}

/// What happens to the results of documents outside the run's input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Existing {
    /// docmill asks the user, or refuses the run without a terminal.
    #[default]
    Ask,
    /// Results stay, and the run adds its documents.
    Add,
    /// The run removes them.
    Replace,
}

/// Format of a result file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// `results.csv`: one flat line for each document.
    Csv,
    /// `results.jsonl`: one complete JSON object for each document.
    Jsonl,
    /// `results.json`: the same objects as one array.
    Json,
    /// `results.parquet`: typed columns.
    Parquet,
    /// `results.arrows`: the same columns as an Arrow stream.
    Arrow,
    /// `results.xlsx`: a workbook for people.
    Xlsx,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 6] = [Self::Csv, Self::Jsonl, Self::Json, Self::Parquet, Self::Arrow, Self::Xlsx];

    /// Name in the settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::Json => "json",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
            Self::Xlsx => "xlsx",
        }
    }

    /// Name of its file.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Csv => "results.csv",
            Self::Jsonl => "results.jsonl",
            Self::Json => "results.json",
            Self::Parquet => "results.parquet",
            Self::Arrow => "results.arrows",
            Self::Xlsx => "results.xlsx",
        }
    }

    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Jsonl => "application/x-ndjson",
            Self::Json => "application/json",
            Self::Parquet => "application/vnd.apache.parquet",
            Self::Arrow => "application/vnd.apache.arrow.stream",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }
    }

    /// Whether a terminal can show it.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Csv | Self::Jsonl | Self::Json)
    }
}
