//! The way to the writing thread: what can be said to it, and when an answer to it means that something is durable.

use super::records::{NewAnswer, NewAttempt, NewFailure, NewRow, ReadDocument, Settlement};
use crate::model::DocumentId;
use tokio::sync::{mpsc, oneshot};

/// Something to be written. Whoever waits hears of it once it is durable.
pub(super) enum Command {
    Branch { from: Option<i64>, before: u64 },
    Listed(Vec<(u64, DocumentId)>),
    Walked { listing: i64, documents: u64 },
    Read(ReadDocument),
    Attempt(NewAttempt, oneshot::Sender<()>),
    Settled(Settlement),
    Lost(Vec<i64>),
    Answer(NewAnswer, oneshot::Sender<()>),
    Failure(NewFailure),
    Row(NewRow),
    Sample { elapsed_ms: i64, sample: String },
    Settings(String),
    Cancelled(String, oneshot::Sender<()>),
}

/// The way to the writing thread. Cheap to clone; the thread ends when all are gone.
#[derive(Debug, Clone)]
pub struct StoreHandle(mpsc::Sender<Command>);

/// The writing thread has failed; it says why when it is joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the run store cannot be written")]
pub struct WriterGone;

impl StoreHandle {
    pub(super) fn new(commands: mpsc::Sender<Command>) -> Self {
        Self(commands)
    }

    /// A handle whose records go nowhere, and what takes them: for those who want to know what a run would do.
    pub fn to_nowhere() -> (Self, impl Future<Output = ()> + Send) {
        const QUEUE: usize = 64;
        let (commands, mut taken) = mpsc::channel(QUEUE);
        let take = async move {
            while let Some(command) = taken.recv().await {
                if let Command::Attempt(_, done) | Command::Answer(_, done) | Command::Cancelled(_, done) = command {
                    // Whoever no longer waits does not care.
                    let _gone = done.send(());
                }
            }
        };
        (Self(commands), take)
    }

    /// Begins this run's own listing with what run `from` had before this position. Blocks.
    pub fn branch_listing(&self, from: Option<i64>, before: u64) -> Result<(), WriterGone> {
        self.0.blocking_send(Command::Branch { from, before }).map_err(|_| WriterGone)
    }

    /// Lists documents at their positions. Blocks.
    pub fn list(&self, documents: Vec<(u64, DocumentId)>) -> Result<(), WriterGone> {
        self.0.blocking_send(Command::Listed(documents)).map_err(|_| WriterGone)
    }

    /// Records that the walk got to its end, with so many documents, and which run's listing holds them. Blocks.
    pub fn walked(&self, listing: i64, documents: u64) -> Result<(), WriterGone> {
        self.0.blocking_send(Command::Walked { listing, documents }).map_err(|_| WriterGone)
    }

    /// Lists a document that was read, and what was learned about it.
    pub async fn list_read(&self, document: ReadDocument) -> Result<(), WriterGone> {
        self.send(Command::Read(document)).await
    }

    /// Records an attempt. Returns once that is durable: no byte may leave before.
    pub async fn attempt(&self, attempt: NewAttempt) -> Result<(), WriterGone> {
        self.durable(|done| Command::Attempt(attempt, done)).await
    }

    /// Records how an attempt ended that brought neither an answer nor the end of its call.
    pub async fn settle(&self, settlement: Settlement) -> Result<(), WriterGone> {
        self.send(Command::Settled(settlement)).await
    }

    /// Records that attempts in doubt will not be settled any more: their call is asked again.
    pub async fn give_up(&self, attempts: Vec<i64>) -> Result<(), WriterGone> {
        self.send(Command::Lost(attempts)).await
    }

    /// Saves an answer. Returns once it is durable: nobody may use an answer before.
    pub async fn save_answer(&self, answer: NewAnswer) -> Result<(), WriterGone> {
        self.durable(|done| Command::Answer(answer, done)).await
    }

    /// Saves that a call has failed for good.
    pub async fn save_failure(&self, failure: NewFailure) -> Result<(), WriterGone> {
        self.send(Command::Failure(failure)).await
    }

    /// Saves a row. Returns as soon as it is on its way: whoever writes results reads them back after the commit.
    pub async fn save_row(&self, row: NewRow) -> Result<(), WriterGone> {
        self.send(Command::Row(row)).await
    }

    /// A way for those who only watch: it keeps nothing open.
    pub fn watcher(&self) -> StoreWatcher {
        StoreWatcher(self.0.downgrade())
    }

    async fn send(&self, command: Command) -> Result<(), WriterGone> {
        self.0.send(command).await.map_err(|_| WriterGone)
    }

    async fn durable(&self, command: impl FnOnce(oneshot::Sender<()>) -> Command) -> Result<(), WriterGone> {
        let (done, durable) = oneshot::channel();
        self.send(command(done)).await?;
        durable.await.map_err(|_| WriterGone)
    }
}

/// What those may do who only watch a run: it does not keep the writing thread from ending.
#[derive(Debug)]
pub struct StoreWatcher(mpsc::WeakSender<Command>);

impl StoreWatcher {
    /// Keeps what the run looks like now, if there is room for it.
    pub fn sample(&self, elapsed_ms: i64, sample: String) {
        if let Some(commands) = self.0.upgrade() {
            // A sample is worth less than anything else in the queue.
            let _no_room = commands.try_send(Command::Sample { elapsed_ms, sample });
        }
    }

    /// The run goes on with other settings; waits for its turn.
    pub async fn settings(&self, settings: String) {
        if let Some(commands) = self.0.upgrade() {
            // A store that has failed says so itself.
            let _gone = commands.send(Command::Settings(settings)).await;
        }
    }

    /// Somebody has given up a document. Returns once that is durable.
    pub async fn cancel(&self, document: String) -> Result<(), WriterGone> {
        let (done, durable) = oneshot::channel();
        let commands = self.0.upgrade().ok_or(WriterGone)?;
        commands.send(Command::Cancelled(document, done)).await.map_err(|_| WriterGone)?;
        drop(commands);
        durable.await.map_err(|_| WriterGone)
    }

    /// Records that wait to be written, and how many can.
    pub fn waiting(&self) -> (usize, usize) {
        self.0.upgrade().map_or((0, 0), |commands| (commands.max_capacity() - commands.capacity(), commands.max_capacity()))
    }
}
