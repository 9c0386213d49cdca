//! A collection of Qdrant, over its REST interface.
//!
//! The id of a point comes from run store, task, document and chunk, so several output directories can
//! share a collection. Points of others stay as they are.

use crate::system::{is_loopback, root_certificates};
use crate::write::vector_chunk::{VectorChunk, VectorOrigin};
use reqwest::{Method, StatusCode, Url};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

/// Maximum time of a request.
const PATIENCE: Duration = Duration::from_mins(1);
/// Maximum time to connect.
const CONNECT: Duration = Duration::from_secs(10);
/// Attempts of a request, and the wait before the second. Each wait is twice the one before.
const ATTEMPTS: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// Points of a page when the collection is listed.
const PAGE: usize = 1000;
/// The member of a payload with the digest of its chunk.
const DIGEST: &str = "docmill_digest";
/// The member of a payload with run store and task.
const SOURCE: &str = "docmill_source";

/// A collection could not take points.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct QdrantError {
    message: String,
    /// Whether the same attempt fails again until somebody changes something.
    pub is_permanent: bool,
    /// Whether another attempt would take as long.
    is_timeout: bool,
}

/// The address of a collection.
#[derive(Clone)]
pub struct QdrantAddress {
    url: Url,
    key: Option<String>,
}

impl QdrantAddress {
    /// Reads an address such as `http://localhost:6333/collections/NAME`. The key is sent if there is
    /// one.
    pub fn new(address: &str, key: Option<String>) -> Result<Self, String> {
        const EXPECTED: &str = "expected http://HOST:6333/collections/NAME";
        let url = Url::parse(address.trim_end_matches('/')).map_err(|e| format!("{e}; {EXPECTED}"))?;
        let mut names = url.path_segments().into_iter().flatten().rev();
        if !matches!((names.next(), names.next()), (Some(name), Some("collections")) if !name.is_empty()) {
            return Err(format!("not the address of a collection; {EXPECTED}"));
        }
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
            return Err(format!("user, password and query have no place in it; {EXPECTED}, and the key in QDRANT_API_KEY"));
        }
        if key.is_some() && url.scheme() != "https" && !is_loopback(&url) {
            return Err("the address is plain HTTP, so others on the way could read QDRANT_API_KEY. Use https".into());
        }
        Ok(Self { url, key })
    }
}

impl fmt::Display for QdrantAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

/// A collection that takes points.
pub struct QdrantCollection {
    address: QdrantAddress,
    client: reqwest::Client,
    origin: VectorOrigin,
    seen: HashSet<[u8; 16]>,
    /// What a user should know of the collection.
    pub(super) notes: Vec<String>,
}

