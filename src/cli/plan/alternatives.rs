//! Other ways to run the same documents, with what they cost.

use super::{Report, usd};
use crate::cli::args::WhatArgs;
use crate::cli::exit::{CliError, Exit};
use crate::engine::Selection;
use crate::insight::{Interval, USD, rounded};
use crate::job::counterpart;
use crate::model::{Money, counted};
use crate::setup::Flag;
use serde_json::{Value, json};

/// The head of the line about shared calls.
const IDENTICAL: &str = "identical";

/// Another way to run the same documents.
pub(super) struct Alternative {
    /// What it is about, for the text of a plan.
    pub head: &'static str,
    /// Why it is named, as a clause; may be empty.
    why: String,
    /// The arguments that choose it.
    arguments: String,
    calls: u64,
    cost: Option<Interval>,
    instead: (u64, Option<Interval>),
}

/// The alternatives to a run: the built-in job that asks for the same with another number of calls,
/// and shared calls if documents are identical.
pub(super) async fn alternatives(what: &WhatArgs, selection: Selection, report: &Report) -> Result<Vec<Alternative>, CliError> {
    let survey = &report.survey;
    let mut alternatives = Vec::new();
    // Standard input can be read only once.
    if report.prediction.calls == 0 || super::more_than_once(what).is_err() {
        return Ok(alternatives);
    }
    let instead = (report.prediction.calls, report.prediction.cost);
    let mut add = async |head, why, (key, value, arguments): (&str, String, String)| {
        let other = match Report::make(what, selection, &[(key.to_owned(), value, arguments.clone()) as Flag]).await {
            // The other settings may fit only the job of the plan.
            Err(CliError { exit: Exit::Usage, .. }) => return Ok(()),
            other => other?,
        };
        let (calls, mut cost) = (other.prediction.calls, other.prediction.cost);
        // An alternative with as many calls saves nothing. The pending documents may be answered
        // already, so that there is nothing to share.
        if calls == instead.0 || (head == IDENTICAL && calls > instead.0) {
            return Ok(());
        }
        if head == IDENTICAL {
            // The calls are of the same kind, so the same prediction applies to them.
            let share = calls as f64 / instead.0 as f64;
            cost = instead.1.map(|cost| Interval { low: share * cost.low, high: share * cost.high });
        }
        alternatives.push(Alternative { head, why, arguments, calls, cost, instead });
        Ok::<_, CliError>(())
    };
    // Selected tasks have no counterpart.
    let other = report.job.as_deref().and_then(counterpart);
    if let Some(job) = other {
        add("or", String::new(), ("job.use", toml::Value::String(job.to_owned()).to_string(), format!("--job {job}"))).await?;
    }
    if survey.identical > 0 {
        let verb = if survey.identical == 1 { "has" } else { "have" };
        let why = format!("{} {verb} the same content as another. ", counted(survey.identical, "document"));
        add(IDENTICAL, why, ("llm.share_identical_calls", "true".to_owned(), "--set llm.share_identical_calls=true".to_owned())).await?;
    }
    Ok(alternatives)
}

impl Alternative {
    /// The middle of what it costs less than the plan, in US dollars.
    fn saves(&self) -> Option<f64> {
        let middle = |cost: Interval| f64::midpoint(cost.low, cost.high);
        self.instead.1.zip(self.cost).map(|(instead, cost)| middle(instead) - middle(cost))
    }

    pub fn text(&self) -> String {
        let cost = self.cost.map_or_else(|| "of unknown price".to_owned(), usd);
        let saves = match self.saves() {
            Some(saves) if saves > 0.0 => format!(", about {} less", Money::from_usd(saves)),
            Some(saves) if saves < 0.0 => format!(", about {} more", Money::from_usd(-saves)),
            _ => String::new(),
        };
        format!("{}With {}: {} instead of {}, {cost}{saves}", self.why, self.arguments, counted(self.calls, "call"), self.instead.0)
    }

    pub fn json(&self) -> Value {
        let (cost, saves) = (self.cost.map(|cost| cost.rounded(USD)), self.saves().map(|usd| rounded(usd, USD)));
        json!({ "arguments": self.arguments, "calls": self.calls, "cost_usd": cost, "saves_usd": saves })
    }
}
