//! The address of a budget service, and requests to it.

use super::lease::{LEASE_PATH, LeaseReply, LeaseRequest};
use super::settings::BudgetSettings;
use crate::model::with_causes;
use crate::system::{is_loopback, root_certificates};
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};
use std::time::Duration;

/// How a process reaches the budget service.
#[derive(Debug)]
pub struct BudgetService {
    base: Url,
    token: Option<SecretString>,
    client: reqwest::Client,
    /// How long a process without a lease waits for the service.
    pub(super) patience: Duration,
}

/// A setting of the budget service is unusable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BudgetServiceError {
    /// The setting.
    pub key: &'static str,
    /// What is wrong, and what to do.
    pub message: String,
}

/// Why the service gave no lease.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoLease {
    /// The service cannot be reached. It may come back.
    #[error("{0}")]
    Away(String),
    /// The service does not accept the process.
    #[error("{0}")]
    Refused(String),
}

/// Maximum time of an exchange. The lease lives longer.
const EXCHANGE: Duration = Duration::from_secs(2);
/// Maximum size of a reply in bytes.
const LARGEST: usize = 4_000_000;

impl BudgetService {
    /// Resolves the settings; `None` if they name no service.
    ///
    /// `roots` are certificates to trust beside those of the system.
    pub fn resolve(
        settings: &BudgetSettings,
        roots: Vec<reqwest::Certificate>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, BudgetServiceError> {
        let error = |key, message| BudgetServiceError { key, message };
        if settings.service.is_empty() {
            return Ok(None);
        }
        let of_address = |why: &str| error("budget.service", format!("{}: {why}", settings.service));
        let mut base = Url::parse(&settings.service)
            .ok()
            .filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host())
            .ok_or_else(|| of_address("not an address; expected one such as https://host:7077"))?;
        if base.scheme() == "http" && !is_loopback(&base) {
            return Err(of_address("the address is plain HTTP, so others could read the token. Use https"));
        }
        if !base.username().is_empty() || base.password().is_some() || base.query().is_some() {
            return Err(of_address("remove user, password and query, and name the token in budget.token"));
        }
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let token = token(&settings.token, variable).map_err(|message| error("budget.token", message))?;
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("docmill/", env!("CARGO_PKG_VERSION")))
            .http1_only()
            .retry(reqwest::retry::never())
            .redirect(reqwest::redirect::Policy::none())
            .timeout(EXCHANGE)
            .tcp_nodelay(true)
            .tls_certs_merge(root_certificates().chain(roots));
        if is_loopback(&base) {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|why| error("budget.service", format!("cannot set up the HTTP client: {why}")))?;
        Ok(Some(Self { base, token, client, patience: Duration::from_secs(settings.service_wait_s) }))
    }

    /// The address, for messages.
    pub fn address(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Asks for a lease.
    pub async fn lease(&self, request: &LeaseRequest) -> Result<LeaseReply, NoLease> {
        let body = serde_json::to_vec(request).map_err(|why| NoLease::Refused(why.to_string()))?;
        let reply = self.exchange(|client, url| client.post(url).header("content-type", "application/json").body(body), LEASE_PATH).await?;
        serde_json::from_slice(&reply)
            .map_err(|why| NoLease::Refused(format!("{}: not the reply of a budget service of this version: {why}", self.address())))
    }

    /// What the service knows, as JSON.
    pub async fn status(&self) -> Result<serde_json::Value, NoLease> {
        let reply = self.exchange(reqwest::Client::get, "status").await?;
        serde_json::from_slice(&reply).map_err(|why| NoLease::Refused(format!("{}: not a budget service: {why}", self.address())))
    }

    async fn exchange(
        &self,
        request: impl FnOnce(&reqwest::Client, Url) -> reqwest::RequestBuilder,
        path: &str,
    ) -> Result<Vec<u8>, NoLease> {
        let at = self.address();
        let away = |why: &dyn std::fmt::Display| NoLease::Away(format!("{at}: {why}"));
        let url = self.base.join(path).map_err(|why| away(&why))?;
        let request = request(&self.client, url);
        let request = match &self.token {
            Some(token) => request.bearer_auth(token.expose_secret()),
            None => request,
        };
        let mut response = request.send().await.map_err(|why| away(&with_causes(&why.without_url())))?;
        let (status, mut body) = (response.status(), Vec::new());
        while let Some(chunk) = response.chunk().await.map_err(|why| away(&with_causes(&why.without_url())))? {
            body.extend_from_slice(&chunk);
            if body.len() > LARGEST {
                return Err(NoLease::Refused(format!("{at}: the reply is too large for a budget service")));
            }
        }
        match status.as_u16() {
            200 => Ok(body),
            401 | 403 => Err(NoLease::Refused(format!("{at}: the service does not accept the token. Check budget.token"))),
            // Proxies send 408 and 429 for services that will be there again.
            400..=407 | 409..=428 | 430..=499 => {
                let why = String::from_utf8_lossy(&body).chars().take(300).collect::<String>();
                Err(NoLease::Refused(format!("{at}: {status}: {why}. Check budget.service and the versions of docmill")))
            }
            _ => Err(away(&status)),
        }
    }
}

/// The token: `env:VARIABLE` or `file:PATH`.
fn token(setting: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Option<SecretString>, String> {
    if setting.is_empty() {
        return Ok(None);
    }
    let token = if let Some(name) = setting.strip_prefix("env:") {
        variable(name).ok_or_else(|| format!("the environment variable {name} is not set. Set it to the token of the service"))?
    } else if let Some(path) = setting.strip_prefix("file:") {
        std::fs::read_to_string(path).map_err(|why| format!("{path}: cannot read the token: {why}"))?
    } else {
        return Err("settings cannot hold secrets. Write \"env:VARIABLE\" or \"file:PATH\"".to_owned());
    };
    let token = token.trim();
    if token.is_empty() || !token.chars().all(|c| c.is_ascii_graphic()) {
        return Err(format!("{setting}: the token is empty, or has characters other than visible ASCII"));
    }
    Ok(Some(token.to_owned().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(service: &str, token: &str) -> Result<Option<String>, &'static str> {
        let (service, token) = (service.to_owned(), token.to_owned());
        let settings = BudgetSettings { max_usd: 0.0, max_usd_per_day: 0.0, service, token, service_wait_s: 60 };
        let service = BudgetService::resolve(&settings, Vec::new(), |name| (name == "SET").then(|| " secret \n".to_owned()));
        service.map(|service| service.map(|service| service.address().to_owned())).map_err(|error| error.key)
    }

    #[test]
    fn a_token_travels_only_over_https_or_within_the_machine() {
        assert_eq!(resolved("", ""), Ok(None));
        for good in ["http://127.0.0.1:7077", "http://localhost:7077", "https://budget.example:7077", "https://budget.example/team"] {
            assert_eq!(resolved(good, "env:SET"), Ok(Some(good.to_owned())));
        }
        for bad in ["http://budget.example:7077", "budget.example:7077", "https://user:secret@budget.example", "7077"] {
            assert_eq!(resolved(bad, "env:SET"), Err("budget.service"), "{bad}");
        }
        for bad in ["env:UNSET", "secret", "file:/nowhere"] {
            assert_eq!(resolved("http://127.0.0.1:7077", bad), Err("budget.token"), "{bad}");
        }
    }
}
