//! Result files as sinks.

use super::arrow::{self, ArrowStream, ParquetFile};
use super::csv_dialect::CsvDialect;
use super::csv_file::CsvFile;
use super::document_files::DocumentFiles;
use super::hashed::Hashed;
use super::json_file::JsonFile;
use super::jsonl_file::JsonlFile;
use super::output_file::OutputFile;
use super::settings::{Format, OutputSettings};
use super::sink::{Sink, SinkRows};
use super::xlsx::{self, Workbook};
use crate::model::{Digest, JobColumns, ResultFile};
use std::fs::File;
use std::io;
use std::path::PathBuf;

/// A result file of one job.
pub(super) struct FileSink {
    format: Format,
    /// Path below the output directory.
    path: String,
    file: PathBuf,
    is_configured: bool,
    form: FileForm,
}

/// What the settings say about the form of files.
#[derive(Debug, Clone, Default)]
pub struct FileForm {
    /// The form of CSV.
    pub csv: CsvDialect,
    /// Files of the documents, for links and pictures.
    pub files: DocumentFiles,
}

impl FileForm {
    /// The form in these settings.
    pub fn of(settings: &OutputSettings) -> Self {
        Self { csv: settings.csv(), files: settings.files.clone() }
    }
}

impl FileSink {
    pub fn new(settings: &OutputSettings, job: &str, format: Format) -> Self {
        let path = format!("{job}/{}", format.file_name());
        let (file, is_configured) = (settings.dir.join(&path), settings.formats.contains(&format));
        Self { format, path, file, is_configured, form: FileForm::of(settings) }
    }
}

impl Sink for FileSink {
    fn path(&self) -> &str {
        &self.path
    }

    fn format(&self) -> &'static str {
        self.format.as_str()
    }

    fn is_configured(&self) -> bool {
        self.is_configured
    }

    fn exists(&self) -> bool {
        self.file.exists()
    }

    fn is_current(&self, published: &ResultFile) -> bool {
        let is_whole = std::fs::metadata(&self.file).is_ok_and(|file| file.len() == published.size);
        let has_form = match self.format {
            Format::Csv => self.form.csv.of_file(&self.file) == self.form.csv,
            _ => !self.is_of_another_version(),
        };
        // Compression makes an equal size of another workbook unlikely, and reading it slow.
        let is_same = || self.format == Format::Xlsx || self.digest().is_ok_and(|digest| digest == published.digest);
        is_whole && has_form && is_same()
    }

    fn is_of_another_version(&self) -> bool {
        let version = |read: fn(File) -> Option<String>| File::open(&self.file).ok().and_then(read);
        let written_by = match self.format {
            Format::Csv | Format::Jsonl | Format::Json => return false,
            Format::Parquet => version(arrow::version_of_parquet),
            Format::Arrow => version(arrow::version_of_stream),
            Format::Xlsx => version(xlsx::version_of),
        };
        written_by.is_some_and(|version| version != env!("CARGO_PKG_VERSION"))
    }

    fn digest(&self) -> io::Result<Digest> {
        let file = File::open(&self.file)?;
        if self.format == Format::Xlsx { xlsx::digest(file) } else { Hashed::file(file).map(|(_, digest)| digest) }
    }

    fn begin(&self, job: &JobColumns) -> io::Result<Box<dyn SinkRows>> {
        self.format.begin(OutputFile::hidden(&self.path, &self.file)?, job, &self.form)
    }

    fn remake(&self, job: &JobColumns) -> io::Result<Box<dyn SinkRows>> {
        let form = FileForm { csv: self.form.csv.of_file(&self.file), files: DocumentFiles::default() };
        self.format.begin(OutputFile::stream(Box::new(io::sink())), job, &form)
    }
}

impl Format {
    /// Begins the results of a job in this format.
    pub fn begin(self, file: OutputFile, job: &JobColumns, form: &FileForm) -> io::Result<Box<dyn SinkRows>> {
        Ok(match self {
            Self::Csv => Box::new(CsvFile::begin(file, job, form.csv)?),
            Self::Jsonl => Box::new(JsonlFile(file)),
            Self::Json => Box::new(JsonFile::new(file)),
            Self::Parquet => Box::new(ParquetFile::begin(file, job)?),
            Self::Arrow => Box::new(ArrowStream::begin(file, job)?),
            Self::Xlsx => Box::new(Workbook::begin(file, job, form.files.clone())?),
        })
    }
}
