//! Chat Completions of servers other than OpenAI's.

use super::form::{Form, LimitName, Role};
use super::format::{Dialect, LimitRules, ProviderDefaults, Tiers, WireFormat};
use super::openai::CHAT;
use super::schema::Subset;

impl Dialect {
    /// Chat Completions of other servers.
    pub const COMPATIBLE: Self = Self(&FORMAT);
}

static FORMAT: WireFormat = WireFormat {
    name: "openai-compatible",
    provider: ProviderDefaults { model: None, vector_model: None, url: None, prefix: "/v1", key_variable: None },
    form: Form {
        limit: LimitName::MaxTokens,
        roles: &[Role::System, Role::Developer],
        caching_models: &[],
        subset: Subset::COMPATIBLE,
        ..CHAT.form
    },
    limits: LimitRules { reserved: |tokens| tokens.input + tokens.max_output, steady_s: 0.0, ..CHAT.limits },
    tiers: Tiers {
        names: &["auto", "default", "standard", "flex", "priority", "scale", "on_demand", "performance"],
        in_replies: false,
        ..CHAT.tiers
    },
    thinking_tokens: 0,
    ..CHAT
};
