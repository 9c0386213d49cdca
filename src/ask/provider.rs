//! The providers: one for each wire format, and the simulator.

use super::dialect::Dialect;
use crate::model::did_you_mean;

/// A provider: an API, or the built-in simulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// The built-in simulator, which speaks Anthropic's Messages format.
    Simulated,
    /// A server that uses this wire format.
    Server(Dialect),
}

impl Provider {
    const SIMULATED: &'static str = "simulated";

    /// Finds the provider called `name`. The error is the message for the user.
    pub fn parse(name: &str) -> Result<Self, String> {
        if name == Self::SIMULATED {
            return Ok(Self::Simulated);
        }
        let found = Dialect::ALL.iter().find(|dialect| dialect.name == name);
        found.map(|dialect| Self::Server(*dialect)).ok_or_else(|| {
            let all = Self::names().collect::<Vec<_>>().join(", ");
            format!("unknown provider \"{name}\"; expected one of {all}{}", did_you_mean(name, Self::names()))
        })
    }

    /// The names of all providers.
    pub fn names() -> impl Iterator<Item = &'static str> {
        std::iter::once(Self::SIMULATED).chain(Dialect::ALL.iter().map(|dialect| dialect.name))
    }

    /// Name of the provider in settings and results.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Simulated => Self::SIMULATED,
            Self::Server(dialect) => dialect.name,
        }
    }

    /// Wire format of the provider.
    pub(super) fn dialect(self) -> Dialect {
        match self {
            Self::Simulated => Dialect::ANTHROPIC,
            Self::Server(dialect) => dialect,
        }
    }

    pub(super) fn default_model(self) -> Option<&'static str> {
        match self {
            Self::Simulated => Some("simulated-small"),
            Self::Server(dialect) => dialect.provider.model,
        }
    }

    /// The usual model for vectors.
    pub(super) fn vector_model(self) -> Option<&'static str> {
        match self {
            Self::Simulated => None,
            Self::Server(dialect) => dialect.provider.vector_model,
        }
    }

    pub(super) fn default_url(self) -> Option<&'static str> {
        match self {
            Self::Simulated => None,
            Self::Server(dialect) => dialect.provider.url,
        }
    }

    /// The environment variables with the keys of all providers.
    pub fn key_variables() -> impl Iterator<Item = &'static str> {
        Dialect::ALL.iter().filter_map(|dialect| dialect.provider.key_variable)
    }

    /// The usual environment variable with the key.
    pub fn key_variable(self) -> Option<&'static str> {
        match self {
            Self::Simulated => None,
            Self::Server(dialect) => dialect.provider.key_variable,
        }
    }

    /// Whether the settings must name the address of its server.
    pub fn needs_address(self) -> bool {
        self != Self::Simulated && self.default_url().is_none()
    }

    /// Path prefix of the provider's usual address. A stand-in server expects the same prefix.
    pub fn below_the_host(self) -> &'static str {
        self.dialect().provider.prefix
    }
}
