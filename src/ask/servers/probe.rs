//! Probes servers that were set aside, until they are back.
//!
//! A probe asks for the list of models, which costs nothing. Any response other than an error of the
//! server shows that it is back. Then it is on trial: a call shows whether it works.

use super::{Endpoint, Shared};
use parking_lot::Mutex;
use reqwest::header::HeaderMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::task::JoinSet;

/// How probes are sent.
#[derive(Debug, Clone)]
pub(in crate::ask) struct Prober {
    /// A client for each server that opens a new connection for each request.
    pub clients: Vec<reqwest::Client>,
    pub headers: HeaderMap,
    /// Path and query of calls.
    pub path: String,
    pub query: Vec<(String, String)>,
}

/// The probes of an account. They end when it is dropped.
#[derive(Debug, Default)]
pub(super) struct Probes {
    prober: OnceLock<Prober>,
    at_work: Mutex<JoinSet<()>>,
}

/// Time limit of a probe.
const PATIENCE: Duration = Duration::from_secs(5);

impl Probes {
    pub fn set_prober(&self, prober: impl FnOnce() -> Prober) {
        self.prober.get_or_init(prober);
    }

    /// Probes a server until it is back.
    pub fn start(&self, shared: &Arc<Shared>, server: usize, endpoint: &Arc<Endpoint>) {
        let Some(prober) = self.prober.get().cloned() else { return };
        let (shared, endpoint) = (Arc::clone(shared), Arc::clone(endpoint));
        let mut at_work = self.at_work.lock();
        while at_work.try_join_next().is_some() {}
        at_work.spawn(async move {
            let mut probes = 0;
            loop {
                let wait = shared.choice.lock().servers[server].probe_wait(probes);
                tokio::time::sleep(Duration::try_from_secs_f64(wait).unwrap_or_default()).await;
                if prober.is_back(server, &endpoint).await {
                    break;
                }
                probes += 1;
            }
            shared.note(server, format!("{} answers again", endpoint.base_url));
            shared.choice.lock().back(server, shared.now());
        });
    }
}

impl Prober {
    async fn is_back(&self, server: usize, endpoint: &Endpoint) -> bool {
        let request = self.clients[server].get(endpoint.models(&self.path, &self.query)).headers(self.headers.clone()).send();
        let response = tokio::time::timeout(PATIENCE, request).await;
        response.is_ok_and(|response| response.is_ok_and(|response| !response.status().is_server_error()))
    }
}
