//! Tries to reach the provider, with a request that costs nothing.

use super::account::Account;
use super::settings::LlmSettings;
use super::transport::{Transport, fault_text};
use serde_json::Value;
use std::time::{Duration, SystemTime};

/// Time limit of the request.
const PATIENCE: Duration = Duration::from_secs(15);
/// Maximum size of the list of models, in bytes.
const LONGEST: usize = 4 << 20;

/// The provider's response to the request for its list of models.
#[derive(Debug)]
pub struct Reached {
    /// HTTP status.
    pub status: u16,
    /// The time of the provider, from the `Date` header.
    pub date: Option<SystemTime>,
    /// Ids of the models; empty if the response has no list.
    pub models: Vec<String>,
    /// Seconds until the response began.
    pub seconds: f64,
}

/// Asks one server of the provider for its list of models. The error names the cause, without
/// secrets.
pub async fn reach(account: &Account, settings: &LlmSettings, server: usize) -> Result<Reached, String> {
    let transport = Transport::new(account, settings).map_err(|error| error.to_string())?;
    let asking = async {
        let began = std::time::Instant::now();
        let mut response = transport.get(server, account.models_address(server)).await?;
        let seconds = began.elapsed().as_secs_f64();
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let (status, date) = (response.status().as_u16(), header("date").and_then(|date| httpdate::parse_http_date(date).ok()));
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await?
            && body.len() + chunk.len() <= LONGEST
        {
            body.extend_from_slice(&chunk);
        }
        Ok::<_, reqwest::Error>(Reached { status, date, models: ids(&body), seconds })
    };
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(reached) => reached.map_err(|error| fault_text(&error, account)),
        Err(_) => Err(format!("no response within {} s", PATIENCE.as_secs())),
    }
}

/// The ids in a list of models, in the forms of the providers.
fn ids(body: &[u8]) -> Vec<String> {
    let list: Value = serde_json::from_slice(body).unwrap_or_default();
    let models = list["data"].as_array().or_else(|| list["models"].as_array());
    let id = |model: &Value| model["id"].as_str().or_else(|| model["name"].as_str()).map(|id| id.trim_start_matches("models/").to_owned());
    models.into_iter().flatten().filter_map(id).collect()
}
