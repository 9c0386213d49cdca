//! `docmill run`.

use super::args::{InDoubt, Progress, RunArgs};
use super::exit::{CliError, Exit};
use super::flags::{flags, list};
use super::next::{Done, has_all, next, to_mend};
use super::{prompt, runtime, settings};
use crate::ask::StopKind;
use crate::model::{FailureCode, command_in, counted};
use crate::progress::{Style, say, wrapped_for_stderr};
use crate::setup::{Environment, Guard, RunOptions, assemble};
use crate::store::Retry;
use std::io::IsTerminal as _;

pub(super) fn run(args: &RunArgs) -> Result<Exit, CliError> {
    let (config, settings) = settings::load(&args.what.settings, all_flags(args))?;
    let options = RunOptions {
        selection: args.some.selection(),
        retry: retry(args.retry_failed.as_deref())?,
        skip_in_doubt: args.conduct.in_doubt == InDoubt::Skip,
        live: Some(settings::source(&args.what.settings, all_flags(args))),
        guard: Guard::Ask(prompt),
        ..RunOptions::default()
    };
    let style = style(args.conduct.progress, args.conduct.quiet);
    let output = settings.output.dir.clone();
    let runtime = runtime()?;
    let done = runtime.block_on(async {
        let assembled = assemble(&Environment::of_process(), &config, settings, options).await?;
        let (command, accepted) = (assembled.plan.command.clone(), assembled.plan.accepted.clone());
        assembled.run(style).await.map(|outcome| Done { outcome, command, output, accepted })
    });
    // A read that hangs, such as on a lost network disk, must not hold the program up.
    runtime.shutdown_background();
    let done = done?;
    style.advise(&to_mend(&done), &next(&done));
    let (outcome, status) = (done.outcome, command_in(&done.output, "status"));
    let exit = Exit::of(&outcome);
    if let Some(why) = outcome.not_copied {
        let next = "The local results are complete. Fix the cause and run the same command again: it copies the \
            results and sends nothing else";
        return Err(CliError { exit, message: format!("the run is complete, but the copy failed: {why}. {next}") });
    }
    if let Some(why) = outcome.not_in_database.as_ref().filter(|_| outcome.stop.as_ref().is_none_or(|stop| stop.kind == StopKind::Sampled))
    {
        let next = "The local results are complete. Run the same command again: it writes the missing rows and sends nothing else";
        return Err(CliError { exit, message: format!("the run is complete, but the database has not all rows: {why}. {next}") });
    }
    match outcome.stop.clone() {
        Some(stop) if stop.kind == StopKind::Sampled => {
            if !args.conduct.quiet {
                let next = if has_all(&outcome) {
                    "The results of an earlier run already have all of them"
                } else {
                    "The same command without --limit and --sample runs the others, and pays for these only once"
                };
                say(&wrapped_for_stderr(&format!("{}. {next}", stop.message), 0));
            }
            Ok(exit)
        }
        Some(stop) => {
            let pending = match outcome.pending {
                None => String::new(),
                Some(0) => ", none remain, but some are asked again".to_owned(),
                Some(n) => format!(", {n} remain"),
            };
            let doubt = match outcome.in_doubt {
                0 => String::new(),
                1 => ", 1 call is in doubt".to_owned(),
                n => format!(", {n} calls are in doubt"),
            };
            let next = match stop.kind {
                StopKind::OverBudget => format!("`{status}` shows the command that continues"),
                StopKind::Refused => format!("mend the cause, then run the same command again (`{status}` shows more)"),
                _ => format!("run the same command again to continue (`{status}` shows more)"),
            };
            let done = format!("{} {}", counted(outcome.done, "document"), if outcome.done == 1 { "is" } else { "are" });
            let message = format!("{}\n{done} done and kept{pending}{doubt}; {next}", stop.message);
            Err(CliError { exit, message })
        }
        None => Ok(exit),
    }
}

pub(super) fn retry(asked: Option<&str>) -> Result<Retry, CliError> {
    match asked {
        None => Ok(Retry::Transient),
        Some("all") => Ok(Retry::All),
        Some(code) => FailureCode::named(code, &["all"]).map(Retry::Also).map_err(|why| CliError::usage(format!("--retry-failed: {why}"))),
    }
}

/// Arguments that are settings under another name.
pub(super) fn all_flags(args: &RunArgs) -> Vec<(String, String, String)> {
    let mut flags = flags(&args.what);
    let mut flag = |key: &str, value: String, name: &str| flags.push((key.to_owned(), value, name.to_owned()));
    if !args.conduct.accept_failed.is_empty() {
        let codes: Vec<String> = args.conduct.accept_failed.iter().map(|code| code.trim().to_owned()).collect();
        flag("output.accept_failed", list(&codes), "--accept-failed");
    }
    if args.stream {
        flag("llm.stream", "true".to_owned(), "--stream");
    }
    for (key, value, name) in [
        ("report.events", &args.conduct.events, "--events"),
        ("report.metrics", &args.conduct.metrics, "--metrics"),
        ("report.traces", &args.conduct.traces, "--traces"),
    ] {
        if let Some(value) = value {
            flag(key, toml::Value::String(value.clone()).to_string(), name);
        }
    }
    flags
}

/// How a run is shown.
pub(super) fn style(progress: Progress, quiet: bool) -> Style {
    match progress {
        _ if quiet => Style::Quiet,
        Progress::Bars => Style::Bars,
        Progress::Lines => Style::Lines,
        Progress::Json => Style::Json,
        // A dumb terminal cannot move the cursor.
        Progress::Auto if std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb") => Style::Bars,
        Progress::Auto => Style::Lines,
    }
}
