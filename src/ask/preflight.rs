//! Sends the first call of each task alone.
//!
//! This shows whether the provider accepts requests of this form before many are sent. It is a real
//! call: its answer is kept.

use crate::model::FailureCode;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::OwnedMutexGuard;
use tokio_util::sync::CancellationToken;

/// Tracks which tasks have had a call that the provider accepted.
#[derive(Debug, Default)]
pub(super) struct Preflight {
    tasks: Option<Mutex<HashMap<Arc<str>, Arc<Scout>>>>,
}

#[derive(Debug, Default)]
struct Scout {
    /// Cancelled when the other calls of the task may go.
    taken: CancellationToken,
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// A call that goes alone.
///
/// When it is dropped, all waiting calls go on if [`Self::ended`] has freed the way; otherwise one
/// of them goes on.
#[derive(Debug)]
pub(super) struct Alone {
    scout: Arc<Scout>,
    _turn: OwnedMutexGuard<()>,
}

impl Preflight {
    /// If `on` is false, every call passes at once.
    pub fn new(on: bool) -> Self {
        Self { tasks: on.then(Mutex::default) }
    }

    /// Waits until a call of this task may go. `Some` means that it goes alone.
    pub async fn enter(&self, task: &Arc<str>) -> Option<Alone> {
        let scout = {
            let mut tasks = self.tasks.as_ref()?.lock();
            Arc::clone(tasks.entry(Arc::clone(task)).or_default())
        };
        tokio::select! {
            biased;
            () = scout.taken.cancelled() => None,
            turn = Arc::clone(&scout.turn).lock_owned() => {
                let free = scout.taken.is_cancelled();
                (!free).then_some(Alone { scout, _turn: turn })
            }
        }
    }
}

impl Alone {
    /// Reports how the call ended; `None` is an answer.
    ///
    /// Frees the way for the others, unless the failure is transient or the provider rejected the
    /// request.
    pub fn ended(&self, failure: Option<FailureCode>) {
        let accepted = match failure {
            None => true,
            Some(code) => !code.is_transient() && code != FailureCode::Rejected,
        };
        if accepted {
            self.scout.taken.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn calls_wait_until_the_provider_has_accepted_one() {
        let (preflight, task) = (Preflight::new(true), Arc::<str>::from("assess"));
        let first = preflight.enter(&task).await.unwrap();
        assert!(preflight.enter(&"other".into()).await.is_some(), "tasks do not wait for each other");
        let mut second = Box::pin(preflight.enter(&task));
        assert!(futures::poll!(&mut second).is_pending());
        first.ended(Some(FailureCode::Rejected));
        drop(first);
        let second = second.await.expect("the next one goes alone");
        let mut third = Box::pin(preflight.enter(&task));
        assert!(futures::poll!(&mut third).is_pending());
        second.ended(Some(FailureCode::Refused));
        assert!(third.await.is_none() && preflight.enter(&task).await.is_none());
    }
}
