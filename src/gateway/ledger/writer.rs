//! The writing thread, which commits in groups.

use parking_lot::Mutex;
use rusqlite::{Connection, Transaction};
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot};

/// Writes that wait for the thread.
const QUEUE: usize = 1024;
/// Maximum writes in a commit.
const GROUP: usize = 512;

type Work = Box<dyn FnOnce(&Transaction<'_>) -> rusqlite::Result<()> + Send>;

/// A write.
struct Command {
    work: Work,
    /// Gets whether it is durable.
    done: Option<oneshot::Sender<Result<(), Unwritten>>>,
}

/// Something could not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the ledger of requests cannot be written: {0}")]
pub struct Unwritten(String);

/// A handle of the writing thread.
#[derive(Debug)]
pub struct Writer {
    commands: Mutex<Option<mpsc::Sender<Command>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Starts the thread.
    pub fn start(connection: Connection) -> std::io::Result<Self> {
        let (commands, receiver) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new().name("docmill-requests".into()).spawn(|| write_all(connection, receiver))?;
        Ok(Self { commands: Mutex::new(Some(commands)), thread: Mutex::new(Some(thread)) })
    }

    /// Writes, and waits until it is durable.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Unwritten> {
        let (result, given) = oneshot::channel();
        let work: Work = Box::new(move |transaction| {
            let value = work(transaction)?;
            // A caller that stopped waiting still has its record.
            let _gone = result.send(value);
            Ok(())
        });
        let (done, durable) = oneshot::channel();
        self.send(Command { work, done: Some(done) }).await;
        let closed = || Unwritten("its thread has ended".to_owned());
        durable.await.map_err(|_| closed())??;
        given.await.map_err(|_| closed())
    }

    /// Writes soon.
    pub async fn write_soon(&self, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()> + Send + 'static) {
        self.send(Command { work: Box::new(work), done: None }).await;
    }

    async fn send(&self, command: Command) {
        let commands = self.commands.lock().clone();
        if let Some(commands) = commands {
            // If the thread has ended, the sender of `done` is dropped.
            let _ended = commands.send(command).await;
        }
    }

    /// Ends the thread when everything is written.
    pub async fn close(&self) {
        drop(self.commands.lock().take());
        let thread = self.thread.lock().take();
        let joined = tokio::task::spawn_blocking(move || thread.map(JoinHandle::join));
        drop(joined.await);
    }
}

fn write_all(mut connection: Connection, mut commands: mpsc::Receiver<Command>) {
    let mut group = Vec::with_capacity(GROUP);
    while let Some(first) = commands.blocking_recv() {
        group.push(first);
        while group.len() < GROUP
            && let Ok(next) = commands.try_recv()
        {
            group.push(next);
        }
        let mut waiting = Vec::with_capacity(group.len());
        let committed = commit(
            &mut connection,
            group.drain(..).map(|Command { work, done }| {
                waiting.extend(done);
                work
            }),
        );
        let result = committed.map_err(|error| Unwritten(error.to_string()));
        if let Err(error) = &result {
            crate::progress::complain(&error.to_string());
        }
        for done in waiting {
            let _gone = done.send(result.clone());
        }
    }
}

/// Writes a group. If one write fails, none is made.
fn commit(connection: &mut Connection, group: impl Iterator<Item = Work>) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    let mut result = Ok(());
    for work in group {
        result = result.and_then(|()| work(&transaction));
    }
    result?;
    transaction.commit()
}
