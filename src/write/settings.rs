//! The `[output]` section.

use serde::Deserialize;
use std::path::PathBuf;

/// `[output]`: where results go, and in which form.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputSettings {
    /// Directory of the run store; each job has one below it.
    pub dir: PathBuf,
    /// Result files to write.
    pub formats: Vec<Format>,
    /// Whether `results.csv` begins with a byte order mark.
    pub csv_bom: bool,
    /// Address in object storage that finished results are copied to; empty: none.
    pub copy_to: String,
    /// What becomes of results that a run would drop from view.
    pub existing: Existing,
}

/// What becomes of results of documents that a run does not look at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Existing {
    /// Somebody is asked, or the run refused.
    #[default]
    Ask,
    /// They stay, and documents of the run are added.
    Add,
    /// They go.
    Replace,
}

/// A form of result file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// `results.csv`: one line for each document, flat.
    Csv,
    /// `results.jsonl`: one JSON object for each document, complete.
    Jsonl,
    /// `results.json`: the same as one array.
    Json,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 3] = [Self::Csv, Self::Jsonl, Self::Json];

    /// Name of its file.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Csv => "results.csv",
            Self::Jsonl => "results.jsonl",
            Self::Json => "results.json",
        }
    }
}
