//! Selects the job of each document.

use crate::ask::LlmSettings;
use crate::job::{Job, RowColumns};
use crate::model::{Failure, FailureCode, Kind};
use crate::prepare::{PdfMode, Sniffed, group_kind};
use std::sync::Arc;

/// The jobs of a run.
#[derive(Debug, Clone)]
pub struct JobSet(Vec<Arc<Job>>);

/// Extensions of images, for documents of unknown kind.
const IMAGE_EXTENSIONS: [&str; 12] = ["jpg", "jpeg", "png", "webp", "gif", "tif", "tiff", "bmp", "heic", "heif", "avif", "jxl"];

impl JobSet {
    /// A set of jobs. It must not be empty. A document goes to the first job that takes its kind.
    pub fn new(jobs: Vec<Job>) -> Self {
        Self(jobs.into_iter().map(Arc::new).collect())
    }

    /// The jobs.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Job>> {
        self.0.iter()
    }

    /// Minimum number of calls of a document.
    pub fn fewest_calls(&self) -> usize {
        self.0.iter().map(|job| job.calls_per_document()).min().unwrap_or(1)
    }

    /// Maximum active documents. Packs of short texts hold many documents.
    pub fn documents(&self, llm: &LlmSettings) -> usize {
        const OF_PACKS: usize = 8192;
        let usual = llm.documents(self.fewest_calls());
        if self.only_embeds() && llm.documents == 0 { usual.max(OF_PACKS) } else { usual }
    }

    /// Whether a job embeds texts.
    pub fn embeds(&self) -> bool {
        self.0.iter().any(|job| job.embed_tasks().next().is_some())
    }

    /// Whether no task of the jobs asks for an answer.
    pub fn only_embeds(&self) -> bool {
        self.0.iter().all(|job| job.embed_tasks().count() == job.calls_per_document())
    }

    /// The first model that the jobs name, if no call goes to the model of the settings.
    pub fn own_model(&self) -> Option<&str> {
        let all = self.0.iter().all(|job| job.names_its_models());
        self.0.iter().filter(|_| all).find_map(|job| job.models().next()).map(String::as_str)
    }

    /// The table columns that prompts use; `None` for all columns.
    pub fn row_columns(&self) -> Option<Vec<String>> {
        match self.0.iter().map(|job| job.row_columns()).fold(RowColumns::default(), RowColumns::and) {
            RowColumns::Named(names) => Some(names.into_iter().collect()),
            RowColumns::All => None,
        }
    }

    /// The job called `name`.
    pub fn get(&self, name: &str) -> Option<&Arc<Job>> {
        self.0.iter().find(|job| job.name == name)
    }

    /// The job for a document of this kind, and whether the job takes it.
    ///
    /// If the kind is unknown, such as for an unreadable document, the extension decides.
    pub fn pick(&self, kind: Option<Kind>, extension: &str) -> (Arc<Job>, bool) {
        let by_name = if IMAGE_EXTENSIONS.contains(&extension) { Kind::Image } else { Kind::Text };
        let wanted = kind.unwrap_or(by_name);
        let taker = self.0.iter().find(|job| job.accepts(wanted));
        let job = taker.or(self.0.first()).map(Arc::clone);
        // `new` never gets an empty list, because a run without a job fails earlier.
        let job = job.unwrap_or_else(|| unreachable!("a run has at least one job"));
        (job, taker.is_some() || kind.is_none())
    }

    /// The job for a document with this content. An error means that the job skips the document.
    pub(super) fn route(&self, bytes: &[u8], sniffed: Sniffed, extension: &str, pdf: PdfMode) -> (Arc<Job>, Result<(), Failure>) {
        let kind = if sniffed.is_group() { Some(group_kind(bytes)) } else { sniffed.kind().filter(|_| !bytes.is_empty()) };
        let (job, taken) = match self.pick(kind, extension) {
            // With `pages`, a PDF document is sent as images, so a job for images takes it.
            (_, false) if is_pdf(sniffed) && pdf == PdfMode::Pages => self.pick(Some(Kind::Image), ""),
            picked => picked,
        };
        let taken = if taken { Ok(()) } else { Err(not_taken(sniffed, &job)) };
        (job, taken)
    }
}

fn is_pdf(sniffed: Sniffed) -> bool {
    matches!(sniffed, Sniffed::Document(reader) if reader.format == "pdf")
}

fn not_taken(sniffed: Sniffed, job: &Job) -> Failure {
    let kind = match sniffed {
        Sniffed::Image(_) => "an image",
        Sniffed::Text => "a text",
        Sniffed::Group => "a document of several files",
        Sniffed::Document(reader) => reader.name,
        Sniffed::Unsupported(name) => name,
    };
    let hint = if is_pdf(sniffed) { ". Set prepare.pdf.mode = \"pages\" to send its pages as images" } else { "" };
    Failure::new(FailureCode::UnsupportedKind, format!("this is {kind}, which job {} does not take{hint}", job.name))
}
