//! Sends packs of inputs, and shares their bills out.

use super::parts::Input;
use crate::ask::dialect::{may_blame_one_item, pack_refusal};
use crate::ask::packing::{PackFault, PackLimits, PackSender, Vectors, checked_vectors, known_limits, shares};
use crate::ask::{NoRoom, RelayAttempt, RelayEnd, RelayEndpoint, RelayLedger, RelayReply, RelayRequest, RelayTokens, Tier};
use crate::gateway::Gateway;
use crate::gateway::ask::{FEWER_INPUTS, Whole, whole};
use crate::gateway::error::ApiError;
use crate::gateway::ledger::NewAttempt;
use crate::model::{Money, Usage};
use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::value::RawValue;
use std::sync::{Arc, Weak};
use tokio_util::sync::CancellationToken;

/// Tokens that a provider may add to a request.
const WRAPPING: u64 = 1_000;

/// Sends packs of the gateway.
#[derive(Debug)]
pub struct Packs(pub Weak<Gateway>);

/// What requests must agree in to share a pack.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Group {
    pub model: String,
    /// All fields but the input.
    pub rest: Arc<str>,
    /// Host of the provider, whose limits apply.
    pub host: String,
    /// Place in line.
    pub order: u64,
}

/// A request of a client.
#[derive(Debug)]
pub struct Request {
    pub id: String,
    pub owner: String,
    pub model: String,
    pub batch: Option<String>,
}

/// An input with the money that is reserved for it.
#[derive(Debug)]
pub struct Payload {
    pub input: Input,
    pub held: Held,
}

/// The vector of an input, with its share of the bill.
#[derive(Debug)]
pub struct Output {
    /// The vector as JSON.
    pub vector: String,
    pub model: Arc<str>,
    pub usage: Usage,
    pub cost: Option<Money>,
    pub attempts: u32,
}

/// What the requests of a failed pack get.
#[derive(Debug, Clone)]
pub struct Fault(pub Arc<Result<Whole, ApiError>>);

/// The reservation of an input. When it is dropped, it is settled.
#[derive(Debug)]
pub struct Held {
    gateway: Arc<Gateway>,
    request: Arc<Request>,
    at_most: Option<Money>,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Reserved,
    InFlight,
    Settled,
}

impl Held {
    /// Takes over a part of a reservation.
    pub fn new(gateway: Arc<Gateway>, request: &Arc<Request>, at_most: Option<Money>) -> Self {
        Self { gateway, request: Arc::clone(request), at_most, state: Mutex::new(State::Reserved) }
    }

    fn settle(&self, cost: Option<Money>) {
        let mut state = self.state.lock();
        if *state != State::Settled {
            self.gateway.settle(&self.request.owner, self.at_most, cost);
            *state = State::Settled;
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let unsent = *self.state.get_mut() == State::Reserved;
        self.settle(unsent.then_some(Money::ZERO));
    }
}

impl PackSender for Packs {
    type Group = Group;
    type Payload = Payload;
    type Output = Output;
    type Fault = Fault;

    fn endpoint(&self, group: &Group) -> String {
        format!("{} {}", group.host, group.model)
    }

    fn limits(&self, group: &Group) -> PackLimits {
        known_limits(&group.host, &group.model)
    }

    fn max_in_flight(&self) -> usize {
        self.0.upgrade().and_then(|gateway| gateway.relays.known_concurrency()).unwrap_or(1)
    }

    fn max_partial(&self) -> usize {
        1
    }

