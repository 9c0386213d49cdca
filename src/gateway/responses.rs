//! Responses that clients fetch again by their ids.

use super::Gateway;
use super::error::ApiError;
use bytes::Bytes;
use rusqlite::OptionalExtension as _;
use serde::Deserialize;
use std::sync::Arc;

/// The id of a response; `None` if the body is not a response.
pub(super) fn id_of(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Response {
        id: String,
    }
    serde_json::from_slice::<Response>(body).ok().map(|response| response.id)
}

fn missing(id: &str) -> ApiError {
    ApiError::not_found(format!(
        "Response with id '{id}' not found. This server keeps a response if its request has \"store\": true or the header x-docmill-store: \
        true, and is not a stream"
    ))
}

impl Gateway {
    /// The body of a response that was kept for an owner.
    pub async fn response(self: &Arc<Self>, owner: &str, id: &str) -> Result<Bytes, ApiError> {
        let asked = (owner.to_owned(), id.to_owned());
        let sql = "SELECT body FROM answers WHERE owner = ?1 AND response = ?2";
        let found =
            self.read(move |connection| connection.prepare_cached(sql)?.query_row(asked, |row| row.get::<_, Vec<u8>>(0)).optional());
        found.await?.map(Bytes::from).ok_or_else(|| missing(id))
    }

    /// Forgets a response. Identical requests are then asked again.
    pub async fn forget_response(&self, owner: &str, id: &str) -> Result<(), ApiError> {
        let asked = (owner.to_owned(), id.to_owned());
        let removed = self.ledger.write(move |t| t.execute("DELETE FROM answers WHERE owner = ?1 AND response = ?2", asked));
        if removed.await? == 0 { Err(missing(id)) } else { Ok(()) }
    }
}
