//! How fast it goes just now: what is limited, paused or changed in the middle does not go on as it went on the whole.

use super::duration;
use crate::event::Snapshot;

/// A mean over recent time, in which older things count less and less.
#[derive(Debug, Default)]
pub struct Recent {
    /// Seconds, documents and requests up to the last look.
    last: (f64, u64, u64),
    seconds: f64,
    documents: f64,
    requests: f64,
}

/// What is so many seconds ago counts a third.
const RECENT_S: f64 = 20.0;

impl Recent {
    /// Looks at the counters.
    pub fn see(&mut self, s: &Snapshot) {
        let (at, documents, requests) = std::mem::replace(&mut self.last, (s.elapsed_s, s.answered, s.requests));
        let passed = s.elapsed_s - at;
        if s.paused || passed <= 0.0 {
            return;
        }
        let kept = (-passed / RECENT_S).exp();
        self.seconds = self.seconds * kept + passed;
        self.documents = self.documents * kept + s.answered.saturating_sub(documents) as f64;
        self.requests = self.requests * kept + s.requests.saturating_sub(requests) as f64;
    }

    /// Requests a second.
    pub fn requests_per_second(&self) -> f64 {
        self.requests / self.seconds.max(0.1)
    }

    /// Time left; `None` if that is not known.
    pub fn left(&self, s: &Snapshot) -> Option<String> {
        let left = s.documents?.checked_sub(s.answered + s.up_to_date)?;
        if left == 0 || s.paused || self.documents < 0.01 {
            return None;
        }
        Some(duration(self.seconds / self.documents * left as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_became_slow_is_slow() {
        let mut recent = Recent::default();
        let mut s = Snapshot { documents: Some(2000), ..Snapshot::default() };
        // Ten a second, then one.
        for second in 1..=200_u64 {
            (s.elapsed_s, s.answered) = (second as f64, if second <= 100 { 10 * second } else { 900 + second });
            recent.see(&s);
        }
        assert!(recent.left(&s).is_some_and(|left| left.starts_with("14 min")));
        s.paused = true;
        assert_eq!(recent.left(&s), None);
    }
}
