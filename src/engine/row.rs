//! Makes the row of a document from its calls.

use crate::job::Job;
use crate::model::{Call, CallRecord, CallStatus, Document, Facts, Failure, Money, Row, RowStatus, Spent};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Makes rows. Holds the values that all rows of a run share.
#[derive(Debug, Clone)]
pub(super) struct RowMaker {
    pub provider: &'static str,
    pub model: String,
    /// Table columns that are copied to the results.
    pub keep: Vec<String>,
}

/// The results of a document's calls.
pub(super) struct Answered {
    /// All calls.
    pub calls: Vec<CallRecord>,
    /// One merged record for each question, if the document was sent in chunks.
    pub answers: Option<Vec<CallRecord>>,
    /// The result of an aggregation without a model.
    pub counted: Map<String, Value>,
}

impl RowMaker {
    /// The row of a document without calls.
    pub fn without_answer(&self, document: &Document, job: &Job, status: RowStatus, failure: Failure) -> Row {
        Row { failure: Some(failure), ..self.row(document, job, status) }
    }

    /// The copied columns of a table row.
    fn kept(&self, document: &Document) -> Map<String, Value> {
        let columns = document.row().map(|row| &row.columns);
        let kept = self.keep.iter().filter_map(|name| Some((name.clone(), columns?.get(name)?.clone())));
        kept.collect()
    }

    fn row(&self, document: &Document, job: &Job, status: RowStatus) -> Row {
        Row {
            index: document.index,
            document: document.name.clone(),
            status,
            job: job.name.clone(),
            provider: self.provider.to_owned(),
            model: self.model.clone(),
            columns: self.kept(document),
            answers: Map::new(),
            failure: None,
            input: None,
            calls: Vec::new(),
        }
    }

    /// The row of a document whose calls have all ended.
    pub fn with_answers(&self, document: &Document, job: &Job, facts: Facts, answered: Answered) -> Row {
        let Answered { calls, answers, counted } = answered;
        let answers = answers.as_deref().unwrap_or(&calls);
        let (status, failure) = verdict(answers);
        let mut answers = job.answers(answers, &counted);
        if job.flag_prompt_injection {
            answers.insert(Job::PROMPT_INJECTION_COLUMN.to_owned(), Value::Bool(!facts.orders.is_empty()));
        }
        Row { answers, failure, input: Some(facts), calls, ..self.row(document, job, status) }
    }

    /// A known record, relabelled for this call. It may come from another task name.
    pub fn known(call: &Call, record: CallRecord) -> CallRecord {
        CallRecord { task: call.task.to_string(), axes: Self::axes(call), part: call.place.map(|(part, _)| part), ..record }
    }

    /// The axes of a call, as in its record.
    fn axes(call: &Call) -> Map<String, Value> {
        call.axes.iter().map(|(axis, value)| (axis.clone(), Value::String(value.clone()))).collect()
    }

    /// The record of a call that was not sent.
    pub fn unasked(call: &Call, failure: Failure) -> CallRecord {
        CallRecord { failure: Some(failure), ..Self::record(call, &Spent { cost: Some(Money::ZERO), ..Spent::default() }, None) }
    }

    /// The record of a call before its result is known. Includes the spending of earlier runs.
    pub fn record(call: &Call, spent: &Spent, earlier: Option<Spent>) -> CallRecord {
        let Spent { attempts, maybe_billed, usage, cost, seconds, .. } = earlier.map_or(*spent, |earlier| earlier.and(*spent));
        CallRecord {
            task: call.task.to_string(),
            axes: Self::axes(call),
            part: call.place.map(|(part, _)| part),
            status: CallStatus::Failed,
            answer: None,
            failure: None,
            model: None,
            request_id: None,
            repaired: BTreeSet::new(),
            shared_from: None,
            attempts,
            maybe_billed,
            usage,
            cost_usd: cost,
            // Rounded to microseconds.
            seconds: (seconds * 1e6).round() / 1e6,
        }
    }
}

/// The status and the failure of a document, from its calls.
fn verdict(calls: &[CallRecord]) -> (RowStatus, Option<Failure>) {
    let failures: Vec<&Failure> = calls.iter().filter_map(|call| call.failure.as_ref()).collect();
    let Some(first) = failures.first() else { return (RowStatus::Ok, None) };
    let message = match failures.len() {
        1 => first.message.clone(),
        n => format!("{n} of {} calls failed; the first: {}", calls.len(), first.message),
    };
    // A task that embeds may have failed for some chunks only.
    let status = if failures.len() < calls.len() || calls.iter().any(|call| call.answer.is_some()) {
        RowStatus::Partial
    } else if calls.iter().all(|call| call.status == CallStatus::Refused) {
        RowStatus::Refused
    } else {
        RowStatus::Failed
    };
    (status, Some(Failure::new(first.code, message)))
}
