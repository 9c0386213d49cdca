//! The form in which members of containers leave the process that unpacks them.
//!
//! A frame is a letter, the length of its content in four bytes, and its content.

use crate::model::Failure;
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};

/// Maximum bytes of a frame.
const LONGEST: usize = 1 << 20;

/// A part of what a process writes about a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A member. Its content follows, if that is wanted and the member has no failure.
    Member(Member),
    /// A part of the content of the last member.
    Content(Vec<u8>),
    /// Why the content of the last member cannot be read.
    Failed(Failure),
    /// The end.
    End(Ending),
}

/// A file inside of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its unique name, with `/` between directories and `#` behind each container in the container.
    pub name: String,
    /// Its size in bytes, as the container declares it.
    pub size: u64,
    /// A number that differs if the content differs, or 0.
    pub version: u64,
    /// Whether it is attached to a document, and not a file of an archive.
    pub attached: bool,
    /// Why it cannot be read.
    pub failure: Option<Failure>,
}

/// The last frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// Whether the file is an archive. It is then no document itself.
    pub is_archive: bool,
    /// Links that were left out.
    pub links: u64,
    /// Devices and the like that were left out.
    pub special: u64,
    /// Why members are missing.
    pub trouble: Option<Failure>,
}

impl Frame {
    /// Writes the frame.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Member(member) => frame(out, b'm', &serde_json::to_vec(member)?),
            Self::Content(bytes) => write_content(out, bytes),
            Self::Failed(failure) => frame(out, b'f', &serde_json::to_vec(failure)?),
            Self::End(ending) => frame(out, b'e', &serde_json::to_vec(ending)?),
        }
    }
}

/// Writes a part of a content.
pub(super) fn write_content(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    frame(out, b'c', bytes)
}

fn frame(out: &mut impl Write, kind: u8, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    out.write_all(&[kind])?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(bytes)
}

/// Reads the next frame.
pub fn read_frame(from: &mut impl Read) -> io::Result<Frame> {
    let mut head = [0; 5];
    from.read_exact(&mut head)?;
    let [kind, length @ ..] = head;
    let length = usize::try_from(u32::from_le_bytes(length)).map_err(io::Error::other)?;
    if length > LONGEST {
        return Err(io::Error::other("the process that unpacks files wrote too long a frame"));
    }
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes)?;
    Ok(match kind {
        b'm' => Frame::Member(serde_json::from_slice(&bytes)?),
        b'c' => Frame::Content(bytes),
        b'f' => Frame::Failed(serde_json::from_slice(&bytes)?),
        b'e' => Frame::End(serde_json::from_slice(&bytes)?),
        _ => return Err(io::Error::other("the process that unpacks files wrote an unknown frame")),
    })
}
