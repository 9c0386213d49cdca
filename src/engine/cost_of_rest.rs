//! The expected cost of the documents that a stopped run has left: the forecast of `docmill plan`.

use super::earlier_runs::History;
use super::forecast::Predictor;
use super::survey::survey_some;
use super::{Context, Plan, RunError};
use crate::insight::Interval;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// Maximum number of pending documents to prepare for the forecast. A run should end soon.
const PREPARED: u64 = 300;
/// Maximum time for the forecast.
const PATIENCE: Duration = Duration::from_secs(10);

/// The cost of the rest in US dollars. `None` if it is unknown, or if the forecast takes too long.
pub(super) async fn cost_of_rest(plan: &Arc<Plan>, context: &Context) -> Option<Interval> {
    // Lines of standard input come only once.
    if plan.roots.lines().is_some() {
        return None;
    }
    let plan = Arc::clone(plan);
    // A survey stays on one thread.
    let predicting = tokio::task::spawn_blocking(move || {
        let history = History::of(&plan)?;
        let surveyed = Handle::current().block_on(timeout(PATIENCE, survey_some(&plan, &history, PREPARED)));
        let Ok(survey) = surveyed else { return Ok(None) };
        Ok::<_, RunError>(Predictor::new(&plan, &survey?, &history).cost())
    });
    tokio::select! {
        predicted = predicting => predicted.ok()?.ok()?,
        () = context.abandon.cancelled() => None,
    }
}
