//! Who may send now: one governor for an account, which is what providers limit.
//!
//! It bounds the calls in flight and keeps one gate for all: when the provider asks for a wait, nobody sends
//! before it is over. Nothing is held while waiting at the gate. Budgets of requests and tokens belong here too.

use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Admission to one account.
#[derive(Debug)]
pub struct Governor {
    permits: Semaphore,
    opens_at: Mutex<Option<Instant>>,
    stop: CancellationToken,
    abandon: CancellationToken,
}

/// Permission to have one request in flight.
#[derive(Debug)]
pub struct Permit<'g>(#[expect(dead_code, reason = "held for its drop")] SemaphorePermit<'g>);

/// The run is stopping: no more requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped;

/// Requests do not all leave at the moment the gate opens, but within this share of the wait.
const SPREAD: f64 = 0.1;

impl Governor {
    /// A governor for `concurrency` calls in flight, which admits nobody once `stop` is cancelled, and gives up those in
    /// flight once `abandon` is.
    pub fn new(concurrency: usize, stop: CancellationToken, abandon: CancellationToken) -> Self {
        Self { permits: Semaphore::new(concurrency), opens_at: Mutex::new(None), stop, abandon }
    }

    /// Waits for a request in flight, unless the run cannot wait any longer. The request stays in doubt then.
    pub async fn unless_abandoned<T>(&self, request: impl Future<Output = T>) -> Result<T, Stopped> {
        tokio::select! {
            biased;
            reply = request => Ok(reply),
            () = self.abandon.cancelled() => Err(Stopped),
        }
    }

    /// Waits until a request may be sent.
    pub async fn admit(&self) -> Result<Permit<'_>, Stopped> {
        loop {
            self.wait_at_gate().await?;
            let permit = tokio::select! {
                biased;
                () = self.stop.cancelled() => return Err(Stopped),
                permit = self.permits.acquire() => permit.map_err(|_| Stopped)?,
            };
            // The gate may have closed while we queued; a permit must not be held through that wait.
            if self.opens_at().is_none() {
                return Ok(Permit(permit));
            }
        }
    }

    /// Waits for `time`, or until the run stops.
    pub async fn pause(&self, time: Duration) -> Result<(), Stopped> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Stopped),
            () = tokio::time::sleep(time) => Ok(()),
        }
    }

    /// Closes the gate for everybody. A later opening time wins over an earlier one.
    pub fn close_for(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let mut opens_at = self.opens_at.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *opens_at = Some(opens_at.map_or(until, |earlier| earlier.max(until)));
    }

    async fn wait_at_gate(&self) -> Result<(), Stopped> {
        while let Some(opens_at) = self.opens_at() {
            let wait = opens_at.saturating_duration_since(Instant::now());
            self.pause(wait + wait.mul_f64(SPREAD * fastrand::f64())).await?;
        }
        Ok(())
    }

    /// When the gate opens, if it is closed now.
    fn opens_at(&self) -> Option<Instant> {
        let mut opens_at = self.opens_at.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if opens_at.is_some_and(|at| at <= Instant::now()) {
            *opens_at = None;
        }
        *opens_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn governor(concurrency: usize) -> (Arc<Governor>, CancellationToken) {
        let stop = CancellationToken::new();
        (Arc::new(Governor::new(concurrency, stop.clone(), CancellationToken::new())), stop)
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_passes_a_closed_gate_before_its_time() {
        let (governor, _stop) = governor(8);
        governor.close_for(Duration::from_secs(2));
        governor.close_for(Duration::from_secs(1));
        let start = Instant::now();
        let waiting = (0..8).map(|_| governor.admit());
        let permits = futures::future::join_all(waiting).await;
        assert!(permits.iter().all(Result::is_ok));
        assert!(start.elapsed() >= Duration::from_secs(2), "{:?}", start.elapsed());
        assert!(start.elapsed() <= Duration::from_millis(2300), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_frees_those_who_wait_for_a_permit_and_at_the_gate() {
        let (governor, stop) = governor(1);
        let permit = governor.admit().await.unwrap();
        let queued = governor.admit();
        stop.cancel();
        assert_eq!(queued.await.err(), Some(Stopped));
        drop(permit);
        governor.close_for(Duration::from_hours(1));
        assert_eq!(governor.admit().await.err(), Some(Stopped));
    }
}
