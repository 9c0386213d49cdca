//! The servers of `llm.base_url`.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use toml::Value;

/// A server of `llm.base_url`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSetting {
    /// Its address.
    pub url: String,
    /// Its share of the requests relative to other servers.
    #[serde(default = "usual_weight")]
    pub weight: f64,
    /// Maximum requests in flight; 0 for `llm.concurrency` times the weight.
    #[serde(default)]
    pub concurrency: usize,
}

/// Maximum number of servers.
const MOST: usize = 256;

fn usual_weight() -> f64 {
    1.0
}

impl ServerSetting {
    /// A server without a weight and limit.
    pub fn at(url: &str) -> Self {
        Self { url: url.to_owned(), weight: usual_weight(), concurrency: 0 }
    }

    /// Maximum requests in flight if `llm.concurrency` is `usual`.
    pub fn places(&self, usual: usize) -> usize {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "weights are positive and at most 1000")]
        let weighted = (usual as f64 * self.weight).round().max(1.0) as usize;
        if self.concurrency > 0 { self.concurrency } else { weighted }
    }
}

/// Reads an address, or a list of addresses and servers. Empty text means no address.
pub(in crate::ask) fn read_servers<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<ServerSetting>, D::Error> {
    let server = |value: Value| match value {
        Value::String(url) => Ok(ServerSetting::at(&url)),
        other => other.try_into::<ServerSetting>().map_err(|error| D::Error::custom(error.message())),
    };
    let servers = match Value::deserialize(from)? {
        Value::String(url) if url.is_empty() => return Ok(Vec::new()),
        Value::Array(items) => items.into_iter().map(server).collect::<Result<Vec<_>, _>>()?,
        other => vec![server(other)?],
    };
    if servers.len() > MOST {
        return Err(D::Error::custom(format!("{} servers; expected at most {MOST}", servers.len())));
    }
    for ServerSetting { url, weight, concurrency } in &servers {
        if servers.len() > 1 && url.trim().is_empty() {
            return Err(D::Error::custom("a server without an address"));
        }
        if !(*weight > 0.0 && *weight <= 1000.0) {
            return Err(D::Error::custom(format!("weight = {weight}: must be above 0 and at most 1000")));
        }
        if *concurrency > 100_000 {
            return Err(D::Error::custom(format!("concurrency = {concurrency}: must be at most 100000")));
        }
    }
    Ok(servers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Section {
        #[serde(deserialize_with = "read_servers")]
        base_url: Vec<ServerSetting>,
    }

    fn read(text: &str) -> Result<Vec<ServerSetting>, String> {
        let table: toml::Table = format!("base_url = {text}").parse().unwrap();
        Value::Table(table).try_into::<Section>().map(|section| section.base_url).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn an_address_is_text_or_a_list_of_texts_and_servers() {
        assert_eq!(read("\"\""), Ok(Vec::new()));
        assert_eq!(read("\"http://a\""), Ok(vec![ServerSetting::at("http://a")]));
        let listed =
            read("[\"http://a\", { url = \"http://b\", weight = 2, concurrency = 8 }, { url = \"http://c\", weight = 0.5 }]").unwrap();
        let shown: Vec<_> = listed.iter().map(|server| (server.url.as_str(), server.weight, server.places(30))).collect();
        assert_eq!(shown, [("http://a", 1.0, 30), ("http://b", 2.0, 8), ("http://c", 0.5, 15)]);
        assert_eq!(ServerSetting { weight: 0.001, ..ServerSetting::at("http://a") }.places(10), 1);
    }

    #[test]
    fn impossible_servers_are_refused() {
        for (text, expected) in [
            ("[\"http://a\", \"\"]", "without an address"),
            ("[{ url = \"http://a\", weight = 0 }]", "weight = 0"),
            ("[{ url = \"http://a\", weight = nan }]", "weight = NaN"),
            ("[{ url = \"http://a\", concurrency = 1000000 }]", "at most 100000"),
            ("[{ url = \"http://a\", heft = 1 }]", "heft"),
            ("[{ weight = 1 }]", "url"),
            ("[1]", "integer"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
