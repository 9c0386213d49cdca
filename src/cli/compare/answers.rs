//! The answers of one variant, with cost and time.

use super::{ComparisonDir, Measured};
use crate::cli::exit::CliError;
use crate::insight::speed_up::busy_ms;
use crate::model::{Row, RowStatus, Totals};
use crate::setup::Assembled;
use crate::store::StoreError;
use serde_json::Value;
use std::collections::BTreeMap;

/// The reply of a variant about a document.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reply {
    /// The answer.
    Answer(Value),
    /// The reason for a missing answer: a failure code, or a description.
    Nothing(String),
    /// The variant's job does not accept the document.
    Skipped,
}

/// The answers of one variant, with cost and time.
#[derive(Debug)]
pub(super) struct Answers {
    pub variant: String,
    /// The directory of its run store, below the directory of comparisons.
    pub directory: String,
    pub provider: String,
    pub model: String,
    /// Replies by document, in input order.
    pub replies: Vec<(String, Reply)>,
    pub totals: Totals,
    /// Seconds with a request in flight, for each document with requests.
    pub seconds: Vec<f64>,
    pub unanswered: bool,
}

impl Answers {
    /// Runs a variant in its own store, which keeps its answers.
    pub async fn of(dir: &ComparisonDir, variant: &str, run: Assembled, field: &str) -> Result<Self, CliError> {
        let directory = directory(variant);
        let (provider, model) = (run.plan.account.provider.as_str().to_owned(), run.plan.account.model.clone());
        let Measured { archive, view, unanswered } = dir.run(&directory, &format!("variant {variant}"), run).await?;
        let (mut replies, mut totals) = (Vec::new(), Totals::default());
        let each = |row: crate::store::StoredRow<'_>| {
            let document = row.document.to_owned();
            match Row::read(row.position, row.document, row.text) {
                Ok(row) => {
                    totals.add(&row);
                    replies.push((document, of_row(row, field)));
                }
                Err(_) => replies.push((document, Reply::Nothing("unreadable row".to_owned()))),
            }
            Ok::<(), StoreError>(())
        };
        archive.rows(&view).and_then(|rows| rows.read_from(0, true, each)).map_err(CliError::internal)?;
        let mut spans = BTreeMap::<String, Vec<(i64, i64)>>::new();
        let requests = archive.requests(view.recipe, |request| {
            spans.entry(request.document.to_owned()).or_default().push((request.sent_ms, request.ended_ms));
        });
        requests.map_err(CliError::internal)?;
        let seconds = spans.values().map(|spans| busy_ms(spans) as f64 / 1000.0).collect();
        Ok(Self { variant: variant.to_owned(), directory, provider, model, replies, totals, seconds, unanswered })
    }

    /// Average cost of a document that was not skipped; `None` if a price is unknown.
    pub fn cost_per_document(&self) -> Option<f64> {
        let asked = self.totals.tally.rows() - self.totals.tally.count(RowStatus::Skipped);
        self.totals.cost.exact().map(|cost| cost.usd() / (asked as f64).max(1.0))
    }
}

fn of_row(mut row: Row, field: &str) -> Reply {
    match (row.answers.remove(field), row.failure) {
        _ if row.status == RowStatus::Skipped => Reply::Skipped,
        (Some(answer), _) if !answer.is_null() => Reply::Answer(answer),
        (_, Some(failure)) => Reply::Nothing(failure.code.as_str().to_owned()),
        _ => Reply::Nothing(format!("no {field}")),
    }
}

/// The directory of a variant: its name, or a cleaned name with a hash if the name is not valid
/// there.
pub(super) fn directory(variant: &str) -> String {
    const LONGEST: usize = 60;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=.".contains(c);
    let name: String = variant.chars().map(|c| if plain(c) { c } else { '_' }).take(LONGEST).collect();
    let taken = ["sequential", "parallel"].contains(&variant) || variant.starts_with('.');
    if name == variant && !taken {
        name
    } else {
        format!("{}-{}", name.trim_start_matches('.'), &blake3::hash(variant.as_bytes()).to_hex()[..8])
    }
}

#[cfg(test)]
mod tests {
    use super::directory;

    #[test]
    fn every_variant_has_a_distinct_directory() {
        assert_eq!(directory("material-single"), "material-single");
        let variants = ["a b", "a_b", "a/b", "../a", "sequential", "parallel", ".hidden", &"x".repeat(300), &"x".repeat(301)];
        let mut names: Vec<String> = variants.iter().map(|variant| directory(variant)).collect();
        assert!(names.iter().all(|name| name.len() < 80 && !name.contains('/') && !name.starts_with('.')), "{names:?}");
        assert!(!names.contains(&"sequential".to_owned()));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), variants.len());
    }
}
