//! Items of a group that wait for a pack.

use super::PackError;
use super::limits::{PackLimits, Size};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

/// An item on its way.
#[derive(Debug)]
pub(super) struct Item<P, O, F> {
    pub(super) payload: Arc<P>,
    pub(super) size: Size,
    /// When it was submitted.
    pub(super) since: Instant,
    /// Number of requests that failed and may be repeated.
    pub(super) tries: u32,
    /// Whether it shares no request with others.
    pub(super) is_alone: bool,
    pub(super) answer: oneshot::Sender<Result<O, PackError<F>>>,
    /// Its place among the items of the packer.
    pub(super) _room: (OwnedSemaphorePermit, OwnedSemaphorePermit),
}

impl<P, O, F> Item<P, O, F> {
    pub(super) fn settle(self, answer: Result<O, PackError<F>>) {
        // The submitter may have left.
        self.answer.send(answer).ok();
    }
}

/// The size of several items.
pub(super) fn size_of<P, O, F>(items: &[Item<P, O, F>]) -> Size {
    items.iter().fold(Size::default(), |sum, item| sum.plus(item.size))
}

/// Whether a pack takes no further item.
pub(super) fn is_full<P, O, F>(items: &[Item<P, O, F>], limits: PackLimits) -> bool {
    items.iter().any(|item| item.is_alone) || size_of(items).fills(limits, 1)
}

/// How long packs wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct PackWait {
    /// The oldest item waits at most so long.
    pub(super) max_wait: Duration,
    /// After a pause of so long, nothing waits. A response ends a pause, because it makes room for items.
    pub(super) max_pause: Duration,
    /// When the last response came.
    pub(super) responded: Option<Instant>,
}

/// How packs are taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    pub(super) limits: PackLimits,
    pub(super) wait: PackWait,
    /// Maximum number of packs whose items are sorted together.
    pub(super) window: usize,
    /// Number of full packs for which it waits.
    pub(super) ready: usize,
}

/// Waiting items, in order. Those at the front are tried again.
#[derive(Debug)]
pub(super) struct Queue<P, O, F> {
    items: VecDeque<Item<P, O, F>>,
    size: Size,
}

impl<P, O, F> Default for Queue<P, O, F> {
    fn default() -> Self {
        Self { items: VecDeque::new(), size: Size::default() }
    }
}

impl<P, O, F> Queue<P, O, F> {
    pub(super) fn push(&mut self, item: Item<P, O, F>) {
        self.size = self.size.plus(item.size);
        self.items.push_back(item);
    }

    /// Puts items before all others.
    pub(super) fn push_front(&mut self, items: Vec<Item<P, O, F>>) {
        self.size = self.size.plus(size_of(&items));
        for item in items.into_iter().rev() {
            self.items.push_front(item);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// When the wait for more items ends.
    pub(super) fn due(&self, wait: PackWait) -> Option<Instant> {
        let oldest = self.items.iter().map(|item| item.since).min()?;
        let newest = self.items.iter().map(|item| item.since).max().max(wait.responded)?;
        let paused = newest.checked_add(wait.max_pause);
        Some(paused.map_or(oldest + wait.max_wait, |paused| paused.min(oldest + wait.max_wait)))
    }

    /// Whether the items may fill as many packs as are waited for. Items whose submitters left count too.
    pub(super) fn may_fill(&self, terms: Terms) -> bool {
        self.size.fills(terms.limits, terms.ready)
    }

    /// Takes at most `room` packs: full ones if there are enough or an item is due. If an item is due and
    /// `partial` is set, takes all others too.
    pub(super) fn take(&mut self, terms: Terms, now: Instant, room: usize, partial: bool) -> Vec<Vec<Item<P, O, F>>> {
        self.items.retain(|item| !item.answer.is_closed());
        self.recount();
        let mut taken = Vec::new();
        while taken.len() < room {
            let is_due = self.due(terms.wait).is_some_and(|due| due <= now);
            if self.items.is_empty() || !(is_due || self.may_fill(terms)) {
                break;
            }
            let mut packs = self.window(terms);
            if !(is_due && partial) && packs.last().is_some_and(|last| !is_full(last, terms.limits)) {
                // The last one waits for more items.
                self.items.extend(packs.pop().into_iter().flatten());
                self.items.make_contiguous().sort_by_key(|item| item.since);
            }
            if packs.is_empty() {
                break;
            }
            let rest = packs.split_off(packs.len().min(room - taken.len()));
            taken.append(&mut packs);
            for pack in rest.into_iter().rev() {
                self.push_front(pack);
            }
            self.recount();
        }
        taken
    }

    /// Cuts the items of a window into packs, sorted by length.
    fn window(&mut self, terms: Terms) -> Vec<Vec<Item<P, O, F>>> {
        let count = terms.limits.max_items.saturating_mul(terms.window).min(self.items.len());
        let mut items: Vec<_> = self.items.drain(..count).collect();
        if terms.window > 1 && terms.limits.max_items > 1 {
            items.sort_by_key(|item| item.size.tokens);
        }
        let mut packs = Vec::<(Size, Vec<Item<P, O, F>>)>::new();
        for item in items {
            match packs.last_mut() {
                Some((size, pack)) if size.plus(item.size).fits(terms.limits) && !pack[0].is_alone && !item.is_alone => {
                    *size = size.plus(item.size);
                    pack.push(item);
                }
                _ => packs.push((item.size, vec![item])),
            }
        }
        packs.into_iter().map(|(_, pack)| pack).collect()
    }

    fn recount(&mut self) {
        self.size = self.items.iter().fold(Size::default(), |sum, item| sum.plus(item.size));
    }
}
