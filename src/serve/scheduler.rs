//! Starts queued runs, and drains them when the server stops.

use super::app::App;
use super::runner::{SERVER_STOPS, work};
use std::sync::Arc;
use tokio::task::JoinSet;

/// Works on the queue until the server stops. Then stops all runs and waits for their end.
pub async fn schedule(app: Arc<App>) {
    let mut working = JoinSet::new();
    loop {
        while working.len() < app.settings.runs && !app.stop.is_cancelled() {
            let next = app.blocking(|app| app.with_caps(|caps| app.queue.next(caps))).await;
            match next {
                Ok(Some(run)) => drop(working.spawn(work(Arc::clone(&app), run))),
                Ok(None) => break,
                Err(problem) => {
                    crate::progress::complain(&problem.detail);
                    break;
                }
            }
        }
        tokio::select! {
            biased;
            () = app.stop.cancelled() => break,
            Some(_) = working.join_next() => {}
            () = app.wake.notified() => {}
        }
    }
    for live in app.live.lock().values() {
        live.stop.stop(SERVER_STOPS);
    }
    while working.join_next().await.is_some() {}
}
