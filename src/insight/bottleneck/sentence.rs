//! Describes a bottleneck in one sentence.

use super::{Known, Rate, Situation};
use crate::model::{Bottleneck, Limit};
use std::fmt::Write as _;

/// Describes the limit, the helpful change, and the next limit.
pub(super) fn of(found: &Bottleneck, situation: &Situation) -> String {
    let mut sentence = format!("{}: {}", found.limit, why(found, situation));
    if let (Some(change), Some(after), Some(speed_up)) = (&found.change, found.predicted_s, found.speed_up) {
        let verb = match found.limit {
            Limit::Held(_) => "if the server allows it, raise",
            Limit::Straggler => "set",
            _ => "raise",
        };
        let (key, from, to) = (change.key, &change.from, &change.to);
        let before = situation.wall_s;
        // Writing to a String cannot fail.
        let _infallible = write!(sentence, "; {verb} {key} {from} -> {to}: about {speed_up:.1}x ({before:.1} s -> {after:.1} s)");
        if found.limit == Limit::Straggler {
            sentence.push_str(", unless this document takes so long each time");
        }
        if let Some(then) = found.then {
            let _infallible = write!(sentence, "; then {then} binds");
        }
    }
    sentence
}

fn why(found: &Bottleneck, situation: &Situation) -> String {
    let percent = 100.0 * found.share;
    let slots = |name: &str| situation.slots(name);
    match found.limit {
        Limit::Concurrency => {
            let all = match slots("ask") {
                1 => format!("one request at a time was in flight {percent:.0} % of the time"),
                n => format!("all {n} requests at a time were in flight {percent:.0} % of the time"),
            };
            if situation.is_crowded() {
                let (latency, lone) = (situation.latency_s, situation.lone_s);
                return format!(
                    "{all}, and the server took {latency:.1} s for each, {lone:.1} s for one alone: more would only queue there"
                );
            }
            all
        }
        Limit::Reading => format!("its {} readers were busy {percent:.0} % of the time", slots("read")),
        Limit::Preparation if slots("prepare") >= situation.cores => {
            format!("it kept all {} cores busy {percent:.0} % of the time", situation.cores)
        }
        Limit::Preparation => format!("its {} workers were busy {percent:.0} % of the time", slots("prepare")),
        Limit::Cores => format!("all {} were busy, {percent:.0} % of the time on average", situation.cores),
        Limit::Documents => format!("documents in progress left no room for others {percent:.0} % of the time"),
        Limit::Commits => {
            // Minimum commit time that points to a slow disk, in milliseconds.
            const DISK_MS: f64 = 2.0;
            // If the cores are busy, commits wait for a CPU and not for the disk.
            let is_busy = situation.cpu_s > 0.5 * situation.cores as f64 * situation.wall_s;
            let disk = if situation.on_disk && situation.commit_ms >= DISK_MS && !is_busy { "; a faster disk would help" } else { "" };
            format!("they took {percent:.0} % of the time{disk}")
        }
        Limit::Writing => format!("it took {percent:.0} % of the time"),
        Limit::Latency => format!(
            "one document takes at least {:.1} s, and there were too few of them to keep more requests in flight",
            situation.chain_s
        ),
        Limit::Server => {
            let repeated = if situation.retries > 0 { format!(", {} requests were retried", situation.retries) } else { String::new() };
            format!(
                "no response arrived for {:.1} s in all while calls waited for one, {percent:.0} % of the time{repeated}",
                situation.silent_s
            )
        }
        Limit::Straggler => {
            let (document, alone) = situation.tail.as_ref().map_or(("", 0.0), |tail| (tail.document.as_str(), tail.alone_s));
            format!("{document} took {alone:.1} s longer than all others, {percent:.0} % of the run")
        }
        Limit::Held(hold) => match situation.rate(hold) {
            Some(rate) => limited(*rate, percent, situation.would_do()),
            None => format!("requests were held back {percent:.0} % of the time"),
        },
    }
}

/// Describes a limit and its source.
fn limited(rate: Rate, percent: f64, would_do: u64) -> String {
    let minute = 60.0 * rate.per_second;
    let which = match (rate.known, rate.meter.key()) {
        (Known::Set(set), Some(key)) => format!("{key} = {set} was used {percent:.0} %"),
        (Known::Measured, _) => format!("the server refuses more than about {minute:.0}, by its refusals so far"),
        (Known::SetElsewhere, _) => {
            format!("{percent:.0} % of the {minute:.0} that the budget service or another run with the same key grants was used")
        }
        _ => format!("{percent:.0} % of the {minute:.0} that the server declares was used"),
    };
    format!("{which}; more concurrency does not help, {would_do} is enough")
}
