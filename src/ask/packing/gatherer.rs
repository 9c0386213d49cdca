//! The task that owns all items and requests of a packer.

use super::limits::LearnedLimits;
use super::pack::{Pack, Rules, Unfit};
use super::queue::{PackWait, Queue, Terms, is_full};
use super::{ItemOf, PackFault, PackSender, PackSettings, Submitted};
use crate::ask::dialect::{SizeKind, TooLarge};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

type PackOf<S> = Pack<<S as PackSender>::Payload, <S as PackSender>::Output, <S as PackSender>::Fault>;
type QueueOf<S> = Queue<<S as PackSender>::Payload, <S as PackSender>::Output, <S as PackSender>::Fault>;

/// Requests in flight with which a server has enough to do.
const BUSY: usize = 2;

/// A pack and its response.
struct Sent<S: PackSender> {
    group: S::Group,
    pack: PackOf<S>,
    reply: Result<Vec<S::Output>, PackFault<S::Fault>>,
}

/// Items that may be sent from a time on.
struct Later<S: PackSender> {
    at: Instant,
    group: S::Group,
    items: Vec<ItemOf<S>>,
}

/// A request in flight.
struct InFlight<G> {
    group: G,
    /// Whether its pack was not full.
    partial: bool,
    /// Whether it belongs to a search after an unusable response. Other packs of the group wait for its
    /// end, because their responses may be unusable too.
    doubts: bool,
}

pub(super) struct Gatherer<S: PackSender> {
    sender: Arc<S>,
    settings: PackSettings,
    submitted: mpsc::Receiver<Submitted<S>>,
    queues: HashMap<S::Group, QueueOf<S>>,
    later: Vec<Later<S>>,
    learned: LearnedLimits,
    requests: JoinSet<Sent<S>>,
    in_flight: HashMap<Id, InFlight<S::Group>>,
    /// When the last response came.
    responded: Option<Instant>,
    /// When the queues must be looked at; not after the first due time.
    look_at: Option<Instant>,
    /// Whether queues may have to wait for room.
    starved: bool,
}

impl<S: PackSender> Gatherer<S> {
    pub(super) fn new(sender: S, settings: PackSettings, submitted: mpsc::Receiver<Submitted<S>>) -> Self {
        let learned = LearnedLimits::new(sender.remembered());
        Self {
            sender: Arc::new(sender),
            settings,
            submitted,
            queues: HashMap::new(),
            later: Vec::new(),
            learned,
            requests: JoinSet::new(),
            in_flight: HashMap::new(),
            responded: None,
            look_at: None,
            starved: false,
        }
    }

    /// Runs until the packer is dropped.
    pub(super) async fn run(mut self) {
        loop {
            let look_at = self.look_at;
            tokio::select! {
                submitted = self.submitted.recv() => match submitted {
                    Some((group, item)) => self.accept(&group, item),
                    None => return,
                },
                Some(sent) = self.requests.join_next_with_id() => {
                    let id = sent.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
                    self.in_flight.remove(&id);
                    self.responded = Some(Instant::now());
                    // After a panic, the submitters see that their items are gone.
                    let again = sent.is_ok_and(|(_, sent)| self.conclude(sent));
                    if again || self.starved || !self.is_busy() {
                        self.look();
                    }
                }
                () = sleep_until(look_at.unwrap_or_else(Instant::now)), if look_at.is_some() => self.look(),
            }
        }
    }

    fn accept(&mut self, group: &S::Group, item: ItemOf<S>) {
        let wait = self.wait();
        let due = item.since + wait.max_wait.min(wait.max_pause);
        self.look_at = Some(self.look_at.map_or(due, |at| at.min(due)));
        let terms = self.terms(group);
        let queue = self.queues.entry(group.clone()).or_default();
        queue.push(item);
        if queue.may_fill(terms) {
            self.send_ready(group);
        }
    }

    fn terms(&self, group: &S::Group) -> Terms {
        let limits = self.sender.limits(group).and(self.learned.of(&self.sender.endpoint(group)));
        let window = self.settings.window.max(1);
        let ready = if self.is_busy() { window } else { 1 };
        Terms { limits, wait: self.wait(), window, ready }
    }

    /// Whether the server has enough to do, so that packs may wait to be full and sorted.
    fn is_busy(&self) -> bool {
        self.requests.len() >= BUSY
    }

