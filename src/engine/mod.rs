//! The pipeline at work: stages, the channels between them, and the one owner of a run's state.
//!
//! `pipeline` shows every stage, channel and spawn on one screen. A stage ends when its input
//! closes; a document's failure is a row; an error ends the run.
//!
//! | files | what they do |
//! |---|---|
//! | `list`, `read`, `prepare`, `ask`, `write` | the stages, in the order of the data; the store's thread commits |
//! | `selection`, `register` | which documents a run is about; which document of the store a file is |
//! | `isolation`, `chunks` | read documents in separate processes; divide long ones |
//! | `questions`, `answers` | the calls of a document; what is known about a call before it is sent |
//! | `ledger`, `priming`, `breaker` | record attempts; send one call of several first; stop on systemic failures |
//! | `opening`, `closing` | begin a run in the store; complete results and history |
//! | `conductor`, `runtime_control`, `active` | report counters and drain a run; answer requests; cancel documents |
//! | `controls`, `watcher` | what the caller of a run gives; signals, ports and terminals are the caller's |
//! | `inspect` | prepares one document and sends nothing |
//! | `survey`, `dry_run`, `past`, `forecast` | what a run would do; its calls; earlier runs; cost and time |

mod active;
mod answers;
mod ask;
mod breaker;
mod chunks;
mod closing;
mod conductor;
mod contents;
mod controls;
mod counted;
mod document;
mod dry_run;
mod forecast;
mod inspect;
mod isolation;
mod ledger;
mod list;
mod memory;
mod meter;
mod opening;
mod past;
mod pipeline;
mod positions;
mod prepare;
mod priming;
mod questions;
mod read;
mod register;
mod route;
mod row;
mod runtime_control;
mod selection;
mod summary;
mod survey;
mod watcher;
mod write;

pub use controls::{Controls, StopToken};
pub use dry_run::{Foreseen, Past, Task};
pub use forecast::{IfLimited, Prediction, predict};
pub use inspect::{Inspected, inspect};
pub use isolation::READ_DOCUMENTS;
pub use past::History;
pub use pipeline::run;
pub use route::JobSet;
pub use runtime_control::{LIVE_CHANGES, LiveSettings, Revised};
pub use selection::{Sample, Selection, Shard};
pub use survey::{Changed, DocumentPlan, Survey, survey};
pub use watcher::Watcher;
pub use write::{JobResults, Results};

use crate::ask::{Account, ClientError, LlmSettings, RunStop};
use crate::event::RunEvent;
use crate::model::{AccountLimit, Money, Summary};
use crate::prepare::{ImageLimits, PrepareSettings};
use crate::read::{InputRecord, ReadSettings, Roots};
use crate::store::{LockError, Retry, StoreError, StoreSettings, WriterGone};
use crate::write::{CopyTo, OutputSettings, WriteError};
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Everything that a run needs to know.
#[derive(Debug)]
pub struct Plan {
    /// Where documents are.
    pub roots: Roots,
    /// What is asked of them.
    pub jobs: JobSet,
    /// Columns of tables that are passed on to the results.
    pub keep_columns: Vec<String>,
    /// How they are read.
    pub read: ReadSettings,
    /// How they are prepared.
    pub prepare: PrepareSettings,
    /// What size of image is useful to the model.
    pub images: ImageLimits,
    /// Tokens that one call may be about, as far as the model's limits and prices are known.
    pub longest: Option<u64>,
    /// How the model is asked.
    pub llm: LlmSettings,
    /// Who is asked.
    pub account: Account,
    /// Limits of the account that are known before it is asked anything.
    pub declared_limits: Vec<AccountLimit>,
    /// Another output directory whose answers are used as well.
    pub more_answers: Option<PathBuf>,
    /// How results are kept.
    pub store: StoreSettings,
    /// Where results go.
    pub output: OutputSettings,
    /// Where they are copied to when they are finished.
    pub copy: Option<CopyTo>,
    /// The settings in force as JSON, for the history.
    pub settings: String,
    /// The command line, for the history.
    pub command: String,
    /// Everything but the documents that decides about a row, as a number.
    pub recipe: i64,
    /// Which failures of earlier runs are tried again.
    pub retry: Retry,
    /// What may be spent in the output directory, earlier runs included.
    pub max_cost: Option<Money>,
    /// Whether calls that a dead run has left in doubt are not sent again.
    pub skip_in_doubt: bool,
    /// Whether watchers want to hear of each document, and not only of those that failed.
    pub report_each: bool,
    /// Whether they also want to hear when it did what.
    pub trace: bool,
    /// Where other settings come from while the run is at work; `None`: they stay as they are.
    pub live: Option<Arc<dyn LiveSettings>>,
    /// How many times as fast as on the wall the account's time passes: 1, but in a rehearsal. All
    /// times that are told are the account's.
    pub speed: f64,
    /// Which documents of the input the run is about.
    pub selection: Selection,
    /// The results that this run adds documents to; `None`: its documents are all that the results
    /// are about.
    pub beside: Option<Beside>,
    /// What people should know before it begins.
    pub notes: Vec<String>,
}

