//! `docmill watch`: a run whose documents arrive while it is active.

use super::args::{InDoubt, WatchArgs};
use super::exit::{CliError, Exit};
use super::run::{all_flags, style};
use super::{prompt, settings};
use crate::setup::{Environment, Flag, Guard, RunOptions, SetupError, assemble};
use crate::watch::Inbox;
use std::sync::Arc;

pub(super) fn watch(mut args: WatchArgs) -> Result<Exit, CliError> {
    if args.what.input.is_empty() {
        return Err(CliError::usage("name what to watch: a directory, s3://BUCKET/PREFIX (gs, az), or - for standard input"));
    }
    // A table among files that arrive is a document.
    args.what.tables.get_or_insert_with(|| "document".to_owned());
    let flags = flags(&args);
    let (config, settings) = settings::load(&args.what.settings, flags.clone())?;
    let options = RunOptions {
        skip_in_doubt: args.in_doubt == InDoubt::Skip,
        live: Some(settings::source(&args.what.settings, flags)),
        guard: Guard::Ask(prompt),
        ..RunOptions::default()
    };
    let style = style(args.progress, args.quiet);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CliError::internal)?;
    let done = runtime.block_on(async {
        let watch = settings.watch.clone();
        let mut assembled = assemble(&Environment::of_process(), &config, settings, options).await?;
        if assembled.plan.beside.is_some() {
            return Err(CliError::usage("docmill watch cannot add to the results of other inputs. Name another directory with --output"));
        }
        let inbox = Inbox::open(assembled.plan.roots.clone(), &watch).map_err(SetupError::usage)?;
        assembled.plan.arrivals = Some(Arc::new(inbox));
        assembled.run(style).await
    });
    // A read that hangs, such as on a lost network disk, must not hold the program up.
    runtime.shutdown_background();
    let outcome = done?;
    match outcome.stop {
        None if outcome.not_copied.is_none() => Ok(Exit::Ok),
        None => Err(CliError { exit: Exit::StoppedEarly, message: outcome.not_copied.unwrap_or_default() }),
        Some(stop) => Err(CliError {
            exit: stop.kind.into(),
            message: format!("{}\nall results so far are kept; run the same command again to continue", stop.message),
        }),
    }
}

fn flags(args: &WatchArgs) -> Vec<Flag> {
    all_flags(&args.as_run())
}
