//! A pack on its way, and what its response means for its items.

use super::queue::{Item, size_of};
use super::{PackError, PackFault, PackLimits, Size};
use crate::ask::dialect::TooLarge;
use std::sync::Arc;
use std::time::Duration;

/// Items of one request.
#[derive(Debug)]
pub(super) struct Pack<P, O, F> {
    items: Vec<Item<P, O, F>>,
    /// Items that were refused together with these, in the search for a bad one.
    suspects: Vec<Item<P, O, F>>,
    /// Whether a search sends this.
    pub(super) is_search: bool,
    /// The smallest pack of the search that failed, if this belongs to a search.
    unfit: Option<Unfit<F>>,
}

/// A pack that failed.
#[derive(Debug)]
pub(super) struct Unfit<F> {
    pub(super) size: Size,
    /// What was wrong with its response, if it had one.
    pub(super) response: Option<F>,
}

/// When a response is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// Maximum number of requests for an item that may be repeated.
    pub(super) max_tries: u32,
    /// What the endpoint has taught by now.
    pub(super) learned: PackLimits,
    /// Whether another pack of the group is in a search after an unusable response.
    pub(super) is_doubted: bool,
}

/// What to do after a response.
#[derive(Debug)]
pub(super) struct Next<P, O, F> {
    /// Items for the front of the queue.
    pub(super) again: Vec<Item<P, O, F>>,
    /// When they may be sent, from now.
    pub(super) after: Duration,
    /// The next request of a search.
    pub(super) pack: Option<Pack<P, O, F>>,
    /// A refused size, to learn from.
    pub(super) refused: Option<(Size, TooLarge)>,
    /// The smallest pack that failed although none of its items is bad.
    pub(super) unfit: Option<Unfit<F>>,
}

impl<P, O, F: Clone> Pack<P, O, F> {
    pub(super) fn new(items: Vec<Item<P, O, F>>) -> Self {
        Self { items, suspects: Vec::new(), is_search: false, unfit: None }
    }

    /// Whether this belongs to a search after an unusable response.
    pub(super) fn doubts(&self) -> bool {
        self.unfit.as_ref().is_some_and(|unfit| unfit.response.is_some())
    }

    pub(super) fn payloads(&self) -> Vec<Arc<P>> {
        self.items.iter().map(|item| Arc::clone(&item.payload)).collect()
    }

    /// Gives outputs and faults to items, and says what to do with the others. `is_doubtful` tells
    /// whether an output is worth a request for its item alone.
    pub(super) fn settle(self, reply: Result<Vec<O>, PackFault<F>>, rules: Rules, is_doubtful: impl Fn(&O) -> bool) -> Next<P, O, F> {
        let Self { items, suspects, unfit, .. } = self;
        let mut next = Next { again: Vec::new(), after: Duration::ZERO, pack: None, refused: None, unfit: None };
        let (size, is_one) = (size_of(&items), items.len() == 1);
        match reply {
            Ok(outputs) if outputs.len() == items.len() => {
                for (mut item, output) in items.into_iter().zip(outputs) {
                    if is_one || !is_doubtful(&output) {
                        item.settle(Ok(output));
                    } else {
                        item.is_alone = true;
                        next.again.push(item);
                    }
                }
                // These were good, so a suspect is bad.
                (next.pack, next.unfit) = match Self::half(suspects, unfit) {
                    Ok(pack) => (Some(pack), None),
                    Err(unfit) => (None, unfit),
                };
            }
            Ok(outputs) => {
                let error = PackError::Count { items: items.len(), outputs: outputs.len() };
                fail(items, &error);
                next.again = suspects;
            }
            // One search is enough to show the cause.
            Err(PackFault::Unusable(_)) if !is_one && rules.is_doubted => next.again = joined(items, suspects),
            // Another search has shown meanwhile that this was too large.
            Err(PackFault::Rejected(_) | PackFault::Broken(_) | PackFault::Unusable(_)) if !is_one && !size.fits(rules.learned) => {
                next.again = joined(items, suspects);
            }
            Err(PackFault::Rejected(fault) | PackFault::Broken(fault) | PackFault::Unusable(fault)) if is_one => {
                fail(items, &PackError::Failed(fault));
                next.again = suspects;
            }
            Err(PackFault::Rejected(_) | PackFault::Broken(_)) => {
                // The bad one is here, so the suspects are as good as any other.
                next.again = suspects;
                next.pack = Self::half(items, Some(Unfit { size, response: None })).ok();
            }
            Err(PackFault::Unusable(fault)) => {
                next.again = suspects;
                next.pack = Self::half(items, Some(Unfit { size, response: Some(fault) })).ok();
            }
            Err(PackFault::TooLarge(refusal, _)) if !is_one => {
                next.refused = Some((size, refusal));
                next.again = joined(items, suspects);
            }
            Err(PackFault::Again(after, fault)) => {
                let (tired, mut fresh): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| item.tries + 1 >= rules.max_tries);
                for item in &mut fresh {
                    item.tries += 1;
                }
                fail(tired, &PackError::Failed(fault));
                next.after = after;
                next.again = joined(fresh, suspects);
            }
            Err(PackFault::Failed(fault) | PackFault::TooLarge(_, fault)) => {
                fail(items, &PackError::Failed(fault));
                next.again = suspects;
            }
        }
        next
    }

    /// The first half of items that hold a bad one. Items whose submitters left are not sent. Without
    /// items, the search has ended, and returns what failed.
    fn half(mut items: Vec<Item<P, O, F>>, unfit: Option<Unfit<F>>) -> Result<Self, Option<Unfit<F>>> {
        if items.is_empty() {
            return Err(unfit);
        }
        items.retain(|item| !item.answer.is_closed());
        // The smaller half: then a search costs at most 2 log2(n) requests for every n.
        let suspects = items.split_off((items.len() / 2).max(1).min(items.len()));
        if items.is_empty() { Err(None) } else { Ok(Self { items, suspects, is_search: true, unfit }) }
    }
}

fn joined<T>(mut items: Vec<T>, mut others: Vec<T>) -> Vec<T> {
    items.append(&mut others);
    items
}

fn fail<P, O, F: Clone>(items: Vec<Item<P, O, F>>, error: &PackError<F>) {
    for item in items {
        item.settle(Err(error.clone()));
    }
}
