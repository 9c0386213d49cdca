//! From the calls of a document to its row.

use crate::job::Job;
use crate::model::{Call, CallRecord, CallStatus, Document, Facts, Failure, Money, Row, RowStatus, Spent};
use serde_json::{Map, Value};

/// Makes rows; knows what all rows of a run share.
#[derive(Debug, Clone)]
pub(super) struct RowMaker {
    pub provider: &'static str,
    pub model: String,
}

impl RowMaker {
    /// A row for a document that was never asked about.
    pub fn without_answer(&self, document: &Document, job: &Job, status: RowStatus, failure: Failure) -> Row {
        Row { failure: Some(failure), ..self.row(document, job, status) }
    }

    fn row(&self, document: &Document, job: &Job, status: RowStatus) -> Row {
        Row {
            index: document.index,
            document: document.name.clone(),
            status,
            job: job.name.clone(),
            provider: self.provider.to_owned(),
            model: self.model.clone(),
            answers: Map::new(),
            failure: None,
            input: None,
            calls: Vec::new(),
        }
    }

    /// A row for a document whose calls have all ended.
    pub fn with_answers(&self, document: &Document, job: &Job, facts: Facts, calls: Vec<CallRecord>, counted: &Map<String, Value>) -> Row {
        let (status, failure) = verdict(&calls);
        let answers = job.answers(&calls, counted);
        Row { answers, failure, input: Some(facts), calls, ..self.row(document, job, status) }
    }

    /// The axes of a call, as they stand in its record.
    pub fn axes(call: &Call) -> Map<String, Value> {
        call.axes.iter().map(|(axis, value)| (axis.clone(), Value::String(value.clone()))).collect()
    }

    /// The record of a call that was not made.
    pub fn unasked(call: &Call, failure: Failure) -> CallRecord {
        CallRecord { failure: Some(failure), ..Self::record(call, &Spent { cost: Some(Money::ZERO), ..Spent::default() }, None) }
    }

    /// The record of a call, before it is known how it ended. What earlier runs have spent on it is part of it.
    pub fn record(call: &Call, spent: &Spent, earlier: Option<&CallRecord>) -> CallRecord {
        let Spent { mut attempts, mut maybe_billed, mut usage, mut cost, mut seconds } = *spent;
        if let Some(earlier) = earlier {
            attempts += earlier.attempts;
            maybe_billed += earlier.maybe_billed;
            usage += earlier.usage;
            seconds += earlier.seconds;
            cost = cost.zip(earlier.cost_usd).map(|(now, before)| now + before);
        }
        CallRecord {
            task: call.task.to_string(),
            axes: Self::axes(call),
            status: CallStatus::Failed,
            answer: None,
            failure: None,
            model: None,
            request_id: None,
            shared_from: None,
            attempts,
            maybe_billed,
            usage,
            cost_usd: cost,
            // Microseconds are more than enough.
            seconds: (seconds * 1e6).round() / 1e6,
        }
    }
}

/// How a document ended, from how its calls ended.
fn verdict(calls: &[CallRecord]) -> (RowStatus, Option<Failure>) {
    let failures: Vec<&Failure> = calls.iter().filter_map(|call| call.failure.as_ref()).collect();
    let Some(first) = failures.first() else { return (RowStatus::Ok, None) };
    let message = match failures.len() {
        1 => first.message.clone(),
        n => format!("{n} of {} calls failed; the first: {}", calls.len(), first.message),
    };
    let status = if failures.len() < calls.len() {
        RowStatus::Partial
    } else if calls.iter().all(|call| call.status == CallStatus::Refused) {
        RowStatus::Refused
    } else {
        RowStatus::Failed
    };
    (status, Some(Failure::new(first.code, message)))
}
