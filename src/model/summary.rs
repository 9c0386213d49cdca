//! What a run came to.

use super::{Bill, Bottleneck, CallStatus, Digest, QueueUse, Row, StageUse, Tally, Usage, WaitReason};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Add;

/// Sums over rows.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Totals {
    /// Documents by what became of them.
    #[serde(flatten)]
    pub tally: Tally,
    /// Documents of which a note says that not all of it was sent, or how it was read.
    #[serde(skip_serializing_if = "is_zero")]
    pub noted: u64,
    /// Calls of all rows, answered in this run or before.
    pub calls: u64,
    /// Calls without an answer.
    pub failed_calls: u64,
    /// HTTP requests of all calls.
    pub attempts: u64,
    /// Requests that may have been billed although no reply came.
    pub maybe_billed: u64,
    /// Tokens of all calls.
    pub tokens: Usage,
    /// Money of all calls.
    pub cost: Bill,
    /// Seconds of all calls, as if they had been made one after another.
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
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// What a run came to, as it is shown and as it stands in `summary.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Number of the run in the store.
    pub run: i64,
    /// Version of docmill.
    pub docmill_version: &'static str,
    /// The job.
    pub job: String,
    /// When it began, in UTC.
    pub started: String,
    /// When it ended, in UTC.
    pub ended: String,
    /// Who answered.
    pub provider: String,
    /// The model asked, unless a task names its own.
    pub model: String,
    /// Whether the answers are made up by the built-in simulator.
    pub simulated: bool,
    /// Why the run stopped before its end; absent if it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// Sums over the rows of this job.
    #[serde(flatten)]
    pub totals: Totals,
    /// Figures of the whole run, all jobs together.
    pub whole_run: RunFigures,
}

/// Figures of a whole run.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RunFigures {
    /// Documents found.
    pub documents: u64,
    /// Files passed over.
    pub left_out: LeftOut,
    /// Documents that were up to date.
    pub up_to_date: u64,
    /// Calls whose answer was committed before and is used again.
    pub calls_reused: u64,
    /// HTTP requests sent.
    pub requests: u64,
    /// Requests that repeated an earlier one.
    pub retries: u64,
    /// Requests that the provider refused for its rate limit.
    pub refusals: u64,
    /// Seconds during which nobody could send because the provider had said so.
    pub paused_seconds: f64,
    /// Share of the input tokens that came from the provider's prompt cache, from 0 to 1.
    pub cache_hit_rate: f64,
    /// What the prompt cache has saved in US dollars, less what writing to it has cost; absent if the price is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_saved_usd: Option<f64>,
    /// Calls in flight at the most, as configured, or as changed last while the run was at work.
    pub concurrency: usize,
    /// `ceil(requests / concurrency)`: how many rounds of full concurrency the requests make.
    pub waves: u64,
    /// Duration of the run in seconds.
    pub wall_seconds: f64,
    /// Time of all requests, in seconds, as if sent one after another.
    pub request_seconds: f64,
    /// `request_seconds / wall_seconds`.
    pub speed_up: f64,
    /// Requests for each second of the run.
    pub requests_per_second: f64,
    /// How long a commit took, in milliseconds: the median.
    pub commit_ms: f64,
    /// Date of the price table.
    pub prices_of: String,
    /// Limits of the account that replies have told or refusals have shown.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<AccountLimit>,
    /// All stages, in order.
    pub stages: Vec<StageUse>,
    /// All channels between them, in order.
    pub queues: Vec<QueueUse>,
    /// What held the run back; absent if it was over at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bottleneck: Option<Bottleneck>,
    /// The stage that was busiest.
    pub busiest_stage: String,
}

/// A limit of an account.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AccountLimit {
    /// What it counts.
    pub meter: WaitReason,
    /// How much a minute allows.
    pub per_minute: f64,
    /// How much may be used at once.
    pub at_once: f64,
}

/// Files that the walk passed over, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Hidden files and directories, and leavings of editors and desktops.
    pub hidden: u64,
    /// Excluded by a pattern, or not included by one.
    pub patterns: u64,
    /// Too small, too large, too old or too new.
    pub size_or_date: u64,
    /// Named by an input although another one had them already.
    pub repeated: u64,
    /// Sockets, pipes, devices, links to directories or to nowhere.
    pub special: u64,
}

impl Add for LeftOut {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            hidden: self.hidden + other.hidden,
            patterns: self.patterns + other.patterns,
            size_or_date: self.size_or_date + other.size_or_date,
            repeated: self.repeated + other.repeated,
            special: self.special + other.special,
        }
    }
}

/// What there is of it, such as `1 hidden, 19 by pattern`; nothing if nothing was passed over.
impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hidden, patterns, size_or_date, repeated, special } = *self;
        let all = [
            (hidden, "hidden"),
            (patterns, "by pattern"),
            (size_or_date, "by size or date"),
            (repeated, "named twice"),
            (special, "that are no files"),
        ];
        let there = all.iter().filter(|(count, _)| *count > 0);
        f.write_str(&there.map(|(count, why)| format!("{count} {why}")).collect::<Vec<_>>().join(", "))
    }
}

/// A result file as it was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultFile {
    /// Its path below the output directory, with `/` between parts.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// BLAKE3 of its bytes.
    pub digest: Digest,
}
