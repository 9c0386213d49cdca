//! What comparisons have cost.

use crate::model::{LedgerSum, Money, counted};
use crate::store::{Archive, Requests, StoreError};
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
    pub ledger: LedgerSum,
}

impl Spent {
    /// Describes the requests and their cost.
    pub fn text(&self) -> String {
        let LedgerSum { requests, cost, .. } = self.ledger;
        let doubtful = self.ledger.doubtful("").map_or_else(String::new, |doubtful| format!("; {doubtful}"));
        format!("{}, {cost}{doubtful}", counted(requests, "request"))
    }

    pub fn json(&self) -> Value {
        json!({
            "run": null,
            "comparison": self.name,
            "directory": self.directory.display().to_string(),
            "runs": self.runs,
            "requests": self.ledger.requests,
            "cost": self.ledger.cost.to_string(),
            "cost_usd": self.ledger.cost.exact().map(Money::usd),
            "maybe_billed": self.ledger.maybe_billed,
            "maybe_billed_at_most_usd": self.ledger.maybe_billed_at_most_usd.map(Money::usd),
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
        let name = directory.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let (runs, ledger) = (archive.runs()?.len(), archive.ledger(Requests::All)?);
        all.push(Spent { name, directory, runs, ledger });
    }
    Ok(all)
}
