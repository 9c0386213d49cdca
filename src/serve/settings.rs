//! The `[serve]` section.

use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// `[serve]`: settings of `docmill serve`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServeSettings {
    /// Address and port to listen on.
    pub bind: String,
    /// Directory of the queue and all runs.
    pub dir: PathBuf,
    /// Maximum number of runs at a time.
    pub runs: usize,
    /// Maximum number of unfinished runs.
    pub queue: u64,
    /// File with the keys of clients; empty for no keys.
    pub keys: String,
    /// Directory with job files that clients can name; empty for none.
    pub jobs: String,
    /// Host names under which clients reach the server, beside its address.
    pub hosts: Vec<String>,
    /// Beginnings of addresses that clients can name as inputs.
    pub urls: Vec<String>,
    /// Settings that clients can change, beside the usual ones.
    pub settings: Vec<String>,
    /// Cap on the money that all runs may spend, in US dollars. 0 = no cap.
    pub max_usd: f64,
    /// Models that clients can ask for under `/v1`; empty for all of the account.
    pub models: Vec<String>,
    /// How long an input of `/v1/embeddings` waits for others, in milliseconds. 0 = it travels alone.
    pub max_wait_ms: u64,
    /// Whether identical requests under `/v1` get a stored answer.
    pub store: bool,
    /// Maximum size of a submission in MB.
    pub max_upload_mb: u64,
    /// Maximum size of the directory in MB; 0 = no limit. A larger directory takes no new runs.
    pub disk_mb: u64,
    /// Days until an ended run is removed. 0 = never.
    pub retention_days: u64,
    /// Size in MB from which the oldest ended runs are removed. 0 = no limit.
    pub retention_mb: u64,
    /// Maximum number of simultaneous connections.
    pub connections: usize,
    /// Certificates of the server in PEM format; empty for plain HTTP.
    pub cert: String,
    /// Private key of the certificate in PEM format.
    pub key: String,
    /// Addresses and networks of proxies whose `X-Forwarded-*` headers are believed.
    pub proxies: Vec<String>,
    /// Secrets that sign webhooks, as `env:VARIABLE`.
    pub webhook_secrets: Vec<String>,
    /// Whether webhooks may go to private addresses.
    pub webhook_private: bool,
}

impl ServeSettings {
    /// The address to listen on.
    ///
    /// The error says why the settings cannot be used.
    pub fn address(&self) -> Result<SocketAddr, String> {
        let address = self.bind.parse::<SocketAddr>().or_else(|error| match self.bind.parse::<u16>() {
            Ok(port) => Ok(SocketAddr::from(([127, 0, 0, 1], port))),
            Err(_) => Err(format!("serve.bind: invalid address \"{}\": {error}. Write a port, such as 8077, or ADDRESS:PORT", self.bind)),
        })?;
        self.check(address)?;
        Ok(address)
    }

    /// Checks that the settings fit the address on which the server listens.
    pub fn check(&self, address: SocketAddr) -> Result<(), String> {
        if !address.ip().is_loopback() && self.keys.is_empty() {
            return Err(format!(
                "serve.bind: other machines can reach {address}, so clients need keys. Set serve.keys to a key file, and add a key with \
                `docmill serve --set serve.keys=FILE --new-key NAME`"
            ));
        }
        if self.cert.is_empty() != self.key.is_empty() {
            return Err("serve.cert and serve.key: only one of them is set. HTTPS needs both, plain HTTP none".to_owned());
        }
        if !self.jobs.is_empty() && !Path::new(&self.jobs).is_dir() {
            return Err(format!("serve.jobs {}: no such directory. Create it, or set serve.jobs = \"\"", self.jobs));
        }
        Ok(())
    }

    /// Maximum size of a submission in bytes.
    pub fn max_upload(&self) -> u64 {
        self.max_upload_mb.saturating_mul(1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn settings(bind: &str, keys: &str) -> ServeSettings {
        let default = Config::from_layers(&[]).unwrap().section::<ServeSettings>("serve").unwrap();
        ServeSettings { bind: bind.to_owned(), keys: keys.to_owned(), ..default }
    }

    #[test]
    fn only_loopback_addresses_need_no_keys() {
        for loopback in ["8077", "127.0.0.1:0", "[::1]:80"] {
            assert!(settings(loopback, "").address().is_ok(), "{loopback}");
        }
        for open in ["0.0.0.0:80", "192.0.2.7:80", "[::]:80"] {
            assert!(settings(open, "").address().unwrap_err().contains("--new-key"), "{open}");
            assert!(settings(open, "keys.toml").address().is_ok(), "{open}");
        }
        assert!(settings("localhost", "").address().unwrap_err().contains("invalid address"));
    }
}
