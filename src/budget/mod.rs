//! A service that shares limits and money between processes on many machines.
//!
//! Each process refreshes a lease once a second (`crate::ask::lease` is the message). The lease holds
//! rates for requests and tokens, and places in flight. So calls never wait for the network, and the
//! sum over all processes stays within the limits of the account. Money is granted to runs ahead of
//! their requests, and deducted when it is granted.
//!
//! | files | what they do |
//! |---|---|
//! | `shares`, `account` | divide limits fairly; lease them. Pure: the caller passes the time |
//! | `purse` | grants money. Pure |
//! | `ledger` | keeps grants in a file, for a service that is killed |
//! | `service`, `http` | answer processes; routes for them, for people and for metrics |

mod account;
mod http;
mod ledger;
mod purse;
mod service;
mod shares;
#[cfg(test)]
mod tests;

pub use account::AccountLimits;

use crate::model::Money;
use crate::serve::{Tls, listen};
use http::{App, router};
use secrecy::{ExposeSecret as _, SecretString};
use service::Service;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Settings of a service.
#[derive(Debug)]
pub struct BudgetServerSettings {
    /// Directory of the ledger.
    pub directory: PathBuf,
    /// Address to listen on.
    pub bind: SocketAddr,
    /// The token that processes must send.
    pub token: Option<SecretString>,
    /// Certificates, for HTTPS.
    pub tls: Option<Arc<Tls>>,
    /// Limits of each account.
    pub limits: AccountLimits,
    /// The cap on the money of all runs.
    pub max_usd: Option<Money>,
}

/// A service that listens.
#[derive(Debug)]
pub struct BudgetServer {
    app: Arc<App>,
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
}

/// Maximum number of connections at a time.
const CONNECTIONS: usize = 4096;

impl BudgetServer {
    /// Opens ledger and port. The error names the cause and the cure.
    pub async fn open(settings: BudgetServerSettings) -> Result<Self, String> {
        let BudgetServerSettings { directory, bind, token, tls, limits, max_usd } = settings;
        if !bind.ip().is_loopback() && (token.is_none() || tls.is_none()) {
            return Err(format!(
                "--bind: other machines can reach {bind}, so the service needs a token and HTTPS. Set --token-file, --cert and --key"
            ));
        }
        let service = tokio::task::spawn_blocking(move || Service::open(&directory, limits, max_usd));
        let service = service.await.map_err(|error| error.to_string())??;
        let listener = TcpListener::bind(bind).await;
        let listener =
            listener.map_err(|error| format!("--bind: cannot listen on {bind}: {error}. Choose another port, or 0 for any free port"))?;
        let token = token.map(|token| blake3::hash(token.expose_secret().as_bytes()));
        Ok(Self { app: Arc::new(App { service, token }), listener, tls })
    }

    /// The address on which the service listens.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers processes until `stop` is cancelled.
    pub async fn run(self, stop: CancellationToken) {
        listen(&self.listener, &router(&self.app), self.tls.as_ref(), CONNECTIONS, &stop).await;
    }
}
