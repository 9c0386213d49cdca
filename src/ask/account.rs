//! Provider, address, key and model: the thing that has limits and sends bills.

use super::dialect::Dialect;
use super::pricing::Prices;
use super::settings::{LlmSettings, SlowStart};
use super::transport::is_loopback;
use secrecy::{ExposeSecret, SecretString};
use std::borrow::Cow;
use std::path::PathBuf;

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// The built-in model server.
    Simulated,
    /// Anthropic's Messages API.
    Anthropic,
    /// OpenAI's Chat Completions API.
    OpenAi,
    /// Any server that speaks Chat Completions.
    Compatible,
}

impl Provider {
    const ALL: [(&'static str, Self); 4] =
        [("simulated", Self::Simulated), ("anthropic", Self::Anthropic), ("openai", Self::OpenAi), ("openai-compatible", Self::Compatible)];

    /// The provider called `name`.
    pub fn parse(name: &str) -> Result<Self, AccountError> {
        let known = Self::ALL.map(|(name, _)| name).join(", ");
        let found = Self::ALL.iter().find(|(known, _)| *known == name);
        found
            .map(|(_, provider)| *provider)
            .ok_or_else(|| AccountError { key: "llm.provider", message: format!("there is no provider \"{name}\"; there are: {known}") })
    }

    /// Its name in settings and results.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, provider)| *provider == self).map_or("", |(name, _)| name)
    }

    fn default_model(self) -> Option<&'static str> {
        match self {
            Self::Simulated => Some("simulated-small"),
            Self::Anthropic => Some("claude-haiku-5-5"),
            Self::OpenAi => Some("gpt-6-luna"),
            Self::Compatible => None,
        }
    }

    fn default_url(self) -> Option<&'static str> {
        match self {
            Self::Anthropic => Some("https://api.anthropic.com"),
            Self::OpenAi => Some("https://api.openai.com/v1"),
            Self::Simulated | Self::Compatible => None,
        }
    }

    fn key_variable(self) -> Option<&'static str> {
        match self {
            Self::Anthropic => Some("ANTHROPIC_API_KEY"),
            Self::OpenAi => Some("OPENAI_API_KEY"),
            Self::Simulated | Self::Compatible => None,
        }
    }

    fn dialect(self) -> Dialect {
        match self {
            Self::Simulated | Self::Anthropic => Dialect::Anthropic,
            Self::OpenAi => Dialect::OpenAi,
            Self::Compatible => Dialect::Compatible,
        }
    }
}

/// Settings that do not make an account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {message}")]
pub struct AccountError {
    /// The setting to look at.
    pub key: &'static str,
    /// What is wrong and what would be right.
    pub message: String,
}

/// Provider, address, key and model.
#[derive(Debug, Clone)]
pub struct Account {
    /// Who answers.
    pub provider: Provider,
    /// The wire format.
    pub dialect: Dialect,
    /// The address of the server, without a slash at the end.
    pub base_url: String,
    /// Where calls go.
    pub endpoint: reqwest::Url,
    /// The model that is asked unless a task names its own.
    pub model: String,
    /// What tokens cost.
    pub prices: Prices,
    key: Option<SecretString>,
    key_variable: Option<String>,
}

impl Account {
    /// Resolves the settings. `simulator` is the address of the built-in server, needed for the provider `simulated`;
    /// `environment` looks up a variable.
    pub fn resolve(
        settings: &LlmSettings,
        simulator: Option<&str>,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, AccountError> {
        let error = |key, message: String| Err(AccountError { key, message });
        let provider = Provider::parse(&settings.provider)?;
        let model = match (settings.model.as_str(), provider.default_model()) {
            ("", Some(default)) => default.to_owned(),
            ("", None) => return error("llm.model", format!("provider {} needs the name of a model", provider.as_str())),
            (given, _) => given.to_owned(),
        };
        let base_url = match (settings.base_url.as_str(), provider, simulator) {
            (_, Provider::Simulated, Some(address)) => address.to_owned(),
            ("", ..) => match provider.default_url() {
                Some(url) => url.to_owned(),
                None => {
                    return error(
                        "llm.base_url",
                        format!("provider {} needs an address, such as http://localhost:8000/v1", provider.as_str()),
                    );
                }
            },
            (given, ..) => given.to_owned(),
        };
        let base_url = base_url.trim_end_matches('/').to_owned();
        let endpoint = reqwest::Url::parse(&format!("{base_url}{}", provider.dialect().path()));
        let Some(endpoint) = endpoint.ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) else {
            return error("llm.base_url", format!("\"{base_url}\" is not an address such as https://host/v1"));
        };
        let variable = match settings.api_key_env.as_str() {
            "" => provider.key_variable(),
            given => Some(given),
        };
        let key = variable.and_then(&environment).map(|key| key.trim().to_owned()).filter(|key| !key.is_empty());
        if let (Some(variable), None) = (variable, &key) {
            let message = format!(
                "provider {} needs an API key: set the environment variable {variable} (keys are never read from files), \
                 or try without a key: --set llm.provider=simulated",
                provider.as_str()
            );
            return error("llm.provider", message);
        }
        if key.as_deref().is_some_and(|key| key.chars().any(|c| c.is_control() || !c.is_ascii())) {
            return error("llm.api_key_env", "the key holds characters that no key has; was it copied whole and alone?".to_owned());
        }
        Ok(Self {
            provider,
            dialect: provider.dialect(),
            base_url,
            endpoint,
            model,
            prices: Prices::embedded(),
            key: key.map(SecretString::from),
            key_variable: variable.map(ToOwned::to_owned),
        })
    }

    /// Whether a run begins with a single request: where there is an account whose limits are not known.
    pub fn starts_slowly(&self, setting: SlowStart) -> bool {
        match setting {
            SlowStart::On => true,
            SlowStart::Off => false,
            SlowStart::Auto => self.has_limits(),
        }
    }

    /// The file in which processes on this machine share the limits of this account: directory and name.
    pub fn limits_file(&self) -> Option<(PathBuf, String)> {
        let own = |variable| std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
        let directory = own("XDG_RUNTIME_DIR").unwrap_or_else(|| {
            let user = std::env::var("USER").unwrap_or_default();
            std::env::temp_dir().join(format!("docmill-{}", user.replace(std::path::is_separator, "_")))
        });
        let mut hash = blake3::Hasher::new();
        for part in [self.endpoint.as_str(), &self.model, self.key().unwrap_or_default()] {
            hash.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
        }
        let name = format!("limits-{}.json", &hash.finalize().to_hex()[..24]);
        self.has_limits().then(|| (directory.join("docmill"), name))
    }

    /// A server on this machine that wants no key has no account, only places.
    fn has_limits(&self) -> bool {
        self.provider != Provider::Simulated && (self.key.is_some() || !is_loopback(&self.endpoint))
    }

    /// The key, for the one header that carries it.
    pub(super) fn key(&self) -> Option<&str> {
        self.key.as_ref().map(ExposeSecret::expose_secret)
    }

    /// What to look at when the provider does not accept the key.
    pub(super) fn key_hint(&self) -> String {
        match &self.key_variable {
            Some(variable) => format!("Is the key in the environment variable {variable} right?"),
            None => "No key was sent: if the server wants one, name its environment variable in llm.api_key_env.".to_owned(),
        }
    }

    /// `text` without the key.
    pub(super) fn scrub<'t>(&self, text: Cow<'t, str>) -> Cow<'t, str> {
        match self.key() {
            Some(key) if text.contains(key) => Cow::Owned(text.replace(key, "[key]")),
            _ => text,
        }
    }
}
