//! Remote inputs: a bucket prefix, an object, or a web document.
//!
//! A listing is a stream of pages in the order of the service. S3, Google, and Azure containers
//! without a hierarchy list in the byte order of keys. This equals the order of whole paths in a
//! directory walk. A listing includes modification times, so an unchanged object costs no request.

use super::environment::InputEnvironment;
use super::listing::{Listed, Listing};
use super::stamp::{is_settled, nanoseconds, too_large};
use crate::model::{Digest, Failure, FailureCode, Stamp};
use crate::remote::{Address, Client, Service, Trouble};
use futures::stream::StreamExt as _;
use object_store::path::Path;
use object_store::{Error, ObjectMeta, ObjectStoreExt as _, Result};
use std::future::Future;
use std::time::SystemTime;
use tokio::runtime::Handle;

/// A remote input. Its methods block, and need a multi-threaded runtime.
#[derive(Debug)]
pub struct Remote {
    /// The address of the input.
    pub address: Address,
    client: Client,
    runtime: Handle,
    named: Named,
}

/// The resource at an address.
#[derive(Debug)]
enum Named {
    /// One object, and its metadata.
    Object(ObjectMeta),
    /// A prefix of keys. Its first page was fetched; clones continue from there.
    Prefix(Listing),
}

impl Remote {
    /// Opens the input and determines the type of the resource. The error is a sentence that begins
    /// with the address.
    pub fn open(address: Address, environment: &InputEnvironment) -> std::result::Result<Self, String> {
        let shown = address.shown.clone();
        let runtime = Handle::try_current().map_err(|_| format!("cannot reach {shown}: no async runtime is active"))?;
        let client = Client::new(&address, &environment.variables).map_err(|why| format!("cannot reach {shown}: {why}"))?;
        let named = Named::Prefix(Listing::new(&client, &address.key));
        let remote = Self { address, client, runtime, named };
        let named = remote.wait(remote.look()).map_err(|error| remote.open_error(&error))?;
        Ok(Self { named, ..remote })
    }

    async fn look(&self) -> Result<Named> {
        let (store, key) = (self.client.store(), &self.address.key);
        if self.address.service == Service::Web {
            return match store.head(key).await {
                Ok(found) if found.size > 0 => Ok(Named::Object(found)),
                // Some signed URLs allow only GET, and some servers omit the size. The body is not
                // read.
                _ => store.get(key).await.map(|got| Named::Object(got.meta)),
            };
        }
        let mut below = Listing::new(&self.client, key);
        match below.fill().await {
            Ok(any) if any || key.is_root() || self.address.is_prefix => Ok(Named::Prefix(below)),
            Ok(_) => store.head(key).await.map(Named::Object),
            Err(error) if key.is_root() => Err(error),
            // Credentials may allow reading this object but not listing.
            Err(error) => store.head(key).await.map(Named::Object).map_err(|_| error),
        }
    }

