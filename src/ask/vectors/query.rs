//! The vector of a query, which belongs to no run.

use super::group::Group;
use super::reply::{Expected, Wrong, read};
use super::request::body;
use crate::ask::account::Account;
use crate::ask::dialect::{HttpReply, relayed};
use crate::ask::packing::Encoding;
use crate::ask::relay_endpoint::RelayEndpoint;
use crate::ask::settings::LlmSettings;
use crate::ask::transport::{Transport, fault_text};
use crate::model::VectorForm;
use std::sync::Arc;

/// Attempts, with a pause after each.
const ATTEMPTS: u32 = 3;
const PAUSE: std::time::Duration = std::time::Duration::from_secs(1);

/// Asks for the vector of a query, of unit length. The error says what failed and why.
pub async fn query_vector(
    account: &Account,
    settings: &LlmSettings,
    model: &str,
    form: &VectorForm,
    text: &str,
) -> Result<Vec<f32>, String> {
    let transport = Transport::new(account, settings).map_err(|error| error.to_string())?;
    let group = Group { model: model.to_owned(), form: Arc::new(form.clone()) };
    let input = serde_json::Value::from(format!("{}{text}", form.prefix)).to_string();
    let body = body(&group, Encoding::Float, [input.as_str()].into_iter());
    let (mut attempt, mut server) = (1, 0);
    loop {
        let url = account.relay_address(server, RelayEndpoint::Embeddings);
        let url = url.ok_or_else(|| format!("provider {} makes no vectors", account.provider.as_str()))?;
        let response = match transport.client(server, false).post(url).headers(account.relay_headers()).body(body.clone()).send().await {
            Err(error) if error.is_connect() && server + 1 < account.servers().len() => {
                server += 1;
                continue;
            }
            response => response.map_err(|error| fault_text(&error, account))?,
        };
        let status = response.status().as_u16();
        let bytes = response.bytes().await.map_err(|error| fault_text(&error, account))?;
        if matches!(status, 404 | 405) && account.go_below_v1(server) == Some(true) {
            continue;
        }
        let fault = match relayed(&HttpReply { status, header: &|_| None, body: &bytes }) {
            Ok(_) => return vector(&bytes, form),
            Err(fault) => account.secrets().scrub(fault.message.into()).into_owned(),
        };
        if !matches!(status, 429 | 500..=599) || attempt == ATTEMPTS {
            return Err(fault);
        }
        attempt += 1;
        tokio::time::sleep(PAUSE).await;
    }
}

fn vector(body: &[u8], form: &VectorForm) -> Result<Vec<f32>, String> {
    let requested = form.dimensions.map(|dimensions| dimensions as usize);
    let expected = Expected { count: 1, requested, known: None, stored: None, normalize: true, is_trial: false };
    match read(body, expected) {
        Ok(mut reading) => reading.vectors.pop().unwrap_or_else(|| Err("the response has no vector".to_owned())),
        Err(Wrong::Response(_, why) | Wrong::Dimensions(why)) => Err(why),
        Err(Wrong::Encoding) => Err("the response has a wrong encoding".to_owned()),
    }
}
