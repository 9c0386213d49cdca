//! One sentence about what holds a run back.

use super::Situation;
use crate::model::{Bottleneck, Limit};
use std::fmt::Write as _;

/// What binds, by how much, what would change it, and what binds then.
pub(super) fn of(found: &Bottleneck, situation: &Situation) -> String {
    let mut sentence = format!("{}: {}", found.limit, why(found, situation));
    if let (Some(change), Some(after), Some(speed_up)) = (&found.change, found.predicted_s, found.speed_up) {
        let verb = match found.limit {
            Limit::Held(_) => "if the account allows it, raise",
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
    let slots = |name: &str| situation.stage(name).map_or(0, |stage| stage.slots);
    match found.limit {
        Limit::Concurrency => format!("all {} requests at a time were in flight {percent:.0} % of the time", slots("ask")),
        Limit::Reading => format!("its {} readers were busy {percent:.0} % of the time", slots("read")),
        Limit::Preparation if slots("prepare") >= situation.cores => {
            format!("it kept all {} cores busy {percent:.0} % of the time; more cores, or smaller images, would help", situation.cores)
        }
        Limit::Preparation => format!("its {} workers were busy {percent:.0} % of the time", slots("prepare")),
        Limit::Cores => format!("all {} were busy {percent:.0} % of the time", situation.cores),
        Limit::Documents => format!("documents under way had no place for others {percent:.0} % of the time"),
        Limit::Commits => format!("they took {percent:.0} % of the time; a faster disk would help"),
        Limit::Writing => format!("it took {percent:.0} % of the time"),
        Limit::Latency => format!(
            "one document takes at least {:.1} s, and there were too few of them to keep more requests in flight; no setting changes that",
            situation.chain_s
        ),
        Limit::Straggler => {
            let (document, alone) = situation.tail.as_ref().map_or(("", 0.0), |tail| (tail.document.as_str(), tail.alone_s));
            format!("{document} took {alone:.1} s longer than all others, {percent:.0} % of the run")
        }
        Limit::Held(hold) => match situation.rates.iter().find(|rate| rate.meter == hold) {
            Some(rate) => {
                let minute = 60.0 * rate.per_second + rate.burst;
                let needed = (situation.requests as f64 / situation.wall_s * situation.latency_s).ceil().max(1.0);
                format!("the account's {minute:.0} were used {percent:.0} %; more requests at a time change nothing, {needed:.0} would do")
            }
            None => format!("requests were kept back {percent:.0} % of the time"),
        },
    }
}
