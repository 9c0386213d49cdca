//! Parses `s3://bucket/key`, `gs://`, `az://` and `https://` addresses.

use super::without_queries;
use object_store::path::Path;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

/// The service that stores an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Amazon S3 and compatible servers.
    S3,
    /// Google Cloud Storage.
    Google,
    /// Azure Blob Storage.
    Azure,
    /// A web server. It serves documents but cannot list them.
    Web,
}

/// A place in object storage or on the web.
#[derive(Debug, Clone)]
pub struct Address {
    /// The service.
    pub service: Service,
    /// Bucket or container; a web server has none.
    pub bucket: String,
    /// Key or key prefix, without a `/` at either end. Empty for a web server.
    pub key: Path,
    /// Whether the address ends with `/`, so that it is a prefix even if no object is below it.
    pub is_prefix: bool,
    /// The address for messages and results: without user, query and final `/`.
    pub shown: String,
    /// The URL of a web document as given. Its query may hold a signature.
    url: Option<SecretString>,
}

impl Address {
    /// Parses an address; `None` if `text` is a local path.
    ///
    /// The error is a sentence that begins with the address.
    pub fn parse(text: &str) -> Option<Result<Self, String>> {
        let (scheme, rest) = text.split_once("://")?;
        let service = match scheme {
            "s3" => Service::S3,
            "gs" => Service::Google,
            "az" => Service::Azure,
            "https" | "http" => return Some(Self::web(text)),
            _ => return None,
        };
        let shown = text.trim_end_matches('/').to_owned();
        // Keys are not decoded, as in other tools: `%20` in a key is three characters.
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Some(Err(format!("{text} names no bucket. Write {scheme}://BUCKET/PREFIX")));
        }
        let is_prefix = key.ends_with('/');
        let key = Path::parse(key.trim_end_matches('/')).map_err(|_| format!("{shown}: a part of the key is empty, \".\" or \"..\""));
        Some(key.map(|key| Self { service, bucket: bucket.to_owned(), key, is_prefix, shown, url: None }))
    }

    fn web(text: &str) -> Result<Self, String> {
        let shown = without_queries(text);
        let url = Url::parse(text).map_err(|e| format!("{shown} is not a valid URL: {e}"))?;
        if url.path().ends_with('/') {
            return Err(format!("{shown} names no document: a web server cannot be listed. Pass the URL of each document"));
        }
        let url = Some(SecretString::from(text));
        Ok(Self { service: Service::Web, bucket: String::new(), key: Path::ROOT, is_prefix: false, shown, url })
    }

    /// The whole URL of a web document, secrets included.
    pub(super) fn url(&self) -> &str {
        self.url.as_ref().map_or("", ExposeSecret::expose_secret)
    }

    /// Whether `other` is this address or below it.
    pub fn contains(&self, other: &Self) -> bool {
        let same_place = self.service == other.service && self.bucket == other.bucket;
        same_place && if self.service == Service::Web { self.shown == other.shown } else { other.key.prefix_matches(&self.key) }
    }

    /// The part of `key` below this address, after the `/`.
    pub fn below<'k>(&self, key: &'k str) -> Option<&'k str> {
        let rest = key.strip_prefix(self.key.as_ref())?;
        if self.key.is_root() { Some(rest) } else { rest.strip_prefix('/') }
    }

    /// The key called `name` below this address, if valid.
    pub fn join(&self, name: &str) -> Option<Path> {
        let key = if self.key.is_root() { name.to_owned() } else { format!("{}/{name}", self.key) };
        Path::parse(&key).ok().filter(|path| path.as_ref() == key)
    }
}
