//! The memory for bodies of requests, which all requests share.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Size of a part in bytes.
const PART: usize = 64 * 1024;
/// Number of parts: 512 MiB.
const PARTS: usize = 8192;

/// The memory for all bodies.
#[derive(Debug, Clone)]
pub struct Bodies(Arc<Semaphore>);

impl Default for Bodies {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(PARTS)))
    }
}

/// The share of one body.
#[derive(Debug)]
pub struct BodyMemory {
    of: Bodies,
    parts: Vec<OwnedSemaphorePermit>,
}

impl Bodies {
    /// The share of a new body, which is empty.
    pub fn begin(&self) -> BodyMemory {
        BodyMemory { of: self.clone(), parts: Vec::new() }
    }
}

impl BodyMemory {
    /// Makes room for `bytes` in all. Returns whether there is so much.
    pub fn grow_to(&mut self, bytes: usize) -> bool {
        while self.parts.len() * PART < bytes {
            match Arc::clone(&self.of.0).try_acquire_owned() {
                Ok(part) => self.parts.push(part),
                Err(_) => return false,
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_share_their_memory_and_give_it_back() {
        let bodies = Bodies::default();
        let (mut one, mut other) = (bodies.begin(), bodies.begin());
        assert!(one.grow_to(PART * (PARTS - 1)) && other.grow_to(10) && !other.grow_to(PART + 1));
        drop(one);
        assert!(other.grow_to(PART * PARTS) && !bodies.begin().grow_to(1) && bodies.begin().grow_to(0));
    }
}
