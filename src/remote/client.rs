//! A client for one bucket or web document, configured by the environment.

use super::address::{Address, Service};
use super::trouble::{Trouble, without_queries};
use crate::system::is_loopback;
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

/// Maximum number of retries after a transient failure.
const RETRIES: usize = 5;
/// Time limit for all retries of a request.
const RETRYING: Duration = Duration::from_mins(1);

type Stores = (Arc<dyn ObjectStore>, Option<Arc<dyn PaginatedListStore>>);

fn listed<S: ObjectStore + PaginatedListStore>(store: S) -> Stores {
    let store = Arc::new(store);
    (Arc::clone(&store) as _, Some(store as _))
}

/// A client. Creating it sends no request.
#[derive(Clone)]
pub struct Client {
    store: Arc<dyn ObjectStore>,
    /// The same store for listing. A web server cannot be listed.
    lists: Option<Arc<dyn PaginatedListStore>>,
    /// Secrets to remove from messages.
    secrets: Arc<[SecretString]>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("store", &self.store).finish_non_exhaustive()
    }
}

/// Environment variables that replace the endpoint of a service.
const ENDPOINTS: [&str; 6] =
    ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT", "AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT", "GOOGLE_BASE_URL"];

/// Applies the environment variables with this prefix to a builder. Unknown variables are ignored.
macro_rules! configured {
    ($builder:expr, $prefix:literal, $env:expr) => {
        $env.iter().fold($builder, |builder, (name, value)| {
            let key = name.starts_with($prefix).then(|| name.to_ascii_lowercase().parse().ok()).flatten();
            if let Some(key) = key { builder.with_config(key, value) } else { builder }
        })
    };
}

impl Client {
    /// Creates the client for `address`.
    ///
    /// Credentials and endpoints come from the environment `env`, under the names that the
    /// services' own tools use. The error states the reason.
    pub fn new(address: &Address, env: &[(String, String)]) -> Result<Self, String> {
        let (prefix, needs) = match address.service {
            Service::S3 => ("AWS_", "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL"),
            Service::Google => ("GOOGLE_", "GOOGLE_APPLICATION_CREDENTIALS or GOOGLE_SERVICE_ACCOUNT"),
            Service::Azure => ("AZURE_", "AZURE_STORAGE_ACCOUNT_NAME, AZURE_STORAGE_ACCOUNT_KEY"),
            Service::Web => ("", ""),
        };
        let get = |name: &str| env.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        // These two variables have no prefix. They are common on machines of these services.
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
                // The whole URL is the base, so that it is sent unchanged.
                let builder = HttpBuilder::new().with_url(address.url()).with_client_options(options).with_retry(retry);
                builder.build().map(|store| (Arc::new(store) as _, None))
            }
        };
        let secrets: Arc<[SecretString]> = secrets(address, &env).into();
        let reason = |e: &object_store::Error| {
            let hint = if needs.is_empty() { String::new() } else { format!(". Set {needs} in the environment") };
            format!("{}{hint}", Trouble::of(e, &secrets).text())
        };
        let (store, lists) = built.map_err(|e| reason(&e))?;
        Ok(Self { store, lists, secrets })
    }

    /// The store that sends requests.
    pub fn store(&self) -> &dyn ObjectStore {
        self.store.as_ref()
    }

    /// Lists one page of objects whose keys begin with `prefix`.
    pub async fn list(&self, prefix: Option<&str>, options: PaginatedListOptions) -> object_store::Result<PaginatedListResult> {
        let lists =
            self.lists.as_ref().ok_or_else(|| object_store::Error::NotSupported { source: "a web server cannot be listed".into() })?;
        lists.list_paginated(prefix, options).await
    }

    /// Classifies an error of this client.
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
    if let Some((name, url)) = plain.iter().find(|(_, url)| !allowed && !Url::parse(url.trim()).is_ok_and(|url| is_loopback(&url))) {
        let next = if address.service == Service::Web {
            "Use https"
        } else {
            "Use https, or allow http with AWS_ALLOW_HTTP=true (AZURE_, GOOGLE_)"
        };
        return Err(format!("{name} is {}, so others could read the traffic. {next}", without_queries(url)));
    }
    // docmill also trusts these root certificates, because containers may have none.
    let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().filter_map(|der| Certificate::from_der(der).ok());
    let options = ClientOptions::new()
        .with_user_agent(HeaderValue::from_static(concat!("docmill/", env!("CARGO_PKG_VERSION"))))
        // A silent connection times out after 30 s; a large object may take long.
        .with_config(ClientConfigKey::ReadTimeout, "30 seconds")
        .with_config(ClientConfigKey::Timeout, "30 minutes")
        .with_allow_http(!plain.is_empty());
    Ok(roots.fold(options, ClientOptions::with_root_certificate))
}

fn retry() -> RetryConfig {
    let backoff = BackoffConfig { init_backoff: Duration::from_millis(100), max_backoff: Duration::from_secs(10), base: 2.0 };
    RetryConfig { backoff, max_retries: RETRIES, retry_timeout: RETRYING }
}

/// Values that must never be shown: credentials, and parts of the URL.
fn secrets(address: &Address, env: &[(String, String)]) -> Vec<SecretString> {
    const PARTS: [&str; 6] = ["KEY", "SECRET", "TOKEN", "PASSWORD", "SAS", "SERVICE_ACCOUNT"];
    let named = env.iter().filter(|(name, _)| PARTS.iter().any(|part| name.contains(part))).map(|(_, value)| value.clone());
    let url = Url::parse(address.url()).ok();
    let in_url = url.iter().flat_map(|url| [url.query(), url.password()]).flatten().map(ToOwned::to_owned);
    // Short strings are not treated as secrets, because they occur in ordinary words.
    named.chain(in_url).filter(|value| value.len() >= 6).map(SecretString::from).collect()
}
