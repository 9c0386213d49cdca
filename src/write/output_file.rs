//! Writes the bytes of a result file.

use super::hashed::Hashed;
use crate::failpoint;
use crate::model::ResultFile;
use crate::system::beside;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Name prefix of incomplete files.
pub(super) const UNFINISHED: &str = ".docmill-";

/// Writes a result file, and counts and hashes its bytes.
pub struct OutputFile {
    /// Path below the output directory; empty for a stream.
    path: String,
    /// Whole buffers are hashed, because that is faster than hashing each cell.
    bytes: BufWriter<Hashed<Target>>,
}

/// The destination of the bytes.
enum Target {
    /// A hidden file, which gets its name when it is complete.
    Hidden {
        file: NamedTempFile,
        name: PathBuf,
    },
    Stream(Box<dyn Write + Send>),
}

impl OutputFile {
    /// A file that appears as `name` when it is complete.
    pub(super) fn hidden(path: &str, name: &Path) -> io::Result<Self> {
        let file = begin(name)?;
        Ok(Self::new(path, Target::Hidden { file, name: name.to_owned() }))
    }

    /// Bytes that go straight to a stream.
    pub fn stream(to: Box<dyn Write + Send>) -> Self {
        Self::new("", Target::Stream(to))
    }

    fn new(path: &str, target: Target) -> Self {
        Self { path: path.to_owned(), bytes: BufWriter::with_capacity(1 << 16, Hashed::new(target)) }
    }

    /// The directory of the file; `None` for a stream.
    pub(super) fn directory(&self) -> Option<&Path> {
        match self.bytes.get_ref().get_ref() {
            Target::Hidden { name, .. } => Some(directory(name)),
            Target::Stream(_) => None,
        }
    }

    /// Writes the last bytes, and gives a hidden file its name.
    pub(super) fn publish(self) -> io::Result<ResultFile> {
        let (target, size, digest) = self.bytes.into_inner().map_err(io::IntoInnerError::into_error)?.finish();
        match target {
            Target::Hidden { file, name } => {
                failpoint::reach("publish");
                publish(file, &name)?;
            }
            Target::Stream(mut stream) => stream.flush()?,
        }
        Ok(ResultFile { path: self.path, size, digest })
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.bytes.flush()
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Hidden { file, .. } => file.write(bytes),
            Self::Stream(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Hidden { file, .. } => file.flush(),
            Self::Stream(stream) => stream.flush(),
        }
    }
}

/// Creates a hidden file for `name` in the same directory.
pub(super) fn begin(name: &Path) -> io::Result<NamedTempFile> {
    beside(name, &format!("{UNFINISHED}{}-", name.file_name().unwrap_or_default().display()))
}

/// Syncs a complete file to disk, and then gives it its name.
pub(super) fn publish(file: NamedTempFile, name: &Path) -> io::Result<()> {
    file.as_file().sync_all()?;
    file.persist(name).map_err(|e| e.error)?;
    // The new name must survive a power failure too.
    #[cfg(unix)]
    File::open(directory(name)).and_then(|d| d.sync_all())?;
    Ok(())
}

fn directory(name: &Path) -> &Path {
    name.parent().unwrap_or(Path::new("."))
}
