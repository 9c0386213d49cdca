//! Hedging: sends a second request when the last answers are slow.
//!
//! When no request waits for admission, one slow answer delays the end of the whole run. With
//! `llm.hedge`, docmill sends a second request and uses the first reply. The provider may bill both
//! requests. The ledger records both.
//!
//! Promise: if the second request is not admitted or fails, the first one continues.

use super::governor::Governor;
use super::servers::Servers;
use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::Notify;

/// A request in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Left {
    /// Id of the attempt in the ledger.
    pub id: i64,
    /// Its attempt number within the call.
    pub number: u32,
    /// When the request began to wait for admission.
    pub queued: Timestamp,
    /// When the request was sent.
    pub sent: Timestamp,
}

/// The requests in flight of one call.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    left: Mutex<Vec<Left>>,
    leaves: Notify,
    /// Whether a request is being written to the ledger. Its id is unknown until then.
    recording: AtomicBool,
}

impl InFlight {
    fn left(&self) -> MutexGuard<'_, Vec<Left>> {
        self.left.lock()
    }

    /// Number of requests in flight.
    pub fn count(&self) -> u32 {
        u32::try_from(self.left().len()).unwrap_or(u32::MAX)
    }

    /// Adds attempt `number` once the ledger has recorded it.
    ///
    /// `queued` is when it began to wait for admission. Returns the attempt's id in the ledger.
    pub async fn record<E>(&self, number: u32, queued: Timestamp, recorded: impl Future<Output = Result<i64, E>>) -> Result<i64, E> {
        self.recording.store(true, Relaxed);
        let id = recorded.await;
        self.recording.store(false, Relaxed);
        let id = id?;
        self.left().push(Left { id, number, queued, sent: Timestamp::now() });
        self.leaves.notify_one();
        Ok(id)
    }

    /// Drives `request` while it is being written to the ledger.
    ///
    /// Returns the result of `request` if it ends meanwhile. If it were dropped during the write,
    /// its id would be lost and it would stay in doubt.
    pub async fn recorded<T>(&self, mut request: Pin<&mut impl Future<Output = T>>) -> Option<T> {
        std::future::poll_fn(|cx| {
            if !self.recording.load(Relaxed) {
                return Poll::Ready(None);
            }
            match request.as_mut().poll(cx) {
                Poll::Ready(ended) => Poll::Ready(Some(ended)),
                Poll::Pending if self.recording.load(Relaxed) => Poll::Pending,
                Poll::Pending => Poll::Ready(None),
            }
        })
        .await
    }

    /// Removes a request that has ended.
    pub fn ended(&self, id: i64) {
        self.left().retain(|left| left.id != id);
    }

    /// Removes and returns all requests.
    pub fn take_all(&self) -> Vec<Left> {
        std::mem::take(&mut *self.left())
    }
}

/// Waits until a request is slow and none waits for admission or for a server.
pub(super) async fn wait_for_straggler(governor: &Governor, servers: Option<&Servers>, in_flight: &InFlight) {
    /// Multiple of the average time after which an answer is slow.
    const LONG: u32 = 3;
    /// Minimum time before an answer counts as slow.
    const LEAST: Duration = Duration::from_millis(500);
    // The clock starts when the request is sent. Time spent waiting for admission does not count.
    in_flight.leaves.notified().await;
    let mut waited = Duration::ZERO;
    let least = governor.on_the_wall(LEAST);
    loop {
        let limit = governor.on_the_wall(governor.usual_answer() * LONG).max(least);
        if waited >= limit && governor.line_is_empty() && servers.is_none_or(Servers::line_is_empty) {
            return;
        }
        let step = limit.saturating_sub(waited).max(least / 5);
        tokio::time::sleep(step).await;
        waited += step;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::ask::{Budget, GovernorSettings, LimitSettings, SlowStart};
    use std::future::{pending, ready};
    use std::pin::pin;
    use tokio::sync::oneshot;
    use tokio::time::{Instant, timeout};
    use tokio_util::sync::CancellationToken;

    fn governor() -> Governor {
        let limits = LimitSettings {
            requests_per_minute: 0,
            input_tokens_per_minute: 0,
            output_tokens_per_minute: 0,
            tokens_per_minute: 0,
            burst_s: 5.0,
            slow_start: SlowStart::Auto,
        };
        let settings = GovernorSettings {
            concurrency: 4,
            limits: &limits,
            slow_start: false,
            budget: Budget::default(),
            stop: CancellationToken::new(),
            abandon: CancellationToken::new(),
        };
        Governor::alone(settings)
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_counts_as_slow_by_the_time_since_it_was_sent() {
        let (governor, in_flight) = (governor(), InFlight::default());
        let mut straggler = pin!(wait_for_straggler(&governor, None, &in_flight));
        assert!(timeout(Duration::from_mins(1), &mut straggler).await.is_err(), "it was not sent yet");
        in_flight.record(1, Timestamp::now(), ready(Ok::<_, ()>(7))).await.unwrap();
        let left = Instant::now();
        straggler.await;
        assert!(left.elapsed() >= Duration::from_millis(500), "{:?}", left.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_being_recorded_is_dropped_only_with_its_number() {
        let in_flight = InFlight::default();
        let (number, recorded) = oneshot::channel();
        let mut request = pin!(async {
            in_flight.record(2, Timestamp::UNIX_EPOCH, recorded).await.unwrap();
            pending::<()>().await;
        });
        assert!(timeout(Duration::ZERO, &mut request).await.is_err());
        let mut driven = pin!(in_flight.recorded(request.as_mut()));
        assert!(timeout(Duration::from_secs(1), &mut driven).await.is_err(), "the ledger has not answered");
        number.send(7).unwrap();
        assert_eq!(driven.await, None);
        let left = in_flight.take_all();
        assert_eq!((left.len(), left[0].id, left[0].number), (1, 7, 2));
    }

    #[tokio::test]
    async fn a_request_that_still_waits_for_admission_is_dropped_at_once() {
        let in_flight = InFlight::default();
        assert_eq!(in_flight.recorded(pin!(pending::<()>())).await, None);
        assert_eq!(in_flight.count(), 0);
    }
}
