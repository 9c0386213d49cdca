//! Packs: several items in one request.
//!
//! A [`Packer`] gathers single items into packs and sends each pack as one request. Only items of
//! an equal group share a pack. A pack closes when it is full, or when its oldest item has waited
//! `max_wait` and the sender has room for another request. Until then it keeps filling. While the
//! server is busy with other packs, it may fill for longer ([`PackSettings::max_busy_wait`]). Full packs
//! never wait for the responses of others; see [`PackSender::max_partial`] for the rest. `gatherer`
//! owns all items and requests.
//!
//! - A refusal for size makes the packs of the endpoint smaller from then on ([`TooLarge`]).
//! - A refusal for an unknown item ([`PackFault::Rejected`]) starts a binary search. It answers good
//!   items on the way, and costs at most two requests for each halving of the pack and each bad item.
//! - A request that fails in spite of retries ([`PackFault::Broken`]), or whose response cannot be
//!   used ([`PackFault::Unusable`]), starts the same search.
//! - If a search finds no bad item, the size was the cause, and packs become smaller. After an unusable
//!   response, other packs of the group wait for the end of the search.
//! - An item with a doubtful output in a pack is sent once more, alone.
//! - Items to be tried again go back to the front of their queue, and others may join them.
//! - An item whose submitter left is not sent, unless it is on its way.
//!
//! Memory is bounded: a submission waits while too many items or bytes are inside.

mod gatherer;
mod known;
mod limits;
mod pack;
mod queue;
mod shares;
#[cfg(test)]
mod tests;
mod vectors;

pub use known::{known_limits, limits_of, limits_of_info};
pub use limits::{PackLimits, Size};
pub use shares::shares;
pub use vectors::{EncodedVector, Encoding, Vectors, checked_vectors, numbers, vectors, without_nan};

use super::dialect::TooLarge;
use gatherer::Gatherer;
use queue::Item;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

/// Sends packs, and knows their limits.
pub trait PackSender: Send + Sync + 'static {
    /// Items of equal groups may share a request.
    type Group: Clone + Eq + Hash + Send + Sync + 'static;
    /// The content of an item.
    type Payload: Send + Sync + 'static;
    /// The result of an item.
    type Output: Send + 'static;
    /// Why an item has no result.
    type Fault: Clone + Send + 'static;

    /// Whom learned limits belong to, such as address and model.
    fn endpoint(&self, group: &Self::Group) -> String;

    /// The known limits of a request.
    fn limits(&self, group: &Self::Group) -> PackLimits;

    /// Limits that endpoints have taught earlier, for example to an earlier process.
    fn remembered(&self) -> Vec<(String, PackLimits)> {
        Vec::new()
    }

    /// An endpoint has taught these limits.
    fn learned(&self, _endpoint: &str, _limits: PackLimits) {}

    /// The responses for some packs cannot be used, although each item is good. These are the learned
    /// limits of the endpoint from now on.
    fn answers_wrongly(&self, _group: &Self::Group, _fault: &Self::Fault, _limits: PackLimits) {}

    /// Whether an output of a pack is worth a request for its item alone.
    fn is_doubtful(&self, _output: &Self::Output) -> bool {
        false
    }

    /// The server gave outputs for other items of a request with this one. If it fails now, it is the
    /// cause itself.
    fn others_have_outputs(&self, _payload: &Self::Payload) {}

    /// How many requests may be in flight now. Packs wait, and fill, while there are so many.
    fn max_in_flight(&self) -> usize {
        usize::MAX
    }

    /// How many full packs may be sent beyond `max_in_flight`. They wait for their turn in the sender,
    /// ready when a response arrives.
    fn ahead(&self) -> usize {
        0
    }

    /// How many packs of a group may be in flight that were not full. Further ones wait, and fill,
    /// until one of them has its response.
    fn max_partial(&self) -> usize {
        usize::MAX
    }

    /// Sends one request. The outputs are in the order of the items. In a search for a bad item,
    /// several items need no retries.
    fn send(
        &self,
        group: &Self::Group,
        items: Vec<Arc<Self::Payload>>,
        is_search: bool,
    ) -> impl Future<Output = Result<Vec<Self::Output>, PackFault<Self::Fault>>> + Send;
}

/// Why a request has no outputs.
#[derive(Debug, Clone)]
pub enum PackFault<F> {
    /// The server refused its size, as `dialect::pack_refusal` reads it. Smaller packs may pass.
    TooLarge(TooLarge, F),
    /// The server permanently refused at least one of the items.
    Rejected(F),
    /// The request failed, and may be repeated after this time, also with other items.
    Again(Duration, F),
    /// The request failed in spite of retries. One item, or the size, may be the cause.
    Broken(F),
    /// The response cannot be used. One item, or the size, may be the cause.
    Unusable(F),
    /// All items failed.
    Failed(F),
}

