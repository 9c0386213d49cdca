//! Lists objects below a prefix page by page. It includes keys that are not valid paths.
//!
//! For one such key (`a//b`, `..`) the client library rejects the whole page, and names the key.
//! The listing then halves the page size until the key is alone, records it, and continues after
//! it.

use crate::remote::Client;
use object_store::list::{PaginatedListOptions, PaginatedListResult};
use object_store::{Error, ObjectMeta, Result, path};
use std::collections::VecDeque;

/// Objects per page, the maximum of the services.
const PAGE: usize = 1000;

/// One listed entry.
#[derive(Debug, Clone)]
pub(super) enum Listed {
    Object(ObjectMeta),
    /// A key that exists but cannot be requested.
    Odd(String),
}

/// A listing in progress. A clone continues at the same position.
#[derive(Debug, Clone)]
pub(super) struct Listing {
    client: Client,
    /// The prefix of all keys.
    prefix: Option<String>,
    page: VecDeque<Listed>,
    /// Start of the next page. `None` if there are no more pages.
    next: Option<Mark>,
    /// Number of objects to request per page.
    size: usize,
}

/// The start of a page.
#[derive(Debug, Clone, Default)]
struct Mark {
    /// The page begins after this key.
    after: Option<String>,
    /// The continuation token of the service.
    token: Option<String>,
}

impl Mark {
    /// Returns an error if `key` is not after the mark. Some servers ignore the start key.
    fn is_before(&self, key: &str) -> Result<()> {
        match &self.after {
            Some(after) if key <= after.as_str() => {
                let what = format!(
                    "the key {after:?} is not a valid path, and this server cannot continue a listing after it. Rename that object"
                );
                Err(Error::Generic { store: "listing", source: what.into() })
            }
            _ => Ok(()),
        }
    }
}

impl Listing {
    /// A listing of all objects below `key`.
    pub fn new(client: &Client, key: &path::Path) -> Self {
        let prefix = (!key.is_root()).then(|| format!("{key}/"));
        Self { client: client.clone(), prefix, page: VecDeque::new(), next: Some(Mark::default()), size: PAGE }
    }

    /// Fetches pages until an entry is ready; false at the end.
    pub async fn fill(&mut self) -> Result<bool> {
        while self.page.is_empty() {
            let Some(mark) = self.next.take() else { return Ok(false) };
            self.fetch_page(mark).await?;
        }
        Ok(true)
    }

    /// The next entry. An error ends the listing.
    pub async fn next(&mut self) -> Option<Result<Listed>> {
        match self.fill().await {
            Ok(_) => self.page.pop_front().map(Ok),
            Err(error) => Some(Err(error)),
        }
    }

    async fn fetch_page(&mut self, mark: Mark) -> Result<()> {
        let Mark { after, token } = mark.clone();
        let options =
            PaginatedListOptions { offset: after, page_token: token, max_keys: Some(self.size), ..PaginatedListOptions::default() };
        match self.client.list(self.prefix.as_deref(), options).await {
            Ok(PaginatedListResult { result, page_token }) => {
                // Locations may lack the final `/` of their key.
                if let Some(meta) = result.objects.first().filter(|_| mark.token.is_none()) {
                    mark.is_before(&format!("{}/", meta.location))?;
                }
                self.page.extend(result.objects.into_iter().map(Listed::Object));
                self.next = page_token.map(|token| Mark { token: Some(token), ..mark });
            }
            Err(Error::InvalidPath { source }) if self.size == 1 => {
                let key = key_of(source);
                mark.is_before(&key)?;
                self.page.push_back(Listed::Odd(key.clone()));
                (self.next, self.size) = (Some(Mark { after: Some(key), token: None }), PAGE);
            }
            Err(Error::InvalidPath { .. }) => (self.next, self.size) = (Some(mark), self.size / 2),
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

fn key_of(error: path::Error) -> String {
    match error {
        path::Error::EmptySegment { path } | path::Error::BadSegment { path, .. } => path,
        other => other.to_string(),
    }
}
