//! The accounts used by the runs of a process.

use super::super::account::Account;
use super::super::budget_service::BudgetService;
use super::clock::Clock;
use super::configured::ConfiguredLimits;
use super::file::FileStore;
use super::limits::Limits;
use super::memory::MemoryStore;
use super::service::{Named, ServiceStore};
use super::store::LimitStore;
use super::{Governor, GovernorSettings};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Weak};

/// The state of accounts, shared by all runs of a process.
///
/// Runs on one account share its limits. A process creates one `Accounts` and passes it to all
/// runs.
#[derive(Debug, Default)]
pub struct Accounts(Mutex<HashMap<String, Weak<SharedAccount>>>);

/// The state of one account: its limits and its clock.
#[derive(Debug)]
pub(super) struct SharedAccount {
    pub store: Box<dyn LimitStore>,
    pub clock: Clock,
}

/// Maximum length of the name of an account for people.
const LONGEST_LABEL: usize = 50;

impl Accounts {
    /// Returns the governor of `account` for one run.
    ///
    /// The account's clock runs `speed` times as fast as real time. A rehearsal uses this together
    /// with an equally fast simulator, and shares no state.
    pub fn governor(&self, account: &Account, speed: f64, settings: GovernorSettings<'_>) -> Governor {
        let given = ConfiguredLimits::new(settings.limits, settings.slow_start);
        let shared = if (speed - 1.0).abs() < f64::EPSILON {
            match &account.local.service {
                Some(service) => self.shared(format!("{} at {}", account.limits_name(), service.address()), || {
                    let label = format!("{} {}", account.host(), account.model).chars().take(LONGEST_LABEL).collect();
                    SharedAccount::in_service(&given, service, Named { account: account.limits_name(), label })
                }),
                None => self.shared(account.limits_name(), || match account.limits_file() {
                    Some((directory, name)) => SharedAccount::in_file(&given, Clock::new(), &directory, &name),
                    None => SharedAccount::in_memory(&given, Clock::new()),
                }),
            }
        } else {
            Arc::new(SharedAccount::in_memory(&given, Clock::new().at_speed(speed)))
        };
        Governor::new(shared, settings)
    }

    /// Returns the account called `name`. Calls `create` if no run uses it.
    pub(super) fn shared(&self, name: String, create: impl FnOnce() -> SharedAccount) -> Arc<SharedAccount> {
        let mut accounts = self.0.lock();
        if let Some(account) = accounts.get(&name).and_then(Weak::upgrade) {
            return account;
        }
        accounts.retain(|_, account| account.strong_count() > 0);
        let account = Arc::new(create());
        accounts.insert(name, Arc::downgrade(&account));
        account
    }
}

impl SharedAccount {
    /// Creates an account with its state in memory.
    pub fn in_memory(given: &ConfiguredLimits, clock: Clock) -> Self {
        Self { store: Box::new(MemoryStore::new(Limits::new(given, clock.now()))), clock }
    }

    /// Creates an account with its state in the file `name` in `directory`.
    ///
    /// If the file cannot be used, the state is kept in memory and not shared.
    pub fn in_file(given: &ConfiguredLimits, clock: Clock, directory: &Path, name: &str) -> Self {
        match FileStore::open(Limits::new(given, clock.now()), directory, name, clock.now()) {
            Ok(store) => Self { store: Box::new(store), clock },
            Err(_) => Self::in_memory(given, clock),
        }
    }

    /// Creates an account with its state in a budget service.
    pub fn in_service(given: &ConfiguredLimits, service: &Arc<BudgetService>, named: Named) -> Self {
        let clock = Clock::new();
        let limits = Limits::new(given, clock.now());
        Self { store: Box::new(ServiceStore::open(limits, Arc::clone(service), named, clock.clone())), clock }
    }

    /// The same without a thread, for tests in virtual time.
    #[cfg(test)]
    pub fn in_file_without_thread(given: &ConfiguredLimits, clock: Clock, directory: &Path) -> Self {
        let store = FileStore::without_thread(Limits::new(given, clock.now()), directory, "account", clock.now());
        Self { store: Box::new(store.expect("a file")), clock }
    }
}
