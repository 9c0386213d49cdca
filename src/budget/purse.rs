//! Grants money to runs under one cap. The caller passes the time, in seconds.
//!
//! Promise: what all runs may spend together never exceeds the cap. Money is deducted when it is
//! granted. Unused money is free again when its run has ended, or when a later run on the same store
//! tells what was really spent.

use super::account::TERM_S;
use crate::ask::lease::{Grant, Spending};
use crate::model::Money;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The money of all runs.
#[derive(Debug)]
pub(super) struct Purse {
    cap: Option<Money>,
    spenders: BTreeMap<String, Spender>,
    /// What runs have spent whose records were dropped.
    earlier: Money,
}

/// A run store, and what its runs may spend.
#[derive(Debug, Clone)]
struct Spender {
    record: Record,
    seen_at: f64,
}

/// What the ledger keeps of a run store. All sums include what was spent before the service knew it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub id: String,
    /// The process that spends.
    pub node: String,
    /// Spent before the service knew the store.
    pub base: Money,
    pub granted: Money,
    pub spent: Money,
    /// Whether `spent` is final, until another process spends.
    pub ended: bool,
}

/// The money for people and metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct PurseStatus {
    pub cap: Option<Money>,
    /// Deducted from the cap: spent, or granted and not returned.
    pub granted: Money,
    pub spent: Money,
    /// Runs that may still spend.
    pub spenders: usize,
}

/// Part of the cap that a run gets beyond what it needs at once.
const CHUNK: f64 = 0.01;

impl Record {
    /// Without a cap, nothing is granted, and what was spent counts.
    fn deducted(&self) -> Money {
        self.granted.max(self.spent) - self.base
    }
}

impl Purse {
    /// Restores a purse from its records. All of their processes may still be there.
    pub fn new(cap: Option<Money>, earlier: Money, records: Vec<Record>, now: f64) -> Self {
        let spenders = records.into_iter().map(|record| (record.id.clone(), Spender { record, seen_at: now })).collect();
        Self { cap, spenders, earlier }
    }

    /// Answers a run of the process `node`. Records that have changed go to `changed`, and must be
    /// durable before the answer is sent.
    pub fn ask(&mut self, node: &str, spending: &Spending, now: f64, changed: &mut Vec<Record>) -> Grant {
        for (id, spent) in &spending.settled {
            self.settle(id, *spent, now, changed);
        }
        let known = self.spenders.get(&spending.id);
        if known.is_some_and(|Spender { record, seen_at }| record.node != node && !record.ended && now - seen_at < TERM_S) {
            // The process before may still be sending.
            return Grant { id: spending.id.clone(), granted: self.cap.map(|_| spending.spent), refused: false, waits: self.cap.is_some() };
        }
        let before = known.map(|spender| spender.record.clone());
        let mut record = match &before {
            Some(record) if record.node == node && !record.ended => record.clone(),
            // The process before has ended, so unused money is free.
            other => {
                let (id, node, spent) = (spending.id.clone(), node.to_owned(), spending.spent);
                let base = other.as_ref().map_or(spent, |record| record.base);
                Record { id, node, base, granted: spent.max(base), spent, ended: false }
            }
        };
        record.spent = record.spent.max(spending.spent);
        if spending.ended {
            (record.granted, record.ended) = (record.spent.max(record.base), true);
        }
        self.spenders.insert(spending.id.clone(), Spender { record: record.clone(), seen_at: now });
        let mut refused = false;
        if let (Some(left), Some(cap), false) = (self.left(), self.cap, spending.ended) {
            let runs = self.spenders.values().filter(|spender| !spender.record.ended && now - spender.seen_at < TERM_S).count();
            let needed = spending.needs - record.granted;
            let chunk = if needed > Money::ZERO { needed + Money::from_usd(CHUNK * cap.usd()) } else { Money::ZERO };
            let ahead = (spending.wants - record.granted).max(chunk).min(Money::from_pico(left.pico() / (2 * runs.max(1) as u64)));
            refused = needed > left;
            record.granted += if refused { Money::ZERO } else { needed.max(ahead) };
        }
        let granted = self.cap.map(|_| record.granted);
        if let Some(spender) = self.spenders.get_mut(&spending.id) {
            spender.record = record.clone();
        }
        // What was spent becomes durable with the next grant.
        if before.is_none_or(|before| Record { spent: record.spent, ..before } != record) {
            changed.push(record);
        }
        Grant { id: spending.id.clone(), granted, refused, waits: false }
    }

    /// Takes unused money back from a store whose process has ended.
    fn settle(&mut self, id: &str, spent: Money, now: f64, changed: &mut Vec<Record>) {
        let Some(Spender { record, seen_at }) = self.spenders.get_mut(id) else { return };
        if record.ended || now - *seen_at < TERM_S {
            return;
        }
        record.spent = record.spent.max(spent);
        (record.granted, record.ended) = (record.spent.max(record.base), true);
        changed.push(record.clone());
    }

    /// What is free; `None` without a cap.
    fn left(&self) -> Option<Money> {
        self.cap.map(|cap| cap - self.deducted())
    }

    fn deducted(&self) -> Money {
        self.earlier + self.spenders.values().map(|spender| spender.record.deducted()).sum()
    }

    pub fn status(&self) -> PurseStatus {
        let spent: Money = self.spenders.values().map(|spender| spender.record.spent - spender.record.base).sum();
        PurseStatus {
            cap: self.cap,
            granted: self.deducted(),
            spent: self.earlier + spent,
            spenders: self.spenders.values().filter(|spender| !spender.record.ended).count(),
        }
    }
}
