//! What object storage lists below a prefix, page by page, with the keys that no path can have.
//!
//! For one such key (`a//b`, `..`) the client library gives up the whole page, and says which key it was. So pages get
//! smaller until that key stands alone, and the listing goes on behind it.

use crate::remote::Client;
use object_store::list::{PaginatedListOptions, PaginatedListResult};
use object_store::{Error, ObjectMeta, Result, path};
use std::collections::VecDeque;

/// Objects of a page, which is what services give at the most.
const PAGE: usize = 1000;

/// One thing that is listed.
#[derive(Debug, Clone)]
pub(super) enum Listed {
    Object(ObjectMeta),
    /// A key that is there and cannot be asked for.
    Odd(String),
}

/// A listing under way. A clone goes on from the same place.
#[derive(Debug, Clone)]
pub(super) struct Listing {
    client: Client,
    /// What keys begin with.
    prefix: Option<String>,
    page: VecDeque<Listed>,
    /// `None`: there is no further page.
    next: Option<Mark>,
    /// Objects to ask for at a time.
    size: usize,
}

/// Where a page begins.
#[derive(Debug, Clone, Default)]
struct Mark {
    /// Behind this key.
    after: Option<String>,
    /// Where the page before ended, in words of the service.
    token: Option<String>,
}

impl Mark {
    /// An error if `key` shows that the page begins elsewhere: not all servers know how to begin behind a key.
    fn is_before(&self, key: &str) -> Result<()> {
        match &self.after {
            Some(after) if key <= after.as_str() => {
                let what =
                    format!("no path can have the key {after:?}, and this server cannot list what comes behind it; rename that object");
                Err(Error::Generic { store: "listing", source: what.into() })
            }
            _ => Ok(()),
        }
    }
}

impl Listing {
    /// What is below `key`.
    pub fn new(client: &Client, key: &path::Path) -> Self {
        let prefix = (!key.is_root()).then(|| format!("{key}/"));
        Self { client: client.clone(), prefix, page: VecDeque::new(), next: Some(Mark::default()), size: PAGE }
    }

    /// Makes sure that the next thing is at hand; false if there is none.
    pub async fn fill(&mut self) -> Result<bool> {
        while self.page.is_empty() {
            let Some(mark) = self.next.take() else { return Ok(false) };
            self.turn(mark).await?;
        }
        Ok(true)
    }

    /// The next thing. After an error there are no more.
    pub async fn next(&mut self) -> Option<Result<Listed>> {
        match self.fill().await {
            Ok(_) => self.page.pop_front().map(Ok),
            Err(error) => Some(Err(error)),
        }
    }

    async fn turn(&mut self, mark: Mark) -> Result<()> {
        let Mark { after, token } = mark.clone();
        let options =
            PaginatedListOptions { offset: after, page_token: token, max_keys: Some(self.size), ..PaginatedListOptions::default() };
        match self.client.list(self.prefix.as_deref(), options).await {
            Ok(PaginatedListResult { result, page_token }) => {
                // Locations may lack the `/` at the end of their key.
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
