//! Gathers the figures of the page from the store.

use super::activity::{Activity, Stretch, TaskUse, Totals};
use super::advice::{for_clients, is_of_server};
use super::chart::Chart;
use super::charts::{distributions, over_time};
use super::distribution::Spread;
use super::failures::Failures;
use super::findings::Findings;
use super::history::{PastRun, parsed, past_runs};
use super::slowest::{SHOWN, SlowDocument, clock_below};
use super::stages::stages;
use crate::model::{FailureCode, RowStatus, Tally, command_in};
use crate::store::{Archive, Counts, Requests, RunCounts, RunRecord, StoreError};
use serde::Serialize;
use serde_json::Value;
use std::path::Path;

/// The figures of the page. `docmill report --json` prints them as JSON.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Time of creation, in UTC.
    pub made: String,
    /// Version of docmill.
    pub version: &'static str,
    /// Output directory.
    pub directory: String,
    /// The command that shows its status.
    #[serde(skip)]
    pub status_command: String,
    /// The run.
    pub run: RunHead,
    /// The run whose requests the figures describe: an earlier one if this run sent none.
    pub figures_of: i64,
    /// Number of listed documents.
    pub documents: u64,
    /// Whether rows of later runs replaced its rows.
    pub replaced: bool,
    /// Number of documents without a row.
    pub pending: u64,
    /// Documents by status, best first.
    pub statuses: Vec<(String, u64)>,
    /// Sums over the requests.
    pub totals: Totals,
    /// Duration of the run so far, in seconds.
    pub wall_seconds: f64,
    /// The configured maximum of calls in flight.
    pub concurrency: Option<u64>,
    /// The bottleneck, as a sentence.
    pub bottleneck: Option<String>,
    /// Total cost of the directory in US dollars, and its unpriced requests.
    pub spent: (f64, u64),
    /// Whether the run belongs to a server. Then all work in the directory is one run for its client, and
    /// the key figures describe all of it.
    pub of_server: bool,
    /// Number of requests in the directory.
    pub all_requests: u64,
    /// Duration of all work in the directory, in seconds.
    pub all_seconds: f64,
    /// Length of an interval of `over_time` in seconds.
    pub stretch_seconds: f64,
    /// Statistics per time interval.
    pub over_time: Vec<Stretch>,
    /// Durations of requests with a response, in seconds.
    pub latency: Option<Spread>,
    /// Waiting times before requests, in seconds.
    pub turn: Option<Spread>,
    /// Statistics by task.
    pub tasks: Vec<TaskUse>,
    /// Statistics by server, if there were several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<Value>,
    /// What the results say: answers by field, specialists, and the bill.
    #[serde(flatten)]
    pub findings: Findings,
    /// Documents without a complete answer by failure code, with examples.
    pub failures: Vec<Failures>,
    /// Skipped documents by failure code, with examples.
    pub skips: Vec<Failures>,
    /// The slowest documents.
    pub slowest: Vec<SlowDocument>,
    /// Results of `docmill compare`.
    pub comparison: Option<Value>,
    /// All runs, oldest first.
    pub runs: Vec<PastRun>,
    /// Charts over time.
    #[serde(skip)]
    pub over_time_charts: Vec<Chart>,
    /// Chart of the stages over time.
    #[serde(skip)]
    pub stages: Option<Chart>,
    /// Histograms.
    #[serde(skip)]
    pub distributions: Vec<Chart>,
    /// Time axis below the slowest documents.
    #[serde(skip)]
    pub clock: String,
    /// First and last request about the documents of the rows, in UTC.
    pub asked: Option<(String, String)>,
    /// Listing and recipe that select the rows.
    #[serde(skip)]
    pub view: (i64, i64),
}

/// Description of a run.
#[derive(Debug, Serialize)]
pub struct RunHead {
    /// Number of the run.
    pub id: i64,
    /// When it began, in UTC.
    pub started: String,
    /// When it ended, in UTC.
    pub ended: Option<String>,
    /// `complete`, `sample`, `stopped`, `running` or `did not end`.
    pub outcome: &'static str,
    /// Why it stopped.
    pub stopped: Option<String>,
    /// Names of its jobs.
    pub jobs: Vec<String>,
    /// Name of the provider.
    pub provider: String,
    /// The requested model.
    pub model: String,
    /// Whether the built-in simulator gave the answers.
    pub simulated: bool,
    /// The command line.
    pub command: String,
}

