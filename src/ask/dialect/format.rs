//! The parts of a wire format.

use super::assembly::Assembly;
use super::body::Body;
use super::form::Form;
use super::http::HttpReply;
use super::limits::{LimitKind, RateLimitHeader};
use super::shape::Extra;
use crate::ask::fault::Fault;
use crate::model::{Call, Reply, Usage};
use serde_json::Value;
use std::fmt;
use std::ops::Deref;

/// A wire format: a pointer to its entry in the table [`Dialect::ALL`].
#[derive(Clone, Copy)]
pub struct Dialect(pub(super) &'static WireFormat);

impl Deref for Dialect {
    type Target = WireFormat;

    fn deref(&self) -> &WireFormat {
        self.0
    }
}

/// Names are unique among wire formats.
impl PartialEq for Dialect {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Dialect {}

impl fmt::Debug for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Everything that sets a wire format apart from the others.
#[derive(Debug, Clone, Copy)]
pub struct WireFormat {
    /// The name in settings and results, as `llm.provider`: `anthropic`.
    pub name: &'static str,
    /// Defaults of the provider.
    pub provider: ProviderDefaults,
    /// Where requests go, and their headers.
    pub endpoint: Endpoint,
    /// The usual form of requests.
    pub form: Form,
    /// Makes the body of a request for a call.
    pub request: fn(&Call, &Extra<'_>) -> Body,
    /// Reads a complete reply that is not an error.
    pub read: fn(&Value) -> Result<Reply, Fault>,
    /// Whether one event of a stream is the whole reply.
    pub is_whole: fn(event: &Value) -> bool,
    /// Adds an event of a stream to the reply, and its text of the answer to `text`.
    pub event: fn(reply: &mut Assembly, event: &Value, text: &mut String),
    /// How the provider counts requests and tokens.
    pub limits: LimitRules,
    /// Service tiers.
    pub tiers: Tiers,
    /// Default room for thinking before an answer, in tokens.
    ///
    /// Generous if the provider counts only produced tokens, tight if it reserves the limit.
    pub thinking_tokens: u32,
    /// The rules for images of unknown models, as `formats` in `prepare/images.toml`.
    pub image_rules: &'static str,
}

impl WireFormat {
    /// The billed usage of a reply, even if the reply is a failure.
    pub(super) fn usage(&self, json: &Value) -> Usage {
        (self.read)(json).map_or_else(|fault| fault.usage, |reply| reply.usage)
    }
}

/// Defaults of a provider.
#[derive(Debug, Clone, Copy)]
pub struct ProviderDefaults {
    /// The model.
    pub model: Option<&'static str>,
    /// The base address.
    pub url: Option<&'static str>,
    /// The path of the base address. A stand-in server expects the same path.
    pub prefix: &'static str,
    /// The environment variable with the key.
    pub key_variable: Option<&'static str>,
}

/// Where requests go, and their headers.
#[derive(Debug, Clone, Copy)]
pub struct Endpoint {
    /// The path below the base address.
    pub path: fn(model: &str, stream: bool) -> String,
    /// The end of addresses that were copied with the endpoint.
    pub suffix: Option<&'static str>,
    /// The endpoint in errors, with the provider to set.
    pub title: &'static str,
    /// Strips the parts of a copied address that `path` adds again.
    pub base: fn(address: &str) -> &str,
    /// Whether servers without a path in their address may expect requests below `/v1`.
    pub may_need_v1: bool,
    /// Headers of every request, besides the key and the content type.
    pub headers: &'static [(&'static str, &'static str)],
    /// Name and value prefix of the header that carries the key.
    pub key_header: (&'static str, &'static str),
    /// The header of replies with the provider's id of the request.
    pub id_header: &'static str,
}

/// How a provider counts requests and tokens.
#[derive(Debug, Clone, Copy)]
pub struct LimitRules {
    /// The limits that the headers of a reply declare. Unreadable headers are ignored.
    pub headers: fn(&HttpReply<'_>) -> Vec<RateLimitHeader>,
    /// The limit that a refusal over tokens means, by its message in lower case.
    pub refused: fn(message: &str) -> LimitKind,
    /// The tokens that count towards a common limit when a request arrives.
    pub reserved: fn(Expected) -> f64,
    /// Whether input tokens from the prompt cache count.
    pub cached_counts: bool,
    /// Seconds for which the provider asks for a steady rate after usage grew too fast.
    pub steady_s: f64,
}

/// The expected tokens of a request.
#[derive(Debug, Clone, Copy)]
pub struct Expected {
    /// Input tokens.
    pub input: f64,
    /// Output tokens.
    pub output: f64,
    /// Maximum output tokens.
    pub max_output: f64,
}

/// The service tiers of a provider.
#[derive(Debug, Clone, Copy)]
pub struct Tiers {
    /// Their names in settings.
    pub names: &'static [&'static str],
    /// The field of requests.
    pub field: &'static str,
    /// The provider's spelling of a name.
    pub spelled: fn(name: &str) -> String,
    /// Whether replies name the tier that was served.
    pub in_replies: bool,
}
