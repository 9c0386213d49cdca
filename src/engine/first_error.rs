//! Waits for the stages of a run.

use super::{Context, RunError};
use tokio::task::JoinSet;

/// Waits for all stages and returns the first error.
pub(super) async fn first_error(mut stages: JoinSet<Result<(), RunError>>, context: &Context) -> Result<(), RunError> {
    let mut result = Ok(());
    while let Some(done) = stages.join_next().await {
        let done = done.unwrap_or_else(|e| Err(RunError::Internal(format!("a stage of the pipeline ended unexpectedly: {e}"))));
        if let (Err(error), true) = (done, result.is_ok()) {
            // The other stages then end, because their channels close.
            context.stop.cancel();
            result = Err(error);
        }
    }
    result
}
