//! Totals and figures of a run.

use super::counted;
use super::{Bill, Bottleneck, CallStatus, Digest, Money, QueueUse, Row, ServerUse, StageUse, Tally, Usage, WaitReason};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Add;

/// Sums over rows.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Totals {
    /// Documents by outcome.
    #[serde(flatten)]
    pub tally: Tally,
    /// Documents with a remark on their input.
    #[serde(skip_serializing_if = "is_zero")]
    pub noted: u64,
    /// Calls of all rows, from this run or earlier ones.
    pub calls: u64,
    /// Calls without an answer.
    pub failed_calls: u64,
    /// Number of HTTP requests.
    pub attempts: u64,
    /// Requests that may have been billed without a response.
    pub maybe_billed: u64,
    /// Tokens of all calls.
    pub tokens: Usage,
    /// Cost of all calls.
    pub cost: Bill,
    /// Sum of the durations of all calls, in seconds.
    pub call_seconds: f64,
}

impl Totals {
    /// Adds a row.
    pub fn add(&mut self, row: &Row) {
        self.tally.add(row.status, row.failure.as_ref().map(|failure| failure.code), 1);
        self.noted += u64::from(row.note().is_some());
        for call in &row.calls {
            self.calls += 1;
            self.failed_calls += u64::from(call.status != CallStatus::Ok);
            self.attempts += u64::from(call.attempts);
            self.maybe_billed += u64::from(call.maybe_billed);
            self.tokens += call.usage;
            self.cost.add(call.cost_usd);
            self.call_seconds += call.seconds;
        }
    }

    /// Sum of the durations of all calls in seconds, in whole milliseconds.
    pub fn shown_seconds(&self) -> f64 {
        (self.call_seconds * 1000.0).round() / 1000.0
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// The summary of a run, as shown and as in `summary.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Number of the run in the store.
    pub run: i64,
    /// Version of docmill.
    pub docmill_version: &'static str,
    /// Name of the job.
    pub job: String,
    /// When it began, in UTC.
    pub started: String,
    /// When it ended, in UTC.
    pub ended: String,
    /// Name of the provider.
    pub provider: String,
    /// The model, unless a task names another.
    pub model: String,
    /// Whether the built-in simulator gave the answers.
    pub simulated: bool,
    /// Why the run stopped early; absent if it completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// Sums over the rows of this job.
    #[serde(flatten)]
    pub totals: Totals,
    /// Figures of the whole run over all jobs.
    pub whole_run: RunFigures,
}

/// Sums over all requests in the ledger, whether documents succeeded or not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct LedgerSum {
    /// HTTP requests sent.
    pub requests: u64,
    /// Tokens of all responses.
    pub tokens: Usage,
    /// Cost of all responses.
    pub cost: Bill,
    /// Requests without a response, which may be billed too.
    pub maybe_billed: u64,
    /// Maximum cost of these requests beyond `cost`, in US dollars. Absent if a price is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maybe_billed_at_most_usd: Option<Money>,
    /// Money that counts against a cap: `cost`, and the maximum of requests of uncertain cost.
    #[serde(skip)]
    pub counted: Money,
}

impl LedgerSum {
    /// Describes the requests that may be billed too; `None` without any. `whose` follows their
    /// number.
    pub fn doubtful(&self, whose: &str) -> Option<String> {
        let bound = self.maybe_billed_at_most_usd.map_or_else(|| "of unknown price".to_owned(), |usd| format!("at most {usd}"));
        let (requests, them) = (counted(self.maybe_billed, "request"), if self.maybe_billed == 1 { "it" } else { "them" });
        (self.maybe_billed > 0).then(|| format!("no response to {requests}{whose}; the provider may bill {them}: {bound}"))
    }
}

