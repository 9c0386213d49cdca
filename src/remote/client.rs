//! One client for one bucket or one document on the web, made of an address and the environment.

use super::address::{Address, Service};
use super::trouble::{Trouble, without_queries};
use object_store::aws::AmazonS3Builder;
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::http::HttpBuilder;
use object_store::list::{PaginatedListOptions, PaginatedListResult, PaginatedListStore};
use object_store::{BackoffConfig, Certificate, ClientConfigKey, ClientOptions, HeaderValue, ObjectStore, RetryConfig};
use reqwest::Url;
use secrecy::SecretString;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Requests that are repeated after a passing failure, and how long that may go on.
const RETRIES: usize = 5;
const RETRYING: Duration = Duration::from_mins(1);

type Stores = (Arc<dyn ObjectStore>, Option<Arc<dyn PaginatedListStore>>);

fn listed<S: ObjectStore + PaginatedListStore>(store: S) -> Stores {
    let store = Arc::new(store);
    (Arc::clone(&store) as _, Some(store as _))
}

/// A client. It sends nothing until it is used.
#[derive(Clone)]
pub struct Client {
    store: Arc<dyn ObjectStore>,
    /// The same; a web server has no lists.
    lists: Option<Arc<dyn PaginatedListStore>>,
    /// What must not be in any message.
    secrets: Arc<[SecretString]>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("store", &self.store).finish_non_exhaustive()
    }
}

/// Where documents are sent for, if it is not the service's own place.
const ENDPOINTS: [&str; 6] =
    ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT", "AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT", "GOOGLE_BASE_URL"];

/// Applies what the environment says to a builder: the variables with this prefix that it knows.
macro_rules! configured {
    ($builder:expr, $prefix:literal, $env:expr) => {
        $env.iter().fold($builder, |builder, (name, value)| {
            let key = name.starts_with($prefix).then(|| name.to_ascii_lowercase().parse().ok()).flatten();
            if let Some(key) = key { builder.with_config(key, value) } else { builder }
        })
    };
}

impl Client {
    /// The client for `address`. `env` is the environment: credentials and endpoints come from there, under the names that
    /// the services' own tools know. The error is a reason, in words.
    pub fn new(address: &Address, env: &[(String, String)]) -> Result<Self, String> {
        let (prefix, needs) = match address.service {
            Service::S3 => ("AWS_", "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL"),
            Service::Google => ("GOOGLE_", "GOOGLE_APPLICATION_CREDENTIALS or GOOGLE_SERVICE_ACCOUNT"),
            Service::Azure => ("AZURE_", "AZURE_STORAGE_ACCOUNT_NAME, AZURE_STORAGE_ACCOUNT_KEY"),
            Service::Web => ("", ""),
        };
        let get = |name: &str| env.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        // Two names without a prefix that are usual where these services run programs.
        let (account, identity) = (get("SERVICE_ACCOUNT"), get("IDENTITY_ENDPOINT"));
        let env: Vec<(String, String)> = env.iter().filter(|(name, _)| !prefix.is_empty() && name.starts_with(prefix)).cloned().collect();
        let options = options(address, &env)?;
        let retry = retry();
        let built: object_store::Result<Stores> = match address.service {
            Service::S3 => {
                let builder = AmazonS3Builder::new().with_client_options(options).with_retry(retry);
                configured!(builder, "AWS_", env).with_bucket_name(&address.bucket).build().map(listed)
            }
            Service::Google => {
                let builder = GoogleCloudStorageBuilder::new().with_client_options(options).with_retry(retry);
                let builder = account.into_iter().fold(builder, |b, path| b.with_config(GoogleConfigKey::ServiceAccount, path));
                configured!(builder, "GOOGLE_", env).with_bucket_name(&address.bucket).build().map(listed)
            }
            Service::Azure => {
                let builder = MicrosoftAzureBuilder::new().with_client_options(options).with_retry(retry);
                let builder = identity.into_iter().fold(builder, |b, url| b.with_config(AzureConfigKey::MsiEndpoint, url));
                configured!(builder, "AZURE_", env).with_container_name(&address.bucket).build().map(listed)
            }
            Service::Web => {
                // The whole address is the base, so that it is sent as it was given.
                let builder = HttpBuilder::new().with_url(address.url()).with_client_options(options).with_retry(retry);
                builder.build().map(|store| (Arc::new(store) as _, None))
            }
        };
        let secrets: Arc<[SecretString]> = secrets(address, &env).into();
        let reason = |e: &object_store::Error| {
            let hint = if needs.is_empty() { String::new() } else { format!("; the environment should say {needs}") };
            format!("{}{hint}", Trouble::of(e, &secrets).text())
        };
        let (store, lists) = built.map_err(|e| reason(&e))?;
        Ok(Self { store, lists, secrets })
    }

