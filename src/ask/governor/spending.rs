//! Money that a run gets from elsewhere: in shares of its caller, or out of a purse.

use super::service::{Purse, Room, Spender};
use super::{Governor, Local, NotAdmitted, Turn};
use crate::ask::allowance::{Allowance, Granted};
use crate::model::{Money, WaitReason};
use std::sync::Arc;
use tokio::sync::watch;

impl Governor {
    /// Lets the run get its money in shares.
    #[must_use]
    pub fn with_allowance(mut self, allowance: Option<Arc<Allowance>>) -> Self {
        self.allowance = allowance;
        self
    }

    /// Names the run store in which the run records what it spends, if a purse pays for it.
    ///
    /// Money that was granted to an earlier run on the store is free again, apart from what that run
    /// has spent. `settled` are stores of runs that have ended elsewhere, and what was spent there.
    #[must_use]
    pub fn with_store(self, id: String, settled: Vec<(String, Money)>) -> Self {
        let spent = self.local().budget.position().0;
        if let Some(purse) = self.account.store.purse() {
            self.spender.get_or_init(|| purse.join(id, spent, settled));
        }
        self
    }

    /// The purse that pays for the run, and the money of the run. A run without a store spends under a
    /// random name.
    pub(super) fn purse(&self) -> Option<(&Purse, &Spender)> {
        let purse = self.account.store.purse()?;
        let join = || purse.join(format!("{:032x}", fastrand::u128(..)), Money::ZERO, Vec::new());
        Some((purse, self.spender.get_or_init(join)))
    }

    /// Gives unused money and the lease back, after the last request.
    pub async fn leave(&self) {
        if let Some((purse, spender)) = self.purse() {
            purse.leave(spender).await;
        }
    }

    /// Tells the purse what is spent and reserved.
    pub(super) fn note_spending(&self, local: &Local) {
        if let Some((_, spender)) = self.purse() {
            let (spent, reserved) = local.budget.position();
            spender.note(spent, reserved);
        }
    }

    /// How a request waits for money of the purse; `None` if there is enough.
    pub(super) fn look_into_purse(&self, local: &mut Local, at_most: Option<Money>) -> Result<Option<Turn>, NotAdmitted> {
        let Some((purse, spender)) = self.purse() else { return Ok(None) };
        let is_reserving = local.budget.position().1 > Money::ZERO;
        match purse.room(spender, local.budget.needs(at_most)) {
            Room::Now => return Ok(None),
            Room::No if !is_reserving => {
                let lost = self.account.store.lost().map(NotAdmitted::NoLease);
                return Err(lost.unwrap_or_else(|| NotAdmitted::OverPurse(purse.no_room(spender, at_most))));
            }
            // The run may need less after its other requests.
            Room::No | Room::Asked => (local.why, local.turn_at) = (Some(WaitReason::Budget), 0.0),
        }
        Ok(Some(Turn::AfterOthers))
    }
}

/// Waits for another share of money.
pub(super) async fn share(grants: Option<&mut watch::Receiver<Granted>>) {
    if let Some(grants) = grants
        && grants.changed().await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}
