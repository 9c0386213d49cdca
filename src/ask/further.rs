//! Headers and query parameters of the settings.

use super::account_error::AccountError;
use super::address::is_secret;
use super::settings::LlmSettings;
use reqwest::header::{HeaderName, HeaderValue};
use secrecy::SecretString;

/// Headers and query parameters that the settings add to every request.
#[derive(Debug, Clone, Default)]
pub(super) struct Further {
    pub headers: Vec<(HeaderName, SecretString)>,
    pub query: Vec<(String, String)>,
    /// Values that may be secrets.
    pub secrets: Vec<SecretString>,
}

/// Headers that docmill or the HTTP client sets.
const NOT_FOR_SETTINGS: [&str; 6] = ["content-length", "content-type", "host", "transfer-encoding", "connection", "expect"];
/// Headers whose values are secrets.
const SECRET: [&str; 7] = ["authorization", "proxy-authorization", "api-key", "x-api-key", "x-goog-api-key", "cookie", "x-auth-token"];

/// Headers whose values are no secrets.
const PUBLIC: [&str; 7] = ["accept", "accept-language", "anthropic-beta", "anthropic-version", "http-referer", "user-agent", "x-title"];

impl Further {
    /// Resolves the settings.
    pub fn resolve(settings: &LlmSettings, environment: impl Fn(&str) -> Option<String>) -> Result<Self, AccountError> {
        let mut further = Self::default();
        for (name, value) in &settings.headers {
            let error = |message| AccountError { key: "llm.headers", message };
            let Ok(header) = name.to_ascii_lowercase().parse::<HeaderName>() else {
                return Err(error(format!("invalid header name \"{name}\"; expected one such as x-api-key")));
            };
            if NOT_FOR_SETTINGS.contains(&header.as_str()) {
                return Err(error(format!("{name}: docmill sets this header itself. Remove it.")));
            }
            if SECRET.contains(&header.as_str()) && !value.as_str().is_some_and(|value| value.starts_with("env:")) {
                return Err(error(format!(
                    "{name}: settings cannot hold secrets. Set an environment variable and write \"env:VARIABLE\"."
                )));
            }
            let value = further.value(name, value, &environment).map_err(error)?;
            if !PUBLIC.contains(&header.as_str()) {
                further.secrets.push(value.clone().into());
            }
            if HeaderValue::from_str(&value).is_err() {
                return Err(error(format!("{name}: invalid header value; expected visible ASCII characters")));
            }
            further.headers.push((header, value.into()));
        }
        for (name, value) in &settings.query {
            let value = further.value(name, value, &environment).map_err(|message| AccountError { key: "llm.query", message })?;
            if is_secret(name) {
                further.secrets.push(value.clone().into());
            }
            further.query.push((name.clone(), value));
        }
        Ok(further)
    }

    /// Resolves a value of the settings: literal, or `env:VARIABLE` for a secret.
    fn value(&mut self, name: &str, value: &toml::Value, environment: impl Fn(&str) -> Option<String>) -> Result<String, String> {
        let text = match value {
            toml::Value::String(text) => text.clone(),
            toml::Value::Integer(_) | toml::Value::Boolean(_) | toml::Value::Float(_) => value.to_string(),
            _ => return Err(format!("{name}: expected text, a number, true or false")),
        };
        let Some(variable) = text.strip_prefix("env:") else { return Ok(text) };
        let secret = environment(variable).map(|secret| secret.trim().to_owned()).filter(|secret| !secret.is_empty());
        let secret = secret.ok_or_else(|| format!("{name}: the environment variable {variable} is not set. Set it, or remove {name}."))?;
        self.secrets.push(secret.clone().into());
        Ok(secret)
    }
}
