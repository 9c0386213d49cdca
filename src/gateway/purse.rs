//! Money that relayed requests have spent and reserved.
//!
//! The caps of keys and server hold for runs and requests together. Runs and
//! requests hold the lock of the purse while they reserve, so they never reserve the same money.

use crate::model::Money;
use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use tokio::sync::Notify;

/// The purse of all owners.
#[derive(Debug, Default)]
pub struct Purse {
    money: Mutex<Amounts>,
    settled: Notify,
}

/// Money by owner.
#[derive(Debug, Default)]
pub struct Amounts(HashMap<String, Amount>);

/// Money spent and reserved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    /// Money that counts as spent.
    pub spent: Money,
    /// Money that requests in flight may still cost.
    pub reserved: Money,
}

/// A cap on money that applies to an owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cap {
    /// Name of the key that it is about; `None` for the whole server.
    pub owner: Option<String>,
    /// The cap.
    pub limit: Money,
    /// Money that runs have spent and reserved.
    pub runs: Amount,
}

/// The caps of a server.
pub trait Caps: Send + Sync + std::fmt::Debug {
    /// Whether any cap applies to an owner.
    fn any(&self, owner: &str) -> bool;

    /// The caps that apply to an owner. Blocks, and is called with the purse locked.
    fn of(&self, owner: &str) -> Result<Vec<Cap>, String>;

    /// Whether the directory of the server has room for answers. Blocks.
    fn has_room(&self) -> bool;
}

/// What became of a reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reserved {
    /// The money is reserved.
    Yes,
    /// There will be room when other requests have ended.
    Later,
    /// There may be room when a run has ended. The text says why there is none now.
    AfterRuns(String),
    /// There is no room.
    No(String),
}

impl Amounts {
    /// The money of an owner, or of all.
    pub fn of(&self, owner: Option<&str>) -> Amount {
        match owner {
            Some(owner) => self.0.get(owner).copied().unwrap_or_default(),
            None => self
                .0
                .values()
                .fold(Amount::default(), |sum, one| Amount { spent: sum.spent + one.spent, reserved: sum.reserved + one.reserved }),
        }
    }
}

impl Purse {
    /// A purse with the money that was spent before.
    pub fn new(spent: Vec<(String, Money)>) -> Self {
        let amounts = spent.into_iter().map(|(owner, spent)| (owner, Amount { spent, reserved: Money::ZERO })).collect();
        Self { money: Mutex::new(Amounts(amounts)), settled: Notify::new() }
    }

    /// Locks the purse, to reserve money for a run.
    pub fn lock(&self) -> MutexGuard<'_, Amounts> {
        self.money.lock()
    }

    /// Reserves money. `caps` looks up the caps while the purse is locked.
    pub fn reserve(&self, owner: &str, at_most: Money, caps: impl FnOnce() -> Result<Vec<Cap>, String>) -> Result<Reserved, String> {
        let mut money = self.money.lock();
        for Cap { owner: whose, limit, runs } in caps()? {
            let requests = money.of(whose.as_deref());
            let spent = requests.spent + runs.spent;
            if spent + requests.reserved + runs.reserved + at_most <= limit {
                continue;
            }
            if requests.reserved > Money::ZERO && spent + runs.reserved + at_most <= limit {
                return Ok(Reserved::Later);
            }
            let whose = whose.map_or_else(|| "the server".to_owned(), |owner| format!("key {owner}"));
            let why = format!(
                "the cap of {limit} on the money of {whose} has no room for a request that may cost {at_most}: {spent} is spent, and runs at \
                work have reserved {}",
                runs.reserved
            );
            return Ok(if spent + at_most <= limit { Reserved::AfterRuns(why) } else { Reserved::No(why) });
        }
        money.0.entry(owner.to_owned()).or_default().reserved += at_most;
        Ok(Reserved::Yes)
    }

    /// Replaces a reservation by the cost. If the cost is unknown, all of it is spent.
    pub fn settle(&self, owner: &str, at_most: Money, cost: Option<Money>) {
        let mut money = self.money.lock();
        let amount = money.0.entry(owner.to_owned()).or_default();
        amount.reserved = amount.reserved - at_most;
        amount.spent += cost.unwrap_or(at_most);
        drop(money);
        self.settled.notify_waiters();
    }

    /// Is notified when a reservation is settled.
    pub fn settled(&self) -> &Notify {
        &self.settled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spent_and_reserved_money_never_exceeds_a_cap() {
        let purse = Purse::new(vec![("a".to_owned(), Money::from_pico(10))]);
        let cap = |runs| Cap {
            owner: Some("a".to_owned()),
            limit: Money::from_pico(100),
            runs: Amount { spent: Money::from_pico(runs), reserved: Money::ZERO },
        };
        let reserve = |pico, runs| purse.reserve("a", Money::from_pico(pico), || Ok(vec![cap(runs)])).unwrap();
        assert_eq!(reserve(40, 30), Reserved::Yes);
        assert_eq!(reserve(40, 30), Reserved::Later);
        assert!(matches!(reserve(70, 30), Reserved::No(_)));
        purse.settle("a", Money::from_pico(40), Some(Money::from_pico(5)));
        assert_eq!(reserve(40, 30), Reserved::Yes);
        purse.settle("a", Money::from_pico(40), None);
        assert_eq!(purse.lock().of(None), Amount { spent: Money::from_pico(55), reserved: Money::ZERO });
        assert!(matches!(reserve(16, 30), Reserved::No(_)));
    }
}
