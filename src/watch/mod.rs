//! `docmill watch`: documents that arrive while a run is active.
//!
//! A watch is one run of the engine with a source that does not end ([`crate::engine::Arrivals`]).
//! It has the same run store, and answers the same commands from other terminals. The engine takes
//! each document through all stages as it arrives, so a slow document delays no other one. Positions
//! in the store are those of arrival; result files are made from the store, sorted by name.
//!
//! | files | what they do |
//! |---|---|
//! | `inbox` | watches directories and prefixes: scans, offers, moves |
//! | `events`, `pending`, `writers`, `mounts` | events of the file system; files that are not ready; open files; network mounts |
//! | `moved` | moves files with a row, if the settings ask for that |

mod events;
mod inbox;
mod mounts;
mod moved;
mod pending;
mod settings;
mod writers;

pub use inbox::Inbox;
pub use settings::WatchSettings;
