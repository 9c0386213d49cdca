//! The archive of a workbook, which is written as a stream.

use super::drawing;
use crate::model::ResultFile;
use crate::write::document_files::SmallPicture;
use crate::write::output_file::OutputFile;
use std::io::{self, Write};
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, ZipWriter};

/// The archive's comment, before the version of docmill.
pub(super) const COMMENT: &str = "docmill ";

/// An archive, one part after the other.
pub(super) struct Archive(ZipWriter<StreamWriter<UntilFailure>>);

impl Archive {
    pub fn begin(file: OutputFile) -> io::Result<Self> {
        let mut archive = ZipWriter::new_stream(UntilFailure { file, has_failed: false });
        archive.set_comment(format!("{COMMENT}{}", env!("CARGO_PKG_VERSION")))?;
        Ok(Self(archive))
    }

    /// Begins a part with this text. What is written next belongs to it.
    pub fn part(&mut self, name: &str, text: &str) -> io::Result<()> {
        let deflated = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        self.0.start_file(name, deflated.last_modified_time(zip::DateTime::default()))?;
        self.0.write_all(text.as_bytes())
    }

    /// Adds pictures and their places in a column, from 0.
    pub fn draw(&mut self, pictures: &[(u64, SmallPicture)], column: usize) -> io::Result<()> {
        self.part("xl/drawings/drawing1.xml", &drawing::drawing(pictures, column))?;
        self.part("xl/drawings/_rels/drawing1.xml.rels", &drawing::relations(pictures))?;
        for ((_, picture), n) in pictures.iter().zip(1..) {
            self.part(&format!("xl/media/{}", drawing::name(picture, n)), "")?;
            self.0.write_all(&picture.bytes)?;
        }
        Ok(())
    }

    /// Writes the end of the archive and publishes it.
    pub fn finish(self) -> io::Result<ResultFile> {
        self.0.finish()?.into_inner().file.publish()
    }
}

impl Write for Archive {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A file that takes bytes after a failure without writing them.
///
/// An archive that is dropped writes its end, and would report the failure once more.
struct UntilFailure {
    file: OutputFile,
    has_failed: bool,
}

impl Write for UntilFailure {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.has_failed {
            return Ok(bytes.len());
        }
        self.file.write(bytes).inspect_err(|error| self.has_failed = error.kind() != io::ErrorKind::Interrupted)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.has_failed { Ok(()) } else { self.file.flush() }
    }
}
