//! Stage 1: find documents, read their bytes.
//!
//! The walk is lazy and sorted by path bytes, so input order is the same on every machine. It promises one result for
//! every regular file and every object; what it leaves out by rule (hidden files, patterns, docmill's own output) it counts.

mod elsewhere;
mod file;
mod filter;
mod names;
mod place;
mod remote;
mod settings;
mod walk;

pub use file::Opened;
pub use remote::Remote;
pub use settings::{InputSettings, ReadSettings};
pub use walk::{Found, InputError, Roots, Walk};
