//! What comparisons have cost.

use crate::model::{Bill, Money};
use crate::store::{Archive, StoreError};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Name of the directory for comparisons, below the output directory.
pub(super) const DIRECTORY: &str = "compare";

/// Requests and cost of the comparison runs in one directory.
pub(in crate::cli) struct Spent {
    /// Name of the directory below the directory of comparisons.
    pub name: String,
    pub directory: PathBuf,
    pub runs: usize,
    pub requests: u64,
    pub bill: Bill,
    /// Maximum cost of lost requests.
    pub lost: Money,
}

impl Spent {
    pub fn json(&self) -> Value {
        json!({
            "run": null,
            "comparison": self.name,
            "directory": self.directory.display().to_string(),
            "runs": self.runs,
            "requests": self.requests,
            "cost": self.bill.to_string(),
            "cost_usd": self.bill.exact().map(Money::usd),
        })
    }
}

/// Requests and cost of all comparisons in an output directory, sorted by name.
pub(in crate::cli) fn spent_in(output: &Path) -> Result<Vec<Spent>, StoreError> {
    let entries = std::fs::read_dir(output.join(DIRECTORY)).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut directories: Vec<PathBuf> = entries.collect();
    directories.sort_unstable();
    let mut all = Vec::new();
    for directory in directories {
        let Some(archive) = Archive::open(&directory)? else { continue };
        let (requests, bill) = archive.bill(None)?;
        let name = directory.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let (runs, lost) = (archive.runs()?.len(), archive.lost()?.1.unwrap_or_default());
        all.push(Spent { name, directory, runs, requests, bill, lost });
    }
    Ok(all)
}
