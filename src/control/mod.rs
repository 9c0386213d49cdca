//! How another terminal controls an active run: a line of JSON each way, over a loopback socket.
//!
//! The run writes a note into its output directory: the port, and a token that every request must
//! contain. Only the run's user can read the note, so only this user can control the run. Sockets on
//! loopback work on every system and for directories with long paths. The note of a dead run is
//! harmless: no process listens on its port, and the next run replaces it. Only the process with the
//! lock of the directory writes a note.

mod call;
mod server;

pub use call::{CallError, call, watch};
pub use server::{Asked, ControlServer};

use serde::{Deserialize, Serialize};

/// The note. Hidden, so that it does not become a document if the output directory is an input.
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
    /// The run obeys; the text says how.
    Done(String),
    /// The run refuses; the text says why.
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
