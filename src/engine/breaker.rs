//! Stops the run on systemic failures.
//!
//! If consecutive calls of a task on different documents fail with the same code, the cause is
//! something that they share: the settings, the prompt or the provider. The breaker then stops the
//! run, and the documents of the streak stay pending.

use crate::ask::{RunStop, StopKind, is_turned_away};
use crate::model::{CallKey, DocumentId, Failure, FailureCode};
use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::sync::Arc;

/// Counts consecutive failures of each task.
#[derive(Debug)]
pub(super) struct Breaker {
    /// Number of consecutive failures that stops the run; 0 turns the breaker off.
    limit: usize,
    tasks: Mutex<Tasks>,
}

#[derive(Debug, Default)]
struct Tasks {
    streaks: HashMap<Arc<str>, Streak>,
    /// Calls of the streak that stopped the run.
    tripped: Option<Vec<(DocumentId, CallKey)>>,
}

#[derive(Debug, Default)]
struct Streak {
    /// Whether a call of this task ever succeeded in this run.
    proven: bool,
    code: Option<FailureCode>,
    /// Whether the provider denied access to all calls of the streak, as with an invalid key.
    turned_away: bool,
    calls: Vec<(DocumentId, CallKey)>,
}

/// Number of failures that stops the run if no call of the task has succeeded yet.
const UNPROVEN: usize = 5;
/// Minimum number of different documents in a streak that stops the run.
const DOCUMENTS: usize = 2;
/// Length of a streak from which on the number of requests in flight is limited.
const SUSPICIOUS: usize = 5;

impl Breaker {
    pub fn new(limit: usize) -> Self {
        Self { limit, tasks: Mutex::default() }
    }

    fn tasks(&self) -> MutexGuard<'_, Tasks> {
        self.tasks.lock()
    }

    /// Records an answered call of a task. Returns whether it ended a suspicious streak.
    pub fn succeeded(&self, task: &Arc<str>) -> bool {
        let mut tasks = self.tasks();
        let Some(streak) = tasks.streaks.get_mut(task) else {
            tasks.streaks.insert(Arc::clone(task), Streak { proven: true, ..Streak::default() });
            return false;
        };
        streak.proven = true;
        let suspicious = streak.calls.len() >= SUSPICIOUS;
        streak.calls.clear();
        suspicious
    }

    /// Records a failed call of a task, with the HTTP status of the response, if any.
    ///
    /// `Ok` returns the maximum number of requests in flight, if limited. `Err` stops the run.
    pub fn failed(
        &self,
        task: &Arc<str>,
        failure: &Failure,
        status: Option<u16>,
        call: (DocumentId, CallKey),
    ) -> Result<Option<usize>, RunStop> {
        if self.limit == 0 {
            return Ok(None);
        }
        let mut tasks = self.tasks();
        if let Some(calls) = &mut tasks.tripped {
            // The call was in flight when the run stopped.
            calls.push(call);
            return Ok(None);
        }
        let streak = tasks.streaks.entry(Arc::clone(task)).or_default();
        if streak.code.replace(failure.code) != Some(failure.code) {
            streak.calls.clear();
        }
        let turned_away = status.is_some_and(is_turned_away);
        streak.turned_away = turned_away && (streak.turned_away || streak.calls.is_empty());
        streak.calls.push(call);
        let count = streak.calls.len();
        let enough = match (streak.proven, streak.turned_away) {
            (true, _) => self.limit,
            (false, false) => self.limit.min(UNPROVEN),
            (false, true) => DOCUMENTS,
        };
        if count < enough || streak.documents() < DOCUMENTS {
            return Ok((count >= SUSPICIOUS).then(|| self.limit.saturating_sub(count).max(1)));
        }
        let calls = std::mem::take(&mut streak.calls);
        let stop = stop(task, failure, &calls);
        tasks.tripped = Some(calls);
        Err(stop)
    }

    /// Judges the streaks at the end of a run if the store contains no answer.
    ///
    /// Returns a stop if all calls of a task, on more than two documents, were rejected. If the
    /// provider denied access, one document is enough.
    pub fn nothing_succeeded(&self) -> Option<RunStop> {
        let mut tasks = self.tasks();
        if self.limit == 0 || tasks.tripped.is_some() {
            return None;
        }
        let rejected = |streak: &&mut Streak| {
            let enough = streak.code == Some(FailureCode::Rejected) && streak.documents() > DOCUMENTS;
            !streak.proven && !streak.calls.is_empty() && (enough || streak.turned_away)
        };
        let (task, calls, code) = tasks.streaks.iter_mut().find_map(|(task, streak)| {
            let streak = Some(streak).filter(rejected)?;
            Some((Arc::clone(task), std::mem::take(&mut streak.calls), streak.code))
        })?;
        let failure = Failure::new(code.unwrap_or(FailureCode::Rejected), "see the failures above");
        let stop = stop(&task, &failure, &calls);
        tasks.tripped = Some(calls);
        Some(stop)
    }

    /// The calls of the streak that stopped the run, if any.
    pub fn tripped(&self) -> Option<Vec<(DocumentId, CallKey)>> {
        self.tasks().tripped.clone()
    }
}

