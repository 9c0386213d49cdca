//! From settings, job and environment to a plan that the engine can run.
//!
//! A caller lays a [`SettingsSource`] over the defaults and gives the settings to [`assemble`] with
//! what it wants of this run ([`RunOptions`]). Nothing here prints, reads arguments or knows a
//! terminal: a question to a person goes through [`Guard::Ask`], and variables, arguments and time
//! come from an [`Environment`]. Relative paths are those of the process.

mod assemble;
mod environment;
mod existing;
mod history;
mod jobs;
mod live_settings;
mod prices;
mod settings;
mod tables;

pub use assemble::{Assembled, NO_ADDRESS, NO_KEY, RunOptions, Server, assemble, scenario_file};
pub use environment::Environment;
pub use existing::{Guard, added_to, records};
pub use history::{ADDED_TO, ROOTS, USED_COLUMNS, changes, decides, kept};
pub use jobs::load_jobs;
pub use prices::in_force;
pub use settings::{FILE, Flag, JobSettings, Settings, SettingsSource, SimulatorSettings, shown_value};
pub use tables::settle as settle_tables;

use std::fmt::Display;

/// Why there is no plan. Nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Settings, a job file or an input are wrong.
    #[error("{0}")]
    Usage(String),
    /// A fault of docmill or of this machine.
    #[error("{0}")]
    Internal(String),
}

impl SetupError {
    /// Settings, a job file or an input are wrong.
    pub fn usage(message: impl Display) -> Self {
        Self::Usage(message.to_string())
    }

    /// A fault of docmill or of this machine.
    pub fn internal(message: impl Display) -> Self {
        Self::Internal(message.to_string())
    }
}
