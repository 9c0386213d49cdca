//! Looks up a call before it is sent: answered, failed permanently, in doubt, or open.

use super::RunError;
use crate::model::{CallKey, CallRecord, DocumentId, Failure, FailureCode, Money, Spent, Usage};
use crate::read::is_made_up;
use crate::store::{AnswerReader, Archive, Known, Retry, StoreError};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Weak};
use tokio::sync::OwnedMutexGuard;
use tokio::task::spawn_blocking;

/// Stored answers, and the calls that are being sent.
pub(super) struct Answers {
    /// The reader of the store; `None` if the store has neither answers nor failures.
    pub reader: Option<Arc<Mutex<AnswerReader>>>,
    /// The reader of another output directory whose answers are reused.
    pub elsewhere: Option<Arc<Mutex<AnswerReader>>>,
    /// The failures to retry.
    pub retry: Retry,
    /// Attempts in doubt, by call: those of runs that died.
    pub in_doubt: HashMap<(DocumentId, CallKey), Vec<i64>>,
    /// Usage and cost of calls that earlier runs left open.
    pub left_open: HashMap<(DocumentId, CallKey), Spent>,
    /// Whether calls in doubt are not sent again.
    pub skip_in_doubt: bool,
    /// Calls in progress, if identical calls are shared.
    pub sharing: Option<Sharing>,
    /// Tables whose rows are versions of each other, as old and new name prefixes.
    pub versions: Vec<(String, String)>,
}

/// Calls in progress by key. An identical call waits for the answer.
#[derive(Default)]
pub(super) struct Sharing(Mutex<HashMap<CallKey, Weak<tokio::sync::Mutex<()>>>>);

/// The state of a call before it is sent.
pub(super) enum Before {
    /// Answered. The call is not sent.
    Answered(CallRecord),
    /// Failed permanently. The call is not sent.
    Failed(CallRecord),
    /// In doubt: it may have been billed, and the settings forbid sending it again.
    InDoubt(Failure),
    /// Open. The call is sent.
    Open {
        /// Usage and cost of earlier attempts.
        earlier: Option<Spent>,
        /// Whether an answer would replace a failure or an unreadable answer.
        replaces: bool,
        /// Whether a user requeued the document. No shared answer is used then.
        again: bool,
    },
}

impl Answers {
    /// Looks up the calls of a document. The result has the order of `keys`.
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
            // An unreadable record counts as missing.
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

    /// Attempts in doubt of a call. Sending the call again settles them as lost.
    pub fn doubts(&self, document: DocumentId, key: CallKey) -> Option<Vec<i64>> {
        self.in_doubt.get(&(document, key)).cloned()
    }

    /// Admits one call at a time for each key, if identical calls are shared.
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

    /// The answer to the same call about the document `name` in another output directory. It costs
    /// nothing here; the record keeps its cost there.
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

    /// A free answer to the same call. If identical calls are shared, it may be another document's.
    /// Otherwise it is that of an earlier version of the row `row`, whose other columns may differ.
    pub async fn shared(&self, key: CallKey, row: Option<&str>) -> Result<Option<CallRecord>, RunError> {
        let Some(reader) = self.reader.as_ref().filter(|_| row.is_some() || self.sharing.is_some()) else { return Ok(None) };
        let (reader, sharing, row) = (Arc::clone(reader), self.sharing.is_some(), row.map(ToOwned::to_owned));
        let earlier = row.iter().flat_map(|row| earlier_names(&self.versions, row)).collect::<Vec<_>>();
        let look_up = move || {
            let reader = reader.lock();
            let Some(row) = row.filter(|_| !sharing) else { return reader.of_any_document(key) };
            if let Some(call) = reader.of_any_version(&row, key)? {
                return Ok(Some((row, call)));
            }
            let mut earlier = earlier.iter().map(|first| reader.of_any_repetition(first, key));
            earlier.find_map(Result::transpose).transpose()
        };
        let found =
            spawn_blocking(look_up).await.map_err(|e| RunError::Internal(format!("looking up an answer ended unexpectedly: {e}")))??;
        Ok(found.and_then(|(document, call)| {
            let record: CallRecord = serde_json::from_str(&call).ok()?;
            // That document may share an answer itself. The record names the document that paid.
            let payer = record.shared_from.clone().unwrap_or(document);
            let free = CallRecord { attempts: 0, maybe_billed: 0, usage: Usage::default(), seconds: 0.0, ..record };
            Some(CallRecord { cost_usd: Some(Money::ZERO), shared_from: Some(payer), ..free })
        }))
    }
}

/// Names of the first rows with the id of `row` in earlier deliveries of its table.
///
/// A delivery may repeat an id, and the next one may have these rows in another order.
fn earlier_names(versions: &[(String, String)], row: &str) -> Vec<String> {
    let id = |now: &str| row.strip_prefix(now)?.strip_prefix('#').filter(|id| !is_made_up(id));
    let names = versions.iter().filter_map(|(before, now)| Some(format!("{before}#{}", without_repetition(id(now)?))));
    names.collect()
}

/// An id without the number of its repetition: `A` for `A~2`.
fn without_repetition(id: &str) -> &str {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    id.rsplit_once('~').filter(|(_, number)| is_number(number)).map_or(id, |(first, _)| first)
}

/// Opens the answers in another output directory.
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
