//! Time limits that exclude time in which the process was suspended.

use std::pin::pin;
use std::time::Duration;
use tokio::time::Instant;

/// A timer that is this late shows that the process was suspended.
const ASLEEP: Duration = Duration::from_millis(100);
/// Extra time to read data that arrived during a suspension.
const TO_READ: Duration = Duration::from_secs(1);

/// Waits until `time`, or for ever if `time` is `None`.
pub(super) async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Returns the result of `step`, or `None` after `limit`.
///
/// If the process was suspended for longer than `limit`, the timer expires although a reply may
/// already be in the socket. Therefore `within` extends the deadline by the time suspended. The
/// extension is at most `limit` and at least [`TO_READ`].
pub(super) async fn within<T>(limit: Duration, step: impl Future<Output = T>) -> Option<T> {
    let mut step = pin!(step);
    let mut deadline = Instant::now().checked_add(limit);
    loop {
        tokio::select! {
            biased;
            done = &mut step => return Some(done),
            () = at(deadline) => {}
        }
        let late = deadline.map_or(Duration::ZERO, |deadline| deadline.elapsed());
        if late < ASLEEP {
            return None;
        }
        deadline = Instant::now().checked_add(late.min(limit).max(TO_READ));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use std::future::pending;
    use tokio::sync::oneshot;
    use tokio::task::yield_now;
    use tokio::time::advance;

    const LIMIT: Duration = Duration::from_secs(3);

    #[tokio::test(start_paused = true)]
    async fn a_step_that_takes_too_long_ends_at_its_limit() {
        let begun = Instant::now();
        assert_eq!(within(LIMIT, pending::<()>()).await, None);
        assert!(begun.elapsed() < LIMIT + ASLEEP, "{:?}", begun.elapsed());
        assert_eq!(within(Duration::MAX, async { 1 }).await, Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reply_that_came_while_the_process_was_stopped_is_read() {
        let (reply, received) = oneshot::channel();
        let waiting = tokio::spawn(within(LIMIT, received));
        yield_now().await;
        advance(Duration::from_hours(8)).await;
        // The task whose timer fired runs before the task that reads the socket.
        yield_now().await;
        reply.send(7).unwrap();
        assert_eq!(waiting.await.unwrap().unwrap().unwrap(), 7);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_stop_the_wait_is_not_endless() {
        let waiting = tokio::spawn(within(LIMIT, pending::<()>()));
        yield_now().await;
        advance(Duration::from_hours(8)).await;
        let begun = Instant::now();
        assert_eq!(waiting.await.unwrap(), None);
        assert!(begun.elapsed() < LIMIT + ASLEEP, "{:?}", begun.elapsed());
    }
}
