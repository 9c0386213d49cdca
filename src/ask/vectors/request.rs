//! Requests for vectors.

use super::Payload;
use super::group::Group;
use crate::ask::packing::Encoding;
use crate::ask::relay_endpoint::RelayEndpoint;
use crate::ask::{RelayRequest, RelayTokens, Tier};
use bytes::Bytes;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Tokens that a provider may add to a request.
pub(super) const WRAPPING: u64 = 1_000;

/// The request for a pack. `inputs` are the texts as JSON.
pub(super) fn request<'i, I>(
    group: &Group,
    encoding: Encoding,
    items: &[Arc<Payload<I>>],
    inputs: impl Iterator<Item = &'i str>,
) -> RelayRequest {
    RelayRequest {
        endpoint: RelayEndpoint::Embeddings,
        model: group.model.clone(),
        body: body(group, encoding, inputs),
        tokens: RelayTokens {
            input: items.iter().map(|item| item.tokens).sum(),
            images: 0,
            most_input: items.iter().map(|item| item.most_tokens).sum::<u64>() + WRAPPING,
            most_output: 0,
        },
        tier: Tier::Standard,
        place: items.iter().map(|item| item.place).min().unwrap_or(0),
        events: None,
        is_trial: false,
        cancelled: CancellationToken::new(),
    }
}

/// The body of a request. `inputs` are texts as JSON.
pub(super) fn body<'i>(group: &Group, encoding: Encoding, inputs: impl Iterator<Item = &'i str>) -> Bytes {
    let model = serde_json::Value::from(group.model.as_str());
    let dimensions = group.form.dimensions.map_or_else(String::new, |dimensions| format!(",\"dimensions\":{dimensions}"));
    let mut body = format!("{{\"model\":{model}{dimensions}");
    if encoding == Encoding::Base64 {
        body += ",\"encoding_format\":\"base64\"";
    }
    if !group.form.body.is_empty() {
        body = body + "," + &group.form.body;
    }
    body += ",\"input\":[";
    for (at, input) in inputs.enumerate() {
        if at > 0 {
            body.push(',');
        }
        body += input;
    }
    body += "]}";
    body.into()
}
