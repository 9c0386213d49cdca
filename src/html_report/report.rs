//! The figures of the page, gathered from the store.

use super::activity::{Activity, Stretch, TaskUse, Totals};
use super::chart::Chart;
use super::charts::{distributions, over_time};
use super::distribution::Spread;
use super::history::{PastRun, past_runs};
use super::slowest::{SHOWN, SlowDocument, clock_below};
use super::stages::stages;
use crate::model::{FailureCode, RowStatus, Tally};
use crate::store::{Archive, Counts, RunCounts, RunRecord, StoreError};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Documents that stand as examples of a failure.
const EXAMPLES: u32 = 3;

/// What the page shows. As JSON it is what `docmill report --json` prints.
#[derive(Debug, Serialize)]
pub struct Report {
    /// When it was made, in UTC.
    pub made: String,
    /// The version of docmill that made it.
    pub version: &'static str,
    /// The output directory.
    pub directory: String,
    /// The run.
    pub run: RunHead,
    /// The run whose requests the figures are about: another one, if this one sent none.
    pub figures_of: i64,
    /// Documents that are listed.
    pub documents: u64,
    /// Whether its rows have been replaced by those of later runs.
    pub replaced: bool,
    /// Documents without a row.
    pub pending: u64,
    /// Documents by status, best first.
    pub statuses: Vec<(String, u64)>,
    /// Sums over the requests.
    pub totals: Totals,
    /// How long the run took, or takes so far, in seconds.
    pub wall_seconds: f64,
    /// Calls at a time, as configured.
    pub concurrency: Option<u64>,
    /// What limits the run, in a sentence.
    pub bottleneck: Option<String>,
    /// Money of all runs in this directory, in US dollars, and the requests of which the price is not known.
    pub spent: (f64, u64),
    /// Seconds of a stretch of `over_time`.
    pub stretch_seconds: f64,
    /// What happened in each stretch of time.
    pub over_time: Vec<Stretch>,
    /// Times of requests that got a reply, in seconds.
    pub latency: Option<Spread>,
    /// Times in line, in seconds.
    pub turn: Option<Spread>,
    /// Requests by task.
    pub tasks: Vec<TaskUse>,
    /// Documents without a whole answer by failure code, with examples: name and message.
    pub failures: Vec<Failures>,
    /// The same of skipped documents.
    pub skips: Vec<Failures>,
    /// The documents that took longest.
    pub slowest: Vec<SlowDocument>,
    /// What `docmill compare` has found.
    pub comparison: Option<Value>,
    /// Runs so far, oldest first.
    pub runs: Vec<PastRun>,
    /// Charts over time.
    #[serde(skip)]
    pub over_time_charts: Vec<Chart>,
    /// Stages over time.
    #[serde(skip)]
    pub stages: Option<Chart>,
    /// Distributions.
    #[serde(skip)]
    pub distributions: Vec<Chart>,
    /// The clock below the slowest documents.
    #[serde(skip)]
    pub clock: String,
    /// Listing and recipe of the rows.
    #[serde(skip)]
    pub view: (i64, i64),
}

/// What there is to say of a run.
#[derive(Debug, Serialize)]
pub struct RunHead {
    /// Its number.
    pub id: i64,
    /// When it began, in UTC.
    pub started: String,
    /// When it ended.
    pub ended: Option<String>,
    /// `complete`, `sample`, `stopped`, `at work` or `did not end`.
    pub outcome: &'static str,
    /// Why it stopped.
    pub stopped: Option<String>,
    /// Its jobs.
    pub jobs: Vec<String>,
    /// Who answered.
    pub provider: String,
    /// The model asked.
    pub model: String,
    /// Whether the answers are made up by the built-in simulator.
    pub simulated: bool,
    /// The command line.
    pub command: String,
}

/// Documents with a failure code.
#[derive(Debug, Serialize)]
pub struct Failures {
    /// The code.
    pub code: String,
    /// How many documents.
    pub documents: u64,
    /// The first of them, with what was said.
    pub examples: Vec<(String, String)>,
}

/// What a report is to be about.
#[derive(Debug)]
pub struct Subject<'a> {
    /// The output directory as the user calls it.
    pub directory: String,
    /// The run; the newest if `None`.
    pub run: Option<i64>,
    /// Whether a run is at work in the directory.
    pub at_work: bool,
    /// What `docmill compare` has found.
    pub comparison: Option<&'a Value>,
}

