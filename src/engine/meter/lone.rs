//! Response times of requests that have the server to themselves.

use crate::model::Spent;
use parking_lot::{Mutex, MutexGuard};

/// Sums over requests during which no other request was in flight.
#[derive(Debug, Default)]
pub struct Lone(Mutex<Requests>);

#[derive(Debug, Default)]
struct Requests {
    /// The number of the request in flight, if it was sent while no other was in flight.
    alone: Option<u64>,
    seconds: f64,
    output: u64,
    count: u32,
    /// Output tokens and number of all answered requests.
    all: (u64, u32),
}

impl Lone {
    /// Records that request `number` (from 0) is sent while `in_flight` others are in flight.
    pub fn sent(&self, number: u64, in_flight: u64) {
        self.requests().alone = (in_flight == 0).then_some(number);
    }

    /// Records that a request has ended; `sent` requests have been sent so far.
    pub fn ended(&self, sent: u64, spent: &Spent) {
        let mut requests = self.requests();
        let alone = requests.alone.take().is_some_and(|number| number + 1 == sent);
        if spent.usage.output == 0 {
            return;
        }
        requests.all.0 += spent.usage.output;
        requests.all.1 += 1;
        if alone {
            requests.seconds += spent.seconds;
            requests.output += spent.usage.output;
            requests.count += 1;
        }
    }

    /// Mean response time of lone requests in seconds; 0 without such requests.
    ///
    /// If their answers are shorter than the mean answer, the time is scaled up to that length.
    pub fn seconds(&self) -> f64 {
        let requests = self.requests();
        if requests.count == 0 {
            return 0.0;
        }
        let usual = f64::from(requests.count) * requests.all.0 as f64 / f64::from(requests.all.1);
        requests.seconds / f64::from(requests.count) * (usual / requests.output as f64).max(1.0)
    }

    fn requests(&self) -> MutexGuard<'_, Requests> {
        // Sums have no half-written state that a panic elsewhere could leave behind.
        self.0.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Usage;

    fn spent(seconds: f64, output: u64) -> Spent {
        Spent { seconds, usage: Usage { output, ..Usage::default() }, ..Spent::default() }
    }

    #[test]
    fn a_request_is_alone_if_no_other_is_in_flight_or_sent_meanwhile() {
        let lone = Lone::default();
        lone.sent(0, 0);
        lone.ended(1, &spent(0.5, 10));
        // Two requests at a time. The first was alone at first.
        lone.sent(1, 0);
        lone.sent(2, 1);
        lone.ended(3, &spent(8.0, 10));
        lone.ended(3, &spent(8.0, 10));
        // Refused at once, without an answer.
        lone.sent(3, 0);
        lone.ended(4, &spent(0.01, 0));
        assert!((lone.seconds() - 0.5).abs() < 1e-9);
    }

    #[test]
    fn a_short_answer_does_not_make_the_server_look_fast() {
        let lone = Lone::default();
        assert!(lone.seconds().abs() < f64::EPSILON);
        lone.sent(0, 0);
        lone.ended(1, &spent(0.5, 10));
        lone.sent(1, 1);
        lone.ended(2, &spent(5.0, 190));
        assert!((lone.seconds() - 5.0).abs() < 1e-9);
    }
}
