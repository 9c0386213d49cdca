//! The account: provider, address, key and model. It has limits and is billed.

use super::account_error::AccountError;
use super::address::Address;
use super::dialect::{Dialect, RelayPaths};
use super::exposure;
use super::further::Further;
use super::local_files::LocalFiles;
use super::pricing::Prices;
use super::provider::Provider;
use super::relay_endpoint::RelayEndpoint;
use super::secrets::Secrets;
use super::servers::{Endpoint, ServerSetting, Servers};
use super::settings::{LlmSettings, SlowStart};
use super::tier::Tier;
use crate::model::{Call, Want};
use crate::system::is_loopback;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use std::path::PathBuf;
use std::sync::Arc;

/// Provider, address, key and model.
#[derive(Debug, Clone)]
pub struct Account {
    /// The provider.
    pub provider: Provider,
    /// The wire format.
    pub dialect: Dialect,
    /// The addresses of its servers, for messages.
    pub base_url: String,
    servers: Arc<Servers>,
    /// The model for tasks that do not name one.
    pub model: String,
    /// Prices of tokens.
    pub prices: Prices,
    /// Files of this machine that requests use.
    pub local: LocalFiles,
    key: Option<SecretString>,
    /// Where the key comes from, for messages.
    key_source: Option<String>,
    key_header: Option<HeaderName>,
    further: Further,
    secrets: Secrets,
    /// Gemini's mediaResolution, if requests name one.
    pub(super) media_resolution: Option<String>,
}

