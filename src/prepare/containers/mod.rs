//! Files that hold documents: archives, mails with attachments, PDF documents with attached files.
//!
//! [`unpack`] writes the members of a container as [`Frame`]s, with or without their content. It
//! runs in a confined process. Members keep their order. A member that is itself a container is
//! divided too, to a limited depth.
//!
//! | file | what it does |
//! |---|---|
//! | `attached` | files attached to mails and PDF documents |
//! | `divide`, `copy`, `entry` | what happens to each member, and its limits |
//! | `frames` | the form in which members leave the process |
//! | `names` | names of members: safe and unique |
//! | `tar`, `zip` | archives, member by member |

mod attached;
mod copy;
mod divide;
mod entry;
mod frames;
mod names;
mod tar;
mod zip;

pub use frames::{Ending, Frame, Member, read_frame};
pub use names::{extension_of, is_archive_name};

use super::settings::Apart;
use divide::Unpacker;
use entry::{Stop, fill};
use names::{Names, is_archive_extension};
use serde::{Deserialize, Serialize};
use std::io::{self, Cursor, Read, Seek, Write};

/// What to write about a container.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// The extension of its name, in lower case without the dot.
    pub extension: String,
    /// Which members are documents of their own.
    pub apart: Apart,
    /// Whether the contents are wanted, and not only the names.
    pub contents: bool,
    /// Maximum number of members.
    pub members: u64,
    /// Maximum bytes of all contents.
    pub bytes: u64,
    /// Maximum bytes of one content.
    pub member_bytes: u64,
}

/// Writes the members of a container as frames. The last frame is an [`Ending`].
///
/// `renew` is called before each piece of work. It renews the limit of CPU time.
pub fn unpack(
    source: &mut (impl Read + Seek),
    request: &Request,
    out: &mut impl Write,
    renew: &dyn Fn() -> io::Result<()>,
) -> io::Result<()> {
    let mut unpacker = Unpacker {
        request,
        out,
        renew,
        names: Names::default(),
        members: 0,
        left: request.bytes,
        nested: request.bytes,
        links: 0,
        special: 0,
    };
    let unpacked = unpacker.container(source);
    let (is_archive, trouble) = match unpacked {
        Ok((is_archive, trouble)) => (is_archive, trouble),
        Err(Stop::Limit(failure)) => (is_archive_extension(&request.extension), Some(failure)),
        Err(Stop::Gone(error)) => return Err(error),
    };
    let Unpacker { links, special, out, .. } = unpacker;
    Frame::End(Ending { is_archive, links, special, trouble }).write(out)?;
    out.flush()
}

/// Serves requests until the stream ends: the length of a [`Request`], the request, the length of a
/// document, the document.
pub fn serve_unpacking(mut requests: impl Read, out: &mut impl Write, renew: &dyn Fn() -> io::Result<()>) -> io::Result<()> {
    while let Some(request) = part(&mut requests)? {
        let request: Request = serde_json::from_slice(&request)?;
        let bytes = part(&mut requests)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        renew()?;
        unpack(&mut Cursor::new(bytes), &request, out, renew)?;
    }
    Ok(())
}

fn part(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 8];
    match fill(from, &mut length)? {
        0 => return Ok(None),
        8 => {}
        _ => return Err(io::ErrorKind::UnexpectedEof.into()),
    }
    let length = usize::try_from(u64::from_le_bytes(length)).map_err(io::Error::other)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).map_err(io::Error::other)?;
    bytes.resize(length, 0);
    from.read_exact(&mut bytes)?;
    Ok(Some(bytes))
}
