//! Operating system helpers: connections of a port, and leftover files.

mod accept;
mod leftovers;

pub use accept::accept;
pub use leftovers::sweep;
