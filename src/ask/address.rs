//! Reads the address of a server, as people copy it.
//!
//! A copied address may have blanks around it, an endpoint at its end, or a query. `Address::read`
//! strips those and refuses any other address before anything is sent.

use super::dialect::Dialect;
use reqwest::Url;

/// The address of a server, and the query parameters it contained.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// Without a slash at its end.
    pub base: String,
    pub query: Vec<(String, String)>,
}

/// Endpoints that may end an address: the dialects that strip them, and a description for errors.
const ENDPOINTS: [(&str, &[Dialect], &str); 7] = [
    ("/chat/completions", &[Dialect::OpenAi, Dialect::Compatible], "Chat Completions (llm.provider = \"openai-compatible\")"),
    ("/responses", &[Dialect::Responses], "Responses (llm.provider = \"openai-responses\")"),
    ("/v1/messages", &[Dialect::Anthropic], "Messages (llm.provider = \"anthropic\")"),
    ("/api/chat", &[], "Ollama; its address for openai-compatible ends with /v1"),
    ("/api/generate", &[], "Ollama; its address for openai-compatible ends with /v1"),
    ("/embeddings", &[], "embeddings"),
    ("/v1/completions", &[], "completions without a chat"),
];

/// Query parameters that hold secrets.
const SECRET: [&str; 10] = ["key", "api_key", "api-key", "apikey", "token", "access_token", "sig", "signature", "code", "subscription-key"];

impl Address {
    /// Reads the address in the settings. Error messages never repeat the address, which may hold a
    /// secret.
    pub fn read(given: &str, dialect: Dialect) -> Result<Self, String> {
        let around = |c: char| c.is_whitespace() || c.is_control() || "\u{feff}\u{200b}\u{2060}'\"<>".contains(c);
        let text = given.trim_matches(around);
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        // The error does not quote the text: it may be a secret.
        let Some(mut url) = url.filter(|_| !text.contains(char::is_whitespace)) else {
            return Err("not a valid address; expected one such as https://host/v1".to_owned());
        };
        if url.fragment().is_some() {
            return Err("the address has a fragment (\"#...\"). Remove it.".to_owned());
        }
        let query: Vec<(String, String)> = url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        if let Some((name, _)) = query.iter().find(|(name, _)| SECRET.contains(&name.to_ascii_lowercase().as_str())) {
            return Err(format!("the parameter {name} looks like a secret. Remove it, and set llm.query.{name} = \"env:VARIABLE\""));
        }
        url.set_query(None);
        let base = url.as_str().trim_end_matches('/').to_owned();
        let at_end = ENDPOINTS.iter().find(|(endpoint, ..)| base.ends_with(endpoint));
        let base = match at_end {
            Some((endpoint, whose, _)) if whose.contains(&dialect) => base.trim_end_matches(endpoint).to_owned(),
            Some((endpoint, _, whose)) => return Err(format!("the address ends with {endpoint}, the endpoint of {whose}")),
            None => base,
        };
        let base = match dialect {
            // For Anthropic the path of each endpoint includes the version.
            Dialect::Anthropic => base.trim_end_matches("/v1").to_owned(),
            Dialect::Gemini => base.split_once("/models/").map_or(base.as_str(), |(base, _)| base).to_owned(),
            Dialect::OpenAi | Dialect::Compatible | Dialect::Responses => base,
        };
        Ok(Self { base: base.trim_end_matches('/').to_owned(), query })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copied_address_is_stripped_of_blanks_and_endpoints() {
        for (given, dialect, base) in [
            (" http://h:1/v1 ", Dialect::Compatible, "http://h:1/v1"),
            ("\u{feff}\"http://h:1/v1/\"\n", Dialect::Compatible, "http://h:1/v1"),
            ("http://h:1", Dialect::Compatible, "http://h:1"),
            ("https://h/v1/chat/completions", Dialect::Compatible, "https://h/v1"),
            ("https://h/v1/chat/completions/", Dialect::OpenAi, "https://h/v1"),
            ("https://h/api/chat/completions", Dialect::Compatible, "https://h/api"),
            ("https://h/v1/responses", Dialect::Responses, "https://h/v1"),
            ("https://h/v1/messages", Dialect::Anthropic, "https://h"),
            ("https://h/v1/", Dialect::Anthropic, "https://h"),
            ("https://h/anthropic", Dialect::Anthropic, "https://h/anthropic"),
            ("https://h/v1beta/models/m:generateContent", Dialect::Gemini, "https://h/v1beta"),
        ] {
            assert_eq!(Address::read(given, dialect), Ok(Address { base: base.to_owned(), query: Vec::new() }), "{given}");
        }
        let azure = "https://r.openai.azure.com/openai/deployments/d/chat/completions?api-version=2026-05-01";
        let read = Address::read(azure, Dialect::Compatible).unwrap();
        assert_eq!(read.base, "https://r.openai.azure.com/openai/deployments/d");
        assert_eq!(read.query, [("api-version".to_owned(), "2026-05-01".to_owned())]);
    }

    #[test]
    fn an_invalid_address_is_refused_without_quoting_secrets() {
        for (given, dialect, expected) in [
            ("", Dialect::Compatible, "not a valid address"),
            ("localhost:8000", Dialect::Compatible, "not a valid address"),
            ("http://h/v1 http://g/v1", Dialect::Compatible, "not a valid address"),
            ("ftp://h/v1", Dialect::Compatible, "not a valid address"),
            ("https://h/v1#top", Dialect::Compatible, "#"),
            ("https://h/v1?api-key=s3cret", Dialect::Compatible, "llm.query.api-key"),
            ("https://h/v1?sig=s3cret", Dialect::Compatible, "llm.query.sig"),
            ("https://h/v1/messages", Dialect::Compatible, "anthropic"),
            ("https://h/v1/chat/completions", Dialect::Responses, "openai-compatible"),
            ("http://localhost:11434/api/chat", Dialect::Compatible, "/v1"),
        ] {
            let error = Address::read(given, dialect).unwrap_err();
            assert!(error.contains(expected) && !error.contains("s3cret"), "{given}: {error}");
        }
    }
}
