//! The expected cost of the documents that a stopped run has left: the forecast of `docmill plan`.

use super::dry_run::Foreseen;
use super::earlier_runs::History;
use super::forecast::Predictor;
use super::survey::{Survey, survey_some};
use super::{Context, Plan, RunError};
use crate::ask::CostOfRest;
use crate::model::Money;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Maximum number of pending documents to prepare for the forecast. A run should end soon.
const PREPARED: u64 = 300;
/// Maximum time for the forecast.
const PATIENCE: Duration = Duration::from_secs(10);

/// The cost of the rest. `None` if it is unknown, or if the forecast takes too long.
pub(super) async fn cost_of_rest(plan: &Arc<Plan>, context: &Context) -> Option<CostOfRest> {
    // Lines of standard input come only once.
    if plan.roots.lines().is_some() {
        return None;
    }
    let (plan, stop) = (Arc::clone(plan), CancellationToken::new());
    let _stops = stop.clone().drop_guard();
    // A survey stays on one thread.
    let predicting = tokio::task::spawn_blocking(move || {
        let history = History::of(&plan)?;
        let surveying = stop.run_until_cancelled(survey_some(&plan, &history, PREPARED, &stop));
        let Some(survey) = Handle::current().block_on(surveying) else { return Ok(None) };
        let survey = survey?;
        let at_most = at_most(&plan, &survey);
        let rest = Predictor::new(&plan, &survey, &history).cost().zip(at_most);
        Ok::<_, RunError>(rest.map(|(cost, (dearest, most))| CostOfRest { cost, dearest, most }))
    });
    tokio::select! {
        predicted = predicting => predicted.ok()?.ok()?,
        // Listing a large input takes longer, and does not wait for anything.
        () = sleep(PATIENCE) => None,
        () = context.abandon.cancelled() => None,
    }
}

/// The maximum cost of the dearest open call, and of all open calls in US dollars; `None` if a price is
/// unknown.
fn at_most(plan: &Plan, survey: &Survey) -> Option<(Money, f64)> {
    let open = survey.plans.iter().flat_map(|document| document.calls.iter().filter(|call| call.past.is_none()));
    let (prices, tier) = (&plan.account.prices, plan.account.planned_tier(&plan.llm.service_tier));
    let most = |call: &Foreseen| prices.at_most(&survey.tasks[call.task].model, tier, call.most_tokens, call.max_output);
    let (dearest, all) =
        open.map(most).try_fold((Money::ZERO, Money::ZERO), |(dearest, all), cost| Some((dearest.max(cost?), all + cost?)))?;
    Some((dearest, all.usd() * survey.times.max(1.0)))
}