/// Results that a run adds documents to.
#[derive(Debug, Clone)]
pub struct Beside {
    /// The listing of what is in them.
    pub listing: i64,
    /// The inputs that they are about.
    pub records: Vec<InputRecord>,
    /// Rows that are versions of each other, by what their names begin with, before and now.
    pub versions: Vec<(String, String)>,
}

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// One summary for each job that had documents.
    pub summaries: Vec<Summary>,
    /// Paths of the result directories that are new.
    pub results: Vec<String>,
    /// Why it ended early, if it did.
    pub stop: Option<RunStop>,
    /// Documents that should have an answer and have none.
    pub unanswered: u64,
    /// Documents with a row, whether it was made now or before.
    pub done: u64,
    /// Documents without one, if all were counted.
    pub pending: Option<u64>,
    /// Requests whose end is not known.
    pub in_doubt: usize,
    /// Why finished results are not where they were to be copied to.
    pub not_copied: Option<String>,
}

/// Why a run could not go on. Whatever was committed is kept.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The input holds no document.
    #[error("{0}")]
    NoDocuments(String),
    /// The output directory cannot be made.
    #[error("output directory {directory}: {source}")]
    Output {
        /// The directory.
        directory: String,
        /// Why.
        source: std::io::Error,
    },
    /// Another run is at work in the output directory.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The run store cannot be opened or begun with. Nothing was sent.
    #[error("{0}")]
    Unusable(StoreError),
    /// The run store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store's thread has ended. Why is said by the thread.
    #[error(transparent)]
    StoreGone(#[from] WriterGone),
    /// A result file failed.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The HTTP client could not be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A fault of docmill.
    #[error("internal error: {0}")]
    Internal(String),
}

impl RunError {
    /// Whether the disk is full: everything committed is safe, and with room the same command goes
    /// on.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Output { source, .. } | Self::Lock(LockError::Unavailable { source, .. }) => source.kind() == ErrorKind::StorageFull,
            Self::Unusable(error) | Self::Store(error) => error.is_disk_full(),
            Self::Write(error) => error.is_disk_full(),
            _ => false,
        }
    }
}

/// What every stage has at hand.
#[derive(Debug, Clone)]
struct Context {
    watcher: Arc<dyn Watcher>,
    meters: Arc<meter::Meters>,
    /// Cancelled when no further work is to be taken on; what is under way is finished.
    stop: CancellationToken,
    /// Cancelled when what is under way has had the time that it gets.
    abandon: CancellationToken,
}

impl Context {
    /// Tells the watcher a fact. Once the run is abandoned, a watcher that takes nothing (stderr is
    /// a pipe that is not read, say) holds it up no longer.
    async fn tell(&self, event: RunEvent) {
        tokio::select! {
            biased;
            () = self.watcher.tell(event) => {}
            () = self.abandon.cancelled() => {}
        }
    }
}
