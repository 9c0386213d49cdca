//! One call of each task goes first, alone.
//!
//! It shows whether the provider takes requests of this form at all, before many are sent that it does not take. It is a
//! real call: its answer is kept.

use crate::model::FailureCode;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OwnedMutexGuard;
use tokio_util::sync::CancellationToken;

/// Which tasks have had a call that the provider took.
#[derive(Debug, Default)]
pub(super) struct Preflight {
    tasks: Option<Mutex<HashMap<Arc<str>, Arc<Scout>>>>,
}

#[derive(Debug, Default)]
struct Scout {
    /// Cancelled when the way is free.
    taken: CancellationToken,
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// A call that goes alone. Those that wait go on when it is dropped: all of them after [`Self::landed`], or else one.
#[derive(Debug)]
pub(super) struct Alone {
    scout: Arc<Scout>,
    _turn: OwnedMutexGuard<()>,
}

impl Preflight {
    /// One that lets everybody pass if `on` is not set.
    pub fn new(on: bool) -> Self {
        Self { tasks: on.then(Mutex::default) }
    }

    /// Waits until a call of this task may go. The first one goes alone.
    pub async fn enter(&self, task: &Arc<str>) -> Option<Alone> {
        let scout = {
            let mut tasks = self.tasks.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
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
    /// The call ended with an answer, or with this. Whatever is the fault of its document alone frees the way.
    pub fn landed(&self, failure: Option<FailureCode>) {
        let understood = match failure {
            None => true,
            Some(code) => !code.is_transient() && code != FailureCode::Rejected,
        };
        if understood {
            self.scout.taken.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_others_wait_for_the_first_that_the_provider_takes() {
        let (preflight, task) = (Preflight::new(true), Arc::<str>::from("assess"));
        let first = preflight.enter(&task).await.unwrap();
        assert!(preflight.enter(&"other".into()).await.is_some(), "tasks do not wait for each other");
        let mut second = Box::pin(preflight.enter(&task));
        assert!(futures::poll!(&mut second).is_pending());
        first.landed(Some(FailureCode::Rejected));
        drop(first);
        let second = second.await.expect("the next one goes alone");
        let mut third = Box::pin(preflight.enter(&task));
        assert!(futures::poll!(&mut third).is_pending());
        second.landed(Some(FailureCode::Refused));
        assert!(third.await.is_none() && preflight.enter(&task).await.is_none());
    }
}