/// Why an item has no output.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackError<F> {
    /// Its request failed.
    #[error("the request failed")]
    Failed(F),
    /// The response has not one output for each item.
    #[error("the response has {outputs} outputs for {items} items")]
    Count {
        /// Number of items in the request.
        items: usize,
        /// Number of outputs in the response.
        outputs: usize,
    },
    /// The packer or the sender stopped.
    #[error("the packer stopped")]
    Stopped,
}

/// Settings of a packer.
#[derive(Debug, Clone, Copy)]
pub struct PackSettings {
    /// How long an item may wait for others.
    pub max_wait: Duration,
    /// How long a pack waits for the next item. It may end the wait of `max_wait`, but not extend it.
    pub max_pause: Duration,
    /// How long an item may wait instead, if longer, while at least two requests are in flight.
    pub max_busy_wait: Duration,
    /// Maximum number of items inside, waiting or on their way.
    pub max_items: usize,
    /// Maximum number of bytes inside, approximately. A larger item enters alone.
    pub max_bytes: u64,
    /// Number of packs whose items are sorted by length together. 1 keeps the order, and closes a
    /// pack as soon as it is full. More gives servers less padding. While fewer than two requests are in
    /// flight, full packs do not wait for others.
    pub window: usize,
    /// Maximum number of requests for an item that end with [`PackFault::Again`].
    pub max_tries: u32,
}

impl Default for PackSettings {
    fn default() -> Self {
        Self {
            max_wait: Duration::from_millis(10),
            max_pause: Duration::MAX,
            max_busy_wait: Duration::ZERO,
            max_items: 16_384,
            max_bytes: 64 << 20,
            window: 1,
            max_tries: 4,
        }
    }
}

/// An item and its group, on their way to the gatherer.
type Submitted<S> = (<S as PackSender>::Group, ItemOf<S>);
type ItemOf<S> = Item<<S as PackSender>::Payload, <S as PackSender>::Output, <S as PackSender>::Fault>;

/// Gathers items into packs. Dropping it cancels all requests.
#[derive(Debug)]
pub struct Packer<S: PackSender> {
    inbox: mpsc::Sender<Submitted<S>>,
    items: Arc<Semaphore>,
    kib: Arc<Semaphore>,
    max_kib: u32,
    _gatherer: AbortOnDropHandle<()>,
}

impl<S: PackSender> Packer<S> {
    /// Starts a packer. Must be called inside a tokio runtime.
    pub fn new(sender: S, settings: PackSettings) -> Self {
        let max_items = settings.max_items.clamp(1, Semaphore::MAX_PERMITS);
        let max_kib = u32::try_from(settings.max_bytes.div_ceil(1024)).unwrap_or(u32::MAX).clamp(1, u32::MAX >> 3);
        // The inbox never holds more than the items inside.
        let (inbox, submitted) = mpsc::channel(max_items.min(1024));
        let gatherer = Gatherer::new(sender, settings, submitted);
        Self {
            inbox,
            items: Arc::new(Semaphore::new(max_items)),
            kib: Arc::new(Semaphore::new(max_kib as usize)),
            max_kib,
            _gatherer: AbortOnDropHandle::new(tokio::spawn(gatherer.run())),
        }
    }

    /// Submits an item, and waits for its output. Dropping the future withdraws the item. `tokens`
    /// and `bytes` are what it adds to a request.
    pub async fn submit(&self, group: S::Group, tokens: u64, bytes: u64, payload: S::Payload) -> Result<S::Output, PackError<S::Fault>> {
        let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX).min(self.max_kib);
        let item = Arc::clone(&self.items).acquire_owned().await.map_err(|_| PackError::Stopped)?;
        let bytes_inside = Arc::clone(&self.kib).acquire_many_owned(kib).await.map_err(|_| PackError::Stopped)?;
        let (answer, answered) = oneshot::channel();
        let item = Item {
            payload: Arc::new(payload),
            size: Size::of(tokens, bytes),
            since: Instant::now(),
            tries: 0,
            is_alone: false,
            answer,
            _room: (item, bytes_inside),
        };
        self.inbox.send((group, item)).await.map_err(|_| PackError::Stopped)?;
        answered.await.unwrap_or(Err(PackError::Stopped))
    }
}
