//! Alert rules: conditions on a run's counters and documents.
//!
//! The failure rate covers exactly the last `over` documents. If a run has fewer documents, the
//! rule judges all of them at the end of the run. Such a run needs at least `LEAST` documents.
//!
//! An alert fires when its condition becomes true. It fires again only if the value has fallen
//! below half of the limit in between. A value that wavers around the limit therefore fires once.

use crate::event::{RunEvent, Snapshot};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::VecDeque;

/// One entry of `[[alert]]`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Alert", extend("anyOf" = [{"required": ["run"]}, {"required": ["webhook"]}]))]
pub struct AlertSettings {
    /// The condition, such as `failure_rate > 0.1`.
    #[schemars(extend("pattern" = condition_pattern()))]
    pub when: String,
    /// Number of most recent documents that the failure rate covers. A run with fewer documents is
    /// judged at its end.
    #[serde(default = "usual")]
    #[schemars(range(min = 1, max = MOST))]
    pub over: u64,
    /// Command to run, with its arguments. Exactly one of `run` and `webhook` must be set.
    #[serde(default)]
    pub run: Vec<String>,
    /// Address that receives the facts as JSON. `env:NAME` reads the address from the environment.
    #[serde(default)]
    pub webhook: String,
}

fn usual() -> u64 {
    20
}

/// The largest valid value of `over`.
const MOST: u64 = 1_000_000;
/// Pattern of conditions.
fn condition_pattern() -> String {
    format!(r"^\s*({})\s*>\s*[0-9][0-9.eE+-]*\s*$", Measure::NAMES.map(|(name, _)| name).join("|"))
}

/// Minimum number of documents for a failure rate at the end. It applies to runs with fewer
/// documents than `over`.
const LEAST: usize = 5;

/// The quantity that a condition compares with its limit.
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

/// An alert that has fired: its destination and its facts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fired {
    pub run: Vec<String>,
    pub webhook: String,
    pub facts: Value,
    pub message: String,
}

/// One alert rule with its state.
#[derive(Debug)]
pub(super) struct Alert {
    settings: AlertSettings,
    measure: Measure,
    limit: f64,
    fired: bool,
    /// Whether each of the last documents failed, oldest first.
    failures: VecDeque<bool>,
    /// Number of failed documents since the start of the run.
    failed: u64,
    /// A failure rate to report, and the number of documents it covers. `look` reports it with the
    /// next counters.
    due: Option<(f64, usize)>,
    /// Number of completed requests, and the time of its last change. The time is in seconds since
    /// the start of the run.
    ended: (u64, f64),
}

impl AlertSettings {
    /// Checks the rule. The error names the first fault.
    pub fn check(&self) -> Result<(), String> {
        Alert::new(self.clone()).map(|_| ())
    }

    /// Whether the rule needs the result of each document.
    pub fn is_about_each(&self) -> bool {
        Alert::new(self.clone()).is_ok_and(|alert| alert.measure == Measure::FailureRate)
    }
}

impl Alert {
    pub fn new(settings: AlertSettings) -> Result<Self, String> {
        let when = &settings.when;
        let known = Measure::NAMES.map(|(name, _)| name).join(", ");
        let form = || format!("invalid condition \"{when}\"; expected one such as \"failure_rate > 0.1\", with one of {known}");
        let (name, limit) = when.split_once('>').ok_or_else(form)?;
        let limit: f64 = limit.trim().parse().ok().filter(|limit: &f64| limit.is_finite() && *limit >= 0.0).ok_or_else(form)?;
        let measure = Measure::NAMES.iter().find(|(known, _)| *known == name.trim()).ok_or_else(form)?.1;
        if matches!(measure, Measure::FailureRate | Measure::BudgetShare) && limit >= 1.0 {
            return Err(format!("\"{when}\" can never be true: the value is a share from 0 to 1"));
        }
        if settings.run.is_empty() == settings.webhook.is_empty() {
            return Err(format!("\"{when}\" takes either a command (run = [\"...\"]) or a webhook"));
        }
        if !(1..=MOST).contains(&settings.over) {
            return Err(format!("\"{when}\": over must be from 1 to {MOST}"));
        }
        Ok(Self { settings, measure, limit, fired: false, failures: VecDeque::new(), failed: 0, due: None, ended: (0, 0.0) })
    }

