//! When to tell somebody: conditions on the counters of a run.
//!
//! An alert fires when its condition comes true, and again only after the value has been below half of its limit meanwhile:
//! a rate that trembles about the limit is one piece of news, and so is a cost, which never falls.

use crate::event::{RunEvent, Snapshot};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::VecDeque;

/// One entry of `[[alert]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertSettings {
    /// The condition, such as `failure_rate > 0.1`.
    pub when: String,
    /// For the failure rate: of how many documents, the last ones.
    #[serde(default = "usual")]
    pub over: u64,
    /// Command and arguments.
    #[serde(default)]
    pub run: Vec<String>,
    /// Address that gets the facts as JSON; `env:NAME` takes it from the environment.
    #[serde(default)]
    pub webhook: String,
}

fn usual() -> u64 {
    20
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measure {
    FailureRate,
    BudgetShare,
    Stall,
    Cost,
}

impl Measure {
    const NAMES: [(&'static str, Self); 4] =
        [("failure_rate", Self::FailureRate), ("budget_share", Self::BudgetShare), ("stall_s", Self::Stall), ("cost_usd", Self::Cost)];
}

/// An alert that has fired: where to, and the facts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fired {
    pub run: Vec<String>,
    pub webhook: String,
    pub facts: Value,
    pub message: String,
}

/// One condition, and what has become of it.
#[derive(Debug)]
pub(super) struct Alert {
    settings: AlertSettings,
    measure: Measure,
    limit: f64,
    fired: bool,
    /// Documents done and failed, at each change of the last `over` ones.
    done: VecDeque<(u64, u64)>,
    /// Requests that have ended, and since when it is no more.
    ended: (u64, f64),
}

impl AlertSettings {
    /// Whether it is sound; the error says what is not.
    pub fn check(&self) -> Result<(), String> {
        Alert::new(self.clone()).map(|_| ())
    }
}

impl Alert {
    pub fn new(settings: AlertSettings) -> Result<Self, String> {
        let when = &settings.when;
        let known = Measure::NAMES.map(|(name, _)| name).join(", ");
        let form = || format!("\"{when}\" is no condition: write one like \"failure_rate > 0.1\"; there are: {known}");
        let (name, limit) = when.split_once('>').ok_or_else(form)?;
        let limit: f64 = limit.trim().parse().ok().filter(|limit: &f64| limit.is_finite() && *limit >= 0.0).ok_or_else(form)?;
        let measure = Measure::NAMES.iter().find(|(known, _)| *known == name.trim()).ok_or_else(form)?.1;
        if matches!(measure, Measure::FailureRate | Measure::BudgetShare) && limit >= 1.0 {
            return Err(format!("\"{when}\" never comes true: it is a share from 0 to 1"));
        }
        if settings.run.is_empty() == settings.webhook.is_empty() {
            return Err(format!("\"{when}\" takes either a command (run = [\"...\"]) or a webhook"));
        }
        if settings.over == 0 {
            return Err(format!("\"{when}\": over must be at least 1"));
        }
        Ok(Self { settings, measure, limit, fired: false, done: VecDeque::new(), ended: (0, 0.0) })
    }

    /// Looks at the counters. Whether it fires.
    pub fn look(&mut self, s: &Snapshot, about: &Value) -> Option<Fired> {
        let value = self.value(s)?;
        if self.fired {
            self.fired = value >= self.limit / 2.0;
            return None;
        }
        self.fired = value > self.limit;
        self.fired.then(|| self.tell(value, s, about))
    }

    fn value(&mut self, s: &Snapshot) -> Option<f64> {
        match self.measure {
            Measure::FailureRate => {
                if self.done.back().is_none_or(|(done, _)| *done < s.answered) {
                    self.done.push_back((s.answered, s.failed));
                }
                let from = s.answered.checked_sub(self.settings.over)?;
                // The newest that is far enough back; those before it are of no more use.
                while self.done.get(1).is_some_and(|(done, _)| *done <= from) {
                    self.done.pop_front();
                }
                let (done, failed) = self.done.front().copied().filter(|(done, _)| *done <= from).unwrap_or_default();
                Some((s.failed - failed) as f64 / (s.answered - done) as f64)
            }
            Measure::BudgetShare => s.budget.map(|budget| budget.spent_usd / budget.max_usd),
            Measure::Stall => {
                let ended = s.requests.saturating_sub(s.in_flight);
                if ended != self.ended.0 || s.paused {
                    self.ended = (ended, s.elapsed_s);
                }
                Some(s.elapsed_s - self.ended.1)
            }
            Measure::Cost => Some(s.cost.usd.usd()),
        }
    }

    fn tell(&self, value: f64, s: &Snapshot, about: &Value) -> Fired {
        let value = (value * 1e6).round() / 1e6;
        let name = self.settings.when.split('>').next().unwrap_or_default().trim();
        let message = format!("docmill run {} in {}: {}, it is {value}", about["run"], about["output"], self.settings.when);
        let mut facts = json!({
            "alert": self.settings.when, "measure": name, "value": value, "limit": self.limit, "message": message,
            "elapsed_s": s.elapsed_s, "documents": s.documents, "done": s.answered + s.up_to_date, "failed": s.failed,
            "requests": s.requests, "in_flight": s.in_flight, "waiting_s": s.waiting_s, "cost_usd": s.cost.usd,
        });
        for key in ["run", "jobs", "output", "provider", "model"] {
            facts[key] = about[key].clone();
        }
        Fired { run: self.settings.run.clone(), webhook: self.settings.webhook.clone(), facts, message }
    }
}

/// What facts say about the run itself.
pub(super) fn about(event: &RunEvent) -> Option<Value> {
    matches!(event, RunEvent::Started { .. }).then(|| serde_json::to_value(event).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::BudgetUse;

    fn alert(when: &str, over: u64) -> Alert {
        Alert::new(AlertSettings { when: when.into(), over, run: vec!["true".into()], webhook: String::new() }).unwrap()
    }

    /// Which of these fire.
    fn fires(alert: &mut Alert, seen: impl IntoIterator<Item = Snapshot>) -> Vec<bool> {
        seen.into_iter().map(|s| alert.look(&s, &Value::Null).is_some()).collect()
    }

    #[test]
    fn the_failure_rate_is_that_of_the_last_documents() {
        let seen = |answered, failed| Snapshot { answered, failed, ..Snapshot::default() };
        let mut alert = alert("failure_rate > 0.5", 4);
        // Too few; half, which is not above; three of four; four of five; none of the last four, which arms it again; four of four.
        let seen = [seen(3, 3), seen(6, 3), seen(10, 6), seen(11, 7), seen(15, 7), seen(19, 11)];
        assert_eq!(fires(&mut alert, seen), [false, false, true, false, false, true]);
    }

    #[test]
    fn what_never_falls_fires_once() {
        let seen = |spent_usd| Snapshot { budget: Some(BudgetUse { max_usd: 10.0, spent_usd }), ..Snapshot::default() };
        assert_eq!(fires(&mut alert("budget_share > 0.8", 1), [7.0, 8.1, 9.0, 10.0].map(seen)), [false, true, false, false]);
        assert_eq!(fires(&mut alert("budget_share > 0.8", 1), [Snapshot::default()]), [false]);
    }

    #[test]
    fn a_stall_is_a_time_without_an_answer_and_a_pause_is_none() {
        let seen = |(elapsed_s, requests, paused)| Snapshot { elapsed_s, requests, in_flight: 1, paused, ..Snapshot::default() };
        let times =
            [(1.0, 1, false), (9.0, 3, false), (18.0, 3, true), (27.0, 3, false), (28.1, 3, false), (29.0, 4, false), (40.0, 4, false)];
        assert_eq!(fires(&mut alert("stall_s > 10", 1), times.map(seen)), [false, false, false, false, true, false, true]);
    }

    #[test]
    fn conditions_that_make_no_sense_are_refused() {
        for when in ["failure_rate", "failure_rate < 1", "failures > 1", "cost_usd > lots", "failure_rate > 1", "cost_usd > -1"] {
            let settings = AlertSettings { when: when.into(), over: 1, run: vec!["true".into()], webhook: String::new() };
            assert!(settings.check().unwrap_err().contains(when), "{when}");
        }
        let both = AlertSettings { when: "cost_usd > 1".into(), over: 1, run: vec!["true".into()], webhook: "http://x".into() };
        assert!(both.check().is_err());
    }
}
