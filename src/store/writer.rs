//! The writing thread. It writes all durable data in groups.

use super::disk_reserve::Reserve;
use super::error::has_no_room;
use super::handle::{Command, Commands, StoreHandle};
use super::history::publish_all;
use super::insert;
use super::records::Run;
use super::{Store, StoreError, StoreSettings, cancelled, outbox, places, requeue, vectors};
use crate::failpoint;
use rusqlite::{Connection, Transaction};
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Called after each commit with its duration and the number of records.
pub type OnCommit = Box<dyn FnMut(Duration, usize) + Send>;

/// The writing thread, to be joined at the end.
#[derive(Debug)]
pub struct StoreWriter {
    thread: JoinHandle<(Store, Result<(), StoreError>)>,
}

impl Store {
    /// Starts the writing thread. `committed` gets a signal after each commit, unless one is
    /// pending. `measure` gets the duration of each commit. `stop` is called on a full disk or
    /// another failure, so that nothing new begins.
    pub fn start_writer(
        self,
        settings: &StoreSettings,
        committed: SyncSender<()>,
        measure: OnCommit,
        stop: Box<dyn Fn() + Send>,
    ) -> Result<(StoreHandle, StoreWriter), StoreError> {
        let (handle, commands) = StoreHandle::new(settings.queue);
        let settings = settings.clone();
        let path = self.path.clone();
        let work = move || {
            let mut store = self;
            let reserve = store.reserve.take();
            let mut writing = Writing { commands, committed, measure, reserve, stop };
            let result = writing.write_all(&mut store, &settings);
            if result.is_err() {
                (writing.stop)();
            }
            (store, result)
        };
        let thread = std::thread::Builder::new()
            .name("docmill-store".into())
            .spawn(work)
            .map_err(|e| StoreError::new(&path, "cannot start its thread", e))?;
        Ok((handle, StoreWriter { thread }))
    }
}

impl StoreWriter {
    /// Waits until everything is written; all handles must be dropped before. Returns the store and
    /// the result.
    pub fn join(self) -> Result<(Store, Result<(), StoreError>), StoreError> {
        self.thread.join().map_err(|_| StoreError::new(std::path::Path::new(super::FILE_NAME), "its thread panicked", "internal error"))
    }
}

struct Writing {
    commands: Commands,
    committed: SyncSender<()>,
    measure: OnCommit,
    reserve: Option<Reserve>,
    stop: Box<dyn Fn() + Send>,
}

impl Writing {
    fn write_all(&mut self, store: &mut Store, settings: &StoreSettings) -> Result<(), StoreError> {
        let mut group = Vec::with_capacity(settings.group);
        let mut full = None;
        // For measurements only: shows the cost of commits.
        let off = failpoint::is_off("commits");
        while let Some(first) = self.commands.wait() {
            group.push(first);
            // A short wait lets more records of this wave join, which makes commits cheaper.
            if settings.linger_ms > 0 {
                std::thread::sleep(Duration::from_millis(settings.linger_ms));
            }
            while group.len() < settings.group
                && let Some(next) = self.commands.take()
            {
                group.push(next);
            }
            let (started, records) = (Instant::now(), group.len());
            if full.is_some() {
                refuse_requests(&mut group);
            }
            let mut done =
                if off { commit_off(&mut store.writer, store.run, &group) } else { commit(&mut store.writer, store.run, &group) };
            if done.as_ref().is_err_and(|error| has_no_room(error, &store.path))
                && let Some(reserve) = self.reserve.take()
            {
                // Answers in flight are already paid. The reserve has room for them, but not for
                // new requests or results.
                (self.stop)();
                // If the space stays taken, the next commit reports it.
                let _released = reserve.release();
                full = done.err();
                refuse_requests(&mut group);
                // A checkpoint must not take the space either, because the log holds all data.
                let off = store.writer.pragma_update(None, "wal_autocheckpoint", 0);
                done = off.and_then(|()| commit(&mut store.writer, store.run, &group));
            }
            done.map_err(|e| StoreError::unwritten(&store.path, "cannot commit", e))?;
            for command in group.drain(..) {
                command.acknowledge();
            }
            (self.measure)(started.elapsed(), records);
            // On a full disk, result files must not take the room that answers need.
            if full.is_none() {
                // If the channel is full, a signal is pending. If it is closed, no receiver is
                // left.
                let _pending = self.committed.try_send(());
            }
        }
        full.map_or(Ok(()), |error| Err(StoreError::unwritten(&store.path, "cannot commit", error)))
    }
}

/// Drops requests from a group. Their senders then do not send them.
fn refuse_requests(group: &mut Vec<Command>) {
    group.retain(|command| !matches!(command, Command::Request(..)));
}

/// For measurements only: commits without durability. Attempts and answers are not stored.
fn commit_off(connection: &mut Connection, run: Run, group: &[Command]) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", "OFF")?;
    let transaction = connection.transaction()?;
    for command in group {
        match command {
            Command::Request(..) | Command::Settled(_) | Command::Answer(..) | Command::Failure(_) => {}
            kept => execute(&transaction, run, kept)?,
        }
    }
    transaction.commit()
}

fn commit(connection: &mut Connection, run: Run, group: &[Command]) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for command in group {
        execute(&transaction, run, command)?;
    }
    failpoint::reach("commit");
    transaction.commit()?;
    failpoint::reach("committed");
    Ok(())
}

fn execute(t: &Transaction<'_>, run: Run, command: &Command) -> rusqlite::Result<()> {
    match command {
        Command::Branch { from, before } => insert::branch(t, run, *from, *before)?,
        Command::Listed(documents) => {
            for (position, document) in documents {
                insert::listed(t, run, *position, *document)?;
            }
        }
        Command::Walked { listing, documents } => insert::walked(t, run, *listing, *documents)?,
        Command::Read(document) => insert::read(t, run, document)?,
        Command::Request(request, _) => insert::request(t, run, request)?,
        Command::Settled(settlement) => insert::settle(t, settlement)?,
        Command::Lost(attempts) => attempts.iter().try_for_each(|attempt| insert::lost(t, *attempt))?,
        Command::Answer(answer, _) => insert::answer(t, run, answer)?,
        Command::Failure(failure) => insert::failure(t, run, failure)?,
        Command::Row(row, _) => insert::row(t, run, row)?,
        Command::Requeued { name, all, .. } => requeue::mark(t, name, *all)?,
        Command::Delivered(entry) => outbox::remove(t, *entry)?,
        Command::Barrier(_) => {}
        Command::Vanished(documents) => documents.iter().try_for_each(|(document, name)| places::vanished(t, run, *document, name))?,
        Command::Published(files) => publish_all(t, run.id, files)?,
        Command::Cancelled(document, _) => cancelled::cancel(t, document)?,
        Command::PackLimit(limit) => vectors::remember_limit(t, limit)?,
        Command::Settings(settings) => insert::settings(t, run, settings)?,
        Command::Sample { elapsed_ms, sample } => insert::sample(t, run, *elapsed_ms, sample)?,
    }
    Ok(())
}
