//! Draws the states of the stages over time. Samples hold shares since the start of the run, so an
//! interval is the difference of two samples.

use super::chart::{Chart, Strip, strips};
use serde_json::Value;
use std::collections::BTreeMap;

/// States of a stage's slots, with their classes of the style sheet.
pub const STATES: [(&str, &str); 3] = [("working", "c-work"), ("held back", "c-held"), ("blocked", "c-room")];
/// Maximum number of samples drawn; a long run has a few hundred.
const DRAWN: usize = 120;

/// Mean seconds of a slot in each state since the start.
type Spent = [f64; 3];

/// Chart of the stages over time. `None` if the samples hold no data.
pub fn stages(samples: &[(u64, String)]) -> Option<Chart> {
    let step = samples.len().div_ceil(DRAWN).max(1);
    // Counts from the end, so that the last sample is always drawn.
    let drawn = samples.iter().rev().step_by(step).collect::<Vec<_>>().into_iter().rev();
    let mut before: BTreeMap<String, (f64, Spent)> = BTreeMap::new();
    let mut found: Vec<Strip> = Vec::new();
    for (_, text) in drawn {
        let Ok(sample) = serde_json::from_str::<Value>(text) else { continue };
        let Some(now) = sample["elapsed_s"].as_f64().filter(|s| *s > 0.0) else { continue };
        for stage in sample["stages"].as_array().into_iter().flatten() {
            let Some(name) = stage["stage"].as_str() else { continue };
            let held: f64 = stage["held"].as_object().into_iter().flatten().filter_map(|(_, share)| share.as_f64()).sum();
            let share = |key: &str| stage[key].as_f64().unwrap_or(0.0);
            let spent = [share("busy"), held, share("blocked")].map(|share| share * now);
            let (then, spent_then) = before.insert(name.to_owned(), (now, spent)).unwrap_or_default();
            let passed = now - then;
            if passed <= 0.0 {
                continue;
            }
            let shares = spent.iter().zip(spent_then).map(|(now, then)| ((now - then) / passed).clamp(0.0, 1.0)).collect();
            match found.iter_mut().find(|strip| strip.name == name) {
                Some(strip) => strip.shares.push((now, shares)),
                None => found.push(Strip { name: name.to_owned(), shares: vec![(now, shares)] }),
            }
        }
    }
    let note = "Share of each stage's slots, from 0 to 100 %. The rest was waiting for input.";
    strips("Stages", note, &found, &STATES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sample(elapsed_s: f64, busy: f64, held: f64) -> (u64, String) {
        let stage = json!({"stage": "ask", "busy": busy, "blocked": 0.0, "waiting": 1.0 - busy - held, "held": {"requests": held}});
        (0, json!({"elapsed_s": elapsed_s, "stages": [stage]}).to_string())
    }

    #[test]
    fn an_interval_is_the_difference_of_two_samples() {
        // The stage works for half of the first second and for all of the second. Then it is held
        // back for two seconds.
        let chart = stages(&[sample(1.0, 0.5, 0.0), (0, "cut o".into()), sample(2.0, 0.75, 0.0), sample(4.0, 0.375, 0.5)]).expect("stages");
        let shares: Vec<&[String]> = chart.rows.iter().map(|row| &row[1..]).collect();
        assert_eq!(shares, [["1 s", "50 %", "0 %", "0 %"], ["2 s", "100 %", "0 %", "0 %"], ["4 s", "0 %", "100 %", "0 %"]]);
        assert!(stages(&[]).is_none());
    }
}
