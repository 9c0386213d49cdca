//! The handle to the writing thread, and its commands.

use super::records::{NewAnswer, NewFailure, NewRequest, NewRow, PackLimit, ReadDocument, Settlement};
use crate::model::{DocumentId, ResultFile};
use tokio::sync::{mpsc, oneshot};

/// A command to the writing thread. Some commands hold a sender that reports durability.
pub(super) enum Command {
    Branch {
        from: Option<i64>,
        before: u64,
    },
    Listed(Vec<(u64, DocumentId)>),
    Walked {
        listing: i64,
        documents: u64,
    },
    Read(ReadDocument),
    Request(NewRequest, oneshot::Sender<()>),
    Settled(Settlement),
    Lost(Vec<i64>),
    Answer(NewAnswer, oneshot::Sender<()>),
    Failure(NewFailure),
    /// A row. The sender is set if its document arrived during the run.
    Row(NewRow, Option<oneshot::Sender<()>>),
    Requeued {
        name: String,
        all: bool,
        done: oneshot::Sender<()>,
    },
    Published(Vec<ResultFile>),
    /// An entry of the outbox was delivered or given up.
    Delivered(i64),
    /// Does nothing, after all earlier commands.
    Barrier(oneshot::Sender<()>),
    /// Documents that no longer belong to the results.
    Vanished(Vec<(DocumentId, String)>),
    Sample {
        elapsed_ms: i64,
        sample: String,
    },
    Settings(String),
    PackLimit(PackLimit),
    Cancelled(String, oneshot::Sender<()>),
}

impl Command {
    /// Tells the sender that the record is durable, if it waits for that.
    pub(super) fn acknowledge(self) {
        let done = match self {
            Self::Request(_, done)
            | Self::Answer(_, done)
            | Self::Cancelled(_, done)
            | Self::Requeued { done, .. }
            | Self::Barrier(done) => Some(done),
            Self::Row(_, done) => done,
            _ => None,
        };
        // A caller that stopped waiting still has its record in the store.
        let _gone = done.map(|done| done.send(()));
    }
}

/// Sends records to the writing thread. Cheap to clone; the thread ends when all handles are
/// dropped.
#[derive(Debug, Clone)]
pub struct StoreHandle {
    records: mpsc::Sender<Command>,
    /// A queue for the answers to requests. The next request does not wait behind them all, because
    /// one response can hold thousands.
    answers: mpsc::Sender<Command>,
}

/// Commands to the writing thread. Each of its two queues keeps its order.
pub(super) struct Commands {
    next: mpsc::Receiver<Command>,
    other: mpsc::Receiver<Command>,
}

impl Commands {
    /// Waits for a command. Returns `None` once all handles are dropped. Blocks.
    pub(super) fn wait(&mut self) -> Option<Command> {
        futures::executor::block_on(async {
            tokio::select! {
                Some(command) = self.next.recv() => Some(command),
                Some(command) = self.other.recv() => Some(command),
                else => None,
            }
        })
    }

    /// Takes a command if there is one, from the queues in turn.
    pub(super) fn take(&mut self) -> Option<Command> {
        std::mem::swap(&mut self.next, &mut self.other);
        self.next.try_recv().or_else(|_| self.other.try_recv()).ok()
    }
}

/// The writing thread has failed. Joining it returns the error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot write the run store")]
pub struct WriterGone;

impl StoreHandle {
    /// A handle with room for `queue` commands of each kind.
    pub(super) fn new(queue: usize) -> (Self, Commands) {
        let ((records, next), (answers, other)) = (mpsc::channel(queue), mpsc::channel(queue));
        (Self { records, answers }, Commands { next, other })
    }

    /// A handle that discards its records, with the future that drains it. For dry runs.
    pub fn to_nowhere() -> (Self, impl Future<Output = ()> + Send) {
        const QUEUE: usize = 64;
        let (handle, Commands { mut next, mut other }) = Self::new(QUEUE);
        let take = async move {
            while let Some(command) = tokio::select! {
                Some(command) = next.recv() => Some(command),
                Some(command) = other.recv() => Some(command),
                else => None,
            } {
                command.acknowledge();
            }
        };
        (handle, take)
    }

    /// Starts this run's listing with a part of another listing. Copies the documents of run `from`
    /// before position `before`. Blocks.
    pub fn branch_listing(&self, from: Option<i64>, before: u64) -> Result<(), WriterGone> {
        self.records.blocking_send(Command::Branch { from, before }).map_err(|_| WriterGone)
    }

    /// Lists documents at their positions. Blocks.
    pub fn list(&self, documents: Vec<(u64, DocumentId)>) -> Result<(), WriterGone> {
        self.records.blocking_send(Command::Listed(documents)).map_err(|_| WriterGone)
    }

    /// Records the end of the walk. Takes the number of documents, and the run whose listing holds
    /// them. Blocks.
    pub fn walked(&self, listing: i64, documents: u64) -> Result<(), WriterGone> {
        self.records.blocking_send(Command::Walked { listing, documents }).map_err(|_| WriterGone)
    }

    /// Lists a document that was read, with its new facts.
    pub async fn list_read(&self, document: ReadDocument) -> Result<(), WriterGone> {
        self.send(Command::Read(document)).await
    }

    /// Records a request with its attempts. Returns once they are durable, and only then may the
    /// request be sent.
    pub async fn request(&self, request: NewRequest) -> Result<(), WriterGone> {
        durable(&self.records, |done| Command::Request(request, done)).await
    }

    /// Records the end of an attempt whose call continues.
    pub async fn settle(&self, settlement: Settlement) -> Result<(), WriterGone> {
        self.send(Command::Settled(settlement)).await
    }

