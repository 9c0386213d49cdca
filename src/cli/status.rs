//! `docmill status`: what is done, failed, pending and in doubt.

use super::args::StatusArgs;
use super::compare::{Spent, spent_in};
use super::exit::{CliError, Exit};
use super::next::of_all;
use super::print;
use super::settings::archive_or_comparisons;
use crate::ask::larger_cap;
use crate::event::line;
use crate::html_report::{advice_of, for_clients, is_of_server};
use crate::model::{FailureCode, LedgerSum, Money, RowStatus, ServerUse, Tally, command_in, counted};
use crate::progress::{plain, wrapped_for_stdout};
use crate::store::{Archive, Doubt, Holder, Requests, Retry, RunCounts, RunLock, RunRecord, StoreError};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

/// Calls in doubt that are listed before the rest is counted.
const SHOWN: usize = 20;

/// What the command to continue does with calls in doubt, and the alternative.
const RESENDS: &str = "sends the calls in doubt again; with --in-doubt skip it does not send them";
const SKIPS: &str = "does not send the calls in doubt; without --in-doubt skip it sends them again";

/// The head of the line with the command to continue.
const GO_ON: &str = "go on";

pub(super) fn status(args: &StatusArgs) -> Result<Exit, CliError> {
    if args.watch && !super::watch::watch(args)? {
        return Ok(Exit::Ok);
    }
    let (settings, archive) = archive_or_comparisons(&args.store)?;
    let Some(archive) = archive else { return compared_only(&settings.output.dir, args.json) };
    let runs = archive.runs().map_err(CliError::internal)?;
    let Some(last) = runs.last() else {
        return Err(CliError::usage(format!(
            "{} contains no run yet. Start one with `{}`",
            archive.path().display(),
            command_in(&settings.output.dir, "run")
        )));
    };
    let at_work = RunLock::holder(&settings.output.dir);
    let comparisons = spent_in(&settings.output.dir).map_err(CliError::internal)?;
    let status = Status { comparisons, ..Status::gather(&archive, &runs, last, at_work)? };
    if args.json && args.watch {
        print(&last_line(status.json()))?;
    } else if args.json {
        let text = serde_json::to_string_pretty(&status.json()).map_err(CliError::internal)?;
        print(&text)?;
    } else {
        print(status.text().trim_end())?;
    }
    Ok(Exit::Ok)
}

/// Prints the cost of comparisons in a directory without a run.
fn compared_only(directory: &Path, as_json: bool) -> Result<Exit, CliError> {
    let comparisons = spent_in(directory).map_err(CliError::internal)?;
    if as_json {
        let status = json!({"run": null, "comparisons": comparisons.iter().map(Spent::json).collect::<Vec<_>>()});
        print(&serde_json::to_string_pretty(&status).map_err(CliError::internal)?)?;
        return Ok(Exit::Ok);
    }
    print(&format!("     store  {}: no run, only comparisons", directory.display()))?;
    for spent in &comparisons {
        print(&format!("     spent  comparison {}: {}", spent.name, spent.text()))?;
    }
    Ok(Exit::Ok)
}

/// Formats the status after a watched run as an event line.
fn last_line(status: Value) -> String {
    #[derive(Serialize)]
    #[serde(tag = "event", rename_all = "snake_case")]
    enum Line {
        Status(Value),
    }
    line(&Line::Status(status), Timestamp::now()).unwrap_or_default()
}

struct Status<'s> {
    store: String,
    run: &'s RunRecord,
    at_work: Option<Holder>,
    counted: RunCounts,
    /// Requests of the active run that are in flight.
    in_flight: Vec<Doubt>,
    /// Requests of dead runs without a known end.
    doubts: Vec<Doubt>,
    /// Requests and cost of all runs.
    ledger: LedgerSum,
    /// Requests and cost of comparisons below this directory.
    comparisons: Vec<Spent>,
    /// Results that this run does not replace: job, run and number of rows.
    others: Vec<(String, i64, u64)>,
    /// What each of several servers does, or did until the end of the run.
    servers: Vec<ServerUse>,
}

