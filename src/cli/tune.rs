//! `docmill tune`: finds good settings with a few documents.
//!
//! Each round runs a few documents without answers, with the settings of the round before and the
//! change that it advised. Answers are kept. `tune` changes neither limits of the account nor
//! settings that cost money.

use super::args::TuneArgs;
use super::exit::{CliError, Exit};
use super::flags::flags;
use super::{print, prompt, runtime, settings};
use crate::engine::{Sample, Selection};
use crate::model::{Change, Limit, RunFigures, counted};
use crate::progress::Style;
use crate::setup::{Environment, FILE, Guard, RunOptions, assemble};
use crate::system::beside;
use std::path::{Path, PathBuf};
use toml_edit::{DocumentMut, Item, Table};

/// A round counts as better if it is faster by this factor; less is noise.
const BETTER: f64 = 1.1;

/// One round.
struct Round {
    /// Changes to the current settings.
    changes: Vec<Change>,
    figures: RunFigures,
}

impl Round {
    fn speed(&self) -> f64 {
        self.figures.requests_per_second
    }
}

pub(super) fn tune(args: &TuneArgs) -> Result<Exit, CliError> {
    let runtime = runtime()?;
    let mut rounds: Vec<Round> = Vec::new();
    let mut changes: Vec<Change> = Vec::new();
    for seed in 0..args.rounds {
        let figures = runtime.block_on(round(args, &changes, seed))?;
        if figures.requests == 0 {
            break;
        }
        let advised = figures.bottleneck.as_ref().filter(|found| may_change(found.limit)).and_then(|found| found.change.clone());
        let best = rounds.iter().map(Round::speed).fold(0.0, f64::max);
        rounds.push(Round { changes: changes.clone(), figures });
        let better = rounds.last().is_some_and(|round| round.speed() > BETTER * best);
        match advised {
            Some(change) if better => take(&mut changes, change),
            _ => break,
        }
    }
    let best = rounds.iter().max_by(|one, other| one.speed().total_cmp(&other.speed()));
    let Some(best) = best else {
        return Err(CliError::usage("nothing was sent: all documents have answers, so no document is left to try settings with"));
    };
    let chosen = rounds.iter().find(|round| round.speed() * BETTER >= best.speed()).unwrap_or(best);
    let recommended = recommended(chosen);
    print(&shown(&rounds, &recommended))?;
    if args.write && !recommended.is_empty() {
        let file = args.what.settings.config.clone().unwrap_or_else(|| PathBuf::from(FILE));
        write(&file, &recommended)?;
        print(&format!("written to {}", file.display()))?;
    }
    Ok(Exit::Ok)
}

/// The changes of a round, without those that its own measurement shows to be useless.
///
/// If a limit binds, the concurrency that reaches it is enough.
fn recommended(chosen: &Round) -> Vec<Change> {
    let enough = chosen.figures.bottleneck.as_ref().and_then(|found| found.enough);
    let needed = |change: &Change| {
        let (from, to) = (change.from.parse::<u64>().ok()?, change.to.parse::<u64>().ok()?);
        let to = to.min(enough?.max(from));
        Some(Change { to: to.to_string(), ..change.clone() }).filter(|_| to > from)
    };
    let is_capped = |change: &Change| change.key == "llm.concurrency" && enough.is_some();
    chosen.changes.iter().filter_map(|change| if is_capped(change) { needed(change) } else { Some(change.clone()) }).collect()
}

/// Why the advice of a round was not taken or did not help; `None` if it did.
fn outcome_of_advice(rounds: &[Round], at: usize) -> Option<String> {
    let found = rounds[at].figures.bottleneck.as_ref()?;
    found.change.as_ref()?;
    if let Some(next) = rounds.get(at + 1) {
        let is_better = next.speed() > BETTER * rounds[at].speed();
        return (!is_better).then(|| format!("tried in round {}: no faster", at + 2));
    }
    let best_before = rounds[..at].iter().map(Round::speed).fold(0.0, f64::max);
    Some(if !may_change(found.limit) {
        "not tried: the setting belongs to the account, or may cost money".to_owned()
    } else if rounds[at].speed() <= BETTER * best_before {
        "not tried: this round was no faster than those before".to_owned()
    } else {
        "not tried: the last round was over (--rounds)".to_owned()
    })
}

