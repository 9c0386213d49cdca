//! What is asked about one document, in its order: about it or its parts, then what merges the answers, then what combines
//! them.
//!
//! Whoever answers is another matter: a model in a run, nobody in a plan.

use super::ask::{Subject, Unfinished};
use super::chunks::merge;
use super::row::{Answered, RowMaker};
use crate::ask::Account;
use crate::job::{Chunks, Combined};
use crate::model::{Call, CallRecord};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Whoever gives answers.
pub(super) trait Answerer: Sync {
    /// Who is asked, and which model unless a task names its own.
    fn account(&self) -> &Account;

    /// How hard it should think.
    fn effort(&self) -> Option<&Arc<str>>;

    /// Several calls on one document at the same time. What the store knows about them is taken from there.
    fn ask_all(&self, subject: Subject<'_>, calls: Vec<Call>) -> impl Future<Output = Result<Vec<CallRecord>, Unfinished>> + Send;
}

/// All calls of a document: about it, merging, combining.
pub(super) async fn answer(
    processor: &impl Answerer,
    subject: Subject<'_>,
    chunks: &Chunks,
    row: Option<&Map<String, Value>>,
) -> Result<Answered, Unfinished> {
    let (job, model, effort) = (subject.job, &processor.account().model, processor.effort());
    let mut calls = job.calls(chunks, row, model, effort).map_err(Unfinished::Unasked)?;
    for call in &mut calls {
        processor.account().count_images(call);
    }
    let mut calls = processor.ask_all(subject, calls).await?;
    let in_parts = calls.iter().any(|call| call.part.is_some());
    let mut answers = None;
    if in_parts {
        let (merging, merged) = merge(processor, subject, chunks, &calls).await?;
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
