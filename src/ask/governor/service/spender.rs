//! The money that runs spend out of the purse of a budget service.

use crate::ask::allowance::{Allowance, Granted};
use crate::ask::lease::{Grant, Spending};
use crate::model::Money;
use parking_lot::Mutex;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// The runs of this process on one account.
#[derive(Debug)]
pub(in super::super) struct Purse {
    address: String,
    spenders: Mutex<Vec<Weak<Spender>>>,
    /// Rung when a run needs an answer soon.
    pub(super) urgent: Notify,
}

/// The money of one run.
#[derive(Debug)]
pub(in super::super) struct Spender {
    id: String,
    /// Stores of processes that have ended, and what was spent there.
    settled: Vec<(String, Money)>,
    allowance: Allowance,
    position: Mutex<Position>,
    /// Whether the service knows that the run has ended.
    has_left: watch::Sender<bool>,
}

/// What a run has spent and needs.
#[derive(Debug, Clone, Copy, Default)]
struct Position {
    spent: Money,
    reserved: Money,
    /// The sum in the newest request to the service.
    asked: Money,
    /// Dollars a second, lately.
    pace: f64,
    /// When that was computed, and the sum spent by then.
    at: Option<(f64, Money)>,
    /// Since when another process on the same store stands in the way.
    waits_since: Option<f64>,
    ended: bool,
}

/// Whether the purse has room for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Room {
    Now,
    /// The service was asked. The grants wake the request.
    Asked,
    No,
}

/// Seconds of spending that a run asks for ahead. The service may be away for as long.
const AHEAD_S: f64 = 3.0;
/// How long a run waits until the service has noted its end.
const GOODBYE: Duration = Duration::from_secs(3);

impl Purse {
    pub fn new(address: String) -> Self {
        Self { address, spenders: Mutex::default(), urgent: Notify::new() }
    }

    /// Adds a run. `id` is the name of its store, where `spent` was spent before.
    pub fn join(&self, id: String, spent: Money, settled: Vec<(String, Money)>) -> Arc<Spender> {
        let position = Mutex::new(Position { spent, ..Position::default() });
        let spender = Arc::new(Spender { id, settled, allowance: Allowance::new(spent), position, has_left: watch::Sender::new(false) });
        let mut spenders = self.spenders.lock();
        spenders.retain(|spender| spender.strong_count() > 0);
        spenders.push(Arc::downgrade(&spender));
        self.urgent.notify_one();
        spender
    }

    /// Whether a run may spend up to `needed`. Asks the service if it does not know.
    pub fn room(&self, spender: &Spender, needed: Money) -> Room {
        if needed <= spender.allowance.granted() {
            return Room::Now;
        }
        if !spender.allowance.ask(needed) {
            return Room::No;
        }
        if std::mem::replace(&mut spender.position.lock().asked, needed) < needed {
            self.urgent.notify_one();
        }
        Room::Asked
    }

    /// Tells the service that a run has ended, so that its unused money is free again.
    ///
    /// If that fails, the money stays deducted until the next run on the same store.
    pub async fn leave(&self, spender: &Spender) {
        spender.end();
        self.urgent.notify_one();
        let mut left = spender.has_left.subscribe();
        let _in_vain = tokio::time::timeout(GOODBYE, left.wait_for(|left| *left)).await;
    }

    /// The message for a run that the purse has no room for.
    pub fn no_room(&self, spender: &Spender, at_most: Option<Money>) -> String {
        let Position { spent, waits_since, .. } = *spender.position.lock();
        let Some(at_most) = at_most else {
            return "the budget service has a cap on money, but the price of a model is unknown. Set it in [prices]".to_owned();
        };
        if waits_since.is_some() {
            return format!(
                "another process spends money for the same output directory, or for a copy of it, so the budget service {} grants no money. \
                 Stop the other process, or use another directory",
                self.address
            );
        }
        format!(
            "the budget service {} has no room for another request, which may cost up to {at_most}: {spent} spent in this directory. Raise \
             the cap of the service (--max-usd), then run the same command again",
            self.address
        )
    }

    /// What the runs have spent and need.
    pub(super) fn spending(&self, now: f64) -> Vec<Spending> {
        self.active().iter().map(|spender| spender.spending(now)).collect()
    }

    /// Applies what the service has granted in reply to `asked`.
    pub(super) fn apply(&self, asked: &[Spending], grants: &[Grant], patience: Duration, now: f64) {
        for spender in self.active() {
            let of = |spending: &&Spending| spending.id == spender.id;
            if let (Some(asked), Some(grant)) = (asked.iter().find(of), grants.iter().find(|grant| grant.id == spender.id)) {
                spender.apply(asked, grant, patience, now);
            }
        }
    }

    /// Refuses what the runs wait for, because the service does not answer.
    pub(super) fn refuse_all(&self) {
        for spender in self.active() {
            let asked = spender.position.lock().asked;
            spender.refuse(asked);
        }
    }

    /// Whether no run of the process spends any more.
    pub(super) fn have_all_ended(&self) -> bool {
        let spenders = self.spenders.lock();
        let has_ended = |spender: &Weak<Spender>| spender.upgrade().is_none_or(|spender| spender.position.lock().ended);
        !spenders.is_empty() && spenders.iter().all(has_ended)
    }

    fn active(&self) -> Vec<Arc<Spender>> {
        let spenders = self.spenders.lock();
        spenders.iter().filter_map(Weak::upgrade).filter(|spender| !*spender.has_left.borrow()).collect()
    }
}

impl Spender {
    /// Notes what counts as spent and what is reserved.
    pub fn note(&self, spent: Money, reserved: Money) {
        let mut position = self.position.lock();
        (position.spent, position.reserved) = (spent, reserved);
    }

    /// Notes that the run has ended.
    pub(super) fn end(&self) {
        self.position.lock().ended = true;
    }

    /// What was granted, and what follows.
    pub fn grants(&self) -> watch::Receiver<Granted> {
        self.allowance.grants()
    }

    fn spending(&self, now: f64) -> Spending {
        let mut position = self.position.lock();
        let Position { spent, reserved, asked, ended, .. } = *position;
        if let Some((at, before)) = position.at.filter(|(at, _)| now - at > 0.05) {
            position.pace = ((spent - before).usd() / (now - at)).max(0.7 * position.pace);
        }
        position.at = Some((now, spent));
        let ahead = Money::from_usd(AHEAD_S * position.pace);
        Spending {
            id: self.id.clone(),
            spent,
            needs: if ended { Money::ZERO } else { asked },
            wants: if ended { Money::ZERO } else { spent + reserved + reserved + ahead },
            ended,
            settled: self.settled.clone(),
        }
    }

    fn apply(&self, asked: &Spending, grant: &Grant, patience: Duration, now: f64) {
        if asked.ended {
            self.has_left.send_replace(true);
            return;
        }
        let granted = grant.granted.unwrap_or(Money::MAX);
        if !grant.refused && !grant.waits {
            // A refusal is over too: the cap may have been raised, or others have returned money.
            self.allowance.grant(granted);
        }
        let since = {
            let mut position = self.position.lock();
            position.waits_since = if grant.waits { position.waits_since.or(Some(now)) } else { None };
            position.waits_since
        };
        if grant.refused || since.is_some_and(|since| now - since > patience.as_secs_f64()) {
            self.refuse(asked.needs);
        }
    }

    fn refuse(&self, cap: Money) {
        if cap > self.allowance.granted() {
            // The next smaller request asks again.
            self.position.lock().asked = Money::ZERO;
            self.allowance.refuse(cap);
        }
    }
}
