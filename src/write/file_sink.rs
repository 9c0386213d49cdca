//! Result files as sinks.

use super::csv_file::{BOM, CsvFile};
use super::hashed::Hashed;
use super::json_file::JsonFile;
use super::jsonl_file::JsonlFile;
use super::output_file::OutputFile;
use super::settings::{Format, OutputSettings};
use super::sink::{Sink, SinkRows};
use crate::model::{Digest, JobColumns, ResultFile};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;

/// A result file of one job.
pub(super) struct FileSink {
    format: Format,
    /// Path below the output directory.
    path: String,
    file: PathBuf,
    is_configured: bool,
    /// Whether the settings ask for a byte order mark.
    bom: bool,
}

impl FileSink {
    pub fn new(settings: &OutputSettings, job: &str, format: Format) -> Self {
        let path = format!("{job}/{}", format.file_name());
        let (file, is_configured) = (settings.dir.join(&path), settings.formats.contains(&format));
        Self { format, path, file, is_configured, bom: settings.csv_bom }
    }

    /// Whether the existing file begins with a byte order mark.
    fn has_bom(&self) -> bool {
        let mut begin = [0; BOM.len()];
        File::open(&self.file).and_then(|mut file| file.read_exact(&mut begin)).is_ok() && begin == BOM.as_bytes()
    }
}

impl Sink for FileSink {
    fn path(&self) -> &str {
        &self.path
    }

    fn is_configured(&self) -> bool {
        self.is_configured
    }

    fn exists(&self) -> bool {
        self.file.exists()
    }

    fn is_current(&self, published: &ResultFile) -> bool {
        let is_whole = std::fs::metadata(&self.file).is_ok_and(|file| file.len() == published.size);
        is_whole && (self.format != Format::Csv || self.has_bom() == self.bom)
    }

    fn digest(&self) -> io::Result<Digest> {
        Hashed::file(File::open(&self.file)?).map(|(_, digest)| digest)
    }

    fn begin(&self, job: &JobColumns) -> io::Result<Box<dyn SinkRows>> {
        self.format.begin(OutputFile::hidden(&self.path, &self.file)?, job, self.bom)
    }

    fn remake(&self, job: &JobColumns) -> io::Result<Box<dyn SinkRows>> {
        self.format.begin(OutputFile::stream(Box::new(io::sink())), job, self.has_bom())
    }
}

impl Format {
    /// Begins the results of a job in this format. Only CSV uses `bom`.
    pub fn begin(self, file: OutputFile, job: &JobColumns, bom: bool) -> io::Result<Box<dyn SinkRows>> {
        Ok(match self {
            Self::Csv => Box::new(CsvFile::begin(file, job, bom)?),
            Self::Jsonl => Box::new(JsonlFile(file)),
            Self::Json => Box::new(JsonFile::new(file)),
        })
    }
}
