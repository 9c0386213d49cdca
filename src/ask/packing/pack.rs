//! A pack on its way, and what its response means for its items.

use super::queue::{Item, size_of};
use super::{PackError, PackFault, Size};
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
    /// The size of the smallest pack of the search that broke, if one did.
    broken: Option<Size>,
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
    /// A size that broke although none of its items is bad.
    pub(super) broken: Option<Size>,
}

impl<P, O, F: Clone> Pack<P, O, F> {
    pub(super) fn new(items: Vec<Item<P, O, F>>) -> Self {
        Self { items, suspects: Vec::new(), is_search: false, broken: None }
    }

    pub(super) fn payloads(&self) -> Vec<Arc<P>> {
        self.items.iter().map(|item| Arc::clone(&item.payload)).collect()
    }

    /// Gives outputs and faults to items, and says what to do with the others.
    pub(super) fn settle(self, reply: Result<Vec<O>, PackFault<F>>, max_tries: u32) -> Next<P, O, F> {
        let Self { items, suspects, broken, .. } = self;
        let mut next = Next { again: Vec::new(), after: Duration::ZERO, pack: None, refused: None, broken: None };
        match reply {
            Ok(outputs) if outputs.len() == items.len() => {
                items.into_iter().zip(outputs).for_each(|(item, output)| item.settle(Ok(output)));
                // These were good, so a suspect is bad.
                next.pack = Self::half(suspects, broken);
                next.broken = broken.filter(|_| next.pack.is_none());
            }
            Ok(outputs) => {
                let error = PackError::Count { items: items.len(), outputs: outputs.len() };
                fail(items, &error);
                next.again = suspects;
            }
            Err(PackFault::Rejected(fault)) => {
                // The bad one is here, so the suspects are as good as any other.
                next.again = suspects;
                if items.len() > 1 { next.pack = Self::half(items, None) } else { fail(items, &PackError::Failed(fault)) }
            }
            Err(PackFault::Broken(fault)) => {
                next.again = suspects;
                let size = size_of(&items);
                if items.len() > 1 { next.pack = Self::half(items, Some(size)) } else { fail(items, &PackError::Failed(fault)) }
            }
            Err(PackFault::TooLarge(refusal, _)) if items.len() > 1 => {
                next.refused = Some((size_of(&items), refusal));
                next.again = joined(items, suspects);
            }
            Err(PackFault::Again(after, fault)) => {
                let (tired, mut fresh): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| item.tries + 1 >= max_tries);
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

    /// The first half of items that hold a bad one. Items whose submitters left are not sent.
    fn half(mut items: Vec<Item<P, O, F>>, broken: Option<Size>) -> Option<Self> {
        items.retain(|item| !item.answer.is_closed());
        // The smaller half: then a search costs at most 2 log2(n) requests for every n.
        let suspects = items.split_off((items.len() / 2).max(1).min(items.len()));
        (!items.is_empty()).then_some(Self { items, suspects, is_search: true, broken })
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
