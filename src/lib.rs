//! x
#![allow(missing_docs)]
pub mod ask;
pub mod config;
pub mod job;
pub mod model;
pub mod prepare;
pub mod read;
pub mod simulator;
pub mod store;
