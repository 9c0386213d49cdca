//! Limits of requests for vectors.

use super::group::GroupState;
use crate::ask::account::Account;
use crate::ask::packing::{Encoding, PackLimits, limits_of, limits_of_info};
use crate::ask::provider::Provider;
use crate::ask::reply_size::MAX_REPLY;
use crate::ask::settings::{LlmSettings, PackingSettings};
use crate::ask::transport::Transport;
use serde_json::Value;
use std::time::Duration;

/// Limits for servers that are not in the table and do not state theirs. Refusals correct them. A
/// server that computes on a CPU needs seconds for so many tokens.
const UNKNOWN: PackLimits = PackLimits { max_items: 512, max_tokens: 16_384, max_bytes: 1_900_000 };
/// Dimensions of vectors before the first response.
const MOST_DIMENSIONS: usize = 4096;
/// Maximum bytes of a number in a list, and in base64.
const BYTES: [(Encoding, usize); 2] = [(Encoding::Float, 22), (Encoding::Base64, 6)];
/// Time limit of the request for limits.
const PATIENCE: Duration = Duration::from_secs(3);
/// Maximum size of its response, in bytes.
const LONGEST: usize = 64 * 1024;

/// Whether a server is in the table of known limits.
pub(super) fn is_known(account: &Account) -> bool {
    limits_of(account.host(), &account.model).is_some()
}

/// Whether requests check that the server does not cut texts. Known providers refuse what is too long, and
/// the simulator counts characters instead of tokens.
pub fn checks_cut(account: &Account, settings: &LlmSettings) -> bool {
    settings.check_prompt_cut && account.provider != Provider::Simulated && !is_known(account)
}

/// The limits of a request to `model`. `stated` are those that the server states.
pub(super) fn limits(
    account: &Account,
    model: &str,
    settings: &PackingSettings,
    stated: Option<PackLimits>,
    state: &GroupState,
) -> PackLimits {
    if state.dimensions().is_none() || state.cut_at().is_some() {
        // A single text shows whether the server accepts such requests at all, and whether it was cut.
        return PackLimits { max_items: 1, ..PackLimits::NONE };
    }
    let usual = usual_pack_limits(account, model, settings, stated);
    let encoding = state.encoding();
    let bytes = BYTES.iter().find(|(own, _)| *own == encoding).map_or(1, |(_, bytes)| *bytes);
    let in_reply = MAX_REPLY / 2 / (bytes * state.dimensions().unwrap_or(MOST_DIMENSIONS).max(1));
    PackLimits { max_items: usual.max_items.min(in_reply).max(1), ..usual }
}

/// The limits of a request to `model`, as far as the settings, the server or the table tell.
pub fn usual_pack_limits(account: &Account, model: &str, settings: &PackingSettings, stated: Option<PackLimits>) -> PackLimits {
    let usual = stated.or_else(|| limits_of(account.host(), model)).unwrap_or(UNKNOWN);
    let max_items = if settings.max_items > 0 { settings.max_items } else { usual.max_items };
    let max_tokens = if settings.max_tokens > 0 { settings.max_tokens } else { usual.max_tokens };
    PackLimits { max_items, max_tokens, ..usual }
}

/// Asks a server for its limits, as Text Embeddings Inference states them.
pub(super) async fn stated(account: &Account, transport: &Transport) -> Option<PackLimits> {
    let mut url = account.server().clone();
    url.set_path("/info");
    let asking = async {
        let mut response = transport.get(0, url).await.ok().filter(|response| response.status().is_success())?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.ok()? {
            body.extend_from_slice(&chunk);
            if body.len() > LONGEST {
                return None;
            }
        }
        limits_of_info(&serde_json::from_slice::<Value>(&body).ok()?)
    };
    tokio::time::timeout(PATIENCE, asking).await.ok().flatten()
}
