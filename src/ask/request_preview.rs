//! Shows a request as it would be sent, without secrets and images.

use super::account::Account;
use super::address::is_secret;
use super::dialect::Extra;
use super::relay_endpoint::RelayEndpoint;
use super::request_forms::Forms;
use super::settings::LlmSettings;
use super::vectors;
use crate::model::{Call, Want};
use serde_json::Value;
use std::fmt::Write as _;

/// In place of a value that may be a secret.
const HIDDEN: &str = "[key]";

/// The first request for a call: address, headers and body.
///
/// A run may send it otherwise after a server has refused a part of it.
pub fn request_preview(account: &Account, settings: &LlmSettings, call: &Call) -> String {
    let forms = Forms::new(account.dialect, settings.body_fields(account.dialect));
    let shape = forms.shape(call);
    let extra = Extra { room: settings.room_to_think(account.dialect), note: None, stream: settings.stream, cache: false, shape: &shape };
    let of_answer = || {
        let body = account.dialect.request(call, &extra).without_images();
        (account.endpoint(0, &call.model, settings.stream), account.headers(), body)
    };
    let (mut url, headers, body) = match &call.want {
        Want::Answer { .. } => of_answer(),
        Want::Vector { form, .. } => match account.relay_address(0, RelayEndpoint::Embeddings) {
            Some(url) => (url, account.relay_headers(), vectors::preview(call, form)),
            None => of_answer(),
        },
    };
    let is_hidden = |name: &str| {
        is_secret(name) || settings.query.get(name).and_then(toml::Value::as_str).is_some_and(|value| value.starts_with("env:"))
    };
    let query: Vec<(String, String)> = url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    if !query.is_empty() {
        let shown = query.iter().map(|(name, value)| (name, if is_hidden(name) { HIDDEN } else { value }));
        url.query_pairs_mut().clear().extend_pairs(shown);
    }
    let mut text = format!("POST {}\n", url.as_str().replace("%5Bkey%5D", HIDDEN));
    for (name, value) in &headers {
        let value = if value.is_sensitive() { HIDDEN } else { value.to_str().unwrap_or(HIDDEN) };
        // Writing to a String cannot fail.
        let _infallible = writeln!(text, "{name}: {value}");
    }
    let pretty = serde_json::from_str::<Value>(&body).and_then(|body| serde_json::to_string_pretty(&body)).unwrap_or(body);
    text + "\n" + &account.secrets().scrub(pretty.into())
}
