//! What is known about a call before it is sent: answered, failed for good, in doubt, or open.

use super::RunError;
use crate::model::{CallKey, CallRecord, DocumentId, Failure, FailureCode, Money, Spent, Usage};
use crate::store::{AnswerReader, Archive, Known, Retry, StoreError};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Weak};
use tokio::sync::OwnedMutexGuard;
use tokio::task::spawn_blocking;

/// Looks into the store, and knows who is asking what just now.
pub(super) struct Answers {
    /// `None` if there is nothing to find.
    pub reader: Option<Arc<Mutex<AnswerReader>>>,
    /// The same of another output directory, if its answers are used as well.
    pub elsewhere: Option<Arc<Mutex<AnswerReader>>>,
    /// Failures that are to be tried again.
    pub retry: Retry,
    /// Attempts of runs that died, by call.
    pub in_doubt: HashMap<(DocumentId, CallKey), Vec<i64>>,
    /// What calls came to in runs that ended before they did.
    pub left_open: HashMap<(DocumentId, CallKey), Spent>,
    /// Whether calls in doubt are left alone.
    pub skip_in_doubt: bool,
    /// Calls being asked, if identical ones are shared.
    pub sharing: Option<Sharing>,
}

/// Calls being asked just now, so that an identical one can wait for the answer.
#[derive(Default)]
pub(super) struct Sharing(Mutex<HashMap<CallKey, Weak<tokio::sync::Mutex<()>>>>);

/// What is known about a call.
pub(super) enum Before {
    /// There is an answer: the call is not sent.
    Answered(CallRecord),
    /// It failed, and will fail again: the call is not sent.
    Failed(CallRecord),
    /// It may have been answered to a run that died, and is not to be sent.
    InDoubt(Failure),
    /// It is to be sent.
    Open {
        /// What was sent for it before, if it was: that was paid for as well.
        earlier: Option<Spent>,
        /// Whether something is on record that an answer would replace: a failure, or an answer that cannot be read.
        replaces: bool,
        /// Whether somebody wants it to be asked again: then no other answer will do.
        again: bool,
    },
}

impl Answers {
    /// What is known about calls on a document, in the order of `keys`.
    pub async fn look_up(&self, document: DocumentId, is_new: bool, keys: &[CallKey]) -> Result<Vec<Before>, RunError> {
        let known = match &self.reader {
            Some(reader) if !is_new => look_up(Arc::clone(reader), document, keys.to_vec()).await?,
            _ => vec![None; keys.len()],
        };
        Ok(keys.iter().zip(known).map(|(key, known)| self.judge(document, *key, known)).collect())
    }

    fn judge(&self, document: DocumentId, key: CallKey, known: Option<Known>) -> Before {
        let (replaces, again) = (known.is_some(), known.as_ref().is_some_and(Known::is_requeued));
        let open = |record: Option<CallRecord>| {
            let recorded = record.map(|CallRecord { attempts, maybe_billed, usage, cost_usd: cost, seconds, .. }| Spent {
                attempts,
                maybe_billed,
                usage,
                cost,
                seconds,
                ..Spent::default()
            });
            let left = self.left_open.get(&(document, key)).copied();
            Before::Open { earlier: recorded.into_iter().chain(left).reduce(Spent::and), replaces, again }
        };
        match known {
            // A record that cannot be read back is worth no more than none.
            Some(Known::Answer(call)) => serde_json::from_str(&call).map_or_else(|_| open(None), Before::Answered),
            Some(Known::Failure { code, call }) if !self.retry.takes(&code) => {
                serde_json::from_str(&call).map_or_else(|_| open(None), Before::Failed)
            }
            _ if self.skip_in_doubt && self.in_doubt.contains_key(&(document, key)) => {
                let message = "a request for this call was in flight when a run died, and may have been billed. To ask \
                    again, run without --in-doubt skip";
                Before::InDoubt(Failure::new(FailureCode::InDoubt, message))
            }
            Some(Known::Failure { call, .. }) => open(serde_json::from_str(&call).ok()),
            None => open(None),
        }
    }

