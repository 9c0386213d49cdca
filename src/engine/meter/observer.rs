//! Counts attempts, and reports them to the run's watcher.

use crate::ask::{Fault, Observer, Pressure};
use crate::engine::Context;
use crate::event::RunEvent;
use crate::model::{Call, FailureCode, Latency, Spent};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

impl Observer for Context {
    fn sent(&self) {
        let sent = self.meters.requests.fetch_add(1, Relaxed);
        let before = self.meters.in_flight.fetch_add(1, Relaxed);
        self.meters.lone.sent(sent, before);
        self.meters.ask.begin();
    }

    fn ended(&self, spent: &Spent) {
        let meters = &self.meters;
        meters.in_flight.fetch_sub(1, Relaxed);
        meters.lone.ended(meters.requests.load(Relaxed), spent);
        meters.ask.done(1);
        meters.ask.end();
        let time = Duration::try_from_secs_f64(spent.seconds).unwrap_or_default();
        meters.latency[Latency::step(spent.seconds)].fetch_add(1, Relaxed);
        meters.request_times.add(time);
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        meters.request_ns.fetch_add(nanos, Relaxed);
        meters.longest_request_ns.fetch_max(nanos, Relaxed);
        meters.input_tokens.fetch_add(spent.usage.input(), Relaxed);
        meters.output_tokens.fetch_add(spent.usage.output, Relaxed);
        meters.cache_read.fetch_add(spent.usage.cache_read, Relaxed);
        meters.cache_saved_pico.fetch_add(spent.cache_saved_pico, Relaxed);
        match spent.cost {
            Some(cost) => meters.cost_pico.fetch_add(cost.pico(), Relaxed),
            None => meters.unpriced.fetch_add(1, Relaxed),
        };
    }

    fn retrying(&self, label: &str, attempt: u32, fault: &Fault) {
        self.meters.retries.fetch_add(1, Relaxed);
        self.meters.refusals.fetch_add(u64::from(fault.code == FailureCode::RateLimited), Relaxed);
        if self.meters.reported.may_report(self.meters.wall()) {
            let (call, message) = (label.to_owned(), fault.message.clone());
            let refused = fault.pressure != Pressure::None;
            let event = RunEvent::CallRetried { call, attempt, code: fault.code, refused, message };
            // `offer` never waits for a slow watcher.
            self.watcher.offer(event);
        }
    }

    fn said(&self, call: &Call, text: &str) {
        self.meters.live().add(call, text);
    }

    fn note(&self, message: &str) {
        // `offer` never waits for a slow terminal. Such notes are rare.
        self.watcher.offer(RunEvent::Note { message: message.to_owned() });
    }
}
