//! What all packs of an account share.

use super::group::{Group, GroupState};
use super::{VectorLedger, limits};
use crate::ask::client::Observer;
use crate::ask::packing::PackLimits;
use crate::ask::provider::Provider;
use crate::ask::relay::Relay;
use crate::ask::settings::{LlmSettings, PackingSettings};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio::sync::OnceCell;

/// Packs whose texts are sorted by length together, for servers that pad texts.
const WINDOW: usize = 4;

/// What all packs share.
pub(super) struct Shared<L> {
    pub relay: Relay,
    pub ledger: L,
    pub observer: Arc<dyn Observer>,
    pub settings: PackingSettings,
    /// Whether usage shows that a server cuts texts.
    pub check_cut: bool,
    /// Whether the user knows that the server counts no tokens.
    pub is_uncounted: AtomicBool,
    /// The limits that the server states, once it was asked.
    pub stated: OnceCell<Option<PackLimits>>,
    pub groups: Mutex<HashMap<Group, Arc<GroupState>>>,
}

impl<L> std::fmt::Debug for Shared<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("relay", &self.relay).finish_non_exhaustive()
    }
}

impl<L: VectorLedger> Shared<L> {
    pub fn new(relay: Relay, settings: &LlmSettings, ledger: L, observer: Arc<dyn Observer>) -> Self {
        let check_cut = limits::checks_cut(relay.account(), settings);
        let (stated, groups) = (OnceCell::new(), Mutex::default());
        Self { relay, ledger, observer, settings: settings.pack.clone(), check_cut, is_uncounted: AtomicBool::new(false), stated, groups }
    }

    /// Providers in the table pad no texts, so packs keep the order of the texts.
    pub fn window(&self) -> usize {
        if limits::is_known(self.relay.account()) { 1 } else { WINDOW }
    }

    /// Asks a server for its limits, once.
    pub async fn learn_limits(&self) {
        let ask = || async {
            let account = self.relay.account();
            let may_state = account.provider != Provider::Simulated && !limits::is_known(account);
            if may_state { limits::stated(account, self.relay.transport()).await } else { None }
        };
        self.stated.get_or_init(ask).await;
    }

    /// What responses have shown about a group.
    pub fn state(&self, group: &Group) -> Arc<GroupState> {
        let mut groups = self.groups.lock();
        match groups.get(group) {
            Some(state) => Arc::clone(state),
            None => {
                let state = Arc::new(GroupState::new(self.ledger.dimensions(&group.model, &group.form)));
                groups.insert(group.clone(), Arc::clone(&state));
                state
            }
        }
    }
}