    /// Attempts in doubt of a call, which sending it again gives up.
    pub fn doubts(&self, document: DocumentId, key: CallKey) -> Option<Vec<i64>> {
        self.in_doubt.get(&(document, key)).cloned()
    }

    /// One at a time for each key, if identical calls are shared.
    pub async fn turn(&self, key: CallKey) -> Option<OwnedMutexGuard<()>> {
        let Sharing(asking) = self.sharing.as_ref()?;
        let lock = {
            let mut asking = asking.lock();
            if let Some(lock) = asking.get(&key).and_then(Weak::upgrade) {
                lock
            } else {
                asking.retain(|_, lock| lock.strong_count() > 0);
                let lock = Arc::new(tokio::sync::Mutex::new(()));
                asking.insert(key, Arc::downgrade(&lock));
                lock
            }
        };
        Some(lock.lock_owned().await)
    }

    /// The answer that another output directory has to the same call about the document called `name`. Nothing is spent on it
    /// here; its record says what it cost there.
    pub async fn elsewhere(&self, key: CallKey, name: &str) -> Result<Option<CallRecord>, RunError> {
        let Some(reader) = self.elsewhere.clone() else { return Ok(None) };
        let owned = name.to_owned();
        let look_up = move || reader.lock().of_any_version(&owned, key);
        let found =
            spawn_blocking(look_up).await.map_err(|e| RunError::Internal(format!("looking up an answer ended unexpectedly: {e}")))??;
        let record = found.and_then(|call| serde_json::from_str::<CallRecord>(&call).ok());
        Ok(record.map(|record| {
            let payer = record.shared_from.clone().unwrap_or_else(|| name.to_owned());
            CallRecord { attempts: 0, maybe_billed: 0, shared_from: Some(payer), ..record }
        }))
    }

    /// An answer to the same call that cost nothing here: another document's if identical calls are shared, and that of an
    /// earlier version of the row called `row`, of which other columns may have changed.
    pub async fn shared(&self, key: CallKey, row: Option<&str>) -> Result<Option<CallRecord>, RunError> {
        let Some(reader) = self.reader.as_ref().filter(|_| row.is_some() || self.sharing.is_some()) else { return Ok(None) };
        let (reader, sharing, row) = (Arc::clone(reader), self.sharing.is_some(), row.map(ToOwned::to_owned));
        let look_up = move || {
            let reader = reader.lock();
            match row {
                Some(row) if !sharing => reader.of_any_version(&row, key).map(|found| found.map(|call| (row, call))),
                _ => reader.of_any_document(key),
            }
        };
        let found =
            spawn_blocking(look_up).await.map_err(|e| RunError::Internal(format!("looking up an answer ended unexpectedly: {e}")))??;
        Ok(found.and_then(|(document, call)| {
            let record: CallRecord = serde_json::from_str(&call).ok()?;
            // That document may have got it from another: the one that paid is named.
            let payer = record.shared_from.clone().unwrap_or(document);
            let free = CallRecord { attempts: 0, maybe_billed: 0, usage: Usage::default(), seconds: 0.0, ..record };
            Some(CallRecord { cost_usd: Some(Money::ZERO), shared_from: Some(payer), ..free })
        }))
    }
}

/// A reader of the answers in another output directory.
pub(super) fn answers_in(directory: Option<&Path>) -> Result<Option<Arc<Mutex<AnswerReader>>>, StoreError> {
    let Some(archive) = directory.map(Archive::open).transpose()?.flatten() else { return Ok(None) };
    Ok(Some(Arc::new(Mutex::new(archive.answers()?))))
}

async fn look_up(reader: Arc<Mutex<AnswerReader>>, document: DocumentId, keys: Vec<CallKey>) -> Result<Vec<Option<Known>>, RunError> {
    let look_up = move || {
        let reader = reader.lock();
        keys.into_iter().map(|key| Ok(reader.get(document, key)?)).collect()
    };
    spawn_blocking(look_up).await.map_err(|e| RunError::Internal(format!("looking up an answer ended unexpectedly: {e}")))?
}