/// The subject of a report.
#[derive(Debug)]
pub struct Subject<'a> {
    /// The output directory as the user wrote it.
    pub directory: String,
    /// The run; the newest if `None`.
    pub run: Option<i64>,
    /// Whether a run is active in the directory.
    pub at_work: bool,
    /// Results of `docmill compare`.
    pub comparison: Option<&'a Value>,
}

impl Report {
    /// Gathers the figures. Returns `None` if the run does not exist.
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

        // A run record has its start in whole seconds. The span therefore begins at the first
        // document found.
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
        // The setting is for each of several servers.
        let concurrency = figures["concurrency"].as_u64().or_else(|| settings["llm.concurrency"].as_u64());
        let wall_seconds = figures["wall_seconds"].as_f64().unwrap_or((to - from) as f64 / 1000.0);
        let ledger = archive.ledger(Requests::All)?;
        let with_examples = |codes| Failures::gather(archive, view, &run.command, codes);
        let statuses = RowStatus::ALL.iter().map(|status| (status.as_str().to_owned(), tally.count(*status))).collect();
        Ok(Some(Self {
            made: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            version: env!("CARGO_PKG_VERSION"),
            directory: subject.directory.clone(),
            status_command: command_in(Path::new(&subject.directory), "status"),
            run: head(archive, run, subject.at_work && newest)?,
            replaced,
            figures_of: of.id,
            documents,
            pending: documents.saturating_sub(tally.rows()),
            statuses,
            wall_seconds,
            concurrency,
            bottleneck: figures["bottleneck"]["sentence"].as_str().map(ToOwned::to_owned),
            spent: (ledger.cost.usd.usd(), ledger.cost.unpriced_calls),
            findings: Findings::gather(archive, view, run, &ledger)?,
            stretch_seconds: activity.stretch_seconds(),
            latency: activity.latency.spread(),
            turn: activity.turn.spread(),
            tasks: activity.tasks(),
            servers: figures["servers"].as_array().cloned().unwrap_or_default(),
            failures: with_examples(&tally.failures)?,
            skips: with_examples(&tally.skips)?,
            asked: archive.asked(view.0, run.id)?.map(|(from, to)| (time(from), time(to))),
            clock: clock_below(longest),
            slowest,
            comparison: subject.comparison.cloned(),
            of_server: is_of_server(&run.command),
            all_requests: ledger.requests,
            all_seconds: all_seconds(&runs, of.id, wall_seconds),
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

/// Duration of all runs in seconds. That of run `of` is known even if it has no figures yet.
fn all_seconds(runs: &[RunRecord], of: i64, known: f64) -> f64 {
    let seconds = |run: &RunRecord| parsed(run.figures.as_deref())["wall_seconds"].as_f64();
    runs.iter().map(|run| seconds(run).unwrap_or(if run.id == of { known } else { 0.0 })).sum()
}

/// Formats a time in milliseconds since 1970.
fn time(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| String::new(), |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// The outcomes of a complete run whose rows later runs replaced. They come from the summary of the
/// run. `None` if its rows were not replaced.
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

/// The run that provides the figures of the page. It is the newest run up to `run` that has the
/// same recipe and sent requests. Without such a run it is `run`.
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
        None if at_work => "running",
        None => "did not end",
    };
    Ok(RunHead {
        id: run.id,
        started: run.started.clone(),
        ended: run.ended.clone(),
        outcome,
        stopped: run.stopped.as_ref().map(|why| if is_of_server(&run.command) { for_clients(why) } else { why.clone() }),
        jobs: run.jobs.iter().map(|job| job.name.clone()).collect(),
        simulated: provider == "simulated",
        provider,
        model: model.unwrap_or_default(),
        command: run.command.clone(),
    })
}