    async fn send(&self, group: &Group, items: Vec<Arc<Payload>>, _: bool) -> Result<Vec<Output>, PackFault<Fault>> {
        let failed = |error: ApiError| PackFault::Failed(Fault(Arc::new(Err(error))));
        let gateway = self.0.upgrade().ok_or_else(|| failed(ApiError::stopped()))?;
        let relay = gateway.relays.of(&group.model).await.map_err(failed)?;
        let inputs: Vec<&str> = items.iter().map(|item| item.input.json.as_str()).collect();
        let tokens = items.iter().map(|item| item.input.tokens()).sum();
        let most_input = items.iter().map(|item| item.input.most_tokens()).sum::<u64>() + WRAPPING;
        let request = RelayRequest {
            endpoint: RelayEndpoint::Embeddings,
            model: group.model.clone(),
            body: format!("{{{},\"input\":[{}]}}", group.rest, inputs.join(",")).into(),
            tokens: RelayTokens { input: tokens, images: 0, most_input, most_output: 0 },
            tier: Tier::Standard,
            place: group.order,
            events: None,
            is_trial: false,
            cancelled: CancellationToken::new(),
        };
        let record = Record { gateway, items };
        let reply = relay.send(&request, &record).await;
        let RelayEnd::Response { status, body, .. } = &reply.end else {
            return Err(PackFault::Failed(Fault(Arc::new(whole(String::new(), reply)))));
        };
        if !(200..=299).contains(status) {
            let (refusal, may_be_one) = (pack_refusal(*status, body), may_blame_one_item(*status, body));
            let fault = Fault(Arc::new(whole(String::new(), reply)));
            return Err(match refusal {
                Some(too_large) => PackFault::TooLarge(too_large, fault),
                None if may_be_one => PackFault::Rejected(fault),
                None => PackFault::Failed(fault),
            });
        }
        outputs(&record.items, body, &reply).map_err(failed)
    }
}

/// The vectors of a response in the order of the inputs.
fn outputs(items: &[Arc<Payload>], body: &[u8], reply: &RelayReply) -> Result<Vec<Output>, ApiError> {
    let unreadable = |why| ApiError::upstream(502, "upstream_lost", format!("the provider's response cannot be used: {why}"));
    let Vectors { vectors, model } = checked_vectors(body, items.len()).map_err(unreadable)?;
    let weights: Vec<u64> = items.iter().map(|item| item.input.tokens()).collect();
    let (tokens, model) = (shares(reply.usage.input(), &weights), Arc::<str>::from(model));
    let costs = reply.cost.map(|cost| shares(cost.pico(), &weights));
    let output = |(at, vector): (usize, &RawValue)| Output {
        vector: vector.get().to_owned(),
        model: Arc::clone(&model),
        usage: Usage { uncached_input: tokens[at], ..Usage::default() },
        cost: costs.as_ref().map(|costs| Money::from_pico(costs[at])),
        attempts: reply.attempts,
    };
    Ok(vectors.into_iter().enumerate().map(output).collect())
}

/// Records the attempts of a pack: one for each request that has inputs in it.
struct Record {
    gateway: Arc<Gateway>,
    items: Vec<Arc<Payload>>,
}

impl Record {
    /// Runs of items that belong to the same request, with their positions.
    fn requests(&self) -> Vec<(&Arc<Request>, Vec<&Arc<Payload>>)> {
        let mut requests: Vec<(&Arc<Request>, Vec<&Arc<Payload>>)> = Vec::new();
        for item in &self.items {
            let of = &item.held.request;
            match requests.iter_mut().find(|(request, _)| Arc::ptr_eq(request, of)) {
                Some((_, items)) => items.push(item),
                None => requests.push((of, vec![item])),
            }
        }
        requests
    }
}

impl RelayLedger for Record {
    async fn reserve(&self, _: Option<Money>) -> Result<(), NoRoom> {
        // The inputs have their reservations, unless an earlier attempt has used them up.
        for item in &self.items {
            if *item.held.state.lock() == State::Settled {
                let Request { owner, model, .. } = &*item.held.request;
                self.gateway.reserve(owner, model, item.held.at_most, (false, FEWER_INPUTS)).await?;
                *item.held.state.lock() = State::Reserved;
            }
        }
        Ok(())
    }

    fn release(&self, _: Option<Money>) {}

    async fn sending(&self, number: u32, _: Option<Money>, _: Timestamp) -> Result<i64, NoRoom> {
        let attempt = |(request, items): (&Arc<Request>, Vec<&Arc<Payload>>)| NewAttempt {
            request: request.id.clone(),
            owner: request.owner.clone(),
            endpoint: RelayEndpoint::Embeddings.path(),
            model: request.model.clone(),
            batch: request.batch.clone(),
            number,
            at_most: items.iter().try_fold(Money::ZERO, |sum, item| Some(sum + item.held.at_most?)),
        };
        let id = self.gateway.ledger.sending(self.requests().into_iter().map(attempt).collect()).await.map_err(|_| NoRoom::Closed)?;
        for item in &self.items {
            *item.held.state.lock() = State::InFlight;
        }
        Ok(id)
    }

    async fn ended(&self, id: i64, _: Option<Money>, attempt: RelayAttempt) {
        let weights: Vec<u64> = self.items.iter().map(|item| item.input.tokens()).collect();
        let costs = attempt.cost.map(|cost| shares(cost.pico(), &weights));
        for (at, item) in self.items.iter().enumerate() {
            match &costs {
                // It cost nothing, so the reservation is for the next attempt.
                Some(costs) if costs[at] == 0 => *item.held.state.lock() = State::Reserved,
                Some(costs) => item.held.settle(Some(Money::from_pico(costs[at]))),
                None => item.held.settle(None),
            }
        }
        let requests = self.requests();
        let of_requests: Vec<u64> = requests.iter().map(|(_, items)| items.iter().map(|item| item.input.tokens()).sum()).collect();
        let (tokens, costs) = (shares(attempt.usage.input(), &of_requests), attempt.cost.map(|cost| shares(cost.pico(), &of_requests)));
        let share = |at: usize| RelayAttempt {
            usage: Usage { uncached_input: tokens[at], ..Usage::default() },
            cost: costs.as_ref().map(|costs| Money::from_pico(costs[at])),
            ..attempt.clone()
        };
        self.gateway.ledger.ended(id, (0..requests.len()).map(share).collect()).await;
    }
}
