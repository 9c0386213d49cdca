//! What the engine tells its watchers.
//!
//! Discrete facts come as they happen; hot facts come as a [`Snapshot`] of the counters a few times a second.
//! `docmill run --progress json` prints these as JSON lines, so the shapes are versioned: fields are added, never renamed.

use crate::model::{Bill, FailureCode, Latency, QueueUse, RowStatus, StageUse, Summary, Tally, Trace, WaitReason};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of the shapes in this module.
pub const VERSION: u32 = 1;

/// One thing that happened.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum RunEvent {
    /// The run begins.
    Started {
        /// [`VERSION`].
        version: u32,
        /// Number of the run.
        run: i64,
        /// Who answers.
        provider: String,
        /// The model asked.
        model: String,
        /// Names of the jobs.
        jobs: Vec<String>,
        /// Where results go.
        output: String,
    },
    /// The counters now.
    Progress(Snapshot),
    /// A document has its row, however it ended.
    DocumentDone {
        /// Its name.
        document: String,
        /// The job.
        job: String,
        /// How it ended.
        status: RowStatus,
        /// Calls of the row.
        calls: usize,
        /// HTTP requests that they took.
        attempts: u32,
        /// What they cost; absent if a price is not known.
        #[serde(skip_serializing_if = "Option::is_none")]
        cost_usd: Option<f64>,
        /// When it did what, if somebody wants to know. Not part of the line of JSON.
        #[serde(skip)]
        trace: Option<Box<Trace>>,
    },
    /// A request did not bring its call's answer, and the call will be tried again. At most some a second are told.
    CallRetried {
        /// Document-independent name of the call: task and axes.
        call: String,
        /// Requests so far.
        attempt: u32,
        /// Why.
        code: FailureCode,
        /// Whether the provider has refused to take work.
        refused: bool,
        /// Why, in words.
        message: String,
    },
    /// Something was changed while the run was at work: a setting, or whether it is paused.
    Changed {
        /// What: the key of a setting, or `paused`.
        key: String,
        /// What it was.
        from: serde_json::Value,
        /// What it is.
        to: serde_json::Value,
    },
    /// Whoever reads these events was too slow: so many are missing here.
    Missed {
        /// How many.
        events: u64,
    },
    /// A document that did not end well.
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
    /// Something a person should know.
    Warning {
        /// What.
        message: String,
    },
    /// Something that went as it should and is worth a line: what was done on request, where something is found.
    Note {
        /// What.
        message: String,
    },
    /// Everything was up to date: nothing was sent and nothing written.
    UpToDate(Tally),
    /// The work is over, and watchers may say what is still to be said. For those within the program: it is no line of JSON.
    #[serde(skip)]
    Ending,
    /// The run is over. Nothing follows.
    Finished {
        /// One summary for each job that had documents.
        jobs: Vec<Summary>,
        /// Paths of the result directories.
        results: Vec<String>,
        /// Why it is not complete, if it is not.
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

/// An event as a line of JSON, made at this moment; none if it is not for others.
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
    /// Documents that there are; unknown while they are being counted.
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
    /// Requests in flight at the most.
    pub concurrency: usize,
    /// Whether somebody has said that nothing is to be sent for now.
    pub paused: bool,
    /// What the next request waits for, beside a free place; absent if for nothing else.
    pub holding: Option<WaitReason>,
    /// How long requests took.
    pub latency: Latency,
    /// What holds the run back so far, and for how much of its time; unknown at its beginning.
    #[serde(default)]
    pub limited_by: Option<String>,
    /// An answer that is coming just now, with `llm.stream`: its call and the end of its text so far.
    pub answering: Option<String>,
    /// Calls whose answer was there already.
    pub reused: u64,
    /// Documents that were up to date; they are in none of the counters above.
    pub up_to_date: u64,
    /// Input tokens.
    pub input_tokens: u64,
    /// Output tokens.
    pub output_tokens: u64,
    /// What the slots of each stage have done so far, in the order of the data.
    pub stages: Vec<StageUse>,
    /// How full the channels between them are.
    pub queues: Vec<QueueUse>,
    /// Money spent in this run.
    pub cost: Bill,
    /// The cap on money, and what is spent of it; absent without a cap.
    pub budget: Option<BudgetUse>,
}

/// A cap on money, and what is spent of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BudgetUse {
    /// US dollars that may be spent in the output directory.
    pub max_usd: f64,
    /// US dollars that are spent, earlier runs included.
    pub spent_usd: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_when_and_what_and_is_not_made_of_what_is_for_the_program_alone() {
        let at: Timestamp = "2026-03-01T12:00:00.1239Z".parse().unwrap();
        let told = RunEvent::Failed { message: "no".into(), exit_code: 2 };
        let wanted = r#"{"at":"2026-03-01T12:00:00.123Z","event":"failed","message":"no","exit_code":2}"#;
        assert_eq!(line(&told, at).as_deref(), Some(wanted));
        assert!(
            line(&RunEvent::Progress(Snapshot::default()), Timestamp::UNIX_EPOCH)
                .unwrap()
                .contains(r#":"1970-01-01T00:00:00.000Z","event":"progress","#)
        );
        assert_eq!(line(&RunEvent::Ending, at), None);
    }
}
