//! Refreshes a lease as long as its store exists.

use super::{REFRESH_S, Shared};
use crate::ask::budget_service::BudgetService;
use crate::ask::governor::clock::Clock;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Minimum time between two requests to the service.
const LEAST: Duration = Duration::from_millis(100);

pub(super) async fn keep(shared: Arc<Shared>, service: Arc<BudgetService>, clock: Clock) {
    loop {
        let (begun, sent) = (Instant::now(), clock.now());
        let request = shared.request(sent);
        match service.lease(&request).await {
            Ok(reply) => shared.accept(&request, &reply, sent, clock.now()),
            Err(why) => shared.failed(why, clock.now()),
        }
        tokio::select! {
            () = sleep_until(begun + Duration::from_secs_f64(REFRESH_S)) => {}
            () = shared.purse.urgent.notified() => sleep_until(begun + LEAST).await,
        }
    }
}
