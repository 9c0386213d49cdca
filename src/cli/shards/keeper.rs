//! Keeps the answers of an attempt safe while it runs, and stops it when another attempt takes over.

use crate::engine::StopToken;
use crate::shards::{Attempt, Heartbeat, ShardSettings, SharedRun, StorageError, seal};
use crate::store::{RunProgress, Segments, StoreError};
use jiff::Timestamp;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{Instant, interval};
use tokio_util::sync::CancellationToken;

/// Time between looks at the run.
const LOOK: Duration = Duration::from_secs(1);

/// What an attempt keeps on the shared storage.
pub(super) struct Keeper<'s> {
    pub attempt: Attempt<'s, SharedRun>,
    pub segments: Segments,
    /// Local directory of the attempt.
    pub directory: PathBuf,
    pub documents: u64,
    /// Requests that were in flight when earlier attempts were lost.
    pub in_doubt: u64,
    /// The last progress that a heartbeat told, and when.
    pub progress: (RunProgress, Timestamp),
    pub settings: ShardSettings,
}

/// Answers could not be kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeeperError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("cannot read a segment back: {0}")]
    Segment(std::io::Error),
}

/// A heartbeat.
#[derive(Debug, Clone, Copy)]
struct Beaten {
    at: Instant,
    unsaved: u64,
}

impl Beaten {
    /// Whether a machine that is lost now would have lost far more requests than the heartbeat tells, or
    /// far fewer.
    fn is_wrong(self, unsaved: u64) -> bool {
        unsaved > self.unsaved + self.unsaved / 2 || unsaved < self.unsaved / 2
    }
}

/// Requests that no segment contains.
fn unsaved(progress: &RunProgress) -> u64 {
    progress.news.max(progress.in_flight)
}

impl Keeper<'_> {
    /// Saves segments and heartbeats until `over`. Stops the run if another attempt has claimed the
    /// shard, and returns whether it did.
    ///
    /// A storage that is away for a while delays segments; the answers stay here meanwhile.
    pub async fn keep(&mut self, stop: &StopToken, over: &CancellationToken) -> bool {
        let (mut looks, mut saved, mut is_fenced) = (interval(LOOK), Instant::now(), false);
        let (mut checked, mut beaten) = (None::<Instant>, None::<Beaten>);
        loop {
            tokio::select! {
                _ = looks.tick() => {}
                () = over.cancelled() => return is_fenced,
            }
            let is_due = |at: Option<Instant>| at.is_none_or(|at| at.elapsed() >= self.settings.fence());
            // A segment that cannot be saved must not hide a newer claim.
            let fenced = async {
                if !is_fenced && is_due(checked) {
                    if self.attempt.is_fenced().await? {
                        is_fenced = true;
                        stop.stop("another attempt has claimed the shard");
                    }
                    checked = Some(Instant::now());
                }
                Ok(())
            };
            fenced.await.unwrap_or_else(tell);
            let kept = async {
                let progress = self.look()?;
                if saved.elapsed() >= self.settings.save() || progress.news >= self.settings.save_answers {
                    self.save().await?;
                    saved = Instant::now();
                }
                Ok(())
            };
            kept.await.unwrap_or_else(tell);
            let told = async {
                let unsaved = unsaved(&self.look()?);
                if beaten.is_none_or(|beaten| beaten.at.elapsed() >= self.settings.fence() || beaten.is_wrong(unsaved)) {
                    self.beat().await?;
                    beaten = Some(Beaten { at: Instant::now(), unsaved });
                }
                Ok(())
            };
            told.await.unwrap_or_else(tell);
        }
    }

    /// How far the run has come.
    fn look(&mut self) -> Result<RunProgress, KeeperError> {
        let progress = tokio::task::block_in_place(|| self.segments.progress())?;
        if progress.rows != self.progress.0.rows || progress.news != self.progress.0.news {
            self.progress = (progress, Timestamp::now());
        }
        Ok(progress)
    }

    /// Saves the answers since the segment before.
    pub async fn save(&mut self) -> Result<(), KeeperError> {
        let path = self.directory.join("segment.db");
        // A failed upload leaves the file, and its answers are still to be saved.
        if !path.exists() {
            let (segments, to) = (&mut self.segments, path.clone());
            match tokio::task::block_in_place(|| segments.next(&to)) {
                Ok(0) => return remove(&path),
                Ok(_) => {}
                Err(error) => {
                    // The next segment has its answers. Without a file there is nothing to remove.
                    let _nothing_there = remove(&path);
                    return Err(error.into());
                }
            }
        }
        let content = tokio::fs::read(&path).await.map_err(KeeperError::Segment)?;
        self.attempt.save(seal(content)).await?;
        remove(&path)
    }

    /// Replaces the heartbeat.
    pub async fn beat(&mut self) -> Result<(), KeeperError> {
        let progress = self.look()?;
        let heartbeat = Heartbeat {
            attempt: self.attempt.number(),
            at_ms: Timestamp::now().as_millisecond(),
            progress_ms: self.progress.1.as_millisecond(),
            documents: self.documents,
            done: progress.rows,
            failed: progress.failed,
            in_flight: progress.in_flight,
            unsaved: unsaved(&progress),
            in_doubt: self.in_doubt,
            usd: progress.cost.map(|cost| cost.pico() as f64 / 1e12),
        };
        Ok(self.attempt.beat(&heartbeat).await?)
    }
}

fn remove(path: &Path) -> Result<(), KeeperError> {
    std::fs::remove_file(path).map_err(KeeperError::Segment)
}

#[expect(clippy::needless_pass_by_value, reason = "for results")]
fn tell(error: KeeperError) {
    crate::progress::complain(&format!("the shared storage does not take answers and signs of life: {error}. docmill tries again"));
}
