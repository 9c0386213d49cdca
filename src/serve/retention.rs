//! Removes the oldest ended runs and files.

use super::app::App;
use super::problem::Problem;
use super::queue::RunId;
use crate::gateway::{ApiError, IdleFile};
use jiff::Timestamp;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Maximum time between two looks.
const PAUSE: Duration = Duration::from_mins(1);
/// Time from the end of a run to the next look. Runs that end together need only one.
const SOON: Duration = Duration::from_secs(5);
/// Time between two removals of old requests.
const PAUSE_OF_REQUESTS: Duration = Duration::from_mins(10);

/// How long an ended run or a file stays, whatever its size, so that its client can fetch it.
const KEPT: Duration = Duration::from_mins(2);
/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// Removes ended runs that are too old, or that exceed the size limit, until it is dropped.
pub async fn keep_within_limits(app: Arc<App>) {
    let mut requests_at: Option<Instant> = None;
    loop {
        if requests_at.is_none_or(|at| at.elapsed() >= PAUSE_OF_REQUESTS) {
            requests_at = Some(Instant::now());
            if let Err(error) = remove_old_requests(&app).await {
                crate::progress::complain(&format!("retention: {}", error.message));
            }
        }
        let looked = Instant::now();
        let pause = remove_excess(&app).await.unwrap_or_else(|problem| {
            crate::progress::complain(&format!("retention: {}", problem.detail));
            PAUSE
        });
        // A look asks for the size of each file.
        let soon = SOON.max(looked.elapsed() * 10);
        tokio::select! {
            () = tokio::time::sleep(pause.max(soon)) => {}
            () = app.ended.notified() => tokio::time::sleep(soon).await,
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

/// The limits of what is kept.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Maximum age of runs in days; 0: no limit.
    days: u64,
    /// Maximum size in bytes; 0: no limit.
    most: u64,
}

/// What happens to the oldest thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// It is a run that is too old.
    TooOld,
    /// It exceeds the size limit.
    Excess,
    /// It exceeds the size limit, but stays for this time.
    Young(Duration),
    /// It stays.
    Fits,
}

impl Limits {
    /// Decides about something of this age, when everything together has `size` bytes.
    fn judge(self, age: Duration, size: u64) -> Verdict {
        let days = Duration::from_hours(24).saturating_mul(u32::try_from(self.days).unwrap_or(u32::MAX));
        let is_excess = self.most > 0 && size > self.most;
        match KEPT.checked_sub(age).filter(|left| !left.is_zero()) {
            None if is_excess => Verdict::Excess,
            _ if self.days > 0 && age > days => Verdict::TooOld,
            Some(left) if is_excess => Verdict::Young(left),
            _ => Verdict::Fits,
        }
    }
}

/// Removes ended runs that are too old, and the oldest runs and files beyond the size limit. Returns the
/// time until the next look.
async fn remove_excess(app: &Arc<App>) -> Result<Duration, Problem> {
    let limits = Limits { days: app.settings.retention_days, most: app.settings.retention_mb.saturating_mul(1_000_000) };
    if limits.days == 0 && limits.most == 0 {
        return Ok(PAUSE);
    }
    let (mut old, mut size) = app.blocking(move |app| look(app, limits.most > 0)).await?;
    let now = Timestamp::now().as_millisecond();
    old.sort_by_key(|(ms, _)| *ms);
    for (ms, old) in old {
        // A clock that was set back makes nothing young for ever.
        let verdict = limits.judge(Duration::from_millis(now.abs_diff(ms)), size);
        match (verdict, old) {
            (Verdict::Young(left), _) => return Ok(left.clamp(SOON, PAUSE)),
            (Verdict::Fits, _) => break,
            (Verdict::TooOld | Verdict::Excess, Old::Run(id)) => {
                size = size.saturating_sub(app.blocking(move |app| remove_run(app, &id)).await?);
            }
            // The gateway removes old files itself.
            (Verdict::TooOld, Old::File(_)) => {}
            (Verdict::Excess, Old::File(IdleFile { id, bytes, .. })) => {
                let removed = app.gateway.remove_file(&id).await.map_err(|error| Problem::internal(error.message))?;
                size = size.saturating_sub(if removed { bytes } else { 0 });
            }
        }
    }
    Ok(PAUSE)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_beyond_the_limits_and_young_ones_are_looked_at_when_they_are_old_enough() {
        let limits = Limits { days: 1, most: 10 };
        let [now, almost, day] = [Duration::ZERO, Duration::from_secs(110), Duration::from_hours(25)];
        assert_eq!(limits.judge(KEPT, 11), Verdict::Excess);
        assert_eq!(limits.judge(KEPT, 10), Verdict::Fits);
        assert_eq!(limits.judge(now, 11), Verdict::Young(KEPT));
        assert_eq!(limits.judge(almost, 11), Verdict::Young(Duration::from_secs(10)));
        assert_eq!((limits.judge(day, 10), limits.judge(day, 11)), (Verdict::TooOld, Verdict::Excess));
        let unlimited = Limits { days: 0, most: 0 };
        assert_eq!(unlimited.judge(day, u64::MAX), Verdict::Fits);
    }
}
