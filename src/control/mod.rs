//! Lets another terminal control an active run over a loopback socket.
//!
//! A request and its response are one line of JSON each.
//!
//! The run writes a note with its port and a token into its output directory. Every request must
//! contain the token. Only the run's user can read the note, so only this user can control the run.
//! Loopback sockets work on every system, and for directories with long paths.
//!
//! The note of a dead run is harmless: no process listens on its port, and the next run replaces
//! the note. Only the process with the lock of the directory writes a note.

mod call;
mod server;

pub use call::{CallError, call, watch};
pub use server::{Asked, ControlServer};

use serde::{Deserialize, Serialize};

/// File name of the note. Hidden files do not become documents if the output directory is an input.
const NOTE: &str = ".docmill.control";

/// A request to a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Request {
    /// Stream the counters until the run ends.
    Watch,
    /// Send no calls until `Resume`.
    Pause,
    /// Send calls again.
    Resume,
    /// Change settings: all of them, or none if one is invalid.
    Set {
        /// Keys with their values in TOML.
        settings: Vec<(String, String)>,
    },
    /// Read the settings file again.
    Reload,
    /// Cancel a document.
    Cancel {
        /// Its name.
        document: String,
    },
    /// Ask about a document again in the next run.
    Requeue {
        /// Its name.
        document: String,
        /// Whether to repeat answered calls as well.
        all: bool,
    },
}

/// The response to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The run obeyed. The text describes the effect.
    Done(String),
    /// The run refused. The text gives the reason.
    Refused(String),
}

/// The content of the note.
#[derive(Serialize, Deserialize)]
struct Note {
    port: u16,
    token: String,
}

/// A request with its token.
#[derive(Serialize, Deserialize)]
struct Envelope {
    token: String,
    #[serde(flatten)]
    request: Request,
}

#[cfg(test)]
mod tests;
