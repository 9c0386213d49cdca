//! Answers processes: leases of accounts, and money.

use super::account::{Account, AccountLimits, AccountStatus, TERM_S};
use super::ledger::Ledger;
use super::purse::{Purse, PurseStatus};
use crate::ask::lease::{LEASE_VERSION, LeaseReply, LeaseRequest};
use crate::model::Money;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

/// The state of the service.
#[derive(Debug)]
pub(super) struct Service {
    limits: AccountLimits,
    started: Instant,
    /// Until this time, processes may hold leases that the service does not know.
    learns_until: f64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    accounts: BTreeMap<String, Account>,
    purse: Purse,
    ledger: Ledger,
}

/// The money, and the accounts by their hash, each with its name for people.
pub(super) type ServiceStatus = (PurseStatus, Vec<(String, String, AccountStatus)>);

/// Why a process gets no lease.
#[derive(Debug, thiserror::Error)]
pub(super) enum ServiceError {
    /// The message is wrong.
    #[error("{0}")]
    Wrong(String),
    /// The ledger cannot be written, so nothing is granted.
    #[error("the ledger cannot be written: {0}. Nothing is granted until it can")]
    Ledger(std::io::Error),
}

/// Maximum accounts of a service, and names in a message.
const MOST: usize = 10_000;
/// Maximum length of a name.
const LONGEST: usize = 200;

impl Service {
    /// Opens the ledger in `directory`.
    pub fn open(directory: &Path, limits: AccountLimits, cap: Option<Money>) -> Result<Self, String> {
        let (ledger, kept) = Ledger::open(directory)?;
        let learns_until = if kept.is_old { TERM_S } else { 0.0 };
        let purse = Purse::new(cap, kept.earlier, kept.records, 0.0);
        let state = Mutex::new(State { accounts: BTreeMap::new(), purse, ledger });
        Ok(Self { limits, started: Instant::now(), learns_until, state })
    }

    /// Answers a process. Blocks until grants are durable.
    pub fn lease(&self, request: &LeaseRequest) -> Result<LeaseReply, ServiceError> {
        check(request).map_err(ServiceError::Wrong)?;
        let mut state = self.state.lock();
        // Later messages must not get an earlier time.
        let now = self.now();
        let State { accounts, purse, ledger } = &mut *state;
        if accounts.len() >= MOST && !accounts.contains_key(&request.account) {
            return Err(ServiceError::Wrong("too many accounts".to_owned()));
        }
        let account = accounts.entry(request.account.clone()).or_insert_with(|| Account::new(request.label.clone(), &self.limits, now));
        let (lease, rates) = account.lease(&self.limits, request, now < self.learns_until, now);
        let (safe, closed_s) = (account.safe(&self.limits), account.closed_s(now));
        let mut changed = Vec::new();
        let grants = request.spenders.iter().map(|spending| purse.ask(&request.node, spending, now, &mut changed)).collect();
        ledger.append(&changed).map_err(ServiceError::Ledger)?;
        Ok(LeaseReply { lease, term_s: TERM_S, rates, safe, closed_s, grants })
    }

    /// The state for people and metrics. Blocks.
    pub fn status(&self) -> ServiceStatus {
        let (state, now) = (self.state.lock(), self.now());
        let accounts = state.accounts.iter();
        let accounts = accounts.map(|(hash, account)| (hash.clone(), account.label.clone(), account.status(&self.limits, now)));
        (state.purse.status(), accounts.collect())
    }

    fn now(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}

/// Checks what a process of another version, or another program, could send.
fn check(request: &LeaseRequest) -> Result<(), String> {
    if request.version != LEASE_VERSION {
        return Err(format!(
            "version {} of the messages; this service has version {LEASE_VERSION}. Use equal versions of docmill",
            request.version
        ));
    }
    let ids = request.spenders.iter().flat_map(|spending| std::iter::once(&spending.id).chain(spending.settled.iter().map(|(id, _)| id)));
    let names = [&request.node, &request.account, &request.label].into_iter().chain(ids);
    if names.clone().any(|name| name.is_empty() || name.len() > LONGEST || name.chars().any(char::is_control)) {
        return Err(format!("a name is empty, or longer than {LONGEST} bytes, or has control characters"));
    }
    if names.count() > MOST {
        return Err("too many runs in a message".to_owned());
    }
    let numbers = request.used.into_iter().chain(request.declared).chain([request.held_s, request.closed_s]);
    if !numbers.chain(request.held.per_second.into_iter().flatten()).all(|number| number.is_finite() && number >= 0.0) {
        return Err("an amount is negative".to_owned());
    }
    Ok(())
}