impl<'s> Status<'s> {
    fn gather(archive: &Archive, runs: &[RunRecord], run: &'s RunRecord, at_work: Option<Holder>) -> Result<Self, CliError> {
        let counted = archive.run_counts(runs, run).map_err(CliError::internal)?;
        let unsettled = archive.in_doubt().map_err(CliError::internal)?;
        let is_at_work = at_work.is_some() && run.outcome.is_none();
        let (in_flight, doubts) = unsettled.into_iter().partition(|doubt| is_at_work && doubt.run == run.id);
        let ledger = archive.ledger(Requests::All).map_err(CliError::internal)?;
        Ok(Self {
            store: archive.path().display().to_string(),
            run,
            at_work,
            counted,
            in_flight,
            doubts,
            ledger,
            comparisons: Vec::new(),
            others: others(archive, runs, run).map_err(CliError::internal)?,
            servers: servers(archive, run).map_err(CliError::internal)?,
        })
    }

    fn tally(&self) -> Tally {
        self.counted.counts.all()
    }

    fn how_it_ended(&self) -> String {
        match (&self.at_work, self.run.outcome.as_deref()) {
            (Some(Holder { process, doing }), None) if doing.is_empty() => format!("running (process {process})"),
            (Some(Holder { process, doing }), None) => format!("running (process {process}): {doing}"),
            (None, None) => "did not end: it was killed or interrupted twice, or the machine went down".to_owned(),
            (_, Some(early @ ("stopped" | "sample"))) => match self.stopped() {
                why if why.starts_with(early) => why,
                why => format!("{early}: {why}"),
            },
            (_, Some("complete")) if self.counted.pending() > 0 => "ended before all documents had a row".to_owned(),
            (_, Some(outcome)) => outcome.to_owned(),
        }
    }

    /// Why the run stopped.
    fn stopped(&self) -> String {
        let why = self.run.stopped.as_deref().unwrap_or_default();
        if is_of_server(&self.run.command) { for_clients(why) } else { why.to_owned() }
    }

