//! Packs against a server that counts.

mod failures;
mod gathering;
mod property;

use super::{PackError, PackFault, PackLimits, PackSender, PackSettings, Packer};
use crate::ask::dialect::{SizeKind, TooLarge};
use futures::future::join_all;
use parking_lot::Mutex;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const WAIT: Duration = Duration::from_millis(10);
/// An item whose request panics.
const PANIC: u32 = u32::MAX;

/// An output that is worth a request for its item alone.
const DOUBTFUL: u32 = u32::MAX - 1;

/// One request: its group, its payloads, and when it came.
#[derive(Debug, Clone)]
struct Request {
    group: u8,
    items: Vec<u32>,
    at: Instant,
}

/// A server that doubles numbers.
#[derive(Debug)]
struct Server {
    /// What it accepts.
    accepts: PackLimits,
    /// What the sender knows of that.
    known: PackLimits,
    /// Whether refusals state the limit.
    states: bool,
    latency: Duration,
    max_in_flight: usize,
    max_partial: usize,
    bad: HashSet<u32>,
    /// Refused only in one request.
    bad_together: [u32; 2],
    /// Items that break their request.
    breaking: HashSet<u32>,
    /// Items beyond this number break the request.
    breaks_above: usize,
    /// Responses for more items than this cannot be used.
    unusable_above: usize,
    /// Items with a doubtful output unless they are alone.
    doubtful: HashSet<u32>,
    /// Items of whose requests others have outputs.
    with_others: Mutex<HashSet<u32>>,
    /// What the sender learned of wrong responses.
    noted: Mutex<Vec<PackLimits>>,
    /// Number of requests that fail first.
    failures: Mutex<u32>,
    /// Number of outputs that are missing.
    missing: usize,
    requests: Mutex<Vec<Request>>,
    /// Number of items of each broken request, and whether it was part of a search.
    broken: Mutex<Vec<(usize, bool)>>,
    in_flight: Mutex<(usize, usize)>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            accepts: PackLimits::NONE,
            known: PackLimits::NONE,
            states: true,
            latency: Duration::from_millis(50),
            max_in_flight: usize::MAX,
            max_partial: usize::MAX,
            bad: HashSet::new(),
            bad_together: [PANIC; 2],
            breaking: HashSet::new(),
            breaks_above: usize::MAX,
            unusable_above: usize::MAX,
            doubtful: HashSet::new(),
            with_others: Mutex::default(),
            noted: Mutex::default(),
            failures: Mutex::new(0),
            missing: 0,
            requests: Mutex::default(),
            broken: Mutex::default(),
            in_flight: Mutex::default(),
        }
    }
}

/// At most so many items.
fn items(max_items: usize) -> PackLimits {
    PackLimits { max_items, ..PackLimits::NONE }
}

/// The sender to a server that tests look at.
#[derive(Debug)]
struct To(Arc<Server>);

impl PackSender for To {
    type Group = u8;
    type Payload = u32;
    type Output = u32;
    type Fault = String;

    fn endpoint(&self, _: &u8) -> String {
        "server".to_owned()
    }

    fn limits(&self, _: &u8) -> PackLimits {
        self.0.known
    }

    fn answers_wrongly(&self, _: &u8, _: &String, limits: PackLimits) {
        self.0.noted.lock().push(limits);
    }

    fn is_doubtful(&self, output: &u32) -> bool {
        *output == DOUBTFUL
    }

    fn others_have_outputs(&self, payload: &u32) {
        self.0.with_others.lock().insert(*payload);
    }

    fn max_in_flight(&self) -> usize {
        self.0.max_in_flight
    }

    fn max_partial(&self) -> usize {
        self.0.max_partial
    }

    async fn send(&self, group: &u8, payloads: Vec<Arc<u32>>, is_search: bool) -> Result<Vec<u32>, PackFault<String>> {
        let server = &self.0;
        let items: Vec<u32> = payloads.iter().map(|payload| **payload).collect();
        server.requests.lock().push(Request { group: *group, items: items.clone(), at: Instant::now() });
        {
            let mut in_flight = server.in_flight.lock();
            in_flight.0 += 1;
            in_flight.1 = in_flight.1.max(in_flight.0);
        }
        sleep(server.latency).await;
        server.in_flight.lock().0 -= 1;
        assert!(!items.contains(&PANIC), "the sender panics");
        if std::mem::take(&mut *server.failures.lock()) > 0 {
            return Err(PackFault::Again(Duration::from_millis(5), "overloaded".to_owned()));
        }
        if items.len() > server.breaks_above || items.iter().any(|item| server.breaking.contains(item)) {
            server.broken.lock().push((items.len(), is_search));
            return Err(PackFault::Broken("broken".to_owned()));
        }
        if items.len() > server.unusable_above {
            return Err(PackFault::Unusable("unusable".to_owned()));
        }
        let max = server.accepts.max_items;
        if items.len() > max {
            let limit = server.states.then_some(max as u64);
            return Err(PackFault::TooLarge(TooLarge { kind: SizeKind::Items, limit }, "too many".to_owned()));
        }
        if items.iter().any(|item| server.bad.contains(item)) || server.bad_together.iter().all(|item| items.contains(item)) {
            return Err(PackFault::Rejected("bad".to_owned()));
        }
        let is_one = items.len() == 1;
        let outputs = items.iter().map(|item| if server.doubtful.contains(item) && !is_one { DOUBTFUL } else { item * 2 });
        Ok(outputs.take(items.len() - server.missing.min(items.len())).collect())
    }
}

type Answer = Result<u32, PackError<String>>;

/// Submits numbers at once to a new packer, and waits for their answers.
async fn submit_all(server: &Arc<Server>, settings: PackSettings, numbers: impl IntoIterator<Item = u32>) -> Vec<Answer> {
    let packer = Packer::new(To(Arc::clone(server)), settings);
    join_all(numbers.into_iter().map(|number| packer.submit(0, 1, 1, number))).await
}

fn settings() -> PackSettings {
    PackSettings { max_wait: WAIT, ..PackSettings::default() }
}

impl Server {
    fn requests(&self) -> Vec<Request> {
        self.requests.lock().clone()
    }

    fn sizes(&self) -> Vec<usize> {
        self.requests().iter().map(|request| request.items.len()).collect()
    }
}
