//! Sends the first call of each task alone.
//!
//! This shows whether the provider accepts such requests before docmill sends many. The call is a
//! real one, and its answer is kept.

use crate::model::FailureCode;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::OwnedMutexGuard;
use tokio_util::sync::CancellationToken;

/// Tracks for which tasks the provider has accepted a call.
#[derive(Debug, Default)]
pub(super) struct Preflight {
    tasks: Option<Mutex<HashMap<Arc<str>, Arc<Scout>>>>,
}

#[derive(Debug, Default)]
struct Scout {
    /// Cancelled when the other calls of the task may be sent.
    taken: CancellationToken,
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// A call that is sent alone.
///
/// When it is dropped, all waiting calls continue if [`Self::ended`] has released them. Otherwise
/// one waiting call is sent alone.
#[derive(Debug)]
pub(super) struct Alone {
    scout: Arc<Scout>,
    _turn: OwnedMutexGuard<()>,
}

impl Preflight {
    /// Creates the check. If `on` is false, every call passes at once.
    pub fn new(on: bool) -> Self {
        Self { tasks: on.then(Mutex::default) }
    }

    /// Waits until a call of this task may be sent. `Some` means that it is sent alone.
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
    /// Reports the result of the call. `None` means an answer.
    ///
    /// Releases the other calls, unless the failure is transient or the provider rejected the
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
