//! A pack on its way, and what its response means for its items.

use super::queue::{Item, size_of};
use super::{PackError, PackFault, PackLimits, PackSender, Size};
use crate::ask::dialect::TooLarge;
use std::sync::Arc;
use std::time::Duration;

/// Items of one request.
#[derive(Debug)]
pub(super) struct Pack<P, O, F> {
    items: Vec<Item<P, O, F>>,
    /// Items that were refused together with these, in the search for a bad one.
    suspects: Vec<Item<P, O, F>>,
    /// Parts of the first pack of the search that are tested later.
    aside: Vec<Vec<Item<P, O, F>>>,
    /// Whether the search got outputs for a part of the first pack.
    has_outputs: bool,
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
        Self { items, suspects: Vec::new(), aside: Vec::new(), has_outputs: false, is_search: false, unfit: None }
    }

    /// Whether this belongs to a search after an unusable response.
    pub(super) fn doubts(&self) -> bool {
        self.unfit.as_ref().is_some_and(|unfit| unfit.response.is_some())
    }

    pub(super) fn payloads(&self) -> Vec<Arc<P>> {
        self.items.iter().map(|item| Arc::clone(&item.payload)).collect()
    }

    /// Gives outputs and faults to items, and says what to do with the others.
    pub(super) fn settle<S>(self, reply: Result<Vec<O>, PackFault<F>>, rules: Rules, sender: &S) -> Next<P, O, F>
    where
        S: PackSender<Payload = P, Output = O, Fault = F>,
    {
        let Self { items, suspects, aside, has_outputs, unfit, .. } = self;
        let mut next = Next { again: Vec::new(), after: Duration::ZERO, pack: None, refused: None, unfit: None };
        let mut search = Search { aside, has_outputs };
        let (size, is_one) = (size_of(&items), items.len() == 1);
        match reply {
            Ok(outputs) if outputs.len() == items.len() => {
                let (good, doubtful): (Vec<_>, Vec<_>) =
                    items.into_iter().zip(outputs).partition(|(_, output)| is_one || !sender.is_doubtful(output));
                search.has_outputs |= !good.is_empty();
                for (item, output) in good {
                    item.settle(Ok(output));
                }
                next.again.extend(doubtful.into_iter().map(|(item, _)| Item { is_alone: true, ..item }));
                if search.has_outputs {
                    let others = next.again.iter().chain(&suspects).chain(search.aside.iter().flatten());
                    others.for_each(|item| sender.others_have_outputs(&item.payload));
                }
                if suspects.is_empty() && unfit.is_some() {
                    // No item was bad, so the size was the cause.
                    (next.unfit, next.again) = (unfit, joined(next.again, search.rest(suspects)));
                } else {
                    // These were good, so a suspect is bad.
                    next.pack = search.half(suspects, unfit);
                }
            }
            Ok(outputs) => {
                let error = PackError::Count { items: items.len(), outputs: outputs.len() };
                fail(items, &error);
                next.again = search.rest(suspects);
            }
            // One search is enough to show the cause.
            Err(PackFault::Unusable(_)) if !is_one && rules.is_doubted => next.again = joined(items, search.rest(suspects)),
            // Another search has shown meanwhile that this was too large.
            Err(PackFault::Rejected(_) | PackFault::Broken(_) | PackFault::Unusable(_)) if !is_one && !size.fits(rules.learned) => {
                next.again = joined(items, search.rest(suspects));
            }
            // Without any output, the server may be down for all.
            Err(PackFault::Broken(fault)) if is_one && !search.has_outputs => {
                fail(items, &PackError::Failed(fault));
                next.again = search.rest(suspects);
            }
            Err(PackFault::Rejected(fault) | PackFault::Broken(fault) | PackFault::Unusable(fault)) if is_one => {
                fail(items, &PackError::Failed(fault));
                next.pack = search.and(suspects).next();
            }
            Err(PackFault::Rejected(_) | PackFault::Broken(_)) => {
                // The bad one is here, so the suspects are as good as any other.
                next.pack = search.and(suspects).half(items, Some(Unfit { size, response: None }));
            }
            Err(PackFault::Unusable(fault)) => {
                next.pack = search.and(suspects).half(items, Some(Unfit { size, response: Some(fault) }));
            }
            Err(PackFault::TooLarge(refusal, _)) if !is_one => {
                next.refused = Some((size, refusal));
                next.again = joined(items, search.rest(suspects));
            }
            Err(PackFault::Again(after, fault)) => {
                let (tired, mut fresh): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| item.tries + 1 >= rules.max_tries);
                for item in &mut fresh {
                    item.tries += 1;
                }
                fail(tired, &PackError::Failed(fault));
                next.after = after;
                next.again = joined(fresh, search.rest(suspects));
            }
            Err(PackFault::Failed(fault) | PackFault::TooLarge(_, fault)) => {
                fail(items, &PackError::Failed(fault));
                next.again = search.rest(suspects);
            }
        }
        next
    }
}

/// The rest of a search.
struct Search<P, O, F> {
    aside: Vec<Vec<Item<P, O, F>>>,
    has_outputs: bool,
}

impl<P, O, F: Clone> Search<P, O, F> {
    /// Sets items aside.
    fn and(mut self, items: Vec<Item<P, O, F>>) -> Self {
        self.aside.push(items);
        self
    }

    /// The next pack: the first half of items that hold a bad one. Items whose submitters left are not sent.
    fn half(self, mut items: Vec<Item<P, O, F>>, unfit: Option<Unfit<F>>) -> Option<Pack<P, O, F>> {
        items.retain(|item| !item.answer.is_closed());
        // The smaller half: then a search costs at most 2 log2(n) requests for every n.
        let suspects = items.split_off((items.len() / 2).max(1).min(items.len()));
        if items.is_empty() {
            return self.next();
        }
        Some(Pack { items, suspects, aside: self.aside, has_outputs: self.has_outputs, is_search: true, unfit })
    }

    /// The largest part that was set aside. It shows soonest whether the server gives outputs at all.
    fn next(mut self) -> Option<Pack<P, O, F>> {
        for part in &mut self.aside {
            part.retain(|item| !item.answer.is_closed());
        }
        self.aside.retain(|part| !part.is_empty());
        let (largest, _) = self.aside.iter().enumerate().max_by_key(|(_, part)| part.len())?;
        let items = self.aside.swap_remove(largest);
        Some(Pack { items, suspects: Vec::new(), aside: self.aside, has_outputs: self.has_outputs, is_search: true, unfit: None })
    }

    /// All items of the rest.
    fn rest(self, suspects: Vec<Item<P, O, F>>) -> Vec<Item<P, O, F>> {
        suspects.into_iter().chain(self.aside.into_iter().flatten()).collect()
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
