//! What measuring runs will cost, told before they begin.

use super::ComparisonDir;
use super::sequential::RUNS;
use crate::cli::assemble::Assembled;
use crate::cli::exit::CliError;
use crate::engine::{Inspected, Plan, Sample, inspect};
use crate::job::Combined;
use crate::model::{Bill, Call, CallRecord, Document, Money, Row, Totals, Usage};
use crate::store::{Archive, StoreError};
use serde_json::json;
use std::path::Path;

/// Documents that are looked at, spread over the input, where no earlier run tells what they cost.
const SAMPLE: Sample = Sample { documents: 50, seed: 0 };

/// A sentence about what asking twice about all documents costs.
pub(super) async fn price(dir: &ComparisonDir, run: &Assembled) -> Result<String, CliError> {
    let plan = &run.plan;
    let all = plan.roots.unsorted().count() as u64;
    if all == 0 {
        return Err(CliError::usage(format!("no documents in {}", plan.roots.describe())));
    }
    let documents = plan.sample.map_or(all, |sample| sample.documents.min(all));
    let about = format!("{documents} documents are asked about twice, with {}: ", plan.account.model);
    for directory in [dir.output.clone()].into_iter().chain(RUNS.map(|name| dir.directory.join(name))) {
        if let Some((rows, bill)) = spent(&directory, plan.recipe).map_err(CliError::usage)?
            && let Some(usd) = bill.exact()
        {
            let total = twice(usd, documents, rows);
            return Ok(format!("{about}about {total}, as {rows} of them have cost {usd} in {}", directory.display()));
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
        Some(usd) => format!("{about}at most about {}, if no request has to be repeated", twice(usd, documents, looked_at)),
        None => format!("{about}what that costs is not known ([prices] in pipeline.toml can tell what the model costs)"),
    })
}

/// Twice what all documents cost, if some of them have cost this.
fn twice(usd: Money, all: u64, of_them: u64) -> Money {
    Money::from_usd(2.0 * usd.usd() * all as f64 / (of_them as f64).max(1.0))
}

/// Rows of a recipe in a store, and what they have cost.
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

/// What the calls about a document cost if all answers are as long as they may be; nothing if it cannot be asked about.
/// `None` if a price is not known.
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
        // These answers are made up, so a prompt that cannot be made of them says nothing.
        Combined::Ask(call) | Combined::Unrenderable(call, _) => Some(*call),
        Combined::Nothing | Combined::Done(_) => None,
    };
    let thinking = if plan.llm.thinking_tokens > 0 { plan.llm.thinking_tokens } else { account.dialect.thinking_tokens() };
    let tier = account.planned_tier(&plan.llm.service_tier);
    let cost = |call: &Call| account.prices.at_most(&call.model, tier, call.tokens, u64::from(call.max_output_tokens + thinking));
    calls.iter().chain(&combining).map(cost).sum()
}

/// The record of a call whose answer is as long as it may be.
fn longest_answer(call: &Call) -> Option<CallRecord> {
    /// Bytes of a token, about.
    const TOKEN: usize = 4;
    let axes: serde_json::Map<_, _> = call.axes.iter().map(|(axis, value)| (axis.clone(), json!(value))).collect();
    let answer = "x".repeat(TOKEN * call.max_output_tokens as usize);
    let record = json!({
        "task": &*call.task, "axes": axes, "status": "ok", "answer": answer, "attempts": 1, "usage": Usage::default(), "seconds": 0.0
    });
    serde_json::from_value(record).ok()
}
