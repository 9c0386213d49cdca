//! The events of a run.
//!
//! The run sends discrete events as they happen. It sends counters as a [`Snapshot`] a few times a
//! second. `docmill run --progress json` prints events as JSON lines, so their shapes are
//! versioned: fields are added, never renamed.

use crate::model::{AccountLimit, Bill, FailureCode, Latency, QueueUse, RowStatus, ServerUse, StageUse, Summary, Tally, Trace, WaitReason};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of the shapes in this module.
pub const VERSION: u32 = 1;

/// One event.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum RunEvent {
    /// The run begins.
    Started {
        /// [`VERSION`].
        version: u32,
        /// Number of the run.
        run: i64,
        /// The provider.
        provider: String,
        /// The model.
        model: String,
        /// Names of the jobs.
        jobs: Vec<String>,
        /// The output directory.
        output: String,
    },
    /// The current counters.
    Progress(Box<Snapshot>),
    /// A document has its row, whatever its status.
    DocumentDone {
        /// Its name.
        document: String,
        /// The job.
        job: String,
        /// How it ended.
        status: RowStatus,
        /// Calls of the row.
        calls: usize,
        /// HTTP requests of these calls.
        attempts: u32,
        /// Cost of these requests; absent if a price is unknown.
        #[serde(skip_serializing_if = "Option::is_none")]
        cost_usd: Option<f64>,
        /// Times of its steps, if traces are on. Not part of the line of JSON.
        #[serde(skip)]
        trace: Option<Box<Trace>>,
    },
    /// A call will be retried. Only some of these events are sent per second.
    CallRetried {
        /// Document-independent name of the call: task and axes.
        call: String,
        /// Requests so far.
        attempt: u32,
        /// Why.
        code: FailureCode,
        /// Whether the provider refused the request.
        refused: bool,
        /// Why, in words.
        message: String,
    },
    /// A setting was changed during the run, or the run was paused or resumed.
    Changed {
        /// The key of the setting, or `paused`.
        key: String,
        /// The old value.
        from: serde_json::Value,
        /// The new value.
        to: serde_json::Value,
    },
    /// Events are missing here because their reader was too slow.
    Missed {
        /// How many events.
        events: u64,
    },
    /// A document failed.
    DocumentFailed {
        /// Its name.
        document: String,
        /// How it ended.
        status: RowStatus,
        /// Why.
        code: FailureCode,
        /// Why, in words.
        message: String,
    },
    /// A problem that the user should know about.
    Warning {
        /// The message.
        message: String,
    },
    /// Information, such as the result of a command or the place of a file.
    Note {
        /// The message.
        message: String,
    },
    /// Everything was up to date: nothing was sent or written.
    UpToDate(Tally),
    /// The work is over. Watchers may send their last messages. Not a line of JSON.
    #[serde(skip)]
    Ending,
    /// The run is over. Nothing follows.
    Finished {
        /// One summary for each job that had documents.
        jobs: Vec<Summary>,
        /// Paths of the result directories.
        results: Vec<String>,
        /// Why the run stopped early; absent if it is complete.
        #[serde(skip_serializing_if = "Option::is_none")]
        stopped: Option<String>,
        /// The exit code of the run.
        exit_code: u8,
    },
    /// The run could not go on. Nothing follows.
    Failed {
        /// Why.
        message: String,
        /// The exit code of the run.
        exit_code: u8,
    },
}

/// Formats an event with the time `at` as a line of JSON; `None` for internal events.
pub fn line(event: &impl Serialize, at: Timestamp) -> Option<String> {
    #[derive(Serialize)]
    struct Line<'e, E> {
        at: String,
        #[serde(flatten)]
        event: &'e E,
    }
    let at = at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
    serde_json::to_string(&Line { at, event }).ok()
}

/// The counters at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Snapshot {
    /// Seconds since the run began.
    pub elapsed_s: f64,
    /// All documents; unknown while they are being counted.
    pub documents: Option<u64>,
    /// Documents read.
    pub read: u64,
    /// Documents prepared.
    pub prepared: u64,
    /// Documents with a row.
    pub answered: u64,
    /// Rows in the result files.
    pub written: u64,
    /// Rows that are not `ok` or `skipped`.
    pub failed: u64,
    /// Rows by status.
    pub rows: BTreeMap<RowStatus, u64>,
    /// Requests sent.
    pub requests: u64,
    /// Requests in flight.
    pub in_flight: u64,
    /// Requests that repeated an earlier one.
    pub retries: u64,
    /// Requests that the provider refused for its rate limit.
    pub refusals: u64,
    /// Seconds until the provider allows the next request; 0 when it is open.
    pub waiting_s: f64,
    /// Limits of the account that are known so far.
    pub limits: Vec<AccountLimit>,
    /// Whether all documents are done and the result files are being written.
    pub publishing: bool,
    /// Maximum requests in flight.
    pub concurrency: usize,
    /// Whether the user has paused sending.
    pub paused: bool,
    /// Why the next request waits, if it is not for a free place.
    pub holding: Option<WaitReason>,
    /// Response times.
    pub latency: Latency,
    /// What has limited the run so far, and for what share of its time; unknown at first.
    #[serde(default)]
    pub limited_by: Option<String>,
    /// With `llm.stream`, an answer in progress: its call and the end of its text so far.
    pub answering: Option<String>,
    /// Calls that this run has asked and that have ended.
    pub calls_ended: u64,
    /// Calls still to be made, estimated from finished documents. Unknown until documents are counted.
    pub calls_left: Option<u64>,
    /// Calls whose answer was already in the store.
    pub reused: u64,
    /// Documents that were up to date. The counters above do not include them.
    pub up_to_date: u64,
    /// Input tokens.
    pub input_tokens: u64,
    /// Output tokens.
    pub output_tokens: u64,
    /// Use of the slots of each stage so far, in the order of the pipeline.
    pub stages: Vec<StageUse>,
    /// How full the queues between stages are.
    pub queues: Vec<QueueUse>,
    /// The servers, if there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<ServerUse>,
    /// Money spent in this run.
    pub cost: Bill,
    /// The cap on money, and the money spent; absent without a cap.
    pub budget: Option<BudgetUse>,
}

/// A cap on money, and the money spent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BudgetUse {
    /// US dollars that may be spent in the output directory.
    pub max_usd: f64,
    /// US dollars spent, earlier runs included.
    pub spent_usd: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_time_and_the_event_and_internal_events_have_no_line() {
        let at: Timestamp = "2026-03-01T12:00:00.1239Z".parse().unwrap();
        let failed = RunEvent::Failed { message: "no".into(), exit_code: 2 };
        let wanted = r#"{"at":"2026-03-01T12:00:00.123Z","event":"failed","message":"no","exit_code":2}"#;
        assert_eq!(line(&failed, at).as_deref(), Some(wanted));
        assert!(
            line(&RunEvent::Progress(Box::default()), Timestamp::UNIX_EPOCH)
                .unwrap()
                .contains(r#":"1970-01-01T00:00:00.000Z","event":"progress","#)
        );
        assert_eq!(line(&RunEvent::Ending, at), None);
    }
}
