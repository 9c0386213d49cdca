//! Commands from another terminal for the active run.

use super::args::{CancelArgs, RequeueArgs, SetArgs, SettingsArgs, StoreArgs};
use super::exit::{CliError, Exit};
use super::print;
use super::settings::{archive_in, load_for_directory};
use crate::control::{Answer, CallError, Request, call};
use crate::model::Nearest;
use crate::progress::plain;
use crate::store::{LockError, RunLock};
use std::path::Path;

pub(super) fn pause(args: &StoreArgs) -> Result<Exit, CliError> {
    ask(args, Request::Pause)
}

pub(super) fn resume(args: &StoreArgs) -> Result<Exit, CliError> {
    ask(args, Request::Resume)
}

pub(super) fn reload(args: &StoreArgs) -> Result<Exit, CliError> {
    ask(args, Request::Reload)
}

pub(super) fn set(args: &SetArgs) -> Result<Exit, CliError> {
    let settings = SettingsArgs { config: args.config.clone(), set: Vec::new() };
    let store = StoreArgs { output: args.output.clone(), settings };
    let parse = |setting: &String| {
        let (key, value) = setting.split_once('=')?;
        Some((key.trim().to_owned(), value.trim().to_owned()))
    };
    let wrong = |setting: &String| CliError::usage(format!("{setting}: expected KEY=VALUE, such as llm.concurrency=64"));
    let settings = args.settings.iter().map(|setting| parse(setting).ok_or_else(|| wrong(setting))).collect::<Result<Vec<_>, _>>()?;
    ask(&store, Request::Set { settings })
}

pub(super) fn cancel(args: &CancelArgs) -> Result<Exit, CliError> {
    let requests: Vec<Request> = args.documents.iter().map(|document| Request::Cancel { document: document.clone() }).collect();
    ask_all(&args.store, &requests)
}

pub(super) fn requeue(args: &RequeueArgs) -> Result<Exit, CliError> {
    let (settings, archive) = archive_in(&args.store)?;
    let directory = &settings.output.dir;
    let lock = match RunLock::acquire(directory) {
        Err(LockError::Held { .. } | LockError::Removed { .. }) => {
            let request = |document: &String| Request::Requeue { document: document.clone(), all: args.all };
            return args.documents.iter().map(request).try_for_each(|request| tell(directory, &request)).map(|()| Exit::Ok);
        }
        lock => lock.map_err(|error| CliError::lock(&error))?,
    };
    let runs = archive.runs().map_err(CliError::internal)?;
    let (recipe, listing) = runs.last().map_or((0, None), |run| (run.recipe, run.listing.or(Some(run.id))));
    drop(archive);
    for document in &args.documents {
        // `requeue` opens the store for writing and closes this reader.
        let (_, archive) = archive_in(&args.store)?;
        let Some(row) = archive.row_of(document, recipe).map_err(CliError::internal)? else {
            let mut nearest = Nearest::new(document);
            let (ending, mut rows) = (format!("#{document}"), Vec::new());
            let mut see = |known: &str| {
                nearest.see(known);
                // Two rows show that the id is ambiguous.
                if rows.len() < 2 && known.ends_with(&ending) {
                    rows.push(known.to_owned());
                }
            };
            listing.map_or(Ok(()), |listing| archive.documents(listing, |known| see(known))).map_err(CliError::internal)?;
            let hint = if let [row] = &rows[..] { format!("; did you mean {row}?") } else { nearest.hint() };
            return Err(CliError::usage(format!("{document}: the results have no such document{hint}")));
        };
        if !args.all && row.codes.is_none() {
            return Err(CliError::usage(format!("{document} is {}: no call has failed. Repeat all calls with --all.", row.status)));
        }
        archive.requeue(document, args.all).map_err(CliError::internal)?;
        print(&format!("{}: the next run asks again", plain(document)))?;
    }
    drop(lock);
    Ok(Exit::Ok)
}

fn ask(args: &StoreArgs, request: Request) -> Result<Exit, CliError> {
    ask_all(args, &[request])
}

fn ask_all(args: &StoreArgs, requests: &[Request]) -> Result<Exit, CliError> {
    let settings = load_for_directory(args)?;
    requests.iter().try_for_each(|request| tell(&settings.output.dir, request)).map(|()| Exit::Ok)
}

fn tell(directory: &Path, request: &Request) -> Result<(), CliError> {
    at_work(directory)?;
    match call(directory, request).map_err(|error| out_of_reach(directory, &error))? {
        Answer::Done(message) => print(&plain(&message)),
        Answer::Refused(why) => Err(CliError::usage(why)),
    }
}

/// Returns an error if no run is active in `directory`.
pub(super) fn at_work(directory: &Path) -> Result<(), CliError> {
    let idle = || CliError::usage(format!("no run is active in {}. Name another directory with --output.", directory.display()));
    let unreadable = |error| {
        let shown = directory.display();
        CliError::usage(format!("cannot check for an active run in {shown}: {error}. Only the user who started the run can control it."))
    };
    RunLock::look(directory).map_err(unreadable)?.map(|_| ()).ok_or_else(idle)
}

/// The error for an active run that cannot be reached.
pub(super) fn out_of_reach(directory: &Path, error: &CallError) -> CliError {
    let shown = directory.display();
    if matches!(error, CallError::NotOurs { .. }) {
        return CliError::usage(format!("cannot reach the active run in {shown}: {error}"));
    }
    CliError::usage(format!(
        "cannot reach the active run in {shown}: {error}. The process may be starting or ending, may be another \
            command, or may use another machine. Try again in a moment"
    ))
}
