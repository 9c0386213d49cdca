//! Limits of known providers.

use super::limits::PackLimits;
use serde_json::Value;

/// A provider, and what it accepts in one request for embeddings.
struct Known {
    /// The host ends with this.
    host: &'static str,
    /// The model starts with this; empty for any.
    model: &'static str,
    limits: PackLimits,
}

const fn known(host: &'static str, model: &'static str, max_items: usize, max_tokens: u64, max_bytes: u64) -> Known {
    Known { host, model, limits: PackLimits { max_items, max_tokens, max_bytes } }
}

const ANY: u64 = u64::MAX;
const MIB: u64 = 1 << 20;

/// The first match applies. Bytes are those of the inputs, without the rest of the body.
const KNOWN: [Known; 15] = [
    known("api.openai.com", "", 2048, 300_000, 32 * MIB),
    known("openai.azure.com", "", 2048, 300_000, 32 * MIB),
    known("aliyuncs.com", "text-embedding-v1", 25, ANY, 4 * MIB),
    known("aliyuncs.com", "text-embedding-v2", 25, ANY, 4 * MIB),
    known("aliyuncs.com", "", 10, ANY, 4 * MIB),
    known("siliconflow.cn", "", 64, ANY, 4 * MIB),
    known("siliconflow.com", "", 64, ANY, 4 * MIB),
    known("deepinfra.com", "", 1024, ANY, 16 * MIB),
    known("googleapis.com", "", 100, ANY, 4 * MIB - MIB / 4),
    known("mistral.ai", "", 1024, 16_384, 16 * MIB),
    known("cohere.com", "", 96, ANY, 16 * MIB),
    known("cohere.ai", "", 96, ANY, 16 * MIB),
    known("voyageai.com", "voyage-4-lite", 1000, 1_000_000, 32 * MIB),
    known("voyageai.com", "voyage-3.5-lite", 1000, 1_000_000, 32 * MIB),
    known("voyageai.com", "", 1000, 120_000, 32 * MIB),
];

/// The defaults of Text Embeddings Inference, which most local servers accept.
const UNKNOWN: PackLimits = PackLimits { max_items: 32, max_tokens: ANY, max_bytes: 2_000_000 - 100_000 };

/// The limits of a host (without port) and model, with defaults for unknown servers.
pub fn known_limits(host: &str, model: &str) -> PackLimits {
    limits_of(host, model).unwrap_or(UNKNOWN)
}

/// The limits of a host (without port) and model; `None` for unknown servers.
pub fn limits_of(host: &str, model: &str) -> Option<PackLimits> {
    let is_of = |known: &&Known| {
        let rest = host.strip_suffix(known.host);
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.')) && model.starts_with(known.model)
    };
    KNOWN.iter().find(is_of).map(|known| known.limits)
}

/// The limits in a response to `GET /info` of Text Embeddings Inference.
pub fn limits_of_info(info: &Value) -> Option<PackLimits> {
    let max_items = usize::try_from(info["max_client_batch_size"].as_u64()?).ok()?;
    // The server forms its own batches of tokens, so they are no limit of a request.
    Some(PackLimits { max_items: max_items.max(1), ..UNKNOWN })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn hosts_and_models_have_their_limits() {
        for (host, model, max_items) in [
            ("api.openai.com", "text-embedding-3-small", 2048),
            ("mine.openai.azure.com", "any", 2048),
            ("dashscope.aliyuncs.com", "text-embedding-v4", 10),
            ("dashscope-intl.aliyuncs.com", "text-embedding-v2", 25),
            ("generativelanguage.googleapis.com", "gemini-embedding-001", 100),
            ("evil-mistral.ai", "x", 32),
            ("localhost", "x", 32),
        ] {
            assert_eq!(known_limits(host, model).max_items, max_items, "{host}");
        }
        let info = json!({ "model_id": "x", "max_client_batch_size": 128, "max_batch_tokens": 16_384 });
        assert_eq!(limits_of_info(&info).unwrap().max_items, 128);
        assert_eq!(limits_of_info(&json!({ "detail": "Not Found" })), None);
    }
}
