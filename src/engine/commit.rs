//! Sends rows to the store, and reports them to the watchers.

use super::RunError;
use super::arrivals::Fate;
use super::ask::{DocumentProcessor, json};
use super::ledger::Calls;
use crate::event::RunEvent;
use crate::model::{DocumentId, DocumentTimes, Failure, Money, Row, RowStatus, Trace};
use crate::store::{NewChunk, NewRow};
use jiff::Timestamp;

impl DocumentProcessor {
    /// Sends a row to the store and reports it to the watchers.
    pub(super) async fn commit(
        &self,
        document: DocumentId,
        (row, chunks): (Row, Vec<NewChunk>),
        given_up: bool,
        (times, traced): (DocumentTimes, Option<Calls>),
    ) -> Result<(), RunError> {
        let (result, status, calls) = (json(&row)?, row.status, row.calls.len());
        let done = Timestamp::now();
        let took = done.duration_since(times.ready);
        self.context.meters.pace.done(&row, took.try_into().unwrap_or_default());
        let trace = traced.map(|calls| {
            let calls = calls.into_inner();
            Box::new(Trace { times, done, failure: row.failure.as_ref().map(|failure| failure.code), calls })
        });
        let done = (self.report_each || trace.is_some()).then(|| RunEvent::DocumentDone {
            document: row.document.clone(),
            job: row.job.clone(),
            status,
            calls,
            attempts: row.calls.iter().map(|call| call.attempts).sum(),
            cost_usd: row.calls.iter().map(|call| call.cost_usd).sum::<Option<Money>>().map(Money::usd),
            trace,
        });
        let new = NewRow {
            document,
            codes: row.codes(),
            job: row.job,
            status: status.as_str(),
            failure_code: row.failure.as_ref().map(|f| f.code.as_str()),
            result,
            times,
            given_up: given_up.then(|| row.document.clone()),
            chunks,
        };
        let saved = if self.following.is_some() { self.store.save_row_durably(new).await } else { self.store.save_row(new).await };
        if let Err(gone) = saved {
            self.store_failed(gone);
            return Ok(());
        }
        self.context.meters.row(status, calls);
        if let Some(following) = &self.following {
            let status = Some((status, row.failure.as_ref().map(|failure| failure.code)));
            following.ended_as(row.document.clone(), row.index, Fate::Done { document, status, is_new: true });
        }
        if let Some(done) = done {
            self.context.tell(done).await;
        }
        if let (false, Some(Failure { code, message })) = (matches!(status, RowStatus::Ok | RowStatus::Skipped), row.failure) {
            self.context.tell(RunEvent::DocumentFailed { document: row.document, status, code, message }).await;
        }
        Ok(())
    }
}
