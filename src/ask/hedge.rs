//! Hedging: a second request for a slow answer at the end of a run.
//!
//! When no request waits for admission any more, one slow answer delays the end of the whole run.
//! With `llm.hedge` a second request is sent, and the first reply counts. The provider may bill the
//! other request too, and the ledger records that.
//!
//! Promise: if the second request is not admitted or fails, the first one goes on.

use super::governor::Governor;
use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::Notify;

/// A request that was sent and has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Left {
    /// Its number in the ledger.
    pub id: i64,
    /// Its attempt number within the call.
    pub number: u32,
    /// When it began to wait for admission.
    pub queued: Timestamp,
    /// When it was sent.
    pub sent: Timestamp,
}

/// The requests of one call that are in flight.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    left: Mutex<Vec<Left>>,
    leaves: Notify,
    /// A request is being written to the ledger, so its number is unknown.
    recording: AtomicBool,
}

impl InFlight {
    fn left(&self) -> MutexGuard<'_, Vec<Left>> {
        self.left.lock()
    }

    /// How many requests are in flight.
    pub fn count(&self) -> u32 {
        u32::try_from(self.left().len()).unwrap_or(u32::MAX)
    }

    /// Adds attempt `number`, queued at `queued`, when the ledger has recorded it. Returns its
    /// number there.
    pub async fn record<E>(&self, number: u32, queued: Timestamp, recorded: impl Future<Output = Result<i64, E>>) -> Result<i64, E> {
        self.recording.store(true, Relaxed);
        let id = recorded.await;
        self.recording.store(false, Relaxed);
        let id = id?;
        self.left().push(Left { id, number, queued, sent: Timestamp::now() });
        self.leaves.notify_one();
        Ok(id)
    }

    /// Drives `request` while it is being written to the ledger. Returns its result if it ends.
    ///
    /// A request that is dropped during that time would stay in doubt, because its number would be
    /// lost.
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

/// Waits until a request that was sent is slow, and no request waits for admission.
pub(super) async fn wait_for_straggler(governor: &Governor, in_flight: &InFlight) {
    /// An answer is slow after this many times the average time of an answer.
    const LONG: u32 = 3;
    /// An answer is never slow before this time.
    const LEAST: Duration = Duration::from_millis(500);
    // The clock starts when the request is sent: the time in line only shows how busy the run is.
    in_flight.leaves.notified().await;
    let mut waited = Duration::ZERO;
    let least = governor.on_the_wall(LEAST);
    loop {
        let limit = governor.on_the_wall(governor.usual_answer() * LONG).max(least);
        if waited >= limit && governor.line_is_empty() {
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
        let mut straggler = pin!(wait_for_straggler(&governor, &in_flight));
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