impl QdrantCollection {
    /// Finds the collection or creates it. Fails if its vectors have other dimensions.
    pub async fn open(address: QdrantAddress, origin: VectorOrigin) -> Result<Self, QdrantError> {
        let client = reqwest::Client::builder()
            .user_agent(concat!("docmill/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .timeout(PATIENCE);
        let client = if is_loopback(&address.url) { client.no_proxy() } else { client };
        let client = client.tls_certs_merge(root_certificates()).build();
        let client = client.map_err(|e| QdrantError {
            message: format!("{address}: cannot set up a client: {e}"),
            is_permanent: true,
            is_timeout: false,
        })?;
        let mut collection = Self { address, client, origin, seen: HashSet::new(), notes: Vec::new() };
        let Some(info) = collection.ask(Method::GET, "", &Value::Null).await? else {
            let vectors = json!({"vectors": {"size": collection.origin.dimensions, "distance": "Cosine"}});
            collection.must(Method::PUT, "", &vectors).await?;
            let index = json!({"field_name": SOURCE, "field_schema": "keyword"});
            collection.must(Method::PUT, "/index?wait=true", &index).await?;
            return Ok(collection);
        };
        let vectors = &info["config"]["params"]["vectors"];
        if !vectors.is_object() {
            return Err(collection.error("the response is not that of a collection of Qdrant", true));
        }
        let size = &vectors["size"];
        if size.as_u64() != Some(collection.origin.dimensions as u64) {
            let there = size.as_u64().map_or("named vectors".to_owned(), |size| format!("vectors of {size} dimensions"));
            let (task, own) = (&collection.origin.task, collection.origin.dimensions);
            let what = format!("the collection has {there}, and {task} has {own}. Choose another collection, or delete this one");
            return Err(collection.error(&what, true));
        }
        collection.notes.extend(of_distance(&vectors["distance"]).map(|note| format!("{}: {note}", collection.address)));
        Ok(collection)
    }

    pub(super) async fn put(&mut self, chunks: &[VectorChunk]) -> Result<u64, QdrantError> {
        let points: Vec<(String, String, &VectorChunk)> = chunks
            .iter()
            .map(|chunk| {
                let id = self.id(chunk);
                self.seen.insert(id);
                (uuid(id), hex(chunk.digest(&self.origin.model)), chunk)
            })
            .collect();
        let ids: Vec<&String> = points.iter().map(|(id, _, _)| id).collect();
        let wanted = json!({"ids": ids, "with_payload": [DIGEST], "with_vector": false});
        let there = self.must(Method::POST, "/points", &wanted).await?;
        let digest = |point: &Value| Some((point["id"].as_str()?.to_owned(), point["payload"][DIGEST].as_str()?.to_owned()));
        let there: HashSet<(String, String)> = there.as_array().into_iter().flatten().filter_map(digest).collect();
        let source = self.origin.id();
        let changed = points.into_iter().filter(|(id, digest, _)| !there.contains(&(id.clone(), digest.clone())));
        let changed: Vec<Value> = changed
            .map(|(id, digest, chunk)| {
                let payload = json!({
                    "document": chunk.document, "chunk": chunk.chunk, "page": chunk.page, "text": chunk.text,
                    "model": self.origin.model, DIGEST: digest, SOURCE: source,
                });
                json!({"id": id, "vector": chunk.vector, "payload": payload})
            })
            .collect();
        if !changed.is_empty() {
            self.must(Method::PUT, "/points?wait=true", &json!({"points": changed})).await?;
        }
        Ok(changed.len() as u64)
    }

    pub(super) async fn finish(self) -> Result<u64, QdrantError> {
        let filter = json!({"must": [{"key": SOURCE, "match": {"value": self.origin.id()}}]});
        let (mut offset, mut vanished) = (Value::Null, Vec::new());
        loop {
            let mut page = json!({"filter": filter, "limit": PAGE, "with_payload": false, "with_vector": false});
            if !offset.is_null() {
                page["offset"] = offset;
            }
            let found = self.must(Method::POST, "/points/scroll", &page).await?;
            let ids = found["points"].as_array().into_iter().flatten().filter_map(|point| point["id"].as_str());
            vanished.extend(ids.filter(|id| !bytes(id).is_some_and(|id| self.seen.contains(&id))).map(ToOwned::to_owned));
            offset = found["next_page_offset"].clone();
            if offset.is_null() {
                break;
            }
        }
        for ids in vanished.chunks(PAGE) {
            self.must(Method::POST, "/points/delete?wait=true", &json!({"points": ids})).await?;
        }
        Ok(vanished.len() as u64)
    }

    /// The id of a chunk, the same in every run.
    fn id(&self, chunk: &VectorChunk) -> [u8; 16] {
        let text = format!("{}\n{}\n{}", self.origin.id(), chunk.document, chunk.chunk);
        let mut id = [0; 16];
        id.copy_from_slice(&blake3::hash(text.as_bytes()).as_bytes()[..16]);
        // A UUID of version 8, whose bits a program may choose.
        (id[6], id[8]) = (id[6] & 0x0f | 0x80, id[8] & 0x3f | 0x80);
        id
    }

    async fn must(&self, method: Method, path: &str, body: &Value) -> Result<Value, QdrantError> {
        let missing = || self.error("404 Not Found: the collection is gone", true);
        self.ask(method, path, body).await?.ok_or_else(missing)
    }

    /// Sends a request, with retries. Returns its result; `None` if the collection does not exist.
    async fn ask(&self, method: Method, path: &str, body: &Value) -> Result<Option<Value>, QdrantError> {
        let mut wait = FIRST_WAIT;
        for _ in 1..ATTEMPTS {
            match self.send(method.clone(), path, body).await {
                Err(error) if !error.is_permanent && !error.is_timeout => tokio::time::sleep(wait).await,
                done => return done,
            }
            wait *= 2;
        }
        self.send(method, path, body).await
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Result<Option<Value>, QdrantError> {
        let mut request = self.client.request(method, format!("{}{path}", self.address.url));
        if !body.is_null() {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        if let Some(key) = &self.address.key {
            request = request.header("api-key", key);
        }
        let lost = |error: reqwest::Error| QdrantError { is_timeout: error.is_timeout(), ..self.error(&cause(&error), false) };
        let response = request.send().await.map_err(lost)?;
        let status = response.status();
        let reply = response.bytes().await.map_err(lost)?;
        let reply: Value = serde_json::from_slice(&reply).unwrap_or_default();
        match status {
            StatusCode::OK => Ok(Some(reply["result"].clone())),
            StatusCode::NOT_FOUND if reply["status"]["error"].is_string() => Ok(None),
            status => {
                let why = reply["status"]["error"].as_str().map(|why| format!(": {why}")).unwrap_or_default();
                let is_permanent = status.is_client_error() && !matches!(status.as_u16(), 408 | 429);
                Err(self.error(&format!("{status}{why}"), is_permanent))
            }
        }
    }

    fn error(&self, what: &str, is_permanent: bool) -> QdrantError {
        QdrantError { message: format!("{}: {what}", self.address), is_permanent, is_timeout: false }
    }
}

/// A note if a collection has another distance than docmill gives its own collections.
fn of_distance(distance: &Value) -> Option<String> {
    let other = distance.as_str().filter(|distance| *distance != "Cosine")?;
    Some(format!(
        "the collection compares by the distance {other}, so searches there may find other passages than docmill search, which \
            compares by Cosine. For the same passages, use a new collection"
    ))
}

/// The innermost cause of an error of the HTTP client. The others repeat the address.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    if error.is_timeout() { format!("no response within {} s", PATIENCE.as_secs()) } else { cause.to_string() }
}

/// Hexadecimal digits.
fn hex(bytes: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(bytes))
}

fn uuid(id: [u8; 16]) -> String {
    let hex = hex(id);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

fn bytes(uuid: &str) -> Option<[u8; 16]> {
    u128::from_str_radix(&uuid.replace('-', ""), 16).ok().map(u128::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_distance_than_cosine_is_noted() {
        assert_eq!(of_distance(&json!("Cosine")), None);
        assert!(of_distance(&json!("Euclid")).is_some_and(|note| note.contains("Euclid")));
    }
}
