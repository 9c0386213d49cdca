//! The providers, and their defaults.

use super::account::AccountError;
use super::dialect::Dialect;

/// A provider: an API, or the built-in simulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// The built-in model server.
    Simulated,
    /// Anthropic's Messages API.
    Anthropic,
    /// OpenAI's Chat Completions API.
    OpenAi,
    /// OpenAI's Responses API, for models that Chat Completions does not serve.
    Responses,
    /// Google's Gemini API.
    Gemini,
    /// Any server that speaks Chat Completions.
    Compatible,
}

impl Provider {
    const ALL: [(&'static str, Self); 6] = [
        ("simulated", Self::Simulated),
        ("anthropic", Self::Anthropic),
        ("openai", Self::OpenAi),
        ("openai-responses", Self::Responses),
        ("gemini", Self::Gemini),
        ("openai-compatible", Self::Compatible),
    ];

    /// The provider called `name`.
    pub fn parse(name: &str) -> Result<Self, AccountError> {
        let known = Self::ALL.map(|(name, _)| name).join(", ");
        let found = Self::ALL.iter().find(|(known, _)| *known == name);
        found
            .map(|(_, provider)| *provider)
            .ok_or_else(|| AccountError { key: "llm.provider", message: format!("unknown provider \"{name}\"; expected one of {known}") })
    }

    /// Its name in settings and results.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, provider)| *provider == self).map_or("", |(name, _)| name)
    }

    pub(super) fn default_model(self) -> Option<&'static str> {
        match self {
            Self::Simulated => Some("simulated-small"),
            Self::Anthropic => Some("claude-haiku-5-5"),
            Self::OpenAi | Self::Responses => Some("gpt-6-luna"),
            Self::Gemini => Some("gemini-3.5-flash-lite"),
            Self::Compatible => None,
        }
    }

    pub(super) fn default_url(self) -> Option<&'static str> {
        match self {
            Self::Anthropic => Some("https://api.anthropic.com"),
            Self::OpenAi | Self::Responses => Some("https://api.openai.com/v1"),
            Self::Gemini => Some("https://generativelanguage.googleapis.com/v1beta"),
            Self::Simulated | Self::Compatible => None,
        }
    }

    /// The path prefix of its usual address. A stand-in server expects the same prefix.
    pub fn below_the_host(self) -> &'static str {
        match self {
            Self::Simulated | Self::Anthropic => "",
            Self::OpenAi | Self::Responses | Self::Compatible => "/v1",
            Self::Gemini => "/v1beta",
        }
    }

    /// The names of its service tiers.
    pub(super) fn service_tiers(self) -> &'static [&'static str] {
        match self {
            Self::Anthropic | Self::Simulated => &["auto", "standard_only"],
            Self::OpenAi | Self::Responses => &["auto", "default", "flex", "priority", "scale"],
            Self::Gemini => &["standard", "flex", "priority"],
            Self::Compatible => &["auto", "default", "standard", "flex", "priority", "scale", "on_demand", "performance"],
        }
    }

    pub(super) fn key_variable(self) -> Option<&'static str> {
        match self {
            Self::Anthropic => Some("ANTHROPIC_API_KEY"),
            Self::OpenAi | Self::Responses => Some("OPENAI_API_KEY"),
            Self::Gemini => Some("GEMINI_API_KEY"),
            Self::Simulated | Self::Compatible => None,
        }
    }

    pub(super) fn dialect(self) -> Dialect {
        match self {
            Self::Simulated | Self::Anthropic => Dialect::Anthropic,
            Self::OpenAi => Dialect::OpenAi,
            Self::Responses => Dialect::Responses,
            Self::Gemini => Dialect::Gemini,
            Self::Compatible => Dialect::Compatible,
        }
    }
}
