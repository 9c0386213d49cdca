//! One document, as a run would prepare it, and no further.

use super::chunks::divide;
use super::isolation::Isolation;
use super::route::JobSet;
use crate::ask::Account;
use crate::job::{Chunks, Job};
use crate::model::{Call, Facts, Failure, Prepared};
use crate::prepare::{ImageLimits, PrepareSettings, Sniffed, orders, prepare, prepare_extract, sniff};
use std::sync::Arc;

/// What a run would make of a document.
#[derive(Debug)]
pub struct Inspected {
    /// What it is.
    pub facts: Facts,
    /// The job that would take it.
    pub job: Arc<Job>,
    /// What would be sent of it.
    pub chunks: Chunks,
    /// What would be asked about it at first; merging and combining come later.
    pub calls: Vec<Call>,
}

/// Prepares the bytes of a file with this extension, and makes the calls that the models of an account would get.
pub async fn inspect(
    bytes: &[u8],
    extension: &str,
    jobs: &JobSet,
    (settings, limits): (&PrepareSettings, &ImageLimits),
    (account, longest): (&Account, Option<u64>),
) -> Result<Inspected, Failure> {
    let sniffed = sniff(bytes, extension);
    let (job, taken) = jobs.route(bytes, sniffed, extension, settings.pdf.mode);
    taken?;
    let prepared = match sniffed {
        Sniffed::Document(reader) => {
            let isolation =
                Isolation::new(settings, limits).map_err(|e| Failure::new(crate::model::FailureCode::Internal, e.to_string()))?;
            let extract = isolation.extract(bytes, reader).await?;
            prepare_extract(extract, reader, bytes.len(), settings, limits)?
        }
        _ => prepare(bytes, sniffed, settings, limits)?,
    };
    let Prepared { content, mut facts } = prepared;
    facts.orders = orders(&content);
    let chunks = divide(&content, &mut facts, &job, longest)?;
    let mut calls = job.calls(&chunks, None, &account.model, None)?;
    for call in &mut calls {
        account.count_images(call);
    }
    Ok(Inspected { facts, job, chunks, calls })
}
