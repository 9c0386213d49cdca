//! Chooses the commands that may come after a run.

use crate::ask::StopKind;
use crate::engine::Outcome;
use crate::html_report::{advice, repeat};
use crate::model::{FailureCode, Tally, command_in, counted};
use std::cmp::Reverse;
use std::path::{Path, PathBuf};

/// Maximum number of commands.
const MOST: usize = 3;

/// A run that has ended.
pub(super) struct Done {
    /// How it ended.
    pub outcome: Outcome,
    /// Its command line.
    pub command: String,
    /// Its output directory.
    pub output: PathBuf,
    /// Codes of failures that count as no failure.
    pub accepted: Vec<FailureCode>,
}

/// At most three commands, each with what it does. The most useful one comes first.
pub(super) fn next(Done { outcome, command, output, accepted }: &Done) -> Vec<(String, String)> {
    let about = |name: &str, what: &str| (command_in(output, name), what.to_owned());
    let report = about("report", "makes a page with charts, pictures, failures and the bill");
    let status = about("status", "lists what is done, failed and pending");
    let verify = about("verify", "checks results, store and bill, and prints a receipt");
    let again = |what: &str| (command.clone(), what.to_owned());
    let mut next = Vec::new();
    match outcome.stop.as_ref().map(|stop| stop.kind) {
        _ if outcome.not_copied.is_some() => return vec![again("copies the results again and sends nothing else"), status, report],
        None | Some(StopKind::Sampled) if outcome.not_in_database.is_some() => {
            return vec![again("writes the missing rows to the database and sends nothing else"), status, report];
        }
        // The status names the command with a larger cap.
        Some(StopKind::OverBudget) => return vec![status, report],
        Some(StopKind::Refused) => return vec![again("continues, once the cause is mended"), status, report],
        Some(StopKind::Parked | StopKind::Requested | StopKind::Deferred) => {
            return vec![again("continues; finished documents are kept"), status, report];
        }
        Some(StopKind::Sampled) => {
            next.extend(rows_of_trial(outcome, output));
            let all = of_all(command).filter(|_| !has_all(outcome));
            next.extend(all.map(|all| (all, "runs all documents; finished ones are kept".to_owned())));
        }
        None => {}
    }
    let tally = tally(outcome);
    let failures = tally.failures.iter().filter(|(code, _)| !accepted.contains(code));
    let failures = failures.filter_map(|(code, n)| Some((repeated(command, *code)?, *code, *n)));
    if let Some((command, code, n)) = failures.min_by_key(|(_, code, n)| (Reverse(*n), *code)) {
        next.push((command, format!("asks again about {} with {code}", counted(n, "document"))));
    }
    next.push(report);
    next.push(if next.len() > 1 { status } else { verify });
    next.truncate(MOST);
    next
}

/// What must change before failed documents can succeed, most frequent code first.
pub(super) fn to_mend(Done { outcome, accepted, .. }: &Done) -> Vec<String> {
    let tally = tally(outcome);
    let failures = tally.failures.iter().filter(|(code, _)| !code.may_pass() && !accepted.contains(code));
    let mut failures: Vec<_> = failures.collect();
    failures.sort_by_key(|(_, n)| Reverse(**n));
    failures.into_iter().take(MOST).map(|(code, n)| format!("{n} {code}: {}", advice(*code))).collect()
}

/// Whether results of an earlier run contain all documents, of which this run was a trial.
pub(super) fn has_all(outcome: &Outcome) -> bool {
    !outcome.kept.is_empty() && outcome.kept.iter().all(|results| results.have_all)
}

/// The command that shows the rows of a trial, if the result files are those of an earlier run.
fn rows_of_trial(outcome: &Outcome, output: &Path) -> Option<(String, String)> {
    let results = outcome.kept.iter().find(|results| !results.have_this)?;
    // A directory beside the output directory, which is not taken for results of a job.
    let to = format!("{}-trial", output.display().to_string().trim_end_matches('/'));
    let command = command_in(output, &format!("export --partial --to {}", shell_words::quote(&to)));
    Some((command, format!("writes the rows of this run; {} keeps those of run {}", results.file, results.run)))
}

fn tally(outcome: &Outcome) -> Tally {
    let mut tally = Tally::default();
    outcome.summaries.iter().for_each(|summary| tally += &summary.totals.tally);
    tally
}

/// The command that asks again about documents with a failure code. `None` if that cannot help, or
/// if the command has just done it without success.
fn repeated(command: &str, code: FailureCode) -> Option<String> {
    let retried = |word: &str| word == "--retry-failed" || word == "--retry-failed=all" || word == format!("--retry-failed={code}");
    let was_retried = !code.is_transient() && command.split(' ').any(retried);
    repeat(command, code).filter(|_| !was_retried)
}

/// The command without its selection of documents, or the run that a pilot of `docmill plan` tries.
/// `None` if the command is not known.
pub(super) fn of_all(command: &str) -> Option<String> {
    let all = without_numbers(command, &["--limit", "--sample", "--pilot"]);
    let all = match all.strip_prefix("docmill plan") {
        Some(rest) if command.starts_with("docmill plan ") => {
            let rest = rest.split(' ').filter(|word| !["--yes", "--json"].contains(word));
            format!("docmill run{}", rest.collect::<Vec<_>>().join(" "))
        }
        _ => all,
    };
    Some(all).filter(|command| !command.is_empty())
}

