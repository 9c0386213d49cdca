//! Reads the address of a server as the user copied it.
//!
//! A copied address may have blanks around it, an endpoint at its end, or a query.
//! [`Address::read`] strips these. It refuses any other address before a request is sent.

use super::dialect::Dialect;
use reqwest::Url;

/// The address of a server, and the query parameters it contained.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// The address without a trailing slash.
    pub base: String,
    pub query: Vec<(String, String)>,
}

/// Endpoints of other APIs that may end an address.
///
/// Each has a description for errors.
const FOREIGN: [(&str, &str); 4] = [
    ("/api/chat", "Ollama's own API, whose OpenAI-compatible address ends with /v1"),
    ("/api/generate", "Ollama's own API, whose OpenAI-compatible address ends with /v1"),
    ("/embeddings", "embeddings"),
    ("/v1/completions", "completions without chat"),
];

/// Query parameters that hold secrets.
const SECRET: [&str; 10] = ["key", "api_key", "api-key", "apikey", "token", "access_token", "sig", "signature", "code", "subscription-key"];

/// Whether a query parameter holds a secret, by its name.
pub(super) fn is_secret(name: &str) -> bool {
    SECRET.contains(&name.to_ascii_lowercase().as_str())
}

impl Address {
    /// Reads an address from the settings.
    ///
    /// Error messages never repeat the address, because it may hold a secret.
    pub fn read(given: &str, dialect: Dialect) -> Result<Self, String> {
        let around = |c: char| c.is_whitespace() || c.is_control() || "\u{feff}\u{200b}\u{2060}'\"<>".contains(c);
        let text = given.trim_matches(around);
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        // The error does not quote the text: it may be a secret.
        let Some(mut url) = url.filter(|_| !text.contains(char::is_whitespace)) else {
            return Err("invalid address; expected one such as https://host/v1".to_owned());
        };
        if url.fragment().is_some() {
            return Err("the address has a fragment (\"#...\"). Remove it.".to_owned());
        }
        let query: Vec<(String, String)> = url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        if let Some((name, _)) = query.iter().find(|(name, _)| is_secret(name)) {
            return Err(format!(
                "the parameter {name} looks like a secret. Remove it from the address, and set \
                llm.query.{name} = \"env:VARIABLE\""
            ));
        }
        url.set_query(None);
        let base = url.as_str().trim_end_matches('/').to_owned();
        let copied = dialect.endpoint.suffix.map_or(&*base, |suffix| base.trim_end_matches(suffix));
        let known = Dialect::ALL.iter().filter_map(|other| Some((other.endpoint.suffix?, other.endpoint.title)));
        if let Some((suffix, title)) = known.chain(FOREIGN).find(|(suffix, _)| copied.ends_with(suffix)) {
            return Err(format!(
                "the address ends with {suffix}, an endpoint of {title}. llm.provider speaks another \
                API. Change llm.provider or the address"
            ));
        }
        let base = (dialect.endpoint.base)(copied);
        Ok(Self { base: base.trim_end_matches('/').to_owned(), query })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copied_address_is_stripped_of_blanks_and_endpoints() {
        for (given, dialect, base) in [
            (" http://h:1/v1 ", Dialect::COMPATIBLE, "http://h:1/v1"),
            ("\u{feff}\"http://h:1/v1/\"\n", Dialect::COMPATIBLE, "http://h:1/v1"),
            ("http://h:1", Dialect::COMPATIBLE, "http://h:1"),
            ("https://h/v1/chat/completions", Dialect::COMPATIBLE, "https://h/v1"),
            ("https://h/v1/chat/completions/", Dialect::OPENAI, "https://h/v1"),
            ("https://h/api/chat/completions", Dialect::COMPATIBLE, "https://h/api"),
            ("https://h/v1/responses", Dialect::RESPONSES, "https://h/v1"),
            ("https://h/v1/messages", Dialect::ANTHROPIC, "https://h"),
            ("https://h/v1/", Dialect::ANTHROPIC, "https://h"),
            ("https://h/anthropic", Dialect::ANTHROPIC, "https://h/anthropic"),
            ("https://h/v1beta/models/m:generateContent", Dialect::GEMINI, "https://h/v1beta"),
        ] {
            assert_eq!(Address::read(given, dialect), Ok(Address { base: base.to_owned(), query: Vec::new() }), "{given}");
        }
        let azure = "https://r.openai.azure.com/openai/deployments/d/chat/completions?api-version=2026-05-01";
        let read = Address::read(azure, Dialect::COMPATIBLE).unwrap();
        assert_eq!(read.base, "https://r.openai.azure.com/openai/deployments/d");
        assert_eq!(read.query, [("api-version".to_owned(), "2026-05-01".to_owned())]);
    }

    #[test]
    fn an_invalid_address_is_refused_without_quoting_secrets() {
        for (given, dialect, expected) in [
            ("", Dialect::COMPATIBLE, "invalid address"),
            ("localhost:8000", Dialect::COMPATIBLE, "invalid address"),
            ("http://h/v1 http://g/v1", Dialect::COMPATIBLE, "invalid address"),
            ("ftp://h/v1", Dialect::COMPATIBLE, "invalid address"),
            ("https://h/v1#top", Dialect::COMPATIBLE, "#"),
            ("https://h/v1?api-key=s3cret", Dialect::COMPATIBLE, "llm.query.api-key"),
            ("https://h/v1?sig=s3cret", Dialect::COMPATIBLE, "llm.query.sig"),
            ("https://h/v1/messages", Dialect::COMPATIBLE, "anthropic"),
            ("https://h/v1/chat/completions", Dialect::RESPONSES, "openai-compatible"),
            ("http://localhost:11434/api/chat", Dialect::COMPATIBLE, "/v1"),
        ] {
            let error = Address::read(given, dialect).unwrap_err();
            assert!(error.contains(expected) && !error.contains("s3cret"), "{given}: {error}");
        }
    }
}
