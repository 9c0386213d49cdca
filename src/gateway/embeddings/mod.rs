//! Embeddings: inputs of several requests travel in one.
//!
//! A request is taken apart into inputs. The packer gathers inputs of requests that agree in
//! everything else, and sends them together. Each request gets its own vectors, in the encoding that
//! it asked for, and its share of tokens and cost. The shares add up to the bill.

mod pack;
mod parts;
mod vectors;

pub(super) use pack::Packs;

use super::Gateway;
use super::ask::{FEWER_INPUTS, FIRST, Place, Whole};
use super::error::ApiError;
use crate::ask::Relay;
use crate::ask::packing::{PackError, PackSettings, Packer};
use crate::model::{Money, Usage};
use futures::TryFutureExt as _;
use futures::future::try_join_all;
use pack::{Fault, Group, Held, Output, Payload};
use parts::Parts;
use std::sync::Arc;

/// Place in line of packs of batches.
const OF_BATCHES: u64 = FIRST + 1;

impl Gateway {
    /// Asks for the vectors of a request. `None` if it cannot be taken apart.
    pub(super) async fn embed(
        self: &Arc<Self>,
        id: &str,
        owner: &str,
        body: &[u8],
        place: &Place,
        relay: &Arc<Relay>,
    ) -> Option<Result<Whole, ApiError>> {
        let packer = self.packer()?;
        let parts = Parts::read(body)?;
        let asking = self.embed_parts(packer, id, owner, parts, place, relay);
        Some(tokio::select! {
            biased;
            () = place.cancelled.cancelled() => Err(ApiError::cancelled()),
            answer = asking => answer,
        })
    }

    async fn embed_parts(
        self: &Arc<Self>,
        packer: &Packer<Packs>,
        id: &str,
        owner: &str,
        parts: Parts,
        place: &Place,
        relay: &Arc<Relay>,
    ) -> Result<Whole, ApiError> {
        let (model, format) = (parts.model, parts.format);
        let of_batch = place.batch.is_some();
        let order = if of_batch { OF_BATCHES } else { FIRST };
        let group = Group { model: model.clone(), rest: parts.rest.into(), host: relay.account().host().to_owned(), order };
        let request = Arc::new(pack::Request { id: id.to_owned(), owner: owner.to_owned(), model, batch: place.batch.clone() });
        let bounds: Vec<Option<Money>> = parts.inputs.iter().map(|input| relay.at_most(&request.model, input.most_tokens(), 0)).collect();
        let total = bounds.iter().copied().try_fold(Money::ZERO, |sum, one| Some(sum + one?));
        self.reserve(owner, &request.model, total, (of_batch, FEWER_INPUTS)).await.map_err(ApiError::from)?;
        let items: Vec<Payload> = parts
            .inputs
            .into_iter()
            .zip(bounds)
            .map(|(input, at_most)| Payload { held: Held::new(Arc::clone(self), &request, at_most.filter(|_| total.is_some())), input })
            .collect();
        let submitted = items.into_iter().enumerate().map(|(at, item)| {
            let (tokens, bytes) = (item.input.tokens(), item.input.json.len() as u64 + 1);
            packer.submit(group.clone(), tokens, bytes, item).map_err(move |error| (at, error))
        });
        match try_join_all(submitted).await {
            Ok(outputs) => Ok(answer(id, format, &outputs)),
            Err((at, PackError::Failed(Fault(fault)))) => {
                (*fault).clone().map(|whole| Whole { id: id.to_owned(), ..with_input(whole, at) })
            }
            Err((_, PackError::Stopped)) => Err(ApiError::stopped()),
            Err((_, count @ PackError::Count { .. })) => Err(ApiError::upstream(502, "upstream_lost", count)),
        }
    }

    /// The packer, if packing is on.
    fn packer(self: &Arc<Self>) -> Option<&Packer<Packs>> {
        let settings = PackSettings { max_wait: self.max_wait?, max_tries: 1, ..PackSettings::default() };
        Some(self.packer.get_or_init(|| Packer::new(Packs(Arc::downgrade(self)), settings)))
    }
}

/// A refusal of an input, with its number in the request of the client instead of that in its pack.
fn with_input(whole: Whole, at: usize) -> Whole {
    // A refused input travelled alone at last.
    let body = String::from_utf8_lossy(&whole.body).replace("input[0]", &format!("input[{at}]"));
    Whole { body: body.into(), ..whole }
}

/// The response to a request.
fn answer(id: &str, format: vectors::Format, outputs: &[Output]) -> Whole {
    let (mut usage, mut cost, mut attempts) = (Usage::default(), Some(Money::ZERO), 0);
    for output in outputs {
        usage += output.usage;
        cost = cost.zip(output.cost).map(|(sum, one)| sum + one);
        attempts = attempts.max(output.attempts);
    }
    let vector = |(index, output): (usize, &Output)| {
        let vector = vectors::in_format(&output.vector, format);
        format!("{{\"object\":\"embedding\",\"index\":{index},\"embedding\":{vector}}}")
    };
    let data = outputs.iter().enumerate().map(vector).collect::<Vec<_>>().join(",");
    let model = serde_json::Value::from(outputs.first().map_or("", |output| &*output.model));
    let tokens = usage.input();
    let body = format!(
        "{{\"object\":\"list\",\"data\":[{data}],\"model\":{model},\"usage\":{{\"prompt_tokens\":{tokens},\"total_tokens\":{tokens}}}}}"
    );
    Whole { id: id.to_owned(), status: 200, body: body.into(), retry_after: None, attempts, cost, usage, stored: false }
}