/// The command without these flags, whose values are numbers.
pub(super) fn without_numbers(command: &str, flags: &[&str]) -> String {
    let mut words = command.split(' ').peekable();
    let mut kept = Vec::new();
    while let Some(word) = words.next() {
        if flags.contains(&word) {
            words.next_if(|count| count.parse::<u64>().is_ok());
        } else if !flags.iter().any(|flag| word.strip_prefix(flag).is_some_and(|rest| rest.starts_with('='))) {
            kept.push(word);
        }
    }
    kept.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::RunStop;
    use crate::cli::args::Args;
    use crate::engine::KeptResults;
    use crate::model::{RowStatus, RunFigures, Summary, Totals};
    use clap::Parser as _;

    /// A run with failures of these codes.
    fn done(command: &str, kind: Option<StopKind>, codes: &[FailureCode]) -> Done {
        let mut tally = Tally::default();
        for code in codes {
            tally.add(RowStatus::Failed, Some(*code), 1);
        }
        let summary = Summary {
            run: 1,
            docmill_version: "",
            job: "text".into(),
            started: String::new(),
            ended: String::new(),
            provider: String::new(),
            model: String::new(),
            simulated: true,
            stopped: None,
            totals: Totals { tally, ..Totals::default() },
            whole_run: RunFigures::default(),
        };
        let outcome = Outcome {
            summaries: vec![summary],
            results: Vec::new(),
            kept: Vec::new(),
            stop: kind.map(|kind| RunStop { kind, message: String::new() }),
            unanswered: 0,
            done: 1,
            pending: None,
            in_doubt: 0,
            not_copied: None,
            not_in_database: None,
            outer: None,
        };
        Done { outcome, command: command.to_owned(), output: "an output".into(), accepted: vec![FailureCode::NoText] }
    }

    fn commands(done: &Done) -> Vec<String> {
        let commands: Vec<String> = next(done).into_iter().map(|(command, _)| command).collect();
        for command in &commands {
            let words = shell_words::split(command).expect("a command line");
            assert!(Args::try_parse_from(words).is_ok(), "docmill does not take its own advice: {command}");
        }
        assert!((2..=MOST).contains(&commands.len()), "{commands:?}");
        commands
    }

    #[test]
    fn docmill_takes_every_command_that_it_offers() {
        let command =
            "docmill run 'my docs' --accept-failed no_text,empty -q --retry-failed=refused --limit 3 --in-doubt skip --events=- --add";
        let kinds = [StopKind::OverBudget, StopKind::Refused, StopKind::Parked, StopKind::Requested, StopKind::Deferred, StopKind::Sampled];
        for kind in kinds.into_iter().map(Some).chain([None]) {
            for code in FailureCode::ALL {
                assert!(commands(&done(command, kind, &[*code])).iter().all(|command| !command.starts_with("docmill plan")));
            }
        }
    }

    #[test]
    fn a_failure_is_asked_again_only_if_that_may_help() {
        let first = |command: &str, code| commands(&done(command, None, &[code])).swap_remove(0);
        let (run, report) = ("docmill run docs", "docmill report --output 'an output'");
        assert_eq!(first(run, FailureCode::Refused), "docmill run docs --retry-failed=refused");
        assert_eq!(first(run, FailureCode::TimedOut), run);
        // Accepted, hopeless without a change of the document, or just tried.
        for code in [FailureCode::NoText, FailureCode::Empty, FailureCode::TooManyPixels, FailureCode::PrepareLimit, FailureCode::TooLong] {
            assert_eq!(first(run, code), report);
        }
        for tried in ["--retry-failed", "--retry-failed=all", "--retry-failed=refused"] {
            assert_eq!(first(&format!("{run} {tried}"), FailureCode::Refused), report);
        }
        assert_eq!(first(&format!("{run} --retry-failed=refused"), FailureCode::Filtered), "docmill run docs --retry-failed=filtered");
    }

    #[test]
    fn a_failure_that_cannot_pass_names_the_setting() {
        let codes = [FailureCode::TooManyPixels, FailureCode::NoText, FailureCode::Refused, FailureCode::TimedOut];
        let lines = to_mend(&done("docmill run docs", None, &codes));
        assert_eq!(lines, ["1 too_many_pixels: Raise prepare.image.max_pixels_mp, or scale the picture down."]);
    }

    #[test]
    fn a_trial_shows_its_rows_or_that_nothing_is_left_to_do() {
        let kept = |have_this, have_all| KeptResults { job: "text".into(), file: "o/r".into(), run: 1, rows: 9, have_this, have_all };
        let of = |kept| {
            let mut done = done("docmill run docs --limit 3", Some(StopKind::Sampled), &[]);
            done.outcome.kept = vec![kept];
            commands(&done)
        };
        let export = "docmill export --partial --to 'an output-trial' --output 'an output'";
        assert_eq!(of(kept(false, false))[..2], [export, "docmill run docs"]);
        assert_eq!(of(kept(true, false))[0], "docmill run docs");
        assert_eq!(of(kept(true, true)), ["docmill report --output 'an output'", "docmill verify --output 'an output'"]);
    }

    #[test]
    fn a_part_of_the_documents_is_followed_by_all_of_them() {
        for part in ["--limit 3", "--limit=3", "--sample 3", "--sample=3"] {
            let done = done(&format!("docmill run 'my docs' {part} --output out"), Some(StopKind::Sampled), &[]);
            assert_eq!(commands(&done)[0], "docmill run 'my docs' --output out");
        }
        let pilot = of_all("docmill plan 'my docs' --pilot 30 --yes --output out");
        assert_eq!(pilot.as_deref(), Some("docmill run 'my docs' --output out"));
    }
}
