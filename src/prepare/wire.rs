//! The protocol between docmill and the process that reads documents.
//!
//! A frame consists of its length and its bytes. A conversation starts with a [`Greeting`]. Each
//! request is the format of a file and its bytes. The reply is an extraction or a failure. A text
//! with [`divide_request`] instead of a format is divided into chunks.

use super::{ImageLimits, PrepareSettings, Sniffed, chunks, extract};
use crate::model::{Failure, FailureCode};
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};

/// The first frame: the settings for all documents.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Greeting {
    /// Settings for the preparation.
    pub settings: PrepareSettings,
    /// The image limits of the model.
    pub limits: ImageLimits,
}

/// Size of the length field before each frame, in bytes.
pub const LENGTH_BYTES: usize = size_of::<u64>();

/// Serves requests until the stream ends. Blocks the thread.
///
/// Calls `begin` before each document. Its error is the failure of the document.
pub fn serve(mut requests: impl Read, mut replies: impl Write, begin: impl Fn(&PrepareSettings) -> io::Result<()>) -> io::Result<()> {
    let Some(greeting) = frame(&mut requests)? else { return Ok(()) };
    let Greeting { settings, limits } = serde_json::from_slice(&greeting)?;
    while let (Some(format), Some(bytes)) = (frame(&mut requests)?, frame(&mut requests)?) {
        let begun = begin(&settings).map_err(|e| Failure::new(FailureCode::Internal, format!("the reader of documents: {e}")));
        if let Some(limit) = limit_of(&format) {
            let divided = begun.map(|()| chunks(&String::from_utf8_lossy(&bytes), limit));
            reply(&mut replies, &divided)?;
            continue;
        }
        let sniffed = Sniffed::of_format(&format);
        let unknown = || {
            Failure::new(
                FailureCode::Internal,
                "the process that reads documents has another version of docmill. Do not replace the program during a run",
            )
        };
        let result = begun.and_then(|()| extract(&bytes, sniffed.ok_or_else(unknown)?, &settings, &limits));
        drop(bytes);
        reply(&mut replies, &result)?;
    }
    Ok(())
}

fn reply(replies: &mut impl Write, result: &impl Serialize) -> io::Result<()> {
    let reply = serde_json::to_vec(result)?;
    replies.write_all(&length(&reply))?;
    replies.write_all(&reply)?;
    replies.flush()
}

/// The request to divide a text into chunks of at most `limit` tokens.
pub fn divide_request(limit: u64) -> String {
    format!("{DIVIDE}{limit}")
}

const DIVIDE: &str = "divide ";

fn limit_of(request: &[u8]) -> Option<u64> {
    std::str::from_utf8(request).ok()?.strip_prefix(DIVIDE)?.parse().ok()
}

/// Encodes the length field of a frame.
pub fn length(frame: &[u8]) -> [u8; LENGTH_BYTES] {
    (frame.len() as u64).to_le_bytes()
}

/// Reads the next frame; `None` at the end of the stream.
fn frame(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; LENGTH_BYTES];
    match from.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let length = usize::try_from(u64::from_le_bytes(length)).map_err(io::Error::other)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).map_err(io::Error::other)?;
    bytes.resize(length, 0);
    from.read_exact(&mut bytes)?;
    Ok(Some(bytes))
}
