//! Object storage and web addresses: parsing, clients, and errors in words.
//!
//! Messages never contain a secret, such as a key, a token or the query of an address. This module
//! creates clients but sends no request; [`crate::read`] and [`mod@crate::write`] do.

mod address;
mod client;
mod trouble;

pub use address::{Address, Service};
pub use client::Client;
pub use trouble::{Trouble, without_queries};

#[cfg(test)]
mod tests;
