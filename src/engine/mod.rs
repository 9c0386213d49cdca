//! The pipeline: stages, the channels between them, and the one owner of a run's state.
//!
//! `pipeline` shows every stage, channel and spawn on one screen. A stage ends when its input
//! closes; a document's failure is a row; an error ends the run.
//!
//! | files | what they do |
//! |---|---|
//! | `list`, `read`, `prepare`, `ask`, `write` | the stages, in the order of the data; the store's thread commits |
//! | `arrivals`, `following` | a source of documents that arrive while the run is active; the stages for it |
//! | `delivery` | deliver new rows to a command, from an outbox in the store |
//! | `database`, `row_source` | pass new rows on to a database, and make its tables equal to the results at the end; rows from any place on |
//! | `selection`, `document_identity` | select the documents of a run; match files with documents of the store |
//! | `isolation`, `long_documents` | read documents in separate processes; divide long ones |
//! | `document_calls`, `stored_answers` | make the calls of a document; look calls up before they are sent |
//! | `ledger`, `prompt_cache`, `breaker` | record attempts; send one call of several first; stop on systemic failures |
//! | `opening`, `closing`, `kept_results` | begin a run in the store; complete results and history; results that stay |
//! | `conductor`, `runtime_control`, `active` | report counters and drain a run; answer requests; cancel documents |
//! | `controls`, `watcher` | the caller's side of a run; the caller owns signals, ports and terminals |
//! | `first_error` | wait for the stages |
//! | `inspect`, `pictures` | prepare one document; pictures of image files; both send nothing |
//! | `survey`, `dry_run`, `earlier_runs`, `forecast`, `cost_of_rest` | predict the work of a run; its calls; use earlier runs; predict cost and time; the rest of a stopped run |

mod active;
mod arrivals;
mod ask;
mod breaker;
mod closing;
mod commit;
mod conductor;
mod controls;
mod cost_of_rest;
mod counted_tokens;
mod database;
mod delivery;
mod document;
mod document_calls;
mod document_identity;
mod dry_run;
mod earlier_runs;
mod embed;
mod first_error;
mod following;
mod forecast;
mod identical_content;
mod inspect;
mod isolation;
mod kept_results;
mod known_vectors;
mod ledger;
mod list;
mod long_documents;
mod memory;
mod meter;
mod notice;
mod opening;
mod packed_loads;
mod pictures;
mod pipeline;
mod position_set;
mod prepare;
mod prompt_cache;
mod read;
mod route;
mod row;
mod row_source;
mod runtime_control;
mod selection;
mod stored_answers;
mod summary;
mod survey;
mod watcher;
mod write;

pub use arrivals::{Arrival, Arrivals, Ended, Fate};
pub use controls::{Controls, OuterCaps, StopToken};
pub use database::{Filled, fill_database};
pub use delivery::Deliver;
pub use dry_run::{Foreseen, Past, Task};
pub use earlier_runs::History;
pub use forecast::{IfLimited, Prediction, predict};
pub use inspect::{Inspected, Inspection, inspect};
pub use isolation::READ_DOCUMENTS;
pub use kept_results::KeptResults;
pub use pictures::pictures;
pub use pipeline::run;
pub use route::JobSet;
pub use row_source::RowSource;
pub use runtime_control::{LIVE_CHANGES, LiveSettings, Revised};
pub use selection::{Sample, Selection};
pub use survey::{Changed, DocumentPlan, Survey, survey};
pub use watcher::Watcher;
pub use write::{JobResults, Results, RowStream};

