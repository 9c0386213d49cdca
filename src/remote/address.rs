//! `s3://bucket/key`, `gs://`, `az://` and `https://`.

use super::without_queries;
use object_store::path::Path;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

/// Who keeps an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Amazon S3, and what speaks its language.
    S3,
    /// Google Cloud Storage.
    Google,
    /// Azure Blob Storage.
    Azure,
    /// Any web server. It has documents and no lists of them.
    Web,
}

/// A place in object storage or on the web.
#[derive(Debug, Clone)]
pub struct Address {
    /// Who keeps it.
    pub service: Service,
    /// Bucket or container; a web server has none.
    pub bucket: String,
    /// Key, or what keys begin with, without a `/` at either end; for a web server nothing, as the URL says it all.
    pub key: Path,
    /// The address as it may be shown and as results call it: without a user, a query, or a `/` at the end.
    pub shown: String,
    /// The address of a document on the web as it was given. Queries may hold signatures.
    url: Option<SecretString>,
}

impl Address {
    /// The address that `text` is; `None` if it is a path on this machine. The error is a sentence that begins with
    /// the address.
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
        // Keys are taken as they are, like other tools do: `%20` in one is three characters.
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Some(Err(format!("{text} names no bucket: write {scheme}://BUCKET/PREFIX")));
        }
        let key = Path::parse(key.trim_end_matches('/')).map_err(|_| format!("{shown} has a part that is empty, \".\" or \"..\""));
        Some(key.map(|key| Self { service, bucket: bucket.to_owned(), key, shown, url: None }))
    }

    fn web(text: &str) -> Result<Self, String> {
        let shown = without_queries(text);
        let url = Url::parse(text).map_err(|e| format!("{shown} is no address: {e}"))?;
        if url.path().ends_with('/') {
            return Err(format!("{shown} names no document: a web server cannot be listed, so name each document by its own address"));
        }
        let url = Some(SecretString::from(text));
        Ok(Self { service: Service::Web, bucket: String::new(), key: Path::ROOT, shown, url })
    }

    /// The whole URL of a document on the web, secrets included.
    pub(super) fn url(&self) -> &str {
        self.url.as_ref().map_or("", ExposeSecret::expose_secret)
    }

    /// Whether this is `other`, or has it below itself.
    pub fn contains(&self, other: &Self) -> bool {
        let same_place = self.service == other.service && self.bucket == other.bucket;
        same_place && if self.service == Service::Web { self.shown == other.shown } else { other.key.prefix_matches(&self.key) }
    }

    /// `key` below this address: what is behind the `/`.
    pub fn below<'k>(&self, key: &'k str) -> Option<&'k str> {
        let rest = key.strip_prefix(self.key.as_ref())?;
        if self.key.is_root() { Some(rest) } else { rest.strip_prefix('/') }
    }

    /// The key called `name` below this address, if there can be one.
    pub fn join(&self, name: &str) -> Option<Path> {
        let key = if self.key.is_root() { name.to_owned() } else { format!("{}/{name}", self.key) };
        Path::parse(&key).ok().filter(|path| path.as_ref() == key)
    }
}
