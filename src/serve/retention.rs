//! Removes the oldest ended runs.

use super::app::App;
use super::problem::Problem;
use crate::gateway::ApiError;
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// Time between two looks.
const PAUSE: Duration = Duration::from_mins(10);

/// How long an ended run stays, whatever its size, so that its client can fetch the results.
const KEPT: Duration = Duration::from_mins(2);

/// Removes ended runs that are too old, or that exceed the size limit, until it is dropped.
pub async fn keep_within_limits(app: Arc<App>) {
    loop {
        if let Err(error) = remove_old_requests(&app).await {
            crate::progress::complain(&format!("retention: {}", error.message));
        }
        if let Err(problem) = app.blocking(remove_excess).await {
            crate::progress::complain(&format!("retention: {}", problem.detail));
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = app.ended.notified() => tokio::time::sleep(KEPT).await,
        }
    }
}

/// Removes old batches, files and records of requests, and files whose lifetime is over.
async fn remove_old_requests(app: &App) -> Result<(), ApiError> {
    let days = i64::try_from(app.settings.retention_days).unwrap_or(i64::MAX);
    let before = if days == 0 { i64::MIN } else { Timestamp::now().as_millisecond().saturating_sub(days.saturating_mul(86_400_000)) };
    app.gateway.remove_before(before).await
}

fn remove_excess(app: &App) -> Result<(), Problem> {
    let (days, most) = (app.settings.retention_days, app.settings.retention_mb.saturating_mul(1_000_000));
    if days == 0 && most == 0 {
        return Ok(());
    }
    let ended = app.queue.ended()?;
    let age = SignedDuration::from_hours(i64::try_from(days).unwrap_or(i64::MAX).saturating_mul(24));
    let mut size = if most == 0 { 0 } else { app.directories.size_of_runs() };
    for (id, at) in ended {
        let is_old = days > 0 && Timestamp::now().duration_since(at) > age;
        let is_new = Timestamp::now().duration_since(at).unsigned_abs() < KEPT;
        let is_excess = most > 0 && size > most && !is_new;
        if !is_old && !is_excess {
            break;
        }
        let own = app.directories.size_of_run(&id);
        if app.queue.remove(&id)? {
            app.directories.remove(&id)?;
            size = size.saturating_sub(own);
            app.tell_change(&id);
        }
    }
    Ok(())
}
