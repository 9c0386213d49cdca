//! The thread that writes. Everything that must survive goes through it, in groups.

use super::{Store, StoreError, StoreSettings};
use crate::model::CallKey;
use rusqlite::{Connection, Transaction};
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// A validated answer on its way to the disk.
#[derive(Debug)]
pub struct NewAnswer {
    /// The key of its call.
    pub key: CallKey,
    /// The document's name: equal calls on two documents are two answers.
    pub document: String,
    /// The call record as JSON.
    pub call: String,
}

/// A finished row on its way to the disk.
#[derive(Debug)]
pub struct NewRow {
    /// Its place in input order.
    pub position: u64,
    /// The job's name.
    pub job: String,
    /// The document's name.
    pub document: String,
    /// How it ended.
    pub status: &'static str,
    /// Why, if it did not end well.
    pub failure_code: Option<&'static str>,
    /// The row as JSON.
    pub result: String,
}

enum Command {
    Answer(NewAnswer, oneshot::Sender<()>),
    Row(NewRow),
}

/// Called after each commit with the time that it took and the number of records in it.
pub type OnCommit = Box<dyn FnMut(Duration, usize) + Send>;

/// The way to the writing thread. Cheap to clone; the thread ends when all are gone.
#[derive(Debug, Clone)]
pub struct StoreHandle(mpsc::Sender<Command>);

/// The writing thread has failed; it says why when it is joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the run store cannot be written")]
pub struct WriterGone;

impl StoreHandle {
    /// Saves an answer. Returns once it is durable: nobody may use an answer before.
    pub async fn save_answer(&self, answer: NewAnswer) -> Result<(), WriterGone> {
        let (done, durable) = oneshot::channel();
        self.0.send(Command::Answer(answer, done)).await.map_err(|_| WriterGone)?;
        durable.await.map_err(|_| WriterGone)
    }

    /// Saves a row. Returns as soon as it is on its way: whoever writes results reads them back after the commit.
    pub async fn save_row(&self, row: NewRow) -> Result<(), WriterGone> {
        self.0.send(Command::Row(row)).await.map_err(|_| WriterGone)
    }
}

/// The writing thread, to be joined at the end.
#[derive(Debug)]
pub struct StoreWriter {
    thread: JoinHandle<Result<Store, StoreError>>,
}

impl Store {
    /// Starts the writing thread. `committed` gets a sign after each commit, dropped if one is pending already;
    /// `measure` hears how long it took.
    pub fn start_writer(
        self,
        settings: &StoreSettings,
        committed: SyncSender<()>,
        measure: OnCommit,
    ) -> Result<(StoreHandle, StoreWriter), StoreError> {
        let (sender, receiver) = mpsc::channel(settings.queue);
        let settings = settings.clone();
        let path = self.path.clone();
        let thread = std::thread::Builder::new()
            .name("docmill-store".into())
            .spawn(move || write_all(self, &settings, receiver, &committed, measure))
            .map_err(|e| StoreError::new(&path, "its thread cannot be started", e))?;
        Ok((StoreHandle(sender), StoreWriter { thread }))
    }

    /// Drops the rows that earlier runs have left of these jobs: this run has made them anew. Answers stay for good.
    pub fn drop_older_rows<'j>(&self, jobs: impl Iterator<Item = &'j str>) -> Result<(), StoreError> {
        for job in jobs {
            let done = self.writer.execute("DELETE FROM rows WHERE run < ?1 AND job = ?2", (self.run, job));
            done.map_err(|e| StoreError::new(&self.path, "older rows cannot be dropped", e))?;
        }
        Ok(())
    }

    /// Records the end of the run.
    pub fn end_run(&self, ended: &str, summary: &str) -> Result<(), StoreError> {
        let done = self.writer.execute("UPDATE runs SET ended = ?1, summary = ?2 WHERE id = ?3", (ended, summary, self.run));
        done.map(|_| ()).map_err(|e| StoreError::new(&self.path, "the end of the run cannot be recorded", e))
    }
}

impl StoreWriter {
    /// Waits until everything is written; all handles must be gone. Gives the store back, or the reason of its failure.
    pub fn join(self) -> Result<Store, StoreError> {
        self.thread
            .join()
            .unwrap_or_else(|_| Err(StoreError::new(std::path::Path::new(super::FILE_NAME), "its thread panicked", "internal error")))
    }
}

fn write_all(
    mut store: Store,
    settings: &StoreSettings,
    mut commands: mpsc::Receiver<Command>,
    committed: &SyncSender<()>,
    mut measure: OnCommit,
) -> Result<Store, StoreError> {
    let mut group = Vec::with_capacity(settings.group);
    while let Some(first) = commands.blocking_recv() {
        group.push(first);
        // Company makes commits cheap: a moment's wait lets the others of this wave in.
        std::thread::sleep(Duration::from_millis(settings.linger_ms));
        while group.len() < settings.group
            && let Ok(next) = commands.try_recv()
        {
            group.push(next);
        }
        let (started, records) = (Instant::now(), group.len());
        commit(&mut store.writer, store.run, &mut group).map_err(|e| StoreError::new(&store.path, "a commit failed", e))?;
        measure(started.elapsed(), records);
        // A full channel means that a sign is pending already, a closed one that nobody wants any.
        let _pending = committed.try_send(());
    }
    Ok(store)
}

fn commit(connection: &mut Connection, run: i64, group: &mut Vec<Command>) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    let mut waiting = Vec::new();
    for command in group.drain(..) {
        match command {
            Command::Answer(answer, done) => {
                insert_answer(&transaction, run, &answer)?;
                waiting.push(done);
            }
            Command::Row(row) => insert_row(&transaction, run, &row)?,
        }
    }
    transaction.commit()?;
    for done in waiting {
        // Whoever stopped waiting has the answer in the store all the same.
        let _gone = done.send(());
    }
    Ok(())
}

fn insert_answer(transaction: &Transaction<'_>, run: i64, answer: &NewAnswer) -> rusqlite::Result<usize> {
    transaction
        .prepare_cached("INSERT INTO answers (call_key, document, run, call) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING")?
        .execute((&answer.key.0[..], &answer.document, run, &answer.call))
}

fn insert_row(transaction: &Transaction<'_>, run: i64, row: &NewRow) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO rows (run, position, job, document, status, failure_code, result) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute((run, row.position, &row.job, &row.document, row.status, row.failure_code, &row.result))
        .map(|_| ())
}