    fn text(&self) -> String {
        let mut out = String::new();
        let mut line = |head: &str, text: &str| {
            let line = format!("{head:>10}  {}", plain(text));
            // A command stays on one line, so that it can be copied.
            let line = if head == GO_ON { line } else { wrapped_for_stdout(&line, 12) };
            // Writing to a String cannot fail.
            let _infallible = writeln!(out, "{line}");
        };
        let run = self.run;
        line("store", &self.store);
        line("run", &format!("{}, started {}, {}", run.id, run.started, self.how_it_ended()));
        let more = if self.counted.counted { "" } else { ", and perhaps more: the run stopped while it listed the inputs" };
        let tally = self.tally();
        // `done` counts rows, as the lines of a run and the API do.
        let missing: Vec<String> = [RowStatus::Partial, RowStatus::Failed, RowStatus::Refused]
            .into_iter()
            .filter(|status| tally.count(*status) > 0)
            .map(|status| format!("{} {}", tally.count(status), status.as_str()))
            .collect();
        let missing = if missing.is_empty() { String::new() } else { format!(" ({})", missing.join(", ")) };
        line("documents", &format!("{} done{missing}, {} pending{more}", tally.rows(), self.counted.pending()));
        for (job, tally) in &self.counted.counts.jobs {
            for (status, n) in &tally.documents {
                line("", &format!("{job}: {n} {}", status.as_str()));
            }
        }
        for (job, run, rows) in &self.others {
            line("results", &format!("{job}: {} of run {run} as well", counted(*rows, "row")));
        }
        for (code, n) in &tally.failures {
            let again = if Retry::Transient.takes(code.as_str()) {
                "the next run tries again".to_owned()
            } else if code.may_pass() {
                format!("retried only with --retry-failed={code}, or when the document changes")
            } else {
                advice_of(&self.run.command, *code).to_owned()
            };
            line("failed", &format!("{n} {code}: {again}"));
        }
        for (code, n) in &tally.skips {
            let why =
                if *code == FailureCode::Empty { "these documents have no content" } else { "no job of the run accepts these documents" };
            line("skipped", &format!("{n} {code}: {why}"));
        }
        if self.counted.counts.requeued > 0 {
            // The inputs of a delivery have only its own documents, and the results also have
            // others.
            let reach = if crate::setup::added_to(self.run).is_some() {
                " if its inputs contain them (for rows of earlier deliveries, add a table with these rows)"
            } else {
                ""
            };
            line("requeued", &format!("{}: the next run asks again{reach}", counted(self.counted.counts.requeued, "document")));
        }
        if !self.in_flight.is_empty() {
            let calls = counted(self.in_flight.len() as u64, "call");
            line("in flight", &format!("{calls}, {}: sent, and waiting for responses", at_most(sum(&self.in_flight))));
        }
        if !self.doubts.is_empty() {
            let bound = at_most(sum(&self.doubts));
            line("in doubt", &format!("{}, {bound}: sent, outcome unknown", counted(self.doubts.len() as u64, "call")));
        }
        for doubt in self.doubts.iter().take(SHOWN) {
            let bound = doubt.at_most.map_or_else(String::new, |usd| format!(", at most {usd}"));
            line("", &format!("{}: {}, run {}, sent {}{bound}", doubt.document, doubt.call, doubt.run, time(doubt.sent_ms)));
        }
        if self.doubts.len() > SHOWN {
            line("", &format!("and {} more; --json lists all", self.doubts.len() - SHOWN));
        }
        for server in &self.servers {
            let ServerUse { requests, failures, .. } = server;
            line("server", &format!("{server}, {} ended, {failures} of them without an answer", counted(*requests, "request")));
        }
        line("spent", &format!("{}, {}", counted(self.ledger.requests, "request"), self.ledger.cost));
        // Requests in flight still get their responses.
        let is_more = self.ledger.maybe_billed > self.in_flight.len() as u64;
        if let Some(doubtful) = self.ledger.doubtful("").filter(|_| is_more) {
            line("", &doubtful);
        }
        for spent in &self.comparisons {
            line("", &format!("comparison {}: {}", spent.name, spent.text()));
        }
        if let Some(next) = self.next() {
            line(GO_ON, &next);
            if !self.doubts.is_empty() && self.at_work.is_none() {
                let skips = ["--in-doubt skip", "--in-doubt=skip"].iter().any(|skip| next.contains(skip));
                line("", if skips { SKIPS } else { RESENDS });
            }
        }
        if let Some(next) = self.next_of_server() {
            line(GO_ON, &next);
        }
        out
    }

    /// Whether anything is left to do, and no run does it.
    fn is_left(&self) -> bool {
        let outcome = self.run.outcome.as_deref();
        let done = matches!(outcome, Some("complete" | "sample")) && self.counted.pending() == 0 && self.counted.counts.again == 0;
        !done && self.at_work.is_none() && !self.run.command.is_empty()
    }

    /// How to continue a run of a server, if anything is left to do.
    fn next_of_server(&self) -> Option<String> {
        if !self.is_left() || !is_of_server(&self.run.command) {
            return None;
        }
        let id = Path::new(&self.store).parent()?.file_name()?.to_string_lossy();
        let cap = self.run.stopped.as_deref().and_then(larger_cap);
        let body = cap.map_or_else(String::new, |cap| format!(" with {{\"max_usd\": {cap}}}"));
        Some(format!("POST /api/runs/{id}/resume{body}, or Resume on the page of the server"))
    }

    /// The command to continue, if anything is left to do.
    fn next(&self) -> Option<String> {
        if !self.is_left() || is_of_server(&self.run.command) {
            return None;
        }
        let command = self.run.command.clone();
        // A command that has run all the documents that it selects would do nothing.
        let command = if self.run.outcome.as_deref() == Some("sample") { of_all(&command)? } else { command };
        // With the same cap the command would send nothing.
        let cap = self.run.stopped.as_deref().and_then(larger_cap);
        Some(cap.map_or_else(|| command.clone(), |cap| with_cap(&command, cap)))
    }

