//! `docmill watch`: documents that arrive while a run is active.
//!
//! A watch is one run of the engine with a source that does not end ([`crate::engine::Arrivals`]).
//! It has the same run store, and answers the same commands from other terminals. The engine takes
//! each document through all stages as it arrives, so a slow document delays no other one. Positions
//! in the store are those of arrival; result files are made from the store, sorted by name.
//!
//! | files | what they do |
//! |---|---|
//! | `inbox`, `shared` | watches directories and prefixes: scans, offers, moves |
//! | `events`, `pending`, `writers`, `mounts` | events of the file system; files that are not ready; open files; network mounts |
//! | `first` | knows when all documents of the first scan have had their turn |
//! | `stdin`, `emitter` | standard input: JSON lines in; rows out, in order or as they finish |
//! | `on_result` | a command for each new row |
//! | `moved` | moves files with a row, if the settings ask for that |

mod composed;
mod emitter;
mod events;
mod first;
mod inbox;
mod mounts;
mod moved;
mod on_result;
mod pending;
mod scanner;
mod settings;
mod shared;
mod stdin;
mod writers;

pub use emitter::{Emission, EmitError, Emitter};
pub use inbox::Inbox;
pub use moved::moved_paths;
pub use on_result::OnResult;
pub use pending::is_temporary;
pub use settings::WatchSettings;
pub use stdin::LineSource;
