//! Removes the oldest ended runs and files.

use super::app::App;
use super::problem::Problem;
use super::queue::RunId;
use crate::gateway::{ApiError, IdleFile};
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// Time between two looks.
const PAUSE: Duration = Duration::from_mins(10);

/// How long an ended run or a file stays, whatever its size, so that its client can fetch it.
const KEPT: Duration = Duration::from_mins(2);
/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// Removes ended runs that are too old, or that exceed the size limit, until it is dropped.
pub async fn keep_within_limits(app: Arc<App>) {
    loop {
        if let Err(error) = remove_old_requests(&app).await {
            crate::progress::complain(&format!("retention: {}", error.message));
        }
        if let Err(problem) = remove_excess(&app).await {
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
    let before = if days == 0 { i64::MIN } else { Timestamp::now().as_millisecond().saturating_sub(days.saturating_mul(DAY_MS)) };
    app.gateway.remove_before(before).await
}

/// Something that can be removed: a run that has ended, or a file of a client.
enum Old {
    Run(RunId),
    File(IdleFile),
}

/// Removes ended runs that are too old, and the oldest runs and files beyond the size limit.
async fn remove_excess(app: &Arc<App>) -> Result<(), Problem> {
    let (days, most) = (app.settings.retention_days, app.settings.retention_mb.saturating_mul(1_000_000));
    if days == 0 && most == 0 {
        return Ok(());
    }
    let (mut old, mut size) = app.blocking(move |app| look(app, most > 0)).await?;
    let now = Timestamp::now().as_millisecond();
    let age = i64::try_from(days).unwrap_or(i64::MAX).saturating_mul(DAY_MS);
    old.sort_by_key(|(ms, _)| *ms);
    for (ms, old) in old {
        let is_old = days > 0 && now - ms > age;
        let is_excess = most > 0 && size > most && u128::from(now.abs_diff(ms)) > KEPT.as_millis();
        match old {
            _ if !is_old && !is_excess => break,
            Old::Run(id) => {
                size = size.saturating_sub(app.blocking(move |app| remove_run(app, &id)).await?);
            }
            // The gateway removes old files itself.
            Old::File(_) if !is_excess => {}
            Old::File(IdleFile { id, bytes, .. }) => {
                let removed = app.gateway.remove_file(&id).await.map_err(|error| Problem::internal(error.message))?;
                size = size.saturating_sub(if removed { bytes } else { 0 });
            }
        }
    }
    Ok(())
}

/// What can be removed, with the time since when, and the size of all runs and files if it is limited.
fn look(app: &App, is_limited: bool) -> Result<(Vec<(i64, Old)>, u64), Problem> {
    let runs = app.queue.ended()?.into_iter().map(|(id, at)| (at.as_millisecond(), Old::Run(id)));
    if !is_limited {
        return Ok((runs.collect(), 0));
    }
    let (files, size) = app.gateway.idle_files().map_err(|error| Problem::internal(error.message))?;
    let files = files.into_iter().map(|file| (file.created_ms, Old::File(file)));
    Ok((runs.chain(files).collect(), size + app.directories.size_of_runs()))
}

/// Removes a run. Returns its size.
fn remove_run(app: &App, id: &RunId) -> Result<u64, Problem> {
    let size = app.directories.size_of_run(id);
    if !app.queue.remove(id)? {
        return Ok(0);
    }
    app.directories.remove(id)?;
    app.tell_change(id);
    Ok(size)
}
