//! Time limits that read what is there before they judge.

use std::pin::pin;
use std::time::Duration;
use tokio::time::Instant;

/// A timer that fires later than this says that the process was not running: it was stopped, or the machine slept.
const ASLEEP: Duration = Duration::from_millis(100);
/// How long what has come meanwhile may take to be read.
const TO_READ: Duration = Duration::from_secs(1);

/// The result of `step`, if it comes within `limit`.
///
/// A process that is stopped for longer than `limit` finds the reply in its sockets when it goes on, and the timer expired.
/// The time that it was not running does not count: it is given again, `limit` at the most, and long enough to read.
pub(super) async fn within<T>(limit: Duration, step: impl Future<Output = T>) -> Option<T> {
    let mut step = pin!(step);
    let mut deadline = Instant::now().checked_add(limit);
    loop {
        let expired = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            done = &mut step => return Some(done),
            () = expired => {}
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
    async fn what_came_while_the_process_was_stopped_is_read() {
        let (reply, received) = oneshot::channel();
        let waiting = tokio::spawn(within(LIMIT, received));
        yield_now().await;
        advance(Duration::from_hours(8)).await;
        // The task that reads the socket has its turn after the one whose timer has fired.
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
