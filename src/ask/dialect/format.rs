//! The components of a wire format.

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

/// Compares names, because they are unique among wire formats.
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

/// Everything that distinguishes a wire format from the others.
#[derive(Debug, Clone, Copy)]
pub struct WireFormat {
    /// Name in settings (`llm.provider`) and results, such as `anthropic`.
    pub name: &'static str,
    /// Defaults of the provider.
    pub provider: ProviderDefaults,
    /// Address and headers of requests.
    pub endpoint: Endpoint,
    /// Endpoints for requests that clients wrote for OpenAI.
    pub relay: RelayPaths,
    /// The usual form of requests.
    pub form: Form,
    /// Builds the body of a request for a call.
    pub request: fn(&Call, &Extra<'_>) -> Body,
    /// Reads a complete reply that is not an error.
    pub read: fn(&Value) -> Result<Reply, Fault>,
    /// Whether one event of a stream is the whole reply.
    pub is_whole: fn(event: &Value) -> bool,
    /// Adds a stream event to the reply.
    ///
    /// The event's part of the answer is also appended to `text`.
    pub event: fn(reply: &mut Assembly, event: &Value, text: &mut String),
    /// Rules by which the provider counts requests and tokens.
    pub limits: LimitRules,
    /// Service tiers.
    pub tiers: Tiers,
    /// Default output tokens reserved for thinking.
    ///
    /// The default is generous if the provider counts only produced tokens. It is tight if the
    /// provider reserves the limit.
    pub thinking_tokens: u32,
    /// Image rules for unknown models, as `formats` in `prepare/images.toml`.
    pub image_rules: &'static str,
}

impl WireFormat {
    /// Reads the billed usage of a reply, even of a failure.
    pub(super) fn usage(&self, json: &Value) -> Usage {
        (self.read)(json).map_or_else(|fault| fault.usage, |reply| reply.usage)
    }
}

/// The default values of a provider.
#[derive(Debug, Clone, Copy)]
pub struct ProviderDefaults {
    /// The default model.
    pub model: Option<&'static str>,
    /// The default model for vectors.
    pub vector_model: Option<&'static str>,
    /// The default base address.
    pub url: Option<&'static str>,
    /// Path of the base address. A stand-in server expects the same path.
    pub prefix: &'static str,
    /// The environment variable with the key.
    pub key_variable: Option<&'static str>,
}

/// The address and headers of requests.
#[derive(Debug, Clone, Copy)]
pub struct Endpoint {
    /// The path below the base address.
    pub path: fn(model: &str, stream: bool) -> String,
    /// End of addresses that were copied with the endpoint.
    pub suffix: Option<&'static str>,
    /// Name of the endpoint in errors, with the provider to set.
    pub title: &'static str,
    /// Strips the parts of a copied address that `path` adds again.
    pub base: fn(address: &str) -> &str,
    /// Whether a server may expect requests below `/v1`.
    ///
    /// This applies only to addresses without a path.
    pub may_need_v1: bool,
    /// Headers of every request, besides the key and content type.
    pub headers: &'static [(&'static str, &'static str)],
    /// Name and value prefix of the header that carries the key.
    pub key_header: (&'static str, &'static str),
    /// Response header with the provider's request id.
    pub id_header: &'static str,
}

/// The paths of a provider's OpenAI-compatible endpoints below the base address.
#[derive(Debug, Clone, Copy)]
pub struct RelayPaths {
    /// Chat Completions; `None` if the provider has no such endpoint.
    pub chat: Option<&'static str>,
    /// Responses.
    pub responses: Option<&'static str>,
    /// Embeddings.
    pub embeddings: Option<&'static str>,
}

/// The rules by which a provider counts requests and tokens.
#[derive(Debug, Clone, Copy)]
pub struct LimitRules {
    /// Reads the limits in the headers of a reply. Unreadable headers are ignored.
    pub headers: fn(&HttpReply<'_>) -> Vec<RateLimitHeader>,
    /// The limit exceeded in a refusal over tokens.
    ///
    /// `message` is in lower case.
    pub refused: fn(message: &str) -> LimitKind,
    /// Tokens that count towards a joint limit when a request arrives.
    pub reserved: fn(Expected) -> f64,
    /// Whether input tokens from the prompt cache count.
    pub cached_counts: bool,
    /// Seconds of steady rate that the provider requires after a ramp refusal.
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
    /// Names of the tiers in settings.
    pub names: &'static [&'static str],
    /// Request field that sets the tier.
    pub field: &'static str,
    /// Converts a name to the provider's spelling.
    pub spelled: fn(name: &str) -> String,
    /// Whether replies name the tier that served the request.
    pub in_replies: bool,
}
