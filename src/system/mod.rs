//! Operating system helpers: connections of a port, leftover files, and the sandbox of readers.

mod accept;
mod leftovers;
mod sandbox;

pub use accept::accept;
pub use leftovers::sweep;
pub use sandbox::{Layer, confine, keep_memory_private, layers};