    fn json(&self) -> Value {
        let mut rows = serde_json::Map::new();
        for (job, tally) in &self.counted.counts.jobs {
            rows.insert(job.clone(), json!(tally.documents));
        }
        let tally = self.tally();
        let list = |doubts: &[Doubt]| doubts.iter().map(doubt_json).collect::<Vec<Value>>();
        json!({
            "store": self.store,
            "run": self.run.id,
            "started": self.run.started,
            "ended": self.run.ended,
            "outcome": self.run.outcome,
            "stopped": self.run.stopped.as_ref().map(|_| self.stopped()),
            "at_work": self.at_work.as_ref().map(|holder| &holder.process),
            "doing": self.at_work.as_ref().map(|holder| &holder.doing).filter(|doing| !doing.is_empty()),
            "documents": {
                "listed": self.counted.counts.listed,
                "walk_complete": self.run.documents.is_some(),
                "done": tally.rows(),
                "pending": self.counted.pending(),
                "rows": rows,
                "failures": tally.failures,
                "skips": tally.skips,
                "requeued": self.counted.counts.requeued,
            },
            "other_results": self.others.iter().map(|(job, run, rows)| json!({ "job": job, "run": run, "rows": rows })).collect::<Vec<_>>(),
            "in_flight": list(&self.in_flight),
            "in_doubt": list(&self.doubts),
            "servers": self.servers,
            "in_doubt_at_most_usd": sum(&self.doubts).map(Money::usd),
            "requests": self.ledger.requests,
            "spent_usd": self.ledger.cost.exact().map(Money::usd),
            "unpriced_requests": self.ledger.cost.unpriced_calls,
            "maybe_billed": self.ledger.maybe_billed,
            "maybe_billed_at_most_usd": self.ledger.maybe_billed_at_most_usd.map(Money::usd),
            "comparisons": self.comparisons.iter().map(Spent::json).collect::<Vec<_>>(),
            "next": self.next().or_else(|| self.next_of_server()),
        })
    }
}

/// Complete results beside those of a run: of other jobs, and those to which an incomplete run adds
/// documents.
fn others(archive: &Archive, runs: &[RunRecord], run: &RunRecord) -> Result<Vec<(String, i64, u64)>, StoreError> {
    let jobs: BTreeSet<&str> = runs.iter().flat_map(|run| &run.jobs).map(|job| job.name.as_str()).collect();
    let adds = crate::setup::added_to(run).is_some() && run.outcome.as_deref() != Some("complete");
    let mut others = Vec::new();
    for job in jobs.into_iter().filter(|job| adds || !run.jobs.iter().any(|own| own.name == *job)) {
        if let Some(view) = archive.view(Some(job), false)?.filter(|view| view.complete) {
            let counts = archive.counts(view.listing, view.recipe)?;
            others.extend(counts.jobs.get(job).map(|tally| (job.to_owned(), view.run, tally.rows())));
        }
    }
    Ok(others)
}

/// The servers in the figures of a run, or in its last sample.
fn servers(archive: &Archive, run: &RunRecord) -> Result<Vec<ServerUse>, StoreError> {
    let text = match &run.figures {
        Some(figures) => Some(figures.clone()),
        None => archive.samples(run.id)?.pop().map(|(_, sample)| sample),
    };
    let figures: Value = text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    Ok(serde_json::from_value(figures["servers"].clone()).unwrap_or_default())
}

/// A command with another cap on money.
fn with_cap(command: &str, cap: &str) -> String {
    let mut words = Vec::new();
    let mut all = command.split(' ');
    while let Some(word) = all.next() {
        if word == "--max-usd" {
            all.next();
        } else if !word.starts_with("--max-usd=") {
            words.push(word);
        }
    }
    format!("{} --max-usd {cap}", words.join(" "))
}

/// Maximum cost of requests; `None` if a price is unknown.
fn sum(doubts: &[Doubt]) -> Option<Money> {
    doubts.iter().map(|doubt| doubt.at_most).sum()
}

/// Formats a maximum cost.
pub(super) fn at_most(bound: Option<Money>) -> String {
    bound.map_or_else(|| "of unknown price".to_owned(), |usd| format!("at most {usd}"))
}

fn doubt_json(doubt: &Doubt) -> Value {
    json!({
        "run": doubt.run,
        "document": doubt.document,
        "call": doubt.call,
        "key": doubt.key,
        "sent": time(doubt.sent_ms),
        "at_most_usd": doubt.at_most.map(Money::usd),
    })
}

fn time(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| String::new(), |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}
