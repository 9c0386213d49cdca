//! Tells clients that their runs have ended (webhooks, by the Standard Webhooks specification).
//!
//! | files | what they do |
//! |---|---|
//! | `secret` | secrets of clients, and signatures |
//! | `destination` | which addresses the server may call |
//! | `deliver` | sends messages of the outbox until their receivers accept them |
//!
//! The outbox itself is in `queue::outbox`. A receiver gets each message at least once. Messages say
//! that something has happened; they contain no answers.

mod deliver;
mod destination;
mod secret;

pub use deliver::deliver;
pub use destination::check;
pub use secret::Secrets;

use crate::system::root_certificates;
use destination::PublicOnly;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// Maximum time for one attempt.
const ATTEMPT: Duration = Duration::from_secs(15);

/// What messages to clients need.
#[derive(Debug)]
pub struct Webhooks {
    /// The secrets that sign messages.
    pub secrets: Secrets,
    /// Whether messages may go to private addresses.
    pub private: bool,
    /// Notified when a message is in the outbox.
    pub wake: Notify,
    client: reqwest::Client,
}

impl Webhooks {
    /// The error names the cause.
    pub fn new(secrets: Secrets, private: bool) -> Result<Self, String> {
        let client = reqwest::Client::builder()
            .user_agent(concat!("docmill/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .timeout(ATTEMPT)
            .pool_max_idle_per_host(0)
            // A proxy would resolve names itself.
            .no_proxy();
        let client = client.tls_certs_merge(root_certificates());
        let client = if private { client } else { client.dns_resolver(Arc::new(PublicOnly)) };
        let client = client.build().map_err(|error| format!("cannot set up the HTTP client of webhooks: {error}"))?;
        Ok(Self { secrets, private, wake: Notify::new(), client })
    }
}