    /// Records the result of a document. A rate that fires is reported with the next counters,
    /// which include the document.
    pub fn record(&mut self, failed: bool) {
        if self.measure != Measure::FailureRate {
            return;
        }
        self.failures.push_back(failed);
        self.failed += u64::from(failed);
        let enough = self.failures.len() as u64;
        if enough > self.settings.over {
            self.failures.pop_front();
        }
        if enough >= self.settings.over {
            self.judge_documents();
        }
    }

    /// Judges the failure rate at the end of a short run. A run is short if it has fewer documents
    /// than `over`.
    pub fn end(&mut self) {
        let seen = self.failures.len();
        if self.measure == Measure::FailureRate && seen >= LEAST && (seen as u64) < self.settings.over {
            self.judge_documents();
        }
    }

    /// Checks the condition against the counters. Returns the alert if it fires.
    pub fn look(&mut self, s: &Snapshot, about: &Value) -> Option<Fired> {
        // The counters may be older than the last recorded document.
        if let Some((rate, of)) = self.due.take_if(|_| s.failed >= self.failed) {
            return Some(self.report(rate, Some(of), s, about));
        }
        let value = self.value(s)?;
        self.judge(value).then(|| self.report(value, None, s, about))
    }

    fn judge_documents(&mut self) {
        let seen = self.failures.len();
        let rate = self.failures.iter().filter(|failed| **failed).count() as f64 / seen as f64;
        if self.judge(rate) {
            self.due = Some((rate, seen));
        }
    }

    /// Whether the alert fires at this value.
    fn judge(&mut self, value: f64) -> bool {
        let was = self.fired;
        self.fired = if was { value >= self.limit / 2.0 } else { value > self.limit };
        self.fired && !was
    }