/// Runs a few documents with the given changes.
async fn round(args: &TuneArgs, changes: &[Change], seed: u64) -> Result<RunFigures, CliError> {
    let mut given = args.what.settings.clone();
    given.set.extend(changes.iter().map(|change| format!("{}={}", change.key, change.to)));
    let (config, settings) = settings::load(&given, flags(&args.what))?;
    let options = RunOptions {
        selection: Selection::Sample(Sample { documents: args.documents, seed }),
        guard: Guard::Ask(prompt),
        ..RunOptions::default()
    };
    let outcome = assemble(&Environment::of_process(), &config, settings, options).await?.run(Style::Quiet).await?;
    match outcome.stop {
        Some(stop) if Exit::from(stop.kind) != Exit::Ok => Err(CliError { exit: stop.kind.into(), message: stop.message }),
        _ => Ok(outcome.summaries.into_iter().next().map(|summary| summary.whole_run).unwrap_or_default()),
    }
}

/// Whether `tune` may change the limiting setting: not if it belongs to the account or costs money.
fn may_change(limit: Limit) -> bool {
    matches!(limit, Limit::Reading | Limit::Preparation | Limit::Concurrency | Limit::Documents)
}

/// Whether a round had too few requests to show what its settings do.
fn says_little(figures: &RunFigures) -> bool {
    figures.requests < 2 * figures.concurrency as u64
}

fn take(changes: &mut Vec<Change>, change: Change) {
    match changes.iter_mut().find(|known| known.key == change.key) {
        Some(known) => known.to = change.to,
        None => changes.push(change),
    }
}

fn shown(rounds: &[Round], recommended: &[Change]) -> String {
    let mut lines = Vec::new();
    for (n, round) in rounds.iter().enumerate() {
        let Round { changes, figures } = round;
        let changes: Vec<String> = changes.iter().map(|change| format!("{}={}", change.key, change.to)).collect();
        let changes = if changes.is_empty() { "current settings".to_owned() } else { changes.join(" ") };
        let RunFigures { requests, requests_per_second, wall_seconds, .. } = figures;
        lines.push(format!(
            "round {}: {changes}: {} in {wall_seconds:.1} s, {requests_per_second:.1}/s",
            n + 1,
            counted(*requests, "request")
        ));
        if let Some(found) = &figures.bottleneck {
            let outcome = outcome_of_advice(rounds, n).map_or_else(String::new, |outcome| format!(" ({outcome})"));
            lines.push(format!("         {}{outcome}", found.sentence));
        }
    }
    lines.push(String::new());
    let most = rounds.iter().max_by_key(|round| round.figures.requests).map(|round| &round.figures);
    if let (true, Some(few)) = (recommended.is_empty(), most.filter(|most| says_little(most))) {
        let sent = counted(few.requests, "request");
        lines.push(format!(
            "cannot judge the settings: {sent} are too few for {} at a time (llm.concurrency). Try with more --documents",
            few.concurrency
        ));
    } else if recommended.is_empty() {
        lines.push("recommended: keep the current settings".to_owned());
    } else {
        lines.push("recommended (--write puts them into the settings file):".to_owned());
        lines.extend(recommended.iter().map(|change| format!("    {} = {}    # was {}", change.key, change.to, change.from)));
    }
    lines.push("The run store keeps the answers, and a run with the same input and job uses them.".to_owned());
    lines.join("\n")
}

