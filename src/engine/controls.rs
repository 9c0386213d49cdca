//! What the caller gives a run: ways to stop it, requests, and accounts shared with other runs.

use crate::ask::{Accounts, Allowance, OuterCap};
use crate::control::Asked;
use std::fmt;
use std::sync::{Arc, OnceLock};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Requests from outside that may wait.
const REQUESTS: usize = 8;

/// The caller's controls of a run.
#[derive(Debug)]
pub struct Controls {
    /// Stops the run: no new work is admitted, and requests in flight have `llm.drain_s` to finish.
    pub stop: StopToken,
    /// Aborts requests in flight at once and stops the run. Their calls are in doubt afterwards.
    pub abandon: CancellationToken,
    /// The state of accounts, shared by all runs of the process.
    pub accounts: Arc<Accounts>,
    /// Requests from outside, each with the way back for its answer.
    pub requests: mpsc::Receiver<Asked>,
    /// Where further money comes from, if the caller gives it in shares. The cap of the plan is the first share.
    pub allowance: Option<Arc<Allowance>>,
    /// Caps of the caller that may leave the run less than its own cap.
    pub outer: Option<Arc<dyn OuterCaps>>,
}

/// Caps on the money of several runs together.
pub trait OuterCaps: fmt::Debug + Send + Sync {
    /// The cap that leaves the run less than its own, if one does. Blocks.
    fn of_run(&self) -> Option<OuterCap>;
}

impl Controls {
    /// Makes controls. The second value sends requests to the run.
    pub fn new(accounts: &Arc<Accounts>) -> (Self, mpsc::Sender<Asked>) {
        let (sender, requests) = mpsc::channel(REQUESTS);
        let (stop, abandon) = (StopToken::default(), CancellationToken::new());
        (Self { stop, abandon, accounts: Arc::clone(accounts), requests, allowance: None, outer: None }, sender)
    }
}

/// A cancellation token that carries a reason.
#[derive(Debug, Clone, Default)]
pub struct StopToken {
    token: CancellationToken,
    reason: Arc<OnceLock<String>>,
}

impl StopToken {
    /// Asks the run to stop. The first reason counts; the history of runs keeps it.
    pub fn stop(&self, reason: impl Into<String>) {
        let _first_wins = self.reason.set(reason.into());
        self.token.cancel();
    }

    /// Whether [`Self::stop`] was called.
    pub fn is_stopped(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Waits for [`Self::stop`].
    pub async fn stopped(&self) {
        self.token.cancelled().await;
    }

    /// A token that is cancelled with this one, and can also be cancelled alone.
    pub(super) fn child(&self) -> CancellationToken {
        self.token.child_token()
    }

    /// The first reason.
    pub fn reason(&self) -> Option<&str> {
        self.reason.get().map(String::as_str)
    }
}
