//! The calls of one document, in order: about the document or its chunks, then merging, then combining.
//!
//! The source of answers is a parameter: the model in a run, a forecast in a plan.

use super::document::{Answerer, Subject, Unfinished};
use super::long_documents::merge;
use super::row::{Answered, RowMaker};
use crate::job::{Chunks, Combined};
use serde_json::{Map, Value};

/// Makes and answers all calls of a document: on its chunks, merging and combining.
pub(super) async fn answer(
    processor: &impl Answerer,
    subject: Subject<'_>,
    chunks: Chunks,
    row: Option<&Map<String, Value>>,
) -> Result<Answered, Unfinished> {
    let (job, model, effort) = (subject.job, &processor.account().model, processor.effort());
    let mut calls = job.calls(&chunks, row, processor.fence(), model, effort).map_err(Unfinished::Unasked)?;
    for call in &mut calls {
        processor.account().complete(call);
    }
    // The answers to merge are input like the document, so the same token limit applies.
    let limit = chunks.sets.iter().flatten().map(|chunk| chunk.content.tokens()).max().unwrap_or(u64::MAX);
    // The calls hold their texts, so nothing else of the document stays in memory while they wait.
    drop(chunks);
    let mut calls = processor.ask_all(subject, calls).await?;
    let in_parts = calls.iter().any(|call| call.part.is_some());
    let mut answers = None;
    if in_parts {
        let (merging, merged) = Box::pin(merge(processor, subject, limit, &calls)).await?;
        calls.extend(merging);
        answers = Some(merged);
    }
    let counted = match job.combine(answers.as_deref().unwrap_or(&calls), model, effort) {
        Combined::Nothing => Map::new(),
        Combined::Done(result) => result,
        combined @ (Combined::Ask(_) | Combined::Unrenderable(..)) => {
            let combining = match combined {
                Combined::Unrenderable(call, failure) => vec![RowMaker::unasked(&call, failure)],
                Combined::Ask(call) => processor.ask_all(subject, vec![*call]).await?,
                Combined::Nothing | Combined::Done(_) => Vec::new(),
            };
            if let Some(answers) = &mut answers {
                answers.extend(combining.iter().cloned());
            }
            calls.extend(combining);
            Map::new()
        }
    };
    Ok(Answered { calls, answers, counted })
}