use crate::ask::{Account, ClientError, LlmSettings, OuterCap, RunStop};
use crate::event::RunEvent;
use crate::model::{AccountLimit, FailureCode, Money, Summary};
use crate::prepare::{ImageLimits, PrepareSettings};
use crate::read::{InputRecord, OnEmpty, ReadSettings, Roots};
use crate::simulator::AnswerPreview;
use crate::store::{LockError, Retry, StoreError, StoreSettings, WriterGone};
use crate::system::{disk_advice, is_no_room};
use crate::write::{CopyTo, OutputSettings, PostgresAddress, PostgresError, WriteError};
use std::path::PathBuf;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The complete description of a run.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each decides something else")]
pub struct Plan {
    /// The inputs.
    pub roots: Roots,
    /// The jobs.
    pub jobs: JobSet,
    /// Columns of tables that are copied to the results.
    pub keep_columns: Vec<String>,
    /// What happens to documents without content.
    pub on_empty: OnEmpty,
    /// Failure codes that do not count in [`Outcome::unanswered`].
    pub accepted: Vec<FailureCode>,
    /// Settings of the readers.
    pub read: ReadSettings,
    /// Settings of the preparation.
    pub prepare: PrepareSettings,
    /// Maximum image size that the model uses.
    pub images: ImageLimits,
    /// Maximum document tokens of a call, by the model's limits and prices; `None` if unknown.
    pub longest: Option<u64>,
    /// Settings of the model client.
    pub llm: LlmSettings,
    /// The account.
    pub account: Account,
    /// Run stores of processes that have ended, and the money spent there. Their unused money goes
    /// back to the purse of the budget service.
    pub settled: Vec<(String, Money)>,
    /// Limits of the account that are known before the first request.
    pub declared_limits: Vec<AccountLimit>,
    /// The answers of the built-in server, if it is the provider. Predictions use them.
    pub simulated: Option<Arc<AnswerPreview>>,
    /// Another output directory whose answers are reused.
    pub more_answers: Option<PathBuf>,
    /// Settings of the run store.
    pub store: StoreSettings,
    /// Settings of the result files.
    pub output: OutputSettings,
    /// Destination of a copy of finished results.
    pub copy: Option<CopyTo>,
    /// A database that gets the rows.
    pub database: Option<PostgresAddress>,
    /// The settings in force as JSON, for the history.
    pub settings: String,
    /// The command line, for the history.
    pub command: String,
    /// A hash of everything except the documents that determines a row.
    pub recipe: i64,
    /// Failures of earlier runs that this run retries.
    pub retry: Retry,
    /// Cap on the money spent in the output directory, including earlier runs.
    pub max_cost: Option<Money>,
    /// Cap on the money spent in the output directory on each day.
    pub max_cost_per_day: Option<Money>,
    /// Whether calls that a dead run has left in doubt are not sent again.
    pub skip_in_doubt: bool,
    /// Whether watchers receive an event for each document, and not only for failed ones.
    pub report_each: bool,
    /// Whether these events carry traces.
    pub trace: bool,
    /// Source of changed settings during the run; `None` if settings cannot change.
    pub live: Option<Arc<dyn LiveSettings>>,
    /// Speed of the account's clock relative to wall time: 1, except in a rehearsal. All reported
    /// times are the account's.
    pub speed: f64,
    /// The selected documents of the input.
    pub selection: Selection,
    /// The results that this run adds documents to; `None` if the results contain only the
    /// documents of this run.
    pub beside: Option<Beside>,
    /// Whether the results of an incomplete run keep rows of earlier runs that it has not reached.
    pub keeps_rows: bool,
    /// A source of documents that arrive during the run, instead of a walk over `roots`.
    pub arrivals: Option<Arc<dyn Arrivals>>,
    /// A receiver of new rows.
    pub deliver: Option<Arc<dyn Deliver>>,
    /// Whether rows are appended to a journal as they finish.
    pub journal: bool,
    /// Notes to show when the run begins.
    pub notes: Vec<String>,
}

/// Existing results that a run adds documents to.
#[derive(Debug, Clone)]
pub struct Beside {
    /// The run that made them.
    pub run: i64,
    /// The run whose listing they contain.
    pub listing: i64,
    /// Their inputs.
    pub records: Vec<InputRecord>,
    /// Tables whose rows are versions of each other, as old and new name prefixes.
    pub versions: Vec<(String, String)>,
}

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// One summary for each job that had documents.
    pub summaries: Vec<Summary>,
    /// Paths of the result directories with new files.
    pub results: Vec<String>,
    /// Complete results of earlier runs that stay, because this run is incomplete.
    pub kept: Vec<KeptResults>,
    /// Why the run ended early, if it did.
    pub stop: Option<RunStop>,
    /// The cap of the caller that has stopped the run, if one has.
    pub outer: Option<OuterCap>,
    /// Documents that failed to get an answer, for a reason that the plan does not accept.
    pub unanswered: u64,
    /// Documents with a row, from this run or an earlier one.
    pub done: u64,
    /// Documents without a row; `None` if the documents were not counted.
    pub pending: Option<u64>,
    /// Requests in doubt.
    pub in_doubt: usize,
    /// Why copying the finished results failed, if it did.
    pub not_copied: Option<String>,
    /// Why rows are missing in the database, if some are.
    pub not_in_database: Option<String>,
}

/// Why a run could not go on. Committed rows and answers are kept.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The input contains no document.
    #[error("{0}")]
    NoDocuments(String),
    /// The output directory cannot be created.
    #[error("output directory {directory}: cannot write to it: {source}")]
    Output {
        /// The directory.
        directory: String,
        /// Why.
        source: std::io::Error,
    },
    /// Another run is active in the output directory.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The run store cannot be opened. Nothing was sent.
    #[error("{0}")]
    Unusable(StoreError),
    /// The run store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store's thread has ended. The thread reports the reason.
    #[error(transparent)]
    StoreGone(#[from] WriterGone),
    /// A result file failed.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The database does not take the rows.
    #[error(transparent)]
    Database(#[from] PostgresError),
    /// The HTTP client could not be created.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A fault of docmill.
    #[error("internal error: {0}")]
    Internal(String),
}

impl RunError {
    /// Advice if there is no room on the disk. Committed data is safe, and the same command resumes
    /// once there is room.
    pub fn no_room(&self) -> Option<&'static str> {
        match self {
            Self::Output { source, .. } | Self::Lock(LockError::Unavailable { source, .. }) => {
                is_no_room(source).then(|| disk_advice(source))
            }
            Self::Unusable(error) | Self::Store(error) => error.no_room(),
            Self::Write(error) => error.no_room(),
            _ => None,
        }
    }
}

/// Handles that every stage has.
#[derive(Debug, Clone)]
struct Context {
    watcher: Arc<dyn Watcher>,
    meters: Arc<meter::Meters>,
    /// Cancelled when the run stops. Stages then take no new work and finish their current work.
    stop: CancellationToken,
    /// Cancelled when the time to drain is over. Requests in flight are then aborted.
    abandon: CancellationToken,
}

impl Context {
    /// Passes an event to the watcher and waits for it. After the run is abandoned, does not wait,
    /// because the watcher may hang (such as on a pipe without a reader).
    async fn tell(&self, event: RunEvent) {
        tokio::select! {
            biased;
            () = self.watcher.tell(event) => {}
            () = self.abandon.cancelled() => {}
        }
    }
}
