//! Notices when it is not the documents.
//!
//! When call after call of a task fails with the same code, about one document after the other, something fails that all
//! of them share: the settings, the prompt, the provider. Then the run stops, and the documents of this streak stay
//! pending: they have shown nothing about themselves.

use crate::ask::{RunStop, StopKind, is_turned_away};
use crate::model::{CallKey, DocumentId, Failure, FailureCode};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts failures in a row, for each task.
#[derive(Debug)]
pub(super) struct Breaker {
    /// So many in a row are too many; 0 for any number.
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
    /// Whether all calls of the streak were turned away at the door, as with a bad key.
    turned_away: bool,
    calls: Vec<(DocumentId, CallKey)>,
}

/// Where nothing has succeeded yet, so many are enough.
const UNPROVEN: usize = 5;
/// Fewer documents than this could be bad by chance.
const DOCUMENTS: usize = 2;
/// From so many in a row on, no more requests are under way than the limit leaves.
const SUSPICIOUS: usize = 5;

impl Breaker {
    pub fn new(limit: usize) -> Self {
        Self { limit, tasks: Mutex::default() }
    }

    fn tasks(&self) -> MutexGuard<'_, Tasks> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call of this task was answered. Whether that ended a suspicion.
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

    /// A call of this task has failed, with this HTTP status if there was a reply. `Ok` says how many requests may still be under way; `Err` stops the run.
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
            // It was under way when the run was stopped.
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

    /// At the end of a run in a store without any answer: if all calls of a task were rejected, about more than two
    /// documents, that is no fault of theirs either, however few they are. Turned away at the door, not even one is to blame.
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

    /// Calls that failed in the streak that stopped the run, if one did.
    pub fn tripped(&self) -> Option<Vec<(DocumentId, CallKey)>> {
        self.tasks().tripped.clone()
    }
}

impl Streak {
    fn documents(&self) -> usize {
        let mut documents: Vec<i64> = self.calls.iter().map(|(document, _)| document.0).collect();
        documents.sort_unstable();
        documents.dedup();
        documents.len()
    }
}

fn stop(task: &str, failure: &Failure, calls: &[(DocumentId, CallKey)]) -> RunStop {
    // What may pass by itself is worth another run; what may not needs somebody to change something first.
    let kind = if failure.code.is_transient() { StopKind::Parked } else { StopKind::Refused };
    let message = format!(
        "the last {} calls of task {task} all failed with {}, so it is not the documents; the last one said: {}. They stay pending. \
         Mend the cause and run the same command again; if these documents are really at fault, --set llm.retry.max_consecutive_failures=0 goes on",
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
    fn the_same_failure_in_a_row_stops_the_run_and_names_its_calls() {
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
    fn a_success_or_another_failure_begins_anew() {
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
    fn where_nothing_ever_succeeded_few_rejected_documents_are_enough_at_the_end() {
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
    fn one_document_that_is_turned_away_at_the_door_proves_nothing_about_itself() {
        let away = |breaker: &Breaker, document| {
            let failure = Failure::new(FailureCode::Filtered, "HTTP 403");
            breaker.failed(&"t".into(), &failure, Some(403), (DocumentId(document), CallKey([0; 32])))
        };
        let breaker = Breaker::new(20);
        away(&breaker, 1).unwrap();
        assert_eq!((breaker.nothing_succeeded().unwrap().kind, breaker.tripped().unwrap().len()), (StopKind::Refused, 1));
        let breaker = Breaker::new(20);
        away(&breaker, 1).unwrap();
        assert_eq!(away(&breaker, 2).unwrap_err().kind, StopKind::Refused, "two documents are enough where nothing has succeeded");
        let breaker = Breaker::new(20);
        away(&breaker, 1).unwrap();
        breaker.succeeded(&"t".into());
        away(&breaker, 2).unwrap();
        assert!(breaker.nothing_succeeded().is_none(), "it is the document that the firewall does not like");
    }

    #[test]
    fn one_document_alone_proves_nothing_and_without_any_success_few_are_enough() {
        let breaker = Breaker::new(20);
        for _ in 0..100 {
            fail(&breaker, FailureCode::ServerError, 1).unwrap();
        }
        let breaker = Breaker::new(20);
        let results: Vec<bool> = (0..5).map(|document| fail(&breaker, FailureCode::ServerError, document).is_ok()).collect();
        assert_eq!(results, [true, true, true, true, false]);
    }
}
