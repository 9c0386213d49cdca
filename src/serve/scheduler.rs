//! Starts queued runs, and drains them when the server stops.

use super::app::{App, until};
use super::orders::SERVER_STOPS;
use super::runner::work;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::task::JoinSet;

/// Maximum time between two looks at the queue.
const LOOK: Duration = Duration::from_mins(5);

/// Works on the queue until the server stops. Then stops all runs and waits for their end.
pub async fn schedule(app: Arc<App>) {
    let mut working = JoinSet::new();
    loop {
        while working.len() < app.settings.runs && !app.stop.is_cancelled() {
            let next = app.blocking(|app| app.with_caps(|caps| app.queue.next(caps))).await;
            match next {
                Ok(Some(run)) => drop(working.spawn_on(work(Arc::clone(&app), run), &app.runtime)),
                Ok(None) => break,
                Err(problem) => {
                    crate::progress::complain(&problem.detail);
                    break;
                }
            }
        }
        app.at_work.store(working.len(), Relaxed);
        // Runs that were stopped instead of started have left messages.
        app.webhooks.wake.notify_one();
        let deadline = app.blocking(|app| app.queue.first_deadline()).await.ok().flatten();
        tokio::select! {
            biased;
            () = app.stop.cancelled() => break,
            Some(_) = working.join_next() => {}
            () = app.wake.notified() => {}
            () = tokio::time::sleep(deadline.map_or(LOOK, until).min(LOOK)) => {}
        }
    }
    for live in app.live.lock().values() {
        live.stop.stop(SERVER_STOPS);
    }
    while working.join_next().await.is_some() {}
}