    fn wait(&self) -> PackWait {
        let PackSettings { max_wait, max_pause, max_busy_wait, .. } = self.settings;
        let (max_wait, max_pause) = if self.is_busy() { (max_wait.max(max_busy_wait), Duration::MAX) } else { (max_wait, max_pause) };
        PackWait { max_wait, max_pause, responded: self.responded }
    }

    /// Sends whatever is full or due, the longest waiting first.
    fn look(&mut self) {
        // On a busy machine, items have waited before they get here. They join the packs that are due.
        for _ in 0..self.submitted.len() {
            if let Ok((group, item)) = self.submitted.try_recv() {
                self.accept(&group, item);
            }
        }
        self.starved = false;
        let now = Instant::now();
        for later in self.later.extract_if(.., |later| later.at <= now) {
            self.queues.entry(later.group).or_default().push_front(later.items);
        }
        let wait = self.wait();
        let mut groups: Vec<(Instant, S::Group)> =
            self.queues.iter().filter_map(|(group, queue)| Some((queue.due(wait)?, group.clone()))).collect();
        groups.sort_by_key(|(due, _)| *due);
        for (_, group) in &groups {
            self.send_ready(group);
        }
        // While there is no room, the next response wakes this up.
        let dues = self.queues.values().filter_map(|queue| queue.due(wait)).filter(|due| *due > now);
        self.look_at = dues.chain(self.later.iter().map(|later| later.at)).min();
    }

    fn send_ready(&mut self, group: &S::Group) {
        self.send_packs(group, false);
        // While the server is busy with full packs, the others may wait for longer.
        self.send_packs(group, true);
    }

    fn send_packs(&mut self, group: &S::Group, and_partial: bool) {
        let (most, active) = (self.sender.max_in_flight().max(1), self.requests.len());
        let room = (most + self.sender.ahead()).saturating_sub(active);
        let (terms, is_doubted) = (self.terms(group), self.is_doubted(group));
        let Some(queue) = self.queues.get_mut(group) else { return };
        if room == 0 || is_doubted {
            self.starved = true;
            return;
        }
        let partial = active < most
            && self.in_flight.values().filter(|sent| sent.partial && sent.group == *group).count() < self.sender.max_partial().max(1);
        let packs = queue.take(terms, Instant::now(), room, and_partial && partial);
        self.starved |= packs.len() == room || !partial;
        if queue.is_empty() {
            self.queues.remove(group);
        }
        for items in packs {
            let partial = !is_full(&items, terms.limits);
            self.send(group.clone(), Pack::new(items), partial);
        }
    }

    fn is_doubted(&self, group: &S::Group) -> bool {
        self.in_flight.values().any(|sent| sent.doubts && sent.group == *group)
    }

    fn send(&mut self, group: S::Group, pack: PackOf<S>, partial: bool) {
        let (sender, of, doubts) = (Arc::clone(&self.sender), group.clone(), pack.doubts());
        let request = self.requests.spawn(async move {
            let reply = sender.send(&of, pack.payloads(), pack.is_search).await;
            Sent { group: of, pack, reply }
        });
        self.in_flight.insert(request.id(), InFlight { group, partial, doubts });
    }

    /// Settles a response. Returns whether items wait to be sent again.
    fn conclude(&mut self, sent: Sent<S>) -> bool {
        let Sent { group, pack, reply } = sent;
        let endpoint = self.sender.endpoint(&group);
        let rules = Rules { max_tries: self.settings.max_tries, learned: self.learned.of(&endpoint), is_doubted: self.is_doubted(&group) };
        let next = pack.settle(reply, rules, &*self.sender);
        if let Some((size, refusal)) = next.refused {
            let limits = self.learned.learn(&endpoint, size, refusal);
            self.sender.learned(&endpoint, limits);
        }
        if let Some(Unfit { size, response }) = next.unfit {
            let limits = self.learned.learn(&endpoint, size, TooLarge { kind: SizeKind::Items, limit: None });
            // Without a response, other causes are possible, such as a restart of the server, so later runs
            // do not learn this.
            if let Some(fault) = response {
                self.sender.learned(&endpoint, limits);
                self.sender.answers_wrongly(&group, &fault, limits);
            }
        }
        let again = !next.again.is_empty();
        if again {
            self.later.push(Later { at: Instant::now() + next.after, group: group.clone(), items: next.again });
        }
        if let Some(pack) = next.pack {
            self.send(group, pack, false);
        }
        again
    }
}
