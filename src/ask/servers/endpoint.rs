//! The address of one server, and the addresses of its endpoints.

use parking_lot::Mutex;
use reqwest::Url;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// The address of one server.
#[derive(Debug)]
pub(in crate::ask) struct Endpoint {
    /// The address without a slash at the end.
    pub base_url: String,
    pub url: Url,
    /// Whether calls may have to go to `/v1` although the address does not include that.
    may_need_v1: bool,
    /// Whether requests go to `/v1` although `base_url` does not include that.
    below_v1: AtomicBool,
    /// The last result of [`Self::address`], with the text that it was parsed from.
    parsed: Mutex<(String, Url)>,
}

/// Ends of the addresses of calls.
const CALLS: [&str; 3] = ["/chat/completions", "/messages", "/responses"];

impl Endpoint {
    /// `base_url` is a valid address without a slash at the end, and `url` the same parsed.
    pub fn new(base_url: String, url: Url, may_need_v1: bool) -> Self {
        let parsed = Mutex::new((String::new(), url.clone()));
        Self { base_url, may_need_v1: may_need_v1 && url.path() == "/", below_v1: AtomicBool::new(false), parsed, url }
    }

    /// The address with this path and query.
    pub fn address(&self, path: &str, query: &[(String, String)]) -> Url {
        let version = if self.is_below_v1() { "/v1" } else { "" };
        let text = format!("{}{version}{path}", self.base_url);
        let mut parsed = self.parsed.lock();
        if parsed.0 != text {
            // Parsing cannot fail: the address was checked, and paths have only valid characters.
            let mut url = Url::parse(&text).unwrap_or_else(|_| self.url.clone());
            if !query.is_empty() {
                url.query_pairs_mut().extend_pairs(query);
            }
            *parsed = (text, url);
        }
        parsed.1.clone()
    }

    /// The address of the list of models, beside the address of calls, whose path is `calls`.
    pub fn models(&self, calls: &str, query: &[(String, String)]) -> Url {
        let mut url = self.address(calls, query);
        let path = url.path().to_owned();
        let base = path.split_once("/models/").map(|(base, _)| base).or_else(|| CALLS.iter().find_map(|end| path.strip_suffix(end)));
        url.set_path(&format!("{}/models", base.unwrap_or_default()));
        url
    }

    /// Whether requests go to `/v1` although the configured address does not include that.
    pub fn is_below_v1(&self) -> bool {
        self.below_v1.load(Relaxed)
    }

    /// Whether a refusal with this status may mean that the address lacks `/v1`.
    pub fn may_lack_v1(&self, status: Option<u16>) -> bool {
        self.may_need_v1 && matches!(status, Some(404 | 405)) && !self.is_below_v1()
    }

    /// Sends requests to `/v1` from now on. Returns whether this is a change; `None` if the address
    /// already has a path or the dialect is another.
    pub fn go_below_v1(&self) -> Option<bool> {
        self.may_need_v1.then(|| !self.below_v1.swap(true, Relaxed))
    }
}
