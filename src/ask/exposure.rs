//! Finds routes on which others could read the API key.

use super::settings::LlmSettings;
use crate::system::is_loopback;
use reqwest::Url;

/// Variables that name proxies, as the HTTP client reads them.
const PROXIES: [&str; 6] = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

/// Whether requests would carry a secret over plain HTTP to another machine, without the user's
/// consent. `has_key` says whether they carry an API key.
pub(super) fn is_exposed(settings: &LlmSettings, server: &Url, has_key: bool) -> bool {
    let mut values = settings.headers.values().chain(settings.query.values());
    let has_secret = has_key || values.any(|value| value.as_str().is_some_and(|value| value.starts_with("env:")));
    has_secret && server.scheme() == "http" && !is_loopback(server) && !settings.allow_http
}

/// Says that no connection to the server was possible.
pub(super) fn cannot_connect(base_url: &str, why: &str) -> String {
    // The HTTP client calls the way through a proxy a tunnel.
    let advice = if why.contains("tunnel") {
        "The proxy did not connect: check HTTPS_PROXY and ALL_PROXY, or name the server in NO_PROXY"
    } else {
        "Check that the server is running and that llm.base_url is right"
    };
    format!("cannot connect to {base_url}: {why}. {advice}")
}

/// The variable that names an invalid proxy. The HTTP client would connect around such a proxy.
pub(super) fn invalid_proxy(server: &Url, environment: impl Fn(&str) -> Option<String>) -> Option<&'static str> {
    let is_invalid = |name: &&str| environment(name).is_some_and(|given| !given.trim().is_empty() && !is_proxy(given.trim()));
    PROXIES.into_iter().find(is_invalid).filter(|_| !is_loopback(server))
}

fn is_proxy(given: &str) -> bool {
    let text = match given.trim_end_matches('/') {
        _ if given.contains("://") => given.to_owned(),
        // A mistyped scheme would pass as a host.
        bare if bare.contains('/') => return false,
        bare => format!("http://{bare}"),
    };
    let known = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];
    Url::parse(&text).is_ok_and(|url| url.has_host() && known.contains(&url.scheme()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_have_a_host_and_a_known_scheme() {
        for (given, valid) in [
            ("http://proxy:3128", true),
            ("proxy:3128", true),
            ("http://user:secret@proxy:3128/", true),
            ("socks5h://127.0.0.1:1080", true),
            ("http://", false),
            ("http://proxy:port", false),
            ("htp://proxy", false),
            ("htp:/proxy:3128", false),
            ("proxy:3128/", true),
            ("http://pro xy", false),
        ] {
            assert_eq!(is_proxy(given), valid, "{given}");
        }
    }
}