    /// What to send requests with.
    pub fn store(&self) -> &dyn ObjectStore {
        self.store.as_ref()
    }

    /// A page of what there is under keys that begin with `prefix`.
    pub async fn list(&self, prefix: Option<&str>, options: PaginatedListOptions) -> object_store::Result<PaginatedListResult> {
        let lists =
            self.lists.as_ref().ok_or_else(|| object_store::Error::NotSupported { source: "a web server cannot be listed".into() })?;
        lists.list_paginated(prefix, options).await
    }

    /// What an error of this client means.
    pub fn trouble(&self, error: &object_store::Error) -> Trouble {
        Trouble::of(error, &self.secrets)
    }
}

fn options(address: &Address, env: &[(String, String)]) -> Result<ClientOptions, String> {
    let is_true = |value: &str| ["1", "true", "on", "yes", "y"].contains(&value.to_ascii_lowercase().as_str());
    let allowed = env.iter().any(|(name, value)| name.ends_with("_ALLOW_HTTP") && is_true(value));
    let endpoints = env.iter().filter(|(name, _)| ENDPOINTS.contains(&name.as_str())).map(|(name, value)| (name.as_str(), value.as_str()));
    let plain: Vec<(&str, &str)> =
        endpoints.chain([("it", address.url())]).filter(|(_, url)| url.trim_start().to_ascii_lowercase().starts_with("http://")).collect();
    if let Some((name, url)) = plain.iter().find(|(_, url)| !allowed && !is_loopback(url)) {
        let next = if address.service == Service::Web {
            "use https"
        } else {
            "use https, or set AWS_ALLOW_HTTP=true (AZURE_, GOOGLE_) if that is meant"
        };
        return Err(format!("{name} is {}, and everything sent there could be read on the way: {next}", without_queries(url)));
    }
    // The system's roots come first; these are for containers that have none.
    let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().filter_map(|der| Certificate::from_der(der).ok());
    let options = ClientOptions::new()
        .with_user_agent(HeaderValue::from_static(concat!("docmill/", env!("CARGO_PKG_VERSION"))))
        // Silence ends a request, not size.
        .with_config(ClientConfigKey::ReadTimeout, "30 seconds")
        .with_config(ClientConfigKey::Timeout, "30 minutes")
        .with_allow_http(!plain.is_empty());
    Ok(roots.fold(options, ClientOptions::with_root_certificate))
}

fn retry() -> RetryConfig {
    let backoff = BackoffConfig { init_backoff: Duration::from_millis(100), max_backoff: Duration::from_secs(10), base: 2.0 };
    RetryConfig { backoff, max_retries: RETRIES, retry_timeout: RETRYING }
}

/// Values that must never be shown, and the query of the address.
fn secrets(address: &Address, env: &[(String, String)]) -> Vec<SecretString> {
    const PARTS: [&str; 6] = ["KEY", "SECRET", "TOKEN", "PASSWORD", "SAS", "SERVICE_ACCOUNT"];
    let named = env.iter().filter(|(name, _)| PARTS.iter().any(|part| name.contains(part))).map(|(_, value)| value.clone());
    let url = Url::parse(address.url()).ok();
    let in_url = url.iter().flat_map(|url| [url.query(), url.password()]).flatten().map(ToOwned::to_owned);
    // What is shorter is no secret, and would be cut out of ordinary words.
    named.chain(in_url).filter(|value| value.len() >= 6).map(SecretString::from).collect()
}

fn is_loopback(url: &str) -> bool {
    let Ok(url) = Url::parse(url.trim()) else { return false };
    let host = url.host_str().unwrap_or_default();
    // A URL knows one spelling of each number.
    let is_number = host.chars().all(|c| c.is_ascii_digit() || c == '.');
    host == "localhost" || host == "[::1]" || (is_number && host.starts_with("127."))
}
