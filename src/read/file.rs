//! Reading one document.

use crate::model::{Document, Failure, FailureCode};
use std::fs::File;
use std::io::{ErrorKind, Read};

/// Files up to this size are read as soon as they are open; larger ones when there is memory for them.
const SMALL: u64 = 64 * 1024;

/// An opened document.
#[derive(Debug)]
pub enum Opened {
    /// A small one, read already.
    Read(Vec<u8>),
    /// A large one: reserve `size` bytes, then call [`Opened::read`].
    Waiting {
        /// The file.
        file: File,
        /// Its size in bytes.
        size: u64,
    },
}

/// Opens a document and reads it if it is small. Blocks.
pub fn open(document: &Document, max_bytes: u64) -> Result<Opened, Failure> {
    let file = File::open(&document.path).map_err(|e| failure(&e))?;
    let metadata = file.metadata().map_err(|e| failure(&e))?;
    if !metadata.is_file() {
        return Err(Failure::new(FailureCode::Unreadable, "this is no longer a file"));
    }
    let size = metadata.len();
    if size > max_bytes {
        return Err(too_large(size, max_bytes));
    }
    let opened = Opened::Waiting { file, size };
    if size <= SMALL { opened.read(max_bytes).map(Opened::Read) } else { Ok(opened) }
}

impl Opened {
    /// The bytes of the document. Blocks. A file that grew meanwhile is read up to `max_bytes` and then refused.
    pub fn read(self, max_bytes: u64) -> Result<Vec<u8>, Failure> {
        let (file, size) = match self {
            Self::Read(bytes) => return Ok(bytes),
            Self::Waiting { file, size } => (file, size),
        };
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        file.take(max_bytes + 1).read_to_end(&mut bytes).map_err(|e| failure(&e))?;
        if bytes.len() as u64 > max_bytes {
            return Err(too_large(bytes.len() as u64, max_bytes));
        }
        if bytes.is_empty() {
            return Err(Failure::new(FailureCode::Empty, "the file has no bytes"));
        }
        Ok(bytes)
    }

    /// Bytes that it takes in memory.
    pub fn size(&self) -> u64 {
        match self {
            Self::Read(bytes) => bytes.len() as u64,
            Self::Waiting { size, .. } => *size,
        }
    }
}

fn too_large(size: u64, max_bytes: u64) -> Failure {
    let message = format!("the file has {:.1} MB, more than read.max_file_mb = {}", size as f64 / 1e6, max_bytes / 1_000_000);
    Failure::new(FailureCode::TooLarge, message)
}

fn failure(error: &std::io::Error) -> Failure {
    match error.kind() {
        ErrorKind::NotFound => Failure::new(FailureCode::Vanished, "the file was listed and is gone now"),
        _ => Failure::new(FailureCode::Unreadable, format!("the file cannot be read: {error}")),
    }
}
