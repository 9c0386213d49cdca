//! Estimates the cost of a comparison before it starts.

use super::ComparisonDir;
use super::sequential::RUNS;
use crate::cli::exit::CliError;
use crate::engine::{Inspected, Plan, Sample, inspect};
use crate::job::Combined;
use crate::model::{Bill, Call, CallRecord, Document, Money, Row, Totals, Usage};
use crate::setup::Assembled;
use crate::store::{Archive, StoreError};
use serde_json::json;
use std::path::Path;

/// Documents to examine, spread over the input, if no earlier run shows their cost.
const SAMPLE: Sample = Sample { documents: 50, seed: 0 };

/// A sentence about the cost of running all documents twice.
pub(super) async fn price(dir: &ComparisonDir, run: &Assembled) -> Result<String, CliError> {
    let plan = &run.plan;
    let all = plan.roots.unsorted().count() as u64;
    if all == 0 {
        return Err(CliError::usage(format!("no documents in {}", plan.roots.describe())));
    }
    let documents = plan.selection.sample().map_or(all, |sample| sample.documents.min(all));
    let about = format!("{documents} documents are asked about twice, with {}: ", plan.account.model);
    for directory in [dir.output.clone()].into_iter().chain(RUNS.map(|name| dir.directory.join(name))) {
        if let Some((rows, bill)) = spent(&directory, plan.recipe).map_err(CliError::usage)?
            && let Some(usd) = bill.exact()
        {
            let total = twice(usd, documents, rows);
            return Ok(format!("{about}about {total}, because {rows} of them cost {usd} in {}", directory.display()));
        }
    }
    let places = SAMPLE.places(all);
    let (mut looked_at, mut most) = (0, Some(Money::ZERO));
    for (document, _) in plan.roots.walk() {
        if places.as_ref().is_none_or(|places| places.binary_search(&document.index).is_ok()) {
            looked_at += 1;
            most = most.zip(at_most(plan, &document).await).map(|(sum, one)| sum + one);
        }
    }
    Ok(match most {
        Some(usd) => format!("{about}at most about {}, unless requests are retried", twice(usd, documents, looked_at)),
        None => format!("{about}the cost is unknown. Set the price of the model in [prices] of pipeline.toml."),
    })
}

/// Extrapolates the cost of `of_them` documents to all of them, twice.
fn twice(usd: Money, all: u64, of_them: u64) -> Money {
    Money::from_usd(2.0 * usd.usd() * all as f64 / (of_them as f64).max(1.0))
}

/// Number and cost of the rows of a recipe in a store.
fn spent(directory: &Path, recipe: i64) -> Result<Option<(u64, Bill)>, StoreError> {
    let Some(archive) = Archive::open(directory)? else { return Ok(None) };
    let Some(view) = archive.view(None, true)?.filter(|view| view.recipe == recipe) else { return Ok(None) };
    let mut totals = Totals::default();
    archive.rows(&view)?.read_from(0, true, |row| {
        if let Ok(row) = Row::read(row.position, row.document, row.text) {
            totals.add(&row);
        }
        Ok::<(), StoreError>(())
    })?;
    Ok(Some((totals.tally.rows(), totals.cost)).filter(|(rows, _)| *rows > 0))
}

/// Maximum cost of the calls on a document; `None` if a price is unknown.
///
/// Zero if the document cannot be prepared, or if no job accepts it.
async fn at_most(plan: &Plan, document: &Document) -> Option<Money> {
    let max_bytes = plan.read.max_file_mb * 1_000_000;
    let (roots, mut place) = (plan.roots.clone(), document.place.clone());
    let read = tokio::task::spawn_blocking(move || roots.open_document(&mut place, max_bytes).0?.read(max_bytes)).await;
    let Ok(Ok(bytes)) = read else { return Some(Money::ZERO) };
    let (account, model) = (&plan.account, plan.account.model.as_str());
    let inspected = inspect(&bytes, &document.extension(), &plan.jobs, (&plan.prepare, &plan.images), (account, plan.longest)).await;
    let Ok(Inspected { job, calls, facts, .. }) = inspected else { return Some(Money::ZERO) };
    if !job.accepts(facts.kind) {
        return Some(Money::ZERO);
    }
    let answered: Vec<CallRecord> = calls.iter().filter_map(longest_answer).collect();
    let combining = match job.combine(&answered, model, None) {
        // These answers are made up, so a prompt that they cannot fill still counts.
        Combined::Ask(call) | Combined::Unrenderable(call, _) => Some(*call),
        Combined::Nothing | Combined::Done(_) => None,
    };
    let thinking = if plan.llm.thinking_tokens > 0 { plan.llm.thinking_tokens } else { account.dialect.thinking_tokens() };
    let tier = account.planned_tier(&plan.llm.service_tier);
    let cost = |call: &Call| account.prices.at_most(&call.model, tier, call.tokens, u64::from(call.max_output_tokens + thinking));
    calls.iter().chain(&combining).map(cost).sum()
}

/// The record of a call with an answer of maximum length.
fn longest_answer(call: &Call) -> Option<CallRecord> {
    /// Approximate bytes of a token.
    const TOKEN: usize = 4;
    let axes: serde_json::Map<_, _> = call.axes.iter().map(|(axis, value)| (axis.clone(), json!(value))).collect();
    let answer = "x".repeat(TOKEN * call.max_output_tokens as usize);
    let record = json!({
        "task": &*call.task, "axes": axes, "status": "ok", "answer": answer, "attempts": 1, "usage": Usage::default(), "seconds": 0.0
    });
    serde_json::from_value(record).ok()
}
