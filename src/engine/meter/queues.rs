//! Samples how full the channels between the stages are.

use crate::model::QueueUse;
use crate::store::StoreWatcher;
use parking_lot::Mutex;
use std::fmt;
use tokio::sync::mpsc::Sender;

/// The channels of a run. Watching does not keep them open.
#[derive(Default)]
pub struct Queues(Mutex<Vec<Queue>>);

struct Queue {
    name: &'static str,
    /// Returns the length and the capacity.
    measure: Box<dyn Fn() -> (usize, usize) + Send>,
    capacity: usize,
    now: usize,
    /// Sum of all sampled lengths.
    sum: f64,
    samples: u32,
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

    /// Watches the channel to the run store.
    pub fn watch_store(&self, name: &'static str, store: StoreWatcher) {
        self.add(name, Box::new(move || store.waiting()));
    }

    fn add(&self, name: &'static str, measure: Box<dyn Fn() -> (usize, usize) + Send>) {
        let capacity = measure().1;
        let queue = Queue { name, measure, capacity, now: 0, sum: 0.0, samples: 0 };
        self.0.lock().push(queue);
    }

    /// Samples the length of each channel.
    pub fn sample(&self) {
        for queue in self.0.lock().iter_mut() {
            queue.now = (queue.measure)().0;
            queue.sum += queue.now as f64;
            queue.samples += 1;
        }
    }

    /// The current and mean length of each channel.
    pub fn usage(&self) -> Vec<QueueUse> {
        let queues = self.0.lock();
        let usage = queues.iter().map(|queue| QueueUse {
            queue: queue.name.into(),
            capacity: queue.capacity,
            mean: queue.sum / f64::from(queue.samples.max(1)),
            now: queue.now,
        });
        usage.collect()
    }
}
