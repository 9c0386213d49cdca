//! Object storage and web addresses: what they are called, who is asked for them, and what errors from there mean.
//!
//! Promises that nothing it says holds a secret: no key, no token, no query of an address. It makes clients and never
//! sends anything itself: that is for [`crate::read`] and [`mod@crate::write`].

mod address;
mod client;
mod trouble;

pub use address::{Address, Service};
pub use client::Client;
pub use trouble::{Trouble, without_queries};

#[cfg(test)]
mod tests;