impl Streak {
    /// The number of different documents.
    fn documents(&self) -> usize {
        let mut documents: Vec<i64> = self.calls.iter().map(|(document, _)| document.0).collect();
        documents.sort_unstable();
        documents.dedup();
        documents.len()
    }
}

fn stop(task: &str, failure: &Failure, calls: &[(DocumentId, CallKey)]) -> RunStop {
    // A transient failure may be gone in the next run. A permanent one needs a change first.
    let kind = if failure.code.is_transient() { StopKind::Parked } else { StopKind::Refused };
    let message = format!(
        "the last {} calls of task {task} all failed with {}, so the documents are not the cause. The last failure: \
            {}. These documents stay pending. Fix the cause and run the same command again. If the documents are the \
            cause, pass --set llm.retry.max_consecutive_failures=0",
        calls.len(),
        failure.code,
        failure.message.trim_end_matches('.')
    );
    RunStop { kind, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(breaker: &Breaker, code: FailureCode, document: i64) -> Result<Option<usize>, RunStop> {
        breaker.failed(&"t".into(), &Failure::new(code, "no"), None, (DocumentId(document), CallKey([0; 32])))
    }

    #[test]
    fn consecutive_failures_of_one_code_stop_the_run_and_are_listed() {
        let breaker = Breaker::new(20);
        assert!(!breaker.succeeded(&"t".into()));
        for document in 1..20 {
            let left = fail(&breaker, FailureCode::Rejected, document).unwrap();
            assert_eq!(left, usize::try_from(20 - document).ok().filter(|_| document >= 5));
        }
        let stop = fail(&breaker, FailureCode::Rejected, 20).unwrap_err();
        assert_eq!((stop.kind, breaker.tripped().unwrap().len()), (StopKind::Refused, 20));
    }

    #[test]
    fn a_success_or_another_failure_starts_a_new_streak() {
        let breaker = Breaker::new(20);
        for document in 0..1000 {
            let code = if document % 19 == 0 { FailureCode::Refused } else { FailureCode::Rejected };
            if document % 7 == 0 {
                breaker.succeeded(&"t".into());
            }
            fail(&breaker, code, document).unwrap();
        }
        assert_eq!(breaker.tripped(), None);
    }

    #[test]
    fn without_any_success_three_rejected_documents_stop_the_run_at_its_end() {
        let breaker = Breaker::new(20);
        fail(&breaker, FailureCode::Rejected, 1).unwrap();
        fail(&breaker, FailureCode::Rejected, 2).unwrap();
        assert!(breaker.nothing_succeeded().is_none());
        fail(&breaker, FailureCode::Rejected, 3).unwrap();
        assert_eq!((breaker.nothing_succeeded().unwrap().kind, breaker.tripped().unwrap().len()), (StopKind::Refused, 3));
        let breaker = Breaker::new(20);
        breaker.succeeded(&"t".into());
        for document in 1..4 {
            fail(&breaker, FailureCode::Rejected, document).unwrap();
        }
        assert!(breaker.nothing_succeeded().is_none());
    }

    #[test]
    fn denied_access_stops_the_run_after_one_document_if_no_call_succeeded() {
        let away = |breaker: &Breaker, document| {
            let failure = Failure::new(FailureCode::Filtered, "HTTP 403");
            breaker.failed(&"t".into(), &failure, Some(403), (DocumentId(document), CallKey([0; 32])))
        };
        let breaker = Breaker::new(20);
        away(&breaker, 1).unwrap();
        assert_eq!((breaker.nothing_succeeded().unwrap().kind, breaker.tripped().unwrap().len()), (StopKind::Refused, 1));
        let breaker = Breaker::new(20);
        away(&breaker, 1).unwrap();
        assert_eq!(away(&breaker, 2).unwrap_err().kind, StopKind::Refused, "two documents are enough if no call has succeeded");
        let breaker = Breaker::new(20);
        away(&breaker, 1).unwrap();
        breaker.succeeded(&"t".into());
        away(&breaker, 2).unwrap();
        assert!(breaker.nothing_succeeded().is_none(), "the firewall rejects only this document");
    }

    #[test]
    fn one_document_never_stops_the_run_but_five_do_if_no_call_succeeded() {
        let breaker = Breaker::new(20);
        for _ in 0..100 {
            fail(&breaker, FailureCode::ServerError, 1).unwrap();
        }
        let breaker = Breaker::new(20);
        let results: Vec<bool> = (0..5).map(|document| fail(&breaker, FailureCode::ServerError, document).is_ok()).collect();
        assert_eq!(results, [true, true, true, true, false]);
    }
}
