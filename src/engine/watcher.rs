//! The receiver of a run's events.

use crate::event::RunEvent;
use futures::future::{BoxFuture, FutureExt as _};
use std::fmt;
use tokio::sync::mpsc;

/// Receives the events of a run.
pub trait Watcher: fmt::Debug + Send + Sync {
    /// Takes an event that soon becomes obsolete, such as counters. Must return at once, and may
    /// drop the event.
    fn offer(&self, event: RunEvent);

    /// Takes an event that must not be lost. The run waits for it, unless the run is abandoned.
    fn tell(&self, event: RunEvent) -> BoxFuture<'_, ()>;
}

/// A bounded channel is a watcher. A closed channel discards all events.
impl Watcher for mpsc::Sender<RunEvent> {
    fn offer(&self, event: RunEvent) {
        drop(self.try_send(event));
    }

    fn tell(&self, event: RunEvent) -> BoxFuture<'_, ()> {
        self.send(event).map(drop).boxed()
    }
}
