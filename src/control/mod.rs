//! How another terminal talks to a run at work: a line of JSON each way, over a socket on loopback.
//!
//! The run leaves a note in its output directory that only its user can read: the port, and a token that a request must
//! have. So it works on every system, however long the directory's path is; a note that a dead run has left leads nowhere,
//! and the next run replaces it. Who may talk to a run is who may read that file. Only one process at a time writes one:
//! the one that holds the lock of the directory.

mod call;
mod server;

pub use call::{CallError, call, watch};
pub use server::{Asked, ControlServer};

use serde::{Deserialize, Serialize};

/// Hidden, so that it is no document when the output directory lies in an input directory.
const NOTE: &str = ".docmill.control";

/// What is asked of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Request {
    /// The counters, again and again.
    Watch,
    /// To send nothing for now.
    Pause,
    /// To go on.
    Resume,
    /// Other values of settings: all of them, or none if one cannot be.
    Set {
        /// Keys, and their values as one would type them.
        settings: Vec<(String, String)>,
    },
    /// To read the settings file again.
    Reload,
    /// To give a document up.
    Cancel {
        /// Its name.
        document: String,
    },
    /// To ask about a document again.
    Requeue {
        /// Its name.
        document: String,
        /// Whether calls that have an answer are asked again as well.
        all: bool,
    },
}

/// What the run says to that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It is done, or will be: how.
    Done(String),
    /// It is not: why.
    Refused(String),
}

/// What a run leaves in its output directory.
#[derive(Serialize, Deserialize)]
struct Note {
    port: u16,
    token: String,
}

/// A request on its way.
#[derive(Serialize, Deserialize)]
struct Envelope {
    token: String,
    #[serde(flatten)]
    request: Request,
}

#[cfg(test)]
mod tests;