    fn open_error(&self, error: &Error) -> String {
        let Address { service, bucket, shown, .. } = &self.address;
        let trouble = self.client.trouble(error);
        let names = match service {
            Service::S3 => {
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_ENDPOINT_URL for other S3 servers; AWS_SKIP_SIGNATURE=true for public buckets)"
            }
            Service::Google => "GOOGLE_APPLICATION_CREDENTIALS",
            Service::Azure => "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN",
            Service::Web => "the address itself",
        };
        let (text, next) = match &trouble {
            Trouble::Missing(text) if *service == Service::Web || text.contains("NoSuchKey") || !text.contains('(') => {
                (text, "Check the name".to_owned())
            }
            Trouble::Missing(text) => (text, format!("Check the name of bucket {bucket}, the endpoint and the region")),
            Trouble::Denied(text) => (text, format!("Credentials come from {names}; they must allow listing and reading")),
            Trouble::Other(text) => (text, format!("Check the network and the endpoint. Credentials come from {names}")),
        };
        format!("{shown}: {text}. {next}")
    }

    /// Key and stamp of the object, unless the input is a prefix.
    pub fn single(&self) -> Option<(String, Stamp)> {
        if let Named::Object(meta) = &self.named { Some((meta.location.to_string(), stamp(meta))) } else { None }
    }

    /// Lists all objects of a prefix in the order of the service. `anew` does not use the first page
    /// that was fetched at the opening.
    pub(super) fn list(&self, anew: bool) -> Option<Listing> {
        let Named::Prefix(listing) = &self.named else { return None };
        Some(if anew { Listing::new(&self.client, &self.address.key) } else { listing.clone() })
    }

    /// Key and stamp of the next object, or a listing error.
    ///
    /// A key that is not a valid path has no stamp. Directory markers are skipped.
    pub(super) fn next_of(&self, listing: &mut Listing) -> Option<std::result::Result<(String, Option<Stamp>), String>> {
        loop {
            let meta = match self.wait(listing.next())? {
                Ok(Listed::Object(meta)) => meta,
                Ok(Listed::Odd(key)) if key.ends_with('/') => continue,
                Ok(Listed::Odd(key)) => return Some(Ok((key, None))),
                Err(error) => {
                    return Some(Err(format!("cannot list further objects: {}", self.client.trouble(&error).text())));
                }
            };
            // Keys lose their final `/`, so only a request tells a directory marker from an empty
            // object.
            let is_marker = || matches!(self.wait(self.client.store().head(&meta.location)), Err(Error::NotFound { .. }));
            if meta.size > 0 || !is_marker() {
                return Some(Ok((meta.location.to_string(), Some(stamp(&meta)))));
            }
        }
    }

    /// The current stamp of an object; `None` if it is gone. Returns an error if the state is
    /// unknown.
    pub fn stamp_now(&self, key: &str) -> std::result::Result<Option<Stamp>, Failure> {
        let key = Path::parse(key).map_err(|_| Failure::new(FailureCode::Vanished, GONE))?;
        match self.wait(self.client.store().head(&key)) {
            Ok(meta) => Ok(Some(stamp(&meta))),
            Err(error) => match self.failure(&error) {
                Failure { code: FailureCode::Vanished, .. } => Ok(None),
                failure => Err(failure),
            },
        }
    }

    /// The bytes of an object.
    pub fn fetch(&self, key: &str, max_bytes: u64) -> std::result::Result<Vec<u8>, Failure> {
        let key = Path::parse(key).map_err(|_| Failure::new(FailureCode::Vanished, GONE))?;
        self.wait(async {
            let got = self.client.store().get(&key).await.map_err(|e| self.failure(&e))?;
            let size = got.meta.size;
            if size > max_bytes {
                return Err(too_large(size, max_bytes));
            }
            let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
            let mut pieces = got.into_stream();
            while let Some(piece) = pieces.next().await {
                bytes.extend_from_slice(&piece.map_err(|e| self.failure(&e))?);
                if bytes.len() as u64 > max_bytes {
                    return Err(too_large(bytes.len() as u64, max_bytes));
                }
            }
            Ok(bytes)
        })
    }

    /// The digest of the current bytes of an object.
    pub fn digest(&self, key: &str) -> std::result::Result<Digest, Failure> {
        self.fetch(key, u64::MAX).map(|bytes| Digest::of(&bytes))
    }

    /// The text of the object called `name` below the prefix. `None` if it does not exist.
    pub fn text_of(&self, name: &str) -> std::result::Result<Option<String>, String> {
        let Some(key) = self.address.join(name) else { return Ok(None) };
        match self.fetch(key.as_ref(), 1 << 20) {
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(Failure { code: FailureCode::Vanished, .. }) => Ok(None),
            Err(failure) => Err(format!("{}/{name}: {}", self.address.shown, failure.message)),
        }
    }

    fn failure(&self, error: &Error) -> Failure {
        match self.client.trouble(error) {
            Trouble::Missing(_) => Failure::new(FailureCode::Vanished, GONE),
            trouble => Failure::new(FailureCode::Unreadable, format!("cannot read the object: {}", trouble.text())),
        }
    }

    /// Blocks until the future completes. Other threads take over the runtime's work.
    fn wait<T>(&self, answer: impl Future<Output = T>) -> T {
        tokio::task::block_in_place(|| self.runtime.block_on(answer))
    }
}

const SECOND: i64 = 1_000_000_000;
const GONE: &str = "the object disappeared after it was listed";

/// Size, time and entity tag of an object as a stamp. A missing tag or time is 0.
fn stamp(meta: &ObjectMeta) -> Stamp {
    let changed_ns = meta.e_tag.as_ref().map_or(0, |tag| {
        let hash = blake3::hash(tag.as_bytes());
        hash.as_bytes().first_chunk().map_or(0, |first| i64::from_le_bytes(*first))
    });
    // Listings may have fractions of a second, which replies lack.
    let seconds = nanoseconds(SystemTime::from(meta.last_modified)).div_euclid(SECOND);
    Stamp { size: meta.size, modified_ns: seconds.saturating_mul(SECOND), changed_ns }
}

/// Whether every change of an object with this stamp changes the stamp.
///
/// This holds for a stamp with an entity tag, or with a known time in the past.
pub(super) fn detects_changes(stamp: &Stamp) -> bool {
    stamp.changed_ns != 0 || (stamp.modified_ns != 0 && is_settled(stamp))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(modified: SystemTime, tag: Option<&str>) -> ObjectMeta {
        let location = Path::from("a");
        ObjectMeta { location, last_modified: modified.into(), size: 3, e_tag: tag.map(ToOwned::to_owned), version: None }
    }

    #[test]
    fn a_stamp_detects_changes_by_a_tag_or_a_past_time() {
        let (now, long_ago) = (SystemTime::now(), SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(9));
        let [one, other] = ["\"1\"", "\"2\""].map(|tag| stamp(&meta(now, Some(tag))));
        assert!(one != other && detects_changes(&one) && one.size == 3);
        assert!(!detects_changes(&stamp(&meta(now, None))), "it could change again within its second");
        assert!(detects_changes(&stamp(&meta(long_ago, None))) && stamp(&meta(long_ago, None)).modified_ns == 9_000_000_000);
        assert!(!detects_changes(&stamp(&meta(SystemTime::UNIX_EPOCH, None))), "a server without times");
    }
}