    /// Marks attempts in doubt as lost, because their call is sent again.
    pub async fn give_up(&self, attempts: Vec<i64>) -> Result<(), WriterGone> {
        self.send(Command::Lost(attempts)).await
    }

    /// Saves an answer. Returns once it is durable, and only then may the answer be used.
    pub async fn save_answer(&self, answer: NewAnswer) -> Result<(), WriterGone> {
        // The record of an answered request is durable. Other answers may follow new documents.
        let queue = if answer.settles.is_some() { &self.answers } else { &self.records };
        durable(queue, |done| Command::Answer(answer, done)).await
    }

    /// Saves a permanent failure of a call.
    pub async fn save_failure(&self, failure: NewFailure) -> Result<(), WriterGone> {
        self.send(Command::Failure(failure)).await
    }

    /// Saves a row. Returns before the commit; results are read back after it.
    pub async fn save_row(&self, row: NewRow) -> Result<(), WriterGone> {
        self.send(Command::Row(row, None)).await
    }

    /// Saves a row. Returns once it is durable.
    pub async fn save_row_durably(&self, row: NewRow) -> Result<(), WriterGone> {
        durable(&self.records, |done| Command::Row(row, Some(done))).await
    }

    /// Remembers the limits of requests to a server if the queue has room.
    pub fn remember(&self, limit: PackLimit) {
        // Otherwise the next refusal teaches them again.
        let _no_room = self.records.try_send(Command::PackLimit(limit));
    }

    /// Records the ends of attempts whose calls continue.
    pub async fn settle_all(&self, settlements: Vec<Settlement>) -> Result<(), WriterGone> {
        for settlement in settlements {
            self.settle(settlement).await?;
        }
        Ok(())
    }

    /// Removes an entry from the outbox.
    pub async fn delivered(&self, entry: i64) -> Result<(), WriterGone> {
        self.send(Command::Delivered(entry)).await
    }

    /// Returns once all earlier records are durable.
    pub async fn flush(&self) -> Result<(), WriterGone> {
        let (records, answers) = tokio::join!(durable(&self.records, Command::Barrier), durable(&self.answers, Command::Barrier));
        records.and(answers)
    }

    /// A handle for observers that does not keep the writing thread alive.
    pub fn watcher(&self) -> StoreWatcher {
        StoreWatcher { records: self.records.downgrade(), answers: self.answers.downgrade() }
    }

    async fn send(&self, command: Command) -> Result<(), WriterGone> {
        self.records.send(command).await.map_err(|_| WriterGone)
    }
}

/// Sends a command with a sender that reports durability. Returns once it is durable.
async fn durable(queue: &mpsc::Sender<Command>, command: impl FnOnce(oneshot::Sender<()>) -> Command) -> Result<(), WriterGone> {
    let (done, durable) = oneshot::channel();
    queue.send(command(done)).await.map_err(|_| WriterGone)?;
    durable.await.map_err(|_| WriterGone)
}

/// An observer's handle, which does not keep the writing thread alive.
#[derive(Debug)]
pub struct StoreWatcher {
    records: mpsc::WeakSender<Command>,
    answers: mpsc::WeakSender<Command>,
}

impl StoreWatcher {
    /// Saves a sample of the run's state if the queue has room.
    pub fn sample(&self, elapsed_ms: i64, sample: String) {
        if let Some(commands) = self.records.upgrade() {
            // A sample is less important than anything else in the queue.
            let _no_room = commands.try_send(Command::Sample { elapsed_ms, sample });
        }
    }

    /// Records changed settings of the run. Waits for room in the queue.
    pub async fn settings(&self, settings: String) {
        if let Some(commands) = self.records.upgrade() {
            // A failed store reports its error itself.
            let _gone = commands.send(Command::Settings(settings)).await;
        }
    }

    /// Requeues a document of the active run. Returns once that is durable.
    pub async fn requeue(&self, name: String, all: bool) -> Result<(), WriterGone> {
        let (done, durable) = oneshot::channel();
        let commands = self.records.upgrade().ok_or(WriterGone)?;
        commands.send(Command::Requeued { name, all, done }).await.map_err(|_| WriterGone)?;
        drop(commands);
        durable.await.map_err(|_| WriterGone)
    }

    /// Records all published result files of their jobs. Blocks.
    pub fn published(&self, files: Vec<ResultFile>) -> Result<(), WriterGone> {
        let commands = self.records.upgrade().ok_or(WriterGone)?;
        commands.blocking_send(Command::Published(files)).map_err(|_| WriterGone)
    }

    /// Drops documents from the listing of the active run, unless they have another name by now.
    /// Blocks.
    pub fn vanished(&self, documents: Vec<(DocumentId, String)>) -> Result<(), WriterGone> {
        let commands = self.records.upgrade().ok_or(WriterGone)?;
        commands.blocking_send(Command::Vanished(documents)).map_err(|_| WriterGone)
    }

    /// Cancels a document. Returns once that is durable.
    pub async fn cancel(&self, document: String) -> Result<(), WriterGone> {
        let (done, durable) = oneshot::channel();
        let commands = self.records.upgrade().ok_or(WriterGone)?;
        commands.send(Command::Cancelled(document, done)).await.map_err(|_| WriterGone)?;
        drop(commands);
        durable.await.map_err(|_| WriterGone)
    }

    /// Number of records in the fuller queue, and its capacity.
    pub fn waiting(&self) -> (usize, usize) {
        let queues = [&self.records, &self.answers].map(mpsc::WeakSender::upgrade);
        let waiting = queues.iter().flatten().map(|queue| (queue.max_capacity() - queue.capacity(), queue.max_capacity()));
        waiting.max().unwrap_or_default()
    }
}
