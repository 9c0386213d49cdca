//! Deterministic faults and delays, drawn from the seed, the call and the attempt number.
//!
//! The same attempt of the same call gets the same fault in every run. The clock is never read.

use super::ask::CallHash;
use super::scenario::{FaultKind, Scenario};
use std::time::Duration;

/// A number in [0, 1) for one purpose. The seed is part of the call's hash.
fn draw(call: &CallHash, attempt: u32, purpose: &str) -> f64 {
    let mut hasher = blake3::Hasher::new_keyed(call);
    hasher.update(&attempt.to_le_bytes()).update(purpose.as_bytes());
    let mut first = [0; 8];
    hasher.finalize_xof().fill(&mut first);
    (u64::from_le_bytes(first) >> 11) as f64 / (1_u64 << 53) as f64
}

/// The fault of this attempt (from 1) of a call with `before` earlier random faults.
pub(super) fn decide(scenario: &Scenario, call: &CallHash, attempt: u32, before: u32) -> Option<FaultKind> {
    if before >= scenario.faults.faults_per_call {
        return None;
    }
    let shares = scenario.faults.shares();
    if shares.iter().all(|(_, share)| *share <= 0.0) {
        return None;
    }
    let mut left = draw(call, attempt, "fault");
    for (kind, share) in shares {
        if left < share {
            return Some(kind);
        }
        left -= share;
    }
    None
}

/// The fault for a marker in this user text.
pub(super) fn poison(scenario: &Scenario, user_text: &str) -> Option<FaultKind> {
    let poison = scenario.poison.iter().find(|poison| user_text.contains(&poison.marker))?;
    Some(poison.fault)
}

/// Duration of this attempt.
pub(super) fn delay(scenario: &Scenario, call: &CallHash, attempt: u32, user_text: &str) -> Duration {
    if !scenario.slow_marker.is_empty() && user_text.contains(&scenario.slow_marker) {
        return Duration::from_millis(scenario.slow_ms);
    }
    if let [first, .., last] = scenario.latency_quantiles_ms[..] {
        let place = draw(call, attempt, "latency") * (scenario.latency_quantiles_ms.len() - 1) as f64;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in the list")]
        let below = place as usize;
        let at = |n: usize| scenario.latency_quantiles_ms.get(n).copied().unwrap_or(last).max(first);
        return Duration::from_secs_f64((at(below) + place.fract() * (at(below + 1) - at(below))) / 1000.0);
    }
    let fixed = Duration::from_millis(scenario.latency_ms);
    if scenario.jitter_ms == 0 {
        return fixed;
    }
    fixed + Duration::from_millis(scenario.jitter_ms).mul_f64(draw(call, attempt, "jitter"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_take_as_long_as_the_quantiles_say() {
        let scenario = Scenario { latency_quantiles_ms: vec![10.0, 20.0, 1000.0], latency_ms: 5000, ..Scenario::default() };
        let of = |n: u32| delay(&scenario, &[1; 32], n, "").as_secs_f64() * 1000.0;
        let drawn: Vec<f64> = (0..1000).map(of).collect();
        let short = drawn.iter().filter(|ms| **ms <= 20.0).count();
        assert!((430..570).contains(&short) && drawn.iter().all(|ms| (10.0..=1000.0).contains(ms)), "{short}");
        assert!((of(7) - of(7)).abs() < f64::EPSILON);
        let wrong = Scenario { latency_quantiles_ms: vec![2.0, 1.0], ..Scenario::default() };
        assert!(wrong.problem().is_some_and(|problem| problem.contains("latency_quantiles_ms")));
    }
}
