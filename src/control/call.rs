//! The client: sends requests from another terminal.

use super::{Answer, Envelope, NOTE, Note, Request};
use crate::system::open_own;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Lines, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::Duration;

/// Why a run cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The note is missing or invalid.
    #[error("cannot read {NOTE} in {directory}: {source}")]
    NoNote {
        /// The output directory.
        directory: String,
        /// Why the note cannot be read.
        source: io::Error,
    },
    /// The note belongs to another user.
    #[error("cannot read {NOTE} in {directory}: {source}. Only the user who started the run can control it")]
    NotOurs {
        /// The output directory.
        directory: String,
        /// Error of the operating system.
        source: io::Error,
    },
    /// The run does not respond.
    #[error("no response: {0}")]
    Silent(#[from] io::Error),
}

/// Time limit for a response. A run that writes its results may respond late.
const PATIENCE: Duration = Duration::from_mins(1);
/// Maximum length of a note, in bytes.
const LONGEST_NOTE: u64 = 4096;

/// Sends a request to the run in `directory`. Blocks until the response arrives.
pub fn call(directory: &Path, request: &Request) -> Result<Answer, CallError> {
    let stream = connect(directory, request)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    if line.is_empty() {
        return Ok(Answer::Refused("the run has just ended".to_owned()));
    }
    Ok(serde_json::from_str(&line).map_err(io::Error::from)?)
}

/// Streams the events of the run in `directory`, one per line. Blocks while it connects and between
/// lines. The lines end when the run ends.
pub fn watch(directory: &Path) -> Result<Lines<BufReader<TcpStream>>, CallError> {
    Ok(BufReader::new(connect(directory, &Request::Watch)?).lines())
}

fn connect(directory: &Path, request: &Request) -> Result<TcpStream, CallError> {
    let no_note = |source: io::Error| {
        let directory = directory.display().to_string();
        if source.kind() == io::ErrorKind::PermissionDenied {
            CallError::NotOurs { directory, source }
        } else {
            CallError::NoNote { directory, source }
        }
    };
    let mut note = Vec::new();
    let file = open_own(File::options().read(true), &directory.join(NOTE)).map_err(no_note)?;
    file.take(LONGEST_NOTE).read_to_end(&mut note).map_err(no_note)?;
    let Note { port, token } = serde_json::from_slice(&note).map_err(|e| no_note(e.into()))?;
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let line = serde_json::to_string(&Envelope { token, request: request.clone() }).map_err(io::Error::from)?;
    writeln!(stream, "{line}")?;
    Ok(stream)
}
