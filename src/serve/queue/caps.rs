//! Caps on money that several runs share.
//!
//! Runs reserve money before they spend it, so runs and requests together never exceed a cap. A run
//! without its own cap begins with a part of what is left, and gets more when it needs it. A run with
//! its own cap reserves all of it at once, and waits until so much is left.

use super::{Queue, QueuedRun, RunId, get};
use crate::model::Money;
use crate::serve::problem::Problem;
use rusqlite::{Connection, params};

/// The caps of a server.
#[derive(Clone, Copy)]
pub struct Caps<'c> {
    /// Cap on the money of all runs.
    pub server: Option<Money>,
    /// Cap on the money of all runs of an owner.
    pub owner: &'c (dyn Fn(&str) -> Option<Money> + Sync),
    /// Money that requests have spent and reserved, of an owner or of all.
    pub requests: &'c dyn Fn(Option<&str>) -> (Money, Money),
}

/// The money that a run may still spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// No cap applies.
    Unlimited,
    /// This amount, and whether others have reserved more.
    Money(Money, Shared),
    /// Nothing is left until another run has ended.
    Later,
    /// Nothing is left.
    None,
}

/// Whether others have reserved money under the same cap, and may give it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shared {
    No,
    Yes,
}

impl Caps<'_> {
    /// The room for another run of `owner`. `except` is a run whose reservation does not count.
    pub(super) fn room(&self, connection: &Connection, owner: &str, except: Option<&RunId>) -> rusqlite::Result<Room> {
        let mut least = Room::Unlimited;
        for (cap, owner) in [(self.server, None), ((self.owner)(owner), Some(owner))] {
            let Some(cap) = cap else { continue };
            let (runs, requests) = (used(connection, owner, except)?, (self.requests)(owner));
            let (spent, reserved) = (runs.0 + requests.0, runs.1 + requests.1);
            let left = cap - spent - reserved;
            let room = match (left, reserved) {
                (Money::ZERO, Money::ZERO) => Room::None,
                (Money::ZERO, _) => Room::Later,
                (left, Money::ZERO) => Room::Money(left, Shared::No),
                (left, _) => Room::Money(left, Shared::Yes),
            };
            least = match (least, room) {
                (Room::None, _) | (_, Room::None) => Room::None,
                (Room::Later, _) | (_, Room::Later) => Room::Later,
                (Room::Money(a, of_a), Room::Money(b, of_b)) => {
                    if a <= b {
                        Room::Money(a, of_a)
                    } else {
                        Room::Money(b, of_b)
                    }
                }
                (Room::Unlimited, room) | (room, Room::Unlimited) => room,
            };
        }
        Ok(least)
    }
}

/// What is left, divided by this, is the part that a run reserves beyond its present need.
const PARTS: u64 = 8;
/// The least part in picodollars, if so much is left.
const LEAST: u64 = 1_000_000;

/// The part of `left` that a run reserves at a time.
pub(super) fn part(left: Money) -> Money {
    // A cap of zero would mean no cap.
    Money::from_pico((left.pico() / PARTS).max(left.pico().min(LEAST)))
}

impl Queue {
    /// Reserves more money for a run at work, so that it may spend `wanted` in all. Returns its new
    /// cap; `None` if so much is not left.
    pub fn reserve_more(&self, id: &RunId, wanted: Money, caps: Caps<'_>) -> Result<Option<Money>, Problem> {
        let mut connection = self.write();
        let transaction = connection.transaction()?;
        let Some(run) = get(&transaction, id)? else { return Ok(None) };
        let spent = run.totals.spent;
        let cap = match caps.room(&transaction, &run.owner, Some(id))? {
            Room::Money(left, _) if wanted <= spent + left => Some(wanted + part(spent + left - wanted)),
            Room::Unlimited => Some(wanted + wanted),
            Room::Money(..) | Room::Later | Room::None => None,
        };
        let (column, value) = match cap {
            Some(cap) => ("reserved_pico_usd", cap - spent),
            None => ("wanted_pico_usd", wanted),
        };
        let sql = format!("UPDATE runs SET {column} = ?2 WHERE id = ?1 AND state = 'running'");
        transaction.execute(&sql, params![id.as_str(), value.pico()])?;
        transaction.commit()?;
        Ok(cap)
    }

    /// Whether a run gets more money if it waits, because others have reserved some under its caps.
    pub fn may_get_more(&self, run: &QueuedRun, caps: Caps<'_>) -> Result<bool, Problem> {
        let room = caps.room(&self.read.lock(), &run.owner, Some(&run.id))?;
        Ok(matches!(room, Room::Later | Room::Money(_, Shared::Yes)))
    }

    /// The money that the caps leave a run in all, what it had spent before included; `None` without caps.
    pub fn most_for(&self, run: &QueuedRun, caps: Caps<'_>) -> Result<Option<Money>, Problem> {
        let spent = run.totals.spent;
        Ok(match caps.room(&self.read.lock(), &run.owner, Some(&run.id))? {
            Room::Unlimited => None,
            Room::Money(left, _) => Some(spent + left),
            Room::Later | Room::None => Some(spent),
        })
    }

    /// Money spent and reserved by the runs of an owner, or of all.
    pub fn money(&self, owner: Option<&str>) -> Result<(Money, Money), Problem> {
        Ok(used(&self.read.lock(), owner, None)?)
    }
}

/// Money spent and reserved by the runs of an owner, or of all. The reservation of `except` does not
/// count.
fn used(connection: &Connection, owner: Option<&str>, except: Option<&RunId>) -> rusqlite::Result<(Money, Money)> {
    let sql = "SELECT ifnull(sum(spent_pico_usd), 0), ifnull(sum(reserved_pico_usd) FILTER (WHERE id IS NOT ?2), 0) FROM runs
        WHERE ?1 IS NULL OR owner = ?1";
    let asked = (owner, except.map(RunId::as_str));
    let (spent, reserved): (u64, u64) = connection.prepare_cached(sql)?.query_row(asked, |row| Ok((row.get(0)?, row.get(1)?)))?;
    let sql = "SELECT ifnull(sum(spent_pico_usd), 0) FROM removed WHERE ?1 IS NULL OR owner = ?1";
    let removed: u64 = connection.prepare_cached(sql)?.query_row([owner], |row| row.get(0))?;
    Ok((Money::from_pico(spent + removed), Money::from_pico(reserved)))
}
