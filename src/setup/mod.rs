//! Makes an executable plan from settings, job and environment.
//!
//! A caller loads settings with a [`SettingsSource`]. It passes them to [`assemble`] with the
//! options of the run ([`RunOptions`]).
//!
//! This module does not print, read arguments or know a terminal. Questions to the user go through
//! [`Guard::Ask`]. All facts about the process come from an [`Environment`].

mod assemble;
mod document_files;
mod environment;
mod existing;
mod guard;
mod history;
mod jobs;
mod key;
mod live_settings;
mod local;
mod past_inputs;
mod prices;
mod rules;
mod same_name;
mod secrets;
mod settings;
mod tables;
mod trust;
mod upstream;

pub use assemble::{Assembled, RunOptions, Server, account_for, assemble, database, scenario_file};
pub use document_files::document_files;
pub use environment::Environment;
pub use existing::{added_to, records};
pub use guard::Guard;
pub use history::{ADDED_TO, ROOTS, USED_COLUMNS, changes, decides, kept};
pub use jobs::load_jobs;
pub use key::{NO_ADDRESS, NO_KEY, account};
pub use local::budget_service;
pub use past_inputs::{inputs_of, local_inputs, thumbnails};
pub use prices::{in_force, price_doubts};
pub use rules::settings_schema;
pub use settings::{FILE, Flag, JobSettings, Settings, SettingsSource, SimulatorSettings, shown_value};
pub use tables::settle as settle_tables;
pub use trust::{TRUSTED, Untrusted};
pub use upstream::upstream;

use std::fmt::Display;

/// The reason why planning failed. Nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Settings, a job file or an input are wrong.
    #[error("{0}")]
    Usage(String),
    /// The settings file of the working directory needs the user's trust.
    #[error("{0}. Read it, then run `docmill trust`, or name it with --config. Nothing was sent")]
    Untrusted(Box<Untrusted>),
    /// A fault of docmill or of this machine.
    #[error("{0}")]
    Internal(String),
}

impl SetupError {
    /// Creates an error about settings, a job file or an input.
    pub fn usage(message: impl Display) -> Self {
        Self::Usage(message.to_string())
    }

    /// Creates an error about docmill or this machine.
    pub fn internal(message: impl Display) -> Self {
        Self::Internal(message.to_string())
    }
}
