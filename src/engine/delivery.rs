//! Delivers new rows at once: to a journal, and to a receiver outside of docmill, such as a command.
//!
//! The transaction that writes a row also writes an entry in the outbox of the run store. The entry
//! leaves the outbox when its row is delivered or given up. After a crash, a row may therefore be
//! delivered twice, but none is lost. A known row gets an entry too when its document becomes the
//! current one of its name, such as a file that gets earlier content back.

use super::{Context, RunError};
use crate::event::RunEvent;
use crate::model::{Row, counted};
use crate::store::{Outbox, OutboxEntry, StoreHandle};
use crate::write::Journal;
use futures::future::BoxFuture;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A receiver of rows.
pub trait Deliver: fmt::Debug + Send + Sync {
    /// Delivers a row as a line of JSON. The error says why it failed.
    fn deliver(&self, line: String) -> BoxFuture<'_, Result<(), String>>;

    /// Maximum number of deliveries at a time.
    fn jobs(&self) -> usize;

    /// How often a row is tried, the first time included.
    fn attempts(&self) -> u32;

    /// The setting that names the receiver, for messages.
    fn name(&self) -> &'static str;
}

/// Wait before the second attempt. Each further wait is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// Longest wait between attempts.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// The stage that delivers rows.
pub(super) struct Delivery {
    pub outbox: Outbox,
    pub receiver: Option<Arc<dyn Deliver>>,
    /// The journal, and the number of its last line.
    pub journal: Option<(Journal, i64)>,
    pub store: StoreHandle,
    pub context: Context,
    /// The output directory, for messages.
    pub directory: String,
    /// Whether the last attempt failed. The first failure of several is shown.
    pub is_failing: Arc<AtomicBool>,
}

impl Delivery {
    /// Delivers rows until no document is left in work and the outbox is empty, or the run stops.
    ///
    /// `commits` tells of commits, each of which may have new entries. `answered` is cancelled after
    /// the last row.
    pub async fn deliver(mut self, answered: CancellationToken, commits: Arc<Notify>) -> Result<(), RunError> {
        let jobs = self.receiver.as_ref().map_or(0, |receiver| receiver.jobs());
        let (mut waiting, mut last) = (VecDeque::new(), 0);
        let (mut working, mut is_last, mut look) = (JoinSet::new(), false, true);
        loop {
            if look {
                self.append().await?;
            }
            let is_stopping = self.context.stop.is_cancelled();
            while working.len() < jobs && !is_stopping {
                if waiting.is_empty() && look {
                    waiting = self.next(last)?;
                    look = !waiting.is_empty();
                }
                let (Some(entry), Some(receiver)) = (waiting.pop_front(), &self.receiver) else { break };
                last = entry.id;
                working.spawn(one(entry, Arc::clone(receiver), Arc::clone(&self.is_failing), self.context.clone()));
            }
            look &= jobs > 0;
            if working.is_empty() && is_last && (is_stopping || !look) {
                return self.show_waiting().await;
            }
            tokio::select! {
                biased;
                Some(done) = working.join_next() => {
                    let done = done.map_err(|e| RunError::Internal(format!("a delivery ended unexpectedly: {e}")))?;
                    if let Some(id) = done {
                        self.store.delivered(id).await?;
                    }
                }
                () = answered.cancelled(), if !is_last => {
                    self.store.flush().await?;
                    (is_last, look) = (true, true);
                }
                () = commits.notified() => look = true,
                () = self.context.stop.cancelled(), if !is_stopping => {}
            }
        }
    }

    /// Tells how many rows wait for the next run.
    async fn show_waiting(self) -> Result<(), RunError> {
        let Some(receiver) = &self.receiver else { return Ok(()) };
        self.store.flush().await?;
        let waiting = tokio::task::block_in_place(|| self.outbox.waiting())?;
        if waiting > 0 {
            let (name, rows) = (receiver.name(), counted(waiting, "row"));
            let message = format!("{name}: {rows} still to be delivered. The next run with this output directory goes on");
            self.context.tell(RunEvent::Note { message }).await;
        }
        Ok(())
    }

    fn next(&self, after: i64) -> Result<VecDeque<OutboxEntry>, RunError> {
        Ok(tokio::task::block_in_place(|| self.outbox.after(after))?.into())
    }

    /// Appends new rows to the journal.
    async fn append(&mut self) -> Result<(), RunError> {
        while let Some((_, last)) = &self.journal {
            let entries = self.next(*last)?;
            if entries.is_empty() {
                break;
            }
            for OutboxEntry { id, document, row } in entries {
                let Some((journal, last)) = &mut self.journal else { break };
                if let Some((job, text)) = row {
                    let line = line(id, &document, &text);
                    let output = |source| RunError::Output { directory: self.directory.clone(), source };
                    tokio::task::block_in_place(|| journal.append(&job, &line)).map_err(output)?;
                }
                *last = id;
                if self.receiver.is_none() {
                    self.store.delivered(id).await?;
                }
            }
        }
        Ok(())
    }
}

/// A row as a line, with the number of its entry.
fn line(id: i64, document: &str, text: &str) -> String {
    Row::line(u64::try_from(id).unwrap_or_default(), document, text)
}

/// Delivers one row. Returns its entry, unless the run stopped before it was delivered.
async fn one(entry: OutboxEntry, receiver: Arc<dyn Deliver>, is_failing: Arc<AtomicBool>, context: Context) -> Option<i64> {
    let OutboxEntry { id, document, row } = entry;
    // A row that was removed since is not delivered.
    let Some((_, text)) = row else { return Some(id) };
    let line = line(id, &document, &text);
    let mut wait = FIRST_WAIT;
    for attempt in 1..=receiver.attempts().max(1) {
        let delivered = tokio::select! {
            biased;
            delivered = receiver.deliver(line.clone()) => delivered,
            () = context.abandon.cancelled() => return None,
        };
        let was_failing = is_failing.swap(delivered.is_err(), Relaxed);
        let Err(why) = delivered else { return Some(id) };
        let (name, times) = (receiver.name(), receiver.attempts());
        if attempt < times && !was_failing {
            let message = format!("{name}: {document}: attempt {attempt} of {times} failed: {why}. docmill tries again");
            context.tell(RunEvent::Note { message }).await;
        }
        if attempt >= times {
            let message = format!("{name}: {document}: gave up after {times} attempts: {why}. The row is in the results");
            context.tell(RunEvent::Warning { message }).await;
            return Some(id);
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = context.stop.cancelled() => return None,
        }
        wait = (wait * 2).min(LONGEST_WAIT);
    }
    Some(id)
}