    fn value(&mut self, s: &Snapshot) -> Option<f64> {
        match self.measure {
            // `record` and `end` judge the failure rate.
            Measure::FailureRate => None,
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

    fn report(&self, value: f64, of: Option<usize>, s: &Snapshot, about: &Value) -> Fired {
        let value = (value * 1e6).round() / 1e6;
        let name = self.settings.when.split('>').next().unwrap_or_default().trim();
        let last = of.map_or_else(String::new, |of| format!(" (of the last {of} documents)"));
        let message = format!("docmill run {} in {}: {}, it is {value}{last}", about["run"], about["output"], self.settings.when);
        let mut facts = json!({
            "alert": self.settings.when, "measure": name, "value": value, "limit": self.limit, "message": message,
            "elapsed_s": s.elapsed_s, "documents": s.documents, "done": s.answered + s.up_to_date, "failed": s.failed,
            "requests": s.requests, "in_flight": s.in_flight, "waiting_s": s.waiting_s, "cost_usd": s.cost.usd,
        });
        if let Some(of) = of {
            facts["of_documents"] = of.into();
        }
        for key in ["run", "jobs", "output", "provider", "model"] {
            facts[key] = about[key].clone();
        }
        if let Some(output) = about["output"].as_str().and_then(absolute) {
            facts["output"] = output.into();
        }
        Fired { run: self.settings.run.clone(), webhook: self.settings.webhook.clone(), facts, message }
    }
}

/// The absolute form of a path; `None` if it is not Unicode.
fn absolute(path: &str) -> Option<String> {
    std::path::absolute(path).ok()?.into_os_string().into_string().ok()
}

/// The facts about the run itself, from its `started` event.
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

    /// Counters that include every recorded document.
    fn later() -> Snapshot {
        Snapshot { failed: u64::MAX, ..Snapshot::default() }
    }

    /// For each snapshot, whether the alert fires.
    fn fires(alert: &mut Alert, seen: impl IntoIterator<Item = Snapshot>) -> Vec<bool> {
        seen.into_iter().map(|s| alert.look(&s, &Value::Null).is_some()).collect()
    }

    /// The reported rates for a sequence of documents. `x` is a failed document.
    fn rates(alert: &mut Alert, documents: &str) -> Vec<(f64, u64)> {
        let mut reported = Vec::new();
        for end in documents.chars() {
            alert.record(end == 'x');
            let fired = alert.look(&later(), &Value::Null);
            reported.extend(fired.map(|fired| (fired.facts["value"].as_f64().unwrap(), fired.facts["of_documents"].as_u64().unwrap())));
        }
        reported
    }

    #[test]
    fn the_failure_rate_covers_exactly_the_last_documents() {
        // Three documents are too few, and two failures of four are not above the limit. Three of
        // four fire. Four documents without a failure arm the alert again, and three of four fire
        // again.
        assert_eq!(rates(&mut alert("failure_rate > 0.5", 4), "xx..xx.x....xxx"), [(0.75, 4), (0.75, 4)]);
        // Many documents may end between two snapshots.
        let mut alert = alert("failure_rate > 0.1", 20);
        for n in 0..41 {
            alert.record(n % 5 == 0 && n >= 26);
        }
        assert_eq!(alert.look(&Snapshot::default(), &Value::Null), None, "the counters are older");
        let fired = alert.look(&later(), &Value::Null).unwrap();
        assert_eq!((fired.facts["value"].as_f64(), fired.facts["of_documents"].as_u64()), (Some(0.15), Some(20)));
    }

    #[test]
    fn a_run_of_few_documents_is_judged_at_its_end_if_it_has_at_least_five() {
        let at_the_end = |documents: &str| {
            let mut alert = alert("failure_rate > 0.5", 20);
            assert_eq!(rates(&mut alert, documents), []);
            alert.end();
            alert.look(&later(), &Value::Null).map(|fired| fired.facts["of_documents"].as_u64().unwrap())
        };
        assert_eq!(at_the_end("xxxxxxxxxx"), Some(10));
        assert_eq!((at_the_end("xxxxx"), at_the_end("xxxx"), at_the_end("xx....")), (Some(5), None, None));
        // A rate that was judged during the run is not judged again at its end.
        let mut alert = alert("failure_rate > 0.5", 5);
        assert_eq!(rates(&mut alert, "xxx.....xxx"), [(0.6, 5), (0.6, 5)]);
        alert.end();
        assert_eq!(alert.look(&later(), &Value::Null), None);
    }

    #[test]
    fn an_alert_on_a_growing_value_fires_once() {
        let seen = |spent_usd| Snapshot { budget: Some(BudgetUse { max_usd: 10.0, spent_usd }), ..Snapshot::default() };
        assert_eq!(fires(&mut alert("budget_share > 0.8", 1), [7.0, 8.1, 9.0, 10.0].map(seen)), [false, true, false, false]);
        assert_eq!(fires(&mut alert("budget_share > 0.8", 1), [Snapshot::default()]), [false]);
    }

    #[test]
    fn a_stall_counts_the_time_without_an_answer_but_not_a_pause() {
        let seen = |(elapsed_s, requests, paused)| Snapshot { elapsed_s, requests, in_flight: 1, paused, ..Snapshot::default() };
        let times =
            [(1.0, 1, false), (9.0, 3, false), (18.0, 3, true), (27.0, 3, false), (28.1, 3, false), (29.0, 4, false), (40.0, 4, false)];
        assert_eq!(fires(&mut alert("stall_s > 10", 1), times.map(seen)), [false, false, false, false, true, false, true]);
    }

    #[test]
    fn invalid_conditions_are_refused() {
        for when in ["failure_rate", "failure_rate < 1", "failures > 1", "cost_usd > lots", "failure_rate > 1", "cost_usd > -1"] {
            let settings = AlertSettings { when: when.into(), over: 1, run: vec!["true".into()], webhook: String::new() };
            assert!(settings.check().unwrap_err().contains(when), "{when}");
        }
        let both = AlertSettings { when: "cost_usd > 1".into(), over: 1, run: vec!["true".into()], webhook: "http://x".into() };
        assert!(both.check().is_err());
    }
}
