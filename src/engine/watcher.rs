//! Where the events of a run go.

use crate::event::RunEvent;
use futures::future::{BoxFuture, FutureExt as _};
use std::fmt;
use tokio::sync::mpsc;

/// Receives the events of a run.
pub trait Watcher: fmt::Debug + Send + Sync {
    /// Takes an event that is worth nothing later, such as counters. Must return at once, and may
    /// drop the event.
    fn offer(&self, event: RunEvent);

    /// Takes a fact. The run waits for it, so that none is lost. After a run is abandoned it waits
    /// no longer.
    fn tell(&self, event: RunEvent) -> BoxFuture<'_, ()>;
}

/// A bounded channel is a watcher. A closed one takes everything and keeps nothing.
impl Watcher for mpsc::Sender<RunEvent> {
    fn offer(&self, event: RunEvent) {
        drop(self.try_send(event));
    }

    fn tell(&self, event: RunEvent) -> BoxFuture<'_, ()> {
        self.send(event).map(drop).boxed()
    }
}
