//! A second request for a straggler, at the end of a run.
//!
//! When nobody waits for a turn any more, one slow answer holds the whole run up. With `llm.hedge` it is asked for once more;
//! what comes first counts. The other request may be billed too: it is on the ledger, and counted as that.

use super::governor::Governor;
use jiff::Timestamp;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

/// The requests of one call that have left and not ended: their numbers, and when they lined up and left.
#[derive(Debug, Default)]
pub(super) struct UnderWay(Mutex<Vec<(i64, Timestamp, Timestamp)>>);

impl UnderWay {
    /// A request leaves.
    pub fn sent(&self, id: i64, queued: Timestamp) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((id, queued, Timestamp::now()));
    }

    /// All of them but the one that has ended.
    pub fn others(&self, ended: i64) -> Vec<(i64, Timestamp, Timestamp)> {
        let mut under_way = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        under_way.retain(|(id, ..)| *id != ended);
        under_way
    }
}

/// Waits until a request has taken much longer than others do, and nobody waits for a turn.
pub(super) async fn straggles(governor: &Governor) {
    /// How many times the usual.
    const LONG: u32 = 3;
    /// An answer is not called slow before.
    const LEAST: Duration = Duration::from_millis(500);
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
