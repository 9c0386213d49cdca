//! How full the channels between the stages are, looked at now and then.

use crate::model::QueueUse;
use crate::store::StoreWatcher;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use tokio::sync::mpsc::Sender;

/// The channels of a run. Watching keeps none of them open.
#[derive(Default)]
pub struct Queues(Mutex<Vec<Queue>>);

struct Queue {
    name: &'static str,
    /// How much is in it, and how much it can hold.
    look: Box<dyn Fn() -> (usize, usize) + Send>,
    capacity: usize,
    now: usize,
    sum: f64,
    looks: u32,
}

impl fmt::Debug for Queues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.usage()).finish()
    }
}

impl Queues {
    /// Watches a channel.
    pub fn watch<T: Send + 'static>(&self, name: &'static str, sender: &Sender<T>) {
        let sender = sender.downgrade();
        self.add(
            name,
            Box::new(move || sender.upgrade().map_or((0, 0), |sender| (sender.max_capacity() - sender.capacity(), sender.max_capacity()))),
        );
    }

    /// Watches the way to the store.
    pub fn watch_store(&self, name: &'static str, store: StoreWatcher) {
        self.add(name, Box::new(move || store.waiting()));
    }

    fn add(&self, name: &'static str, look: Box<dyn Fn() -> (usize, usize) + Send>) {
        let capacity = look().1;
        let queue = Queue { name, look, capacity, now: 0, sum: 0.0, looks: 0 };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(queue);
    }

    /// Looks at all of them.
    pub fn look(&self) {
        for queue in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            queue.now = (queue.look)().0;
            queue.sum += queue.now as f64;
            queue.looks += 1;
        }
    }

    /// What was seen.
    pub fn usage(&self) -> Vec<QueueUse> {
        let queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let usage = queues.iter().map(|queue| QueueUse {
            queue: queue.name.into(),
            capacity: queue.capacity,
            mean: queue.sum / f64::from(queue.looks.max(1)),
            now: queue.now,
        });
        usage.collect()
    }
}
