//! A second request for a straggler, at the end of a run.
//!
//! When no request waits for its turn any more, one slow answer delays the end of the whole run. With `llm.hedge` it is
//! requested once more, and the first reply counts. The other request may be billed too: it is on the ledger as such.
//!
//! Promise: a second request that is not admitted, or fails, leaves the first alone.

use super::governor::Governor;
use jiff::Timestamp;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::Notify;

/// A request that has left and has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Left {
    /// Its number in the ledger.
    pub id: i64,
    /// Which attempt of its call it is.
    pub number: u32,
    /// When it lined up.
    pub queued: Timestamp,
    /// When it left.
    pub sent: Timestamp,
}

/// The requests of one call that are in flight.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    left: Mutex<Vec<Left>>,
    leaves: Notify,
    /// A request is being written to the ledger: it is there, perhaps, and its number is not known yet.
    recording: AtomicBool,
}

impl InFlight {
    fn left(&self) -> MutexGuard<'_, Vec<Left>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many requests are in flight.
    pub fn count(&self) -> u32 {
        u32::try_from(self.left().len()).unwrap_or(u32::MAX)
    }

    /// Adds attempt `number`, which lined up at `queued`, when the ledger has given it its number there.
    pub async fn record<E>(&self, number: u32, queued: Timestamp, recorded: impl Future<Output = Result<i64, E>>) -> Result<i64, E> {
        self.recording.store(true, Relaxed);
        let id = recorded.await;
        self.recording.store(false, Relaxed);
        let id = id?;
        self.left().push(Left { id, number, queued, sent: Timestamp::now() });
        self.leaves.notify_one();
        Ok(id)
    }

    /// Drives `request` for as long as it is being written to the ledger. Dropped meanwhile, it would stay in doubt: its
    /// number in the ledger would be lost. Gives its end if it ends.
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

    /// Takes out a request that has ended.
    pub fn ended(&self, id: i64) {
        self.left().retain(|left| left.id != id);
    }

    /// Takes out all requests.
    pub fn give_up(&self) -> Vec<Left> {
        std::mem::take(&mut *self.left())
    }
}

/// Waits until a request has taken much longer than others do since it left, and no request waits for its turn.
pub(super) async fn straggles(governor: &Governor, under_way: &InFlight) {
    /// How many times the usual.
    const LONG: u32 = 3;
    /// An answer is not called slow before.
    const LEAST: Duration = Duration::from_millis(500);
    // The time in line says how busy the run is, and not how slow the answer.
    under_way.leaves.notified().await;
    let mut waited = Duration::ZERO;
    let least = governor.on_the_wall(LEAST);
    loop {
        let limit = governor.on_the_wall(governor.usual_answer() * LONG).max(least);
        if waited >= limit && governor.nobody_waits() {
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
    use crate::ask::{Budget, LimitSettings, SlowStart};
    use std::future::{pending, ready};
    use std::pin::pin;
    use tokio::sync::oneshot;
    use tokio::time::{Instant, timeout};
    use tokio_util::sync::CancellationToken;

    fn governor() -> Governor {
        let tokens = (CancellationToken::new(), CancellationToken::new());
        let limits = LimitSettings {
            requests_per_minute: 0,
            input_tokens_per_minute: 0,
            output_tokens_per_minute: 0,
            tokens_per_minute: 0,
            burst_s: 5.0,
            slow_start: SlowStart::Auto,
        };
        Governor::new(4, &limits, false, Budget::default(), tokens)
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_is_slow_by_the_time_since_it_left_and_not_since_it_lined_up() {
        let (governor, under_way) = (governor(), InFlight::default());
        let mut straggles = pin!(straggles(&governor, &under_way));
        assert!(timeout(Duration::from_mins(1), &mut straggles).await.is_err(), "it has not left yet");
        under_way.record(1, Timestamp::now(), ready(Ok::<_, ()>(7))).await.unwrap();
        let left = Instant::now();
        straggles.await;
        assert!(left.elapsed() >= Duration::from_millis(500), "{:?}", left.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_being_recorded_is_dropped_only_with_its_number() {
        let under_way = InFlight::default();
        let (number, recorded) = oneshot::channel();
        let mut request = pin!(async {
            under_way.record(2, Timestamp::UNIX_EPOCH, recorded).await.unwrap();
            pending::<()>().await;
        });
        assert!(timeout(Duration::ZERO, &mut request).await.is_err());
        let mut driven = pin!(under_way.recorded(request.as_mut()));
        assert!(timeout(Duration::from_secs(1), &mut driven).await.is_err(), "the ledger has not answered");
        number.send(7).unwrap();
        assert_eq!(driven.await, None);
        let left = under_way.give_up();
        assert_eq!((left.len(), left[0].id, left[0].number), (1, 7, 2));
    }

    #[tokio::test]
    async fn a_request_that_still_waits_for_its_turn_is_dropped_at_once() {
        let under_way = InFlight::default();
        assert_eq!(under_way.recorded(pin!(pending::<()>())).await, None);
        assert_eq!(under_way.count(), 0);
    }
}
