//! Processes that unpack containers.
//!
//! Each archive has a process of its own, which gets the file as stdin and writes its members while
//! they are read. Mails and PDF documents are small and many, so one process takes them one after the
//! other.

use super::decoder::{Decoder, Format, MEGABYTES};
use crate::prepare::{Apart, Frame, UnpackRequest, extension_of, is_archive_name, read_frame};
use parking_lot::Mutex;
use std::fs::File;
use std::io::{self, BufReader, Write as _};
use std::path::Path;
use std::process::ChildStdin;
use std::sync::Arc;

/// The hidden command that starts such a process.
pub const UNPACK: &str = "unpack";

/// CPU time for a piece of an archive, or for a mail, in seconds.
const SECONDS: u64 = 60;
/// Largest mail or PDF document whose attachments are read, in bytes.
const LARGEST: u64 = 600_000_000;
/// Documents that a process takes before it ends, which frees memory that libraries have leaked.
const DOCUMENTS: u32 = 10_000;

/// Starts processes for the containers of a run.
#[derive(Debug, Default)]
pub(super) struct Unpacker {
    /// Whether attachments are documents of their own.
    pub attachments: bool,
    /// Maximum members of a container, and bytes of all.
    pub members: u64,
    pub bytes: u64,
    /// Idle processes for mails and PDF documents.
    idle: Arc<Mutex<Vec<Server>>>,
}

/// The format of an archive, by its name.
pub(super) fn archive_format(path: &Path) -> Option<Format> {
    let format = Format { name: "an archive", seconds: SECONDS, advice: "Unpack it, or exclude it" };
    is_archive_name(&path.to_string_lossy()).then_some(format)
}

const DOCUMENT: Format = Format { name: "a document with attachments", seconds: SECONDS, advice: "Save its attachments, or exclude it" };

#[derive(Debug)]
pub(super) struct Server {
    replies: BufReader<Decoder>,
    requests: ChildStdin,
    documents: u32,
}

/// The frames of a container.
#[derive(Debug)]
pub(super) enum Members {
    /// An archive.
    Archive(Box<BufReader<Decoder>>),
    /// A mail or PDF document. The process is returned at the end.
    Document { server: Option<Server>, idle: Arc<Mutex<Vec<Server>>> },
    /// There are none.
    Nothing,
}

impl Unpacker {
    pub fn new(attachments: bool, members: u64, bytes: u64) -> Self {
        Self { attachments, members, bytes, idle: Arc::default() }
    }

    /// The request to list the file at `path`, or to unpack members of at most `member_bytes` each.
    pub fn request(&self, path: &Path, archives: bool, member_bytes: Option<u64>) -> UnpackRequest {
        UnpackRequest {
            extension: extension_of(&path.to_string_lossy()),
            apart: Apart { attachments: self.attachments, archives },
            contents: member_bytes.is_some(),
            members: self.members,
            bytes: self.bytes,
            member_bytes: member_bytes.unwrap_or(u64::MAX),
        }
    }

    /// Begins to unpack `file`, which was opened at `path`. Blocks.
    pub fn unpack(&self, file: File, path: &Path, request: &UnpackRequest) -> io::Result<Members> {
        let args = |rest: &[String]| [&[UNPACK.to_owned(), MEGABYTES.to_string(), SECONDS.to_string()], rest].concat();
        if let Some(format) = archive_format(path) {
            let request = serde_json::to_string(request)?;
            let decoder = Decoder::start(format, &args(&[request]), file)?;
            return Ok(Members::Archive(Box::new(BufReader::with_capacity(1 << 16, decoder))));
        }
        if file.metadata()?.len() > LARGEST {
            let what = format!("it has more than {} MB. Save its attachments, or exclude it", LARGEST / 1_000_000);
            return Err(io::Error::other(what));
        }
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut io::Read::take(file, LARGEST), &mut bytes)?;
        if !may_have_attachments(&bytes) {
            return Ok(Members::Nothing);
        }
        let idle = self.idle.lock().pop();
        let mut server = match idle {
            Some(server) => server,
            None => {
                let (decoder, requests) = Decoder::serving(DOCUMENT, &args(&[]))?;
                Server { replies: BufReader::with_capacity(1 << 16, decoder), requests, documents: 0 }
            }
        };
        server.documents += 1;
        server.ask(request, &bytes)?;
        Ok(Members::Document { server: Some(server), idle: Arc::clone(&self.idle) })
    }
}

impl Server {
    /// Sends a request: the lengths of its two parts, and the parts.
    fn ask(&mut self, request: &UnpackRequest, bytes: &[u8]) -> io::Result<()> {
        let request = serde_json::to_vec(request)?;
        for part in [&*request, bytes] {
            self.requests.write_all(&(part.len() as u64).to_le_bytes())?;
            self.requests.write_all(part)?;
        }
        self.requests.flush()
    }
}

impl Members {
    /// The next frame. Nothing follows an ending or an error.
    pub fn next(&mut self) -> io::Result<Frame> {
        let server = match self {
            Self::Nothing => return Ok(Frame::End(crate::prepare::Ending { is_archive: false, links: 0, special: 0, trouble: None })),
            Self::Archive(decoder) => return read_frame(&mut **decoder),
            Self::Document { server, .. } => server,
        };
        let Some(own) = server else { return Err(io::ErrorKind::UnexpectedEof.into()) };
        let frame = read_frame(&mut own.replies);
        if !matches!(frame, Ok(Frame::Member(_) | Frame::Content(_) | Frame::Failed(_))) {
            let own = server.take().filter(|own| frame.is_ok() && own.documents < DOCUMENTS);
            if let Self::Document { idle, .. } = self {
                idle.lock().extend(own);
            }
        }
        frame
    }
}

/// Whether the file may have attachments: words of mails with parts, and of PDF documents with files.
///
/// Most mails and PDF documents need no process to find out.
fn may_have_attachments(bytes: &[u8]) -> bool {
    const OF_MAILS: [&[u8]; 7] = [b"oundary", b"OUNDARY", b"name=", b"NAME=", b"name*", b"ttachment", b"\nbegin "];
    const OF_PDF: [&[u8]; 3] = [b"EmbeddedFile", b"/EF", b"Filespec"];
    let holds = |words: &[&[u8]]| words.iter().any(|word| memchr::memmem::find(bytes, word).is_some());
    if bytes.starts_with(b"\xD0\xCF\x11\xE0") {
        return true;
    }
    let is_pdf = bytes.get(..bytes.len().min(1024)).is_some_and(|start| memchr::memmem::find(start, b"%PDF-").is_some());
    if is_pdf { holds(&OF_PDF) } else { holds(&OF_MAILS) }
}