impl Report {
    /// Gathers the figures; `None` if there is no such run.
    pub fn gather(archive: &Archive, subject: &Subject<'_>) -> Result<Option<Self>, StoreError> {
        archive.hold_still()?;
        let runs = archive.runs()?;
        let Some(run) = runs.iter().rfind(|run| subject.run.is_none_or(|wanted| wanted == run.id)) else { return Ok(None) };
        let newest = runs.last().is_some_and(|last| last.id == run.id);
        let RunCounts { view, documents, counts, .. } = archive.run_counts(&runs, run)?;
        let (tally, replaced) = match replaced(run, documents, &counts) {
            Some(tally) => (tally, true),
            None => (counts.all(), false),
        };
        let of = figures_of(archive, &runs, run)?;
        let figures: Value = parsed(of.figures.as_deref());
        let settings: Value = parsed(Some(&of.settings));
        let at_work = subject.at_work && newest && of.id == run.id && run.outcome.is_none();

        // The run began when its walk came across the first document: its own record knows that to the second only.
        let mut span = archive.row_span(of.id)?;
        archive.attempts(of.id, |attempt| {
            let (from, to) = (attempt.queued_ms.unwrap_or(attempt.sent_ms), attempt.ended_ms.unwrap_or(attempt.sent_ms));
            span = Some(span.map_or((from, to), |(first, last)| (first.min(from), last.max(to))));
        })?;
        let (from, to) = span.unwrap_or_default();
        let mut activity = Activity::new(from, to, at_work);
        let mut slowest: Vec<SlowDocument> = archive.slowest(of.id, of.recipe, SHOWN)?.into_iter().map(SlowDocument::new).collect();
        archive.attempts(of.id, |attempt| {
            activity.add(&attempt);
            for document in &mut slowest {
                document.add(&attempt);
            }
        })?;

        let longest = slowest.first().map_or(0.0, |document| document.seconds);
        for document in &mut slowest {
            document.draw(longest);
        }
        let concurrency = settings["llm.concurrency"].as_u64();
        let wall_seconds = figures["wall_seconds"].as_f64().unwrap_or((to - from) as f64 / 1000.0);
        let bill = archive.bill(None)?.1;
        let with_examples = |codes: &BTreeMap<FailureCode, u64>| {
            let failures = codes.iter().map(|(code, n)| {
                let examples = archive.failure_examples(view.0, view.1, code.as_str(), EXAMPLES)?;
                Ok(Failures { code: code.to_string(), documents: *n, examples })
            });
            let mut failures = failures.collect::<Result<Vec<_>, StoreError>>()?;
            failures.sort_by_key(|failure| std::cmp::Reverse(failure.documents));
            Ok::<_, StoreError>(failures)
        };
        let statuses = RowStatus::ALL.iter().map(|status| (status.as_str().to_owned(), tally.count(*status))).collect();
        Ok(Some(Self {
            made: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            version: env!("CARGO_PKG_VERSION"),
            directory: subject.directory.clone(),
            run: head(archive, run, subject.at_work && newest)?,
            replaced,
            figures_of: of.id,
            documents,
            pending: documents.saturating_sub(tally.rows()),
            statuses,
            wall_seconds,
            concurrency,
            bottleneck: figures["bottleneck"]["sentence"].as_str().map(ToOwned::to_owned),
            spent: (bill.usd.usd(), bill.unpriced_calls),
            stretch_seconds: activity.stretch_seconds(),
            latency: activity.latency.spread(),
            turn: activity.turn.spread(),
            tasks: activity.tasks(),
            failures: with_examples(&tally.failures)?,
            skips: with_examples(&tally.skips)?,
            clock: clock_below(longest),
            slowest,
            comparison: subject.comparison.cloned(),
            runs: past_runs(archive, &runs)?,
            over_time_charts: over_time(&activity, concurrency),
            stages: stages(&archive.samples(of.id)?),
            distributions: distributions(&activity),
            over_time: activity.over_time,
            totals: activity.totals,
            view,
        }))
    }
}

/// If rows of a complete run have been replaced by those of later runs: what became of its documents, as its summary says.
fn replaced(run: &RunRecord, documents: u64, counts: &Counts) -> Option<Tally> {
    let summary: Value = parsed(run.summary.as_deref());
    let jobs = summary.as_array().map_or(&[][..], Vec::as_slice);
    if run.outcome.as_deref() != Some("complete") || jobs.is_empty() || counts.all().rows() >= documents {
        return None;
    }
    let mut tally = Tally::default();
    for job in jobs {
        let n = |key: &str, name: &str| job[key][name].as_u64().filter(|n| *n > 0);
        for status in RowStatus::ALL {
            if let Some(n) = n("documents", status.as_str()) {
                *tally.documents.entry(status).or_default() += n;
            }
        }
        for code in FailureCode::ALL {
            for (key, codes) in [("failures", &mut tally.failures), ("skips", &mut tally.skips)] {
                if let Some(n) = n(key, code.as_str()) {
                    *codes.entry(*code).or_default() += n;
                }
            }
        }
    }
    Some(tally)
}

/// The run itself, or where it sent nothing the newest before it that has made rows of the same recipe.
fn figures_of<'r>(archive: &Archive, runs: &'r [RunRecord], run: &'r RunRecord) -> Result<&'r RunRecord, StoreError> {
    for other in runs.iter().rev().filter(|other| other.id <= run.id && other.recipe == run.recipe) {
        if archive.requests_of(other.id)? > 0 {
            return Ok(other);
        }
    }
    Ok(run)
}

fn head(archive: &Archive, run: &RunRecord, at_work: bool) -> Result<RunHead, StoreError> {
    let (settings, summary): (Value, Value) = (parsed(Some(&run.settings)), parsed(run.summary.as_deref()));
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(ToOwned::to_owned);
    let provider = text(&summary[0]["provider"]).or_else(|| text(&settings["llm.provider"])).unwrap_or_default();
    let asked = text(&summary[0]["model"]).or_else(|| text(&settings["llm.model"]));
    let model = asked.map_or_else(|| archive.model_of(run.recipe), |model| Ok(Some(model)))?;
    let outcome = match run.outcome.as_deref() {
        Some("complete") => "complete",
        Some("sample") => "sample",
        Some(_) => "stopped",
        None if at_work => "at work",
        None => "did not end",
    };
    Ok(RunHead {
        id: run.id,
        started: run.started.clone(),
        ended: run.ended.clone(),
        outcome,
        stopped: run.stopped.clone(),
        jobs: run.jobs.iter().map(|job| job.name.clone()).collect(),
        simulated: provider == "simulated",
        provider,
        model: model.unwrap_or_default(),
        command: run.command.clone(),
    })
}

pub(super) fn parsed(text: Option<&str>) -> Value {
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}