/// Changes settings in a file, and keeps everything else in it.
fn write(file: &Path, changes: &[Change]) -> Result<(), CliError> {
    let wrong = |why: &dyn std::fmt::Display| {
        CliError::usage(format!("{}: cannot change the settings: {why}. The file is unchanged", file.display()))
    };
    let text = match std::fs::read_to_string(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        read => read.map_err(|e| wrong(&e))?,
    };
    let mut document: DocumentMut = text.parse().map_err(|e| wrong(&e))?;
    for change in changes {
        let (sections, name) = change.key.rsplit_once('.').unwrap_or(("", change.key));
        let mut table = document.as_table_mut();
        for section in sections.split('.').filter(|section| !section.is_empty()) {
            table = table
                .entry(section)
                .or_insert(Item::Table(Table::new()))
                .as_table_mut()
                .ok_or_else(|| wrong(&"the file has inline tables"))?;
        }
        let value: toml_edit::Value = change.to.parse().map_err(|e| wrong(&e))?;
        match table.get_mut(name).and_then(Item::as_value_mut) {
            // Comments beside the value stay.
            Some(old) => {
                let decor = old.decor().clone();
                *old = value;
                *old.decor_mut() = decor;
            }
            None => drop(table.insert(name, Item::Value(value))),
        }
    }
    // The new file replaces the old one only when it is complete: a full disk must not destroy the
    // settings.
    let mut new = beside(file, ".docmill-").map_err(|e| wrong(&e))?;
    std::io::Write::write_all(&mut new, document.to_string().as_bytes()).map_err(|e| wrong(&e))?;
    new.persist(file).map(drop).map_err(|e| wrong(&e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(key: &'static str, to: &str) -> Change {
        Change { key, from: "1".to_owned(), to: to.to_owned() }
    }

    #[test]
    fn settings_are_changed_in_place_and_the_rest_of_the_file_stays() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("pipeline.toml");
        let before = "# mine\n[llm]\nconcurrency = 4 # careful\nmodel = \"m\"\n";
        std::fs::write(&file, before).expect("written");
        write(&file, &[change("llm.concurrency", "32"), change("read.concurrency", "8")]).expect("changed");
        let after = std::fs::read_to_string(&file).expect("read");
        assert_eq!(after, "# mine\n[llm]\nconcurrency = 32 # careful\nmodel = \"m\"\n\n[read]\nconcurrency = 8\n");
        std::fs::write(&file, "[llm\n").expect("written");
        let error = write(&file, &[change("llm.concurrency", "32")]).expect_err("it is not TOML");
        assert!(error.message.contains("The file is unchanged"), "{}", error.message);
    }
}

#[cfg(test)]
mod advice {
    use super::*;
    use crate::model::{Bottleneck, WaitReason};

    fn change(to: &str) -> Change {
        Change { key: "llm.concurrency", from: "8".into(), to: to.into() }
    }

    /// A round with this concurrency and this bottleneck.
    fn round(to: &str, speed: f64, limit: Limit, advised: Option<Change>, enough: Option<u64>) -> Round {
        let bottleneck = Bottleneck {
            limit,
            share: 0.9,
            change: advised,
            predicted_s: None,
            speed_up: None,
            then: None,
            enough,
            sentence: "a sentence".into(),
        };
        let changes = if to.is_empty() { Vec::new() } else { vec![change(to)] };
        let figures = RunFigures { requests_per_second: speed, bottleneck: Some(bottleneck), ..RunFigures::default() };
        Round { changes, figures }
    }

    #[test]
    fn the_recommended_concurrency_is_at_most_what_reaches_the_limit() {
        let limited = Limit::Held(WaitReason::Requests);
        for (enough, recommends) in [(Some(4), vec![]), (Some(8), vec![]), (Some(12), vec![change("12")]), (None, vec![change("64")])] {
            assert_eq!(recommended(&round("64", 9.0, limited, None, enough)), recommends, "{enough:?}");
        }
        assert_eq!(recommended(&round("", 9.0, limited, None, Some(4))), vec![]);
    }

    #[test]
    fn too_few_requests_are_no_recommendation() {
        let mut few = round("", 9.0, Limit::Latency, None, None);
        (few.figures.requests, few.figures.concurrency) = (20, 64);
        let text = shown(&[few], &[]);
        assert!(text.contains("cannot judge the settings: 20 requests are too few for 64") && !text.contains("recommended"), "{text}");
    }

    #[test]
    fn advice_that_is_not_recommended_says_why() {
        let concurrency = |to, speed, advised| round(to, speed, Limit::Concurrency, Some(change(advised)), None);
        let rounds = [concurrency("", 1.0, "64"), concurrency("64", 1.05, "128")];
        let text = shown(&rounds, &[]);
        for part in ["a sentence (tried in round 2: no faster)", "not tried: this round was no faster", "keep the current settings"] {
            assert!(text.contains(part), "no {part:?} in\n{text}");
        }
        let rounds = [concurrency("", 1.0, "64"), concurrency("64", 8.0, "128")];
        let text = shown(&rounds, &recommended(&rounds[1]));
        assert!(!text.contains("no faster") && text.contains("the last round was over") && text.contains("llm.concurrency = 64"), "{text}");
        let limit = round("", 1.0, Limit::Held(WaitReason::Requests), Some(change("64")), Some(4));
        assert!(shown(&[limit], &[]).contains("belongs to the account"));
    }
}