/// Figures of a whole run.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RunFigures {
    /// Number of documents found.
    pub documents: u64,
    /// Whether the run stopped before it had found all documents.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub uncounted: bool,
    /// Files passed over.
    pub left_out: LeftOut,
    /// Number of documents that were up to date.
    pub up_to_date: u64,
    /// Calls whose committed answer was reused.
    pub calls_reused: u64,
    /// Requests and cost of this run.
    pub this_run: LedgerSum,
    /// Requests and cost of all runs in the output directory.
    pub all_runs: LedgerSum,
    /// HTTP requests sent.
    pub requests: u64,
    /// Requests that repeated an earlier one.
    pub retries: u64,
    /// Requests that the rate limit refused.
    pub refusals: u64,
    /// Seconds during which the provider's refusal stopped all requests.
    pub paused_seconds: f64,
    /// Share of input tokens from the prompt cache, from 0 to 1.
    pub cache_hit_rate: f64,
    /// Savings by the prompt cache in US dollars. The surcharge for cache writes is deducted.
    /// Absent if the price is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_saved_usd: Option<f64>,
    /// Maximum number of calls in flight. This is the setting, or its last change during the run.
    pub concurrency: usize,
    /// `ceil(requests / concurrency)`: rounds of full concurrency.
    pub waves: u64,
    /// Duration of the run in seconds.
    pub wall_seconds: f64,
    /// Sum of the durations of all requests, in seconds.
    pub request_seconds: f64,
    /// `request_seconds / wall_seconds`.
    pub speed_up: f64,
    /// Requests per second of the run.
    pub requests_per_second: f64,
    /// Median duration of a commit, in milliseconds.
    pub commit_ms: f64,
    /// Date of the price table.
    pub prices_of: String,
    /// Account limits learned from response headers or refusals.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<AccountLimit>,
    /// The servers, if there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<ServerUse>,
    /// All stages, in order.
    pub stages: Vec<StageUse>,
    /// All channels between the stages, in order.
    pub queues: Vec<QueueUse>,
    /// The bottleneck of the run; absent if the run was too short.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bottleneck: Option<Bottleneck>,
    /// The busiest stage.
    pub busiest_stage: String,
}

/// A limit of an account.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AccountLimit {
    /// Kind of the limit.
    pub meter: WaitReason,
    /// Amount per minute.
    pub per_minute: f64,
    /// Burst size: the amount that may be used at once.
    pub at_once: f64,
}

/// Files that the walk left out, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Hidden files and directories, and temporary files of editors and desktops.
    pub hidden: u64,
    /// The settings file and the job file of the run.
    pub own: u64,
    /// Excluded by a pattern, or not included by any.
    pub patterns: u64,
    /// Too small, too large, too old or too new.
    pub size_or_date: u64,
    /// Documents that an earlier input already contains.
    pub repeated: u64,
    /// Links to files that `input.follow_links` excludes.
    pub links: u64,
    /// Sockets, pipes, devices, links to directories, dangling links.
    pub special: u64,
}

impl Add for LeftOut {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            hidden: self.hidden + other.hidden,
            own: self.own + other.own,
            patterns: self.patterns + other.patterns,
            size_or_date: self.size_or_date + other.size_or_date,
            repeated: self.repeated + other.repeated,
            links: self.links + other.links,
            special: self.special + other.special,
        }
    }
}

/// Lists the counts above zero, such as `1 hidden, 19 by pattern`.
impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hidden, own, patterns, size_or_date, repeated, links, special } = *self;
        let all = [
            (hidden, "hidden"),
            (own, "settings or job of this run"),
            (patterns, "by pattern"),
            (size_or_date, "by size or date"),
            (repeated, "named twice"),
            (links, "symbolic links that were not followed (input.follow_links)"),
            (special, "not a file (link to a directory, broken link, device)"),
        ];
        let there = all.iter().filter(|(count, _)| *count > 0);
        f.write_str(&there.map(|(count, why)| format!("{count} {why}")).collect::<Vec<_>>().join(", "))
    }
}

/// A published result file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultFile {
    /// Its path below the output directory, with `/` between parts.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// BLAKE3 of its bytes.
    pub digest: Digest,
}
