//! Prepares one document as a run would, without sending anything.

use super::isolation::Isolation;
use super::prepare::{Preparation, Processes, Work};
use super::route::JobSet;
use crate::ask::Account;
use crate::job::{Chunks, Job};
use crate::model::{Call, Facts, Failure, FailureCode, Fence};
use crate::prepare::{ImageLimits, PrepareSettings, Sniffed, sniff};
use serde_json::{Map, Value};
use std::sync::Arc;
use tokio::runtime::Handle;

/// A document after preparation, with its first calls.
#[derive(Debug)]
pub struct Inspected {
    /// Facts about the document.
    pub facts: Facts,
    /// The job that would process it.
    pub job: Arc<Job>,
    /// The content that would be sent.
    pub chunks: Chunks,
    /// The calls on the document or its chunks, without merging and combining. The marks around the
    /// document are examples, because they differ between run stores.
    pub calls: Vec<Call>,
}

/// A document to inspect.
#[derive(Debug)]
pub struct Inspection {
    /// The bytes of the file, or the text of the row.
    pub bytes: Vec<u8>,
    /// The extension of the file.
    pub extension: String,
    /// The columns of a table row that prompts use; `None` for a file.
    pub row: Option<Map<String, Value>>,
}

/// Prepares a document and makes its calls for the account.
pub async fn inspect(
    Inspection { bytes, extension, row }: Inspection,
    jobs: &JobSet,
    (settings, images): (&PrepareSettings, &ImageLimits),
    (account, longest): (&Account, Option<u64>),
) -> Result<Inspected, Failure> {
    let sniffed = if row.is_some() { Sniffed::Text } else { sniff(&bytes, &extension) };
    let (job, taken) = jobs.route(&bytes, sniffed, &extension, settings.pdf.mode);
    taken?;
    let isolation = Isolation::new(settings, images).map_err(|e| Failure::new(FailureCode::Internal, e.to_string()))?;
    let work = if sniffed.is_read_apart() && !bytes.is_empty() {
        let extracted = isolation.extract(isolation.slot().await, &bytes, sniffed).await?;
        Work::Extraction(isolation.receive(extracted).await?, bytes, sniffed)
    } else {
        Work::File(bytes, sniffed)
    };
    let preparation = Preparation { settings: settings.clone(), images: *images, longest };
    let processes = Processes { isolation, runtime: Handle::current() };
    let (facts, chunks) = tokio::task::block_in_place(|| preparation.content(work, &job, true, &processes))?;
    let mut calls = job.calls(&chunks, row.as_ref(), &Fence::example(), &account.model, None)?;
    for call in &mut calls {
        account.complete(call);
    }
    Ok(Inspected { facts, job, chunks, calls })
}