impl Account {
    /// Resolves the settings. `simulator` is the address of the built-in server, needed for the
    /// provider `simulated`; `stated` is the key of the file or command in the settings;
    /// `environment` looks up a variable.
    pub fn resolve(
        settings: &LlmSettings,
        prices: Prices,
        simulator: Option<&str>,
        stated: Option<String>,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, AccountError> {
        let error = |key, message: String| Err(AccountError { key, message });
        let provider = Provider::parse(&settings.provider).map_err(|message| AccountError { key: "llm.provider", message })?;
        let model = match (settings.model.as_str(), provider.default_model()) {
            ("", Some(default)) => default.to_owned(),
            ("", None) => return error("llm.model", format!("provider {} has no default model. Set llm.model.", provider.as_str())),
            (given, _) => given.to_owned(),
        };
        let servers = servers_of(settings, provider, simulator)?;
        let KeyFound { key, source } = KeyFound::find(settings, provider, stated, &environment)?;
        let (endpoints, query) =
            read_servers(&servers, provider.dialect()).map_err(|message| AccountError { key: "llm.base_url", message })?;
        for Endpoint { url, .. } in &endpoints {
            if exposure::is_exposed(settings, url, key.is_some()) {
                let host = url.host_str().unwrap_or_default();
                let message = format!(
                    "the address is plain HTTP, so others on the way to {host} could read the API key. Use https, or set llm.allow_http = true."
                );
                return error("llm.base_url", message);
            }
            if let Some(variable) = exposure::invalid_proxy(url, &environment) {
                // The value may contain a password.
                let message = "not the address of a proxy; expected one such as http://host:3128. Correct or unset the variable.";
                return error(variable, message.to_owned());
            }
        }
        let ours = ["model", "messages", "input", "contents", "system", "instructions", "systemInstruction", "stream", "n"];
        if let Some(field) = settings.body.keys().find(|field| ours.contains(&field.as_str())) {
            return error("llm.body", format!("docmill sets {field} itself, because prompts and costs depend on it. Remove it."));
        }
        if let Some(field) = settings.body.keys().find(|field| Tier::is_field(field)) {
            return error("llm.body", format!("{field} changes the price. Set llm.service_tier instead."));
        }
        Tier::check(provider.dialect().tiers.names, &settings.service_tier)
            .map_err(|message| AccountError { key: "llm.service_tier", message })?;
        let key_header = match settings.key_header.as_str() {
            "" => None,
            given => match given.to_ascii_lowercase().parse() {
                Ok(name) => Some(name),
                Err(_) => return error("llm.key_header", format!("invalid header name \"{given}\"; expected one such as x-api-key")),
            },
        };
        let mut further = Further::resolve(settings, &environment)?;
        let in_address = query.into_iter().filter(|(name, _)| !settings.query.contains_key(name));
        further.query.extend(in_address);
        let secrets = Secrets::new(key.as_deref().into_iter().chain(further.secrets.iter().map(ExposeSecret::expose_secret)));
        Ok(Self {
            provider,
            dialect: provider.dialect(),
            base_url: endpoints.iter().map(|endpoint| endpoint.base_url.as_str()).collect::<Vec<_>>().join(", "),
            servers: Arc::new(Servers::new(endpoints, servers, settings.concurrency)),
            key_header,
            further,
            model,
            prices,
            local: LocalFiles::default(),
            secrets,
            key: key.map(SecretString::from),
            key_source: source,
            media_resolution: media_resolution(settings),
        })
    }

    /// Completes a call of a job: counts its images, and names the model for vectors if the job names
    /// none.
    pub fn complete(&self, call: &mut Call) {
        match call.want {
            Want::Answer { .. } => self.count_images(call),
            Want::Vector { .. } if call.model.is_empty() => self.vector_model().clone_into(&mut call.model),
            Want::Vector { .. } => {}
        }
    }

    /// The model for tasks with vectors that name none.
    ///
    /// It is the provider's usual one, unless the settings name a model.
    pub fn vector_model(&self) -> &str {
        let is_usual = self.provider.default_model() == Some(&self.model);
        self.provider.vector_model().filter(|_| is_usual).unwrap_or(&self.model)
    }

    /// Whether the provider makes vectors.
    pub fn embeds(&self) -> bool {
        self.relay_address(0, RelayEndpoint::Embeddings).is_some()
    }

    /// The address for requests to `model` at a server.
    pub(super) fn endpoint(&self, server: usize, model: &str, stream: bool) -> reqwest::Url {
        self.servers.endpoint(server).address(&(self.dialect.endpoint.path)(model, stream), &self.further.query)
    }

    /// The address of the list of models of a server.
    pub(super) fn models_address(&self, server: usize) -> reqwest::Url {
        self.servers.endpoint(server).models(&(self.dialect.endpoint.path)(&self.model, false), &self.further.query)
    }

    /// Path and query of calls.
    pub(super) fn calls_at(&self) -> (String, Vec<(String, String)>) {
        ((self.dialect.endpoint.path)(&self.model, false), self.further.query.clone())
    }

    /// The servers.
    pub fn servers(&self) -> &Arc<Servers> {
        &self.servers
    }

    /// The service tier for cost predictions.
    ///
    /// It is the requested tier, unless that is cheaper and the provider's replies do not name the
    /// tier served.
    pub fn planned_tier(&self, service_tier: &str) -> Tier {
        match Tier::asked(service_tier) {
            Tier::Flex | Tier::Batch if !self.dialect.tiers.in_replies => Tier::Standard,
            asked => asked,
        }
    }

    /// Sends requests to `/v1` of a server from now on, the usual prefix of OpenAI-compatible servers.
    ///
    /// Returns whether this is a change; `None` if the address already has a path or the dialect is
    /// another.
    pub(super) fn go_below_v1(&self, server: usize) -> Option<bool> {
        self.servers.endpoint(server).go_below_v1()
    }

    /// The address of an OpenAI-compatible endpoint at a server; `None` if the provider has no such
    /// endpoint.
    pub(super) fn relay_address(&self, server: usize, endpoint: RelayEndpoint) -> Option<reqwest::Url> {
        let paths = if self.provider == Provider::Simulated { RelayPaths::AT_SIMULATOR } else { self.dialect.relay };
        Some(self.servers.endpoint(server).address(paths.of(endpoint)?, &self.further.query))
    }

    /// Headers of requests to OpenAI-compatible endpoints, which take the key as OpenAI does.
    pub(super) fn relay_headers(&self) -> HeaderMap {
        self.headers_with(("authorization", "Bearer "))
    }

    /// The address of the first server.
    pub(super) fn server(&self) -> &reqwest::Url {
        &self.servers.endpoint(0).url
    }

    /// Headers of every request.
    pub(super) fn headers(&self) -> HeaderMap {
        self.headers_with(self.dialect.endpoint.key_header)
    }

    /// The same with the key in this header, after this prefix.
    fn headers_with(&self, (usual, prefix): (&'static str, &'static str)) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in self.dialect.endpoint.headers {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let (name, prefix) = self.key_header.clone().map_or((HeaderName::from_static(usual), prefix), |name| (name, ""));
        let key = self.key().map(|key| (name, format!("{prefix}{key}")));
        let further = self.further.headers.iter().map(|(name, value)| (name.clone(), value.expose_secret().to_owned()));
        for (name, value) in key.into_iter().chain(further) {
            // `resolve` has refused settings with invalid header values.
            if let Ok(mut value) = HeaderValue::from_str(&value) {
                value.set_sensitive(true);
                headers.insert(name, value);
            }
        }
        headers
    }

    /// Whether a run starts with a single request. `auto` does so if the account has limits.
    pub fn starts_slowly(&self, setting: SlowStart) -> bool {
        match setting {
            SlowStart::On => true,
            SlowStart::Off => false,
            SlowStart::Auto => self.has_limits(),
        }
    }

    /// Directory and name of the file with the account's shared limits.
    ///
    /// Processes on this machine share it. `None` if the account has no limits, or no directory.
    pub fn limits_file(&self) -> Option<(PathBuf, String)> {
        let directory = self.local.limits.clone().filter(|_| self.has_limits())?;
        Some((directory, format!("limits-{}.json", self.limits_name())))
    }

    /// Identifies the limits of the account: a hash of address, model and key.
    pub(super) fn limits_name(&self) -> String {
        let mut hash = blake3::Hasher::new();
        for part in [self.base_url.as_str(), &self.model, self.key().unwrap_or_default()] {
            hash.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
        }
        hash.finalize().to_hex()[..24].to_owned()
    }

    /// Whether the account may have rate limits and costs.
    ///
    /// False for the simulator, and for servers on this machine that are used without a key.
    pub fn has_limits(&self) -> bool {
        self.provider != Provider::Simulated && (self.key.is_some() || !self.servers.endpoints().all(|server| is_loopback(&server.url)))
    }

    /// The key, for the one header that carries it.
    pub(super) fn key(&self) -> Option<&str> {
        self.key.as_ref().map(ExposeSecret::expose_secret)
    }

    /// The name of the first server.
    pub fn host(&self) -> &str {
        self.server().host_str().unwrap_or_default()
    }

    /// Whether requests carry a key.
    pub fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// Whether the key begins so. The beginnings of keys are public, and name the provider.
    pub fn key_begins(&self, beginning: &str) -> bool {
        self.key().is_some_and(|key| key.starts_with(beginning))
    }

    /// Advice for when the provider does not accept the key.
    pub fn key_hint(&self) -> String {
        match &self.key_source {
            Some(source) => format!("Check the key in {source}."),
            None => "No key was sent. If the server needs one, name its environment variable in llm.api_key_env.".to_owned(),
        }
    }

    /// The secrets of the account, to remove them from texts.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }
}

/// The servers of the settings, or the usual one of the provider.
fn servers_of(settings: &LlmSettings, provider: Provider, simulator: Option<&str>) -> Result<Vec<ServerSetting>, AccountError> {
    match (settings.base_url.as_slice(), provider, simulator) {
        (_, Provider::Simulated, Some(address)) => Ok(vec![ServerSetting::at(address)]),
        ([], ..) => match provider.default_url() {
            Some(url) => Ok(vec![ServerSetting::at(url)]),
            None => Err(AccountError {
                key: "llm.base_url",
                message: format!("provider {} has no default address. Set one, such as http://localhost:8000/v1", provider.as_str()),
            }),
        },
        (given, ..) => Ok(given.to_vec()),
    }
}

/// Query parameters.
type Query = Vec<(String, String)>;

/// Reads the addresses of servers. Also returns the query of the address.
fn read_servers(servers: &[ServerSetting], dialect: Dialect) -> Result<(Vec<Endpoint>, Query), String> {
    let (mut endpoints, mut query) = (Vec::<Endpoint>::new(), Query::new());
    for (at, server) in servers.iter().enumerate() {
        let number = |message| if servers.len() > 1 { format!("server {}: {message}", at + 1) } else { message };
        let Address { base, query: own } = Address::read(&server.url, dialect).map_err(number)?;
        let Ok(url) = reqwest::Url::parse(&base) else {
            return Err(number("invalid address; expected one such as https://host/v1".to_owned()));
        };
        if !url.username().is_empty() || url.password().is_some() {
            let message = "settings cannot hold secrets. Remove user and password from the address, and set a header in llm.headers, \
                such as authorization = \"env:VARIABLE\"";
            return Err(number(message.to_owned()));
        }
        if servers.len() > 1 && !own.is_empty() {
            return Err(number("the address has a query. Set its parameters in [llm.query], for all servers.".to_owned()));
        }
        if let Some(same) = endpoints.iter().position(|other| other.base_url == base) {
            return Err(number(format!("the same address as server {}. Remove it, or give the server a weight.", same + 1)));
        }
        query.extend(own);
        endpoints.push(Endpoint::new(base, url, dialect.endpoint.may_need_v1));
    }
    Ok((endpoints, query))
}

/// The key, and where it comes from.
struct KeyFound {
    key: Option<String>,
    source: Option<String>,
}

impl KeyFound {
    /// Takes the stated key, or the one of the environment variable.
    fn find(
        settings: &LlmSettings,
        provider: Provider,
        stated: Option<String>,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, AccountError> {
        let variable = match settings.api_key_env.as_str() {
            "" => provider.key_variable(),
            given => Some(given),
        };
        let source = settings.key_source().map(ToOwned::to_owned).or(variable.map(|name| format!("the environment variable {name}")));
        let key = stated.or_else(|| variable.filter(|_| settings.key_source().is_none()).and_then(environment));
        let key = key.map(|key| key.trim().to_owned()).filter(|key| !key.is_empty());
        if let (Some(variable), None) = (variable, &key) {
            let message = format!(
                "provider {} needs an API key. Set the environment variable {variable}, or llm.api_key_file, or try without a key: \
                    --set llm.provider=simulated",
                provider.as_str()
            );
            return Err(AccountError { key: "llm.provider", message });
        }
        if key.as_deref().is_some_and(|key| key.chars().any(|c| c.is_control() || !c.is_ascii())) {
            let message = "the key has control or non-ASCII characters. Copy the key again, without other text.".to_owned();
            return Err(AccountError { key: settings.key_source().unwrap_or("llm.api_key_env"), message });
        }
        Ok(Self { key, source })
    }
}

/// Gemini's mediaResolution, if `llm.body` sets it.
fn media_resolution(settings: &LlmSettings) -> Option<String> {
    let named = settings.body.get("generationConfig")?.get("mediaResolution")?;
    named.as_str().map(ToOwned::to_owned)
}
