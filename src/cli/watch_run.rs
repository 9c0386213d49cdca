//! `docmill watch`: a run whose documents arrive while it is active.

use super::args::{InDoubt, WatchArgs};
use super::exit::{CliError, Exit};
use super::run::{all_flags, style};
use super::{prompt, runtime, settings, stdout_is_closed};
use crate::ask::StopKind;
use crate::config::{Config, Origin};
use crate::engine::{Arrivals, Deliver, Outcome};
use crate::progress::Style;
use crate::read::Tables;
use crate::setup::{Assembled, Environment, Flag, Guard, RunOptions, Settings, SetupError, assemble};
use crate::watch::{Emission, EmitError, Emitter, Inbox, LineSource, OnResult};
use crate::write::Format;
use std::io;
use std::sync::Arc;

/// The name of standard input.
const STDIN: &str = "-";

pub(super) fn watch(args: &WatchArgs) -> Result<Exit, CliError> {
    let (config, settings, flags) = load(args)?;
    let inputs = &settings.input.paths;
    let is_named = !args.what.input.is_empty() || config.origin("input.paths") != Origin::Default;
    if !is_named || inputs.is_empty() || !settings.input.rows.is_empty() || !settings.input.files_from.is_empty() {
        return Err(CliError::usage(
            "name what to watch: a directory, s3://BUCKET/PREFIX (gs, az), or - for standard input. --rows and --files-from are for docmill run",
        ));
    }
    let is_stream = *inputs == [STDIN];
    if !is_stream && settings.input.tables == Tables::Rows {
        return Err(CliError::usage(
            "docmill watch takes a table that arrives as one document (--tables, input.tables). To ask about each row, send the rows as \
             lines of JSON to `docmill watch -`, or run `docmill run DIR --tables rows` again",
        ));
    }
    if !is_stream && inputs.iter().any(|input| input == STDIN) {
        return Err(CliError::usage(
            "- (standard input) stands alone. Watch the directories with a second docmill watch, and another --output",
        ));
    }
    if args.unordered && !is_stream {
        return Err(CliError::usage("--unordered is for standard input (docmill watch -). Rows of files are in results sorted by name"));
    }
    if is_stream && settings.report.events == STDIN {
        return Err(CliError::usage("stdout is for rows, so events need a file: --events FILE"));
    }
    let options = RunOptions {
        skip_in_doubt: args.conduct.in_doubt == InDoubt::Skip,
        live: Some(settings::source(&args.what.settings, flags)),
        guard: if is_stream { Guard::Stream } else { Guard::Ask(prompt) },
        is_stream,
        ..RunOptions::default()
    };
    let style = style(args.conduct.progress, args.conduct.quiet);
    let runtime = runtime()?;
    let done = runtime.block_on(async {
        let watch = settings.watch.clone();
        let mut assembled = assemble(&Environment::of_process(), &config, settings, options).await?;
        if assembled.plan.beside.is_some() {
            return Err(CliError::usage("docmill watch cannot add to the results of other inputs. Name another directory with --output"));
        }
        let on_result = OnResult::of(&watch, assembled.secrets.clone());
        assembled.plan.deliver = on_result.map(|command| Arc::new(command) as Arc<dyn Deliver>);
        if is_stream {
            return Box::pin(stream(assembled, style, !args.unordered)).await;
        }
        assembled.plan.journal = assembled.plan.output.formats.contains(&Format::Jsonl);
        let inbox = Inbox::open(assembled.plan.roots.clone(), &watch).map_err(SetupError::usage)?;
        assembled.plan.arrivals = Some(Arc::new(inbox));
        ended(assembled.run(style).await?)
    });
    // A read that hangs, such as on a lost network disk, must not hold the program up.
    runtime.shutdown_background();
    done
}

/// Loads settings. Equal calls are shared, so each distinct content is paid once, unless the user
/// decides otherwise.
fn load(args: &WatchArgs) -> Result<(Config, Settings, Vec<Flag>), CliError> {
    // A table among files that arrive is a document.
    const OWN: [(&str, &str); 2] = [("llm.share_identical_calls", "true"), ("input.tables", "\"document\"")];
    let mut flags = all_flags(&args.as_run());
    let (config, found) = settings::load(&args.what.settings, flags.clone())?;
    let own = OWN.into_iter().filter(|(key, _)| config.origin(key) == Origin::Default);
    flags.extend(own.map(|(key, value)| (key.to_owned(), value.to_owned(), "docmill watch".to_owned())));
    let prefixes: Vec<String> = found.input.paths.iter().map(|input| as_prefix(input)).collect();
    if prefixes != found.input.paths {
        flags.push(("input.paths".to_owned(), toml::Value::from(prefixes).to_string(), "docmill watch".to_owned()));
    }
    let (config, settings) = settings::load(&args.what.settings, flags.clone())?;
    Ok((config, settings, flags))
}

/// An input as a prefix, if it is in object storage: its first object may arrive later.
fn as_prefix(input: &str) -> String {
    let is_store = ["s3://", "gs://", "az://"].iter().any(|scheme| input.starts_with(scheme));
    if is_store && !input.ends_with('/') { format!("{input}/") } else { input.to_owned() }
}

/// Runs over standard input. Rows go to stdout.
async fn stream(mut assembled: Assembled, style: Style, ordered: bool) -> Result<Exit, CliError> {
    let stop = assembled.stop.clone();
    let plan = &mut assembled.plan;
    let lines = plan.roots.lines().ok_or_else(|| CliError::internal("standard input is not the input"))?;
    let emitter = Arc::new(Emitter::default());
    let out = Box::new(io::BufWriter::new(io::stdout()));
    let emission = Emission { directory: plan.output.dir.clone(), recipe: plan.recipe, ordered, out, is_gone: stdout_is_closed, stop };
    let writing = emitter.start(emission).map_err(CliError::internal)?;
    let source = Arc::new(LineSource::start(lines, Arc::clone(&emitter)).map_err(CliError::internal)?);
    plan.arrivals = Some(Arc::clone(&source) as Arc<dyn Arrivals>);
    let accepted = plan.accepted.clone();
    let outcome = assembled.run(style).await;
    emitter.end();
    let written = tokio::task::spawn_blocking(move || writing.join()).await.map_err(CliError::internal)?;
    let exit = ended(outcome?)?;
    match written.map_err(|_| CliError::internal("the thread that writes to stdout panicked"))? {
        Ok(()) if source.has_ended() && source.failed_beyond(&accepted) > 0 => Ok(Exit::FailedRows),
        Ok(()) => Ok(exit),
        Err(EmitError::Stream(error)) => {
            let message = format!("stdout: cannot write rows: {error}. The rows so far are in the run store; send the other lines again");
            Err(CliError { exit: Exit::StoppedEarly, message })
        }
        Err(error) => Err(CliError::internal(error)),
    }
}

fn ended(outcome: Outcome) -> Result<Exit, CliError> {
    match (outcome.stop, outcome.not_copied.or(outcome.not_in_database)) {
        (None, None) => Ok(Exit::Ok),
        (None, Some(why)) => Err(CliError { exit: Exit::StoppedEarly, message: why }),
        (Some(stop), _) => {
            // At a cap, the reason says what to do.
            let next = if stop.kind == StopKind::OverBudget { "" } else { "; run the same command again to continue" };
            Err(CliError { exit: stop.kind.into(), message: format!("{}\nall results so far are kept{next}", stop.message) })
        }
    }
}
