//! Commands from another terminal for the active run.

use super::args::{CancelArgs, RequeueArgs, SetArgs, SettingsArgs, StoreArgs};
use super::exit::{CliError, Exit};
use super::print;
use super::settings::{archive_in, load_for_directory};
use crate::control::{Answer, CallError, Request, call};
use crate::html_report::is_of_server;
use crate::model::Nearest;
use crate::progress::plain;
use crate::store::{Archive, LockError, RunLock};
use crate::write::unguarded;
use std::path::Path;

pub(super) fn pause(args: &StoreArgs) -> Result<Exit, CliError> {
    ask(args, &Request::Pause)
}

pub(super) fn resume(args: &StoreArgs) -> Result<Exit, CliError> {
    ask(args, &Request::Resume)
}

pub(super) fn reload(args: &StoreArgs) -> Result<Exit, CliError> {
    ask(args, &Request::Reload)
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
    ask(&store, &Request::Set { settings })
}

pub(super) fn cancel(args: &CancelArgs) -> Result<Exit, CliError> {
    let directory = load_for_directory(&args.store)?.output.dir;
    at_work(&directory)?;
    let archive = Archive::open(&directory).map_err(CliError::usage)?;
    let cancel = |document: &String| tell(&directory, &Request::Cancel { document: meant(archive.as_ref(), document)? });
    args.documents.iter().try_for_each(cancel).map(|()| Exit::Ok)
}

pub(super) fn requeue(args: &RequeueArgs) -> Result<Exit, CliError> {
    let (settings, archive) = archive_in(&args.store)?;
    let directory = &settings.output.dir;
    let lock = match RunLock::acquire(directory) {
        Err(LockError::Held { .. } | LockError::Removed { .. }) => {
            let requeue =
                |document: &String| tell(directory, &Request::Requeue { document: meant(Some(&archive), document)?, all: args.all });
            return args.documents.iter().try_for_each(requeue).map(|()| Exit::Ok);
        }
        lock => lock.map_err(|error| CliError::lock(&error))?,
    };
    let runs = archive.runs().map_err(CliError::internal)?;
    let (recipe, listing) = runs.last().map_or((0, None), |run| (run.recipe, run.listing.or(Some(run.id))));
    drop(archive);
    for document in &args.documents {
        // `requeue` opens the store for writing and closes this reader.
        let (_, archive) = archive_in(&args.store)?;
        let document = &meant(Some(&archive), document)?;
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
        archive.requeue(std::slice::from_ref(document), args.all).map_err(CliError::internal)?;
        print(&format!("{}: the next run asks again", plain(document)))?;
    }
    drop(lock);
    Ok(Exit::Ok)
}

fn ask(args: &StoreArgs, request: &Request) -> Result<Exit, CliError> {
    let settings = load_for_directory(args)?;
    tell(&settings.output.dir, request).map(|()| Exit::Ok)
}

/// The name of a document that a user has copied from a CSV file, which guards some names with `'`.
fn meant(archive: Option<&Archive>, document: &str) -> Result<String, CliError> {
    let has = |name: &str| archive.map_or(Ok(false), |archive| archive.has_document(name)).map_err(CliError::internal);
    match unguarded(document) {
        Some(bare) if !has(document)? => Ok(bare.to_owned()),
        _ => Ok(document.to_owned()),
    }
}

fn tell(directory: &Path, request: &Request) -> Result<(), CliError> {
    at_work(directory)?;
    match call(directory, request).map_err(|error| out_of_reach(directory, &error))? {
        Answer::Done(message) => print(&plain(&message)),
        Answer::Refused(why) => Err(CliError::usage(why)),
    }
}

/// The id of the run in `directory`, if it belongs to a server.
fn run_of_server(directory: &Path) -> Option<String> {
    let runs = Archive::open(directory).ok()??.runs().ok()?;
    runs.last().filter(|run| is_of_server(&run.command))?;
    Some(directory.file_name()?.to_string_lossy().into_owned())
}

/// Returns an error if no run is active in `directory`.
pub(super) fn at_work(directory: &Path) -> Result<(), CliError> {
    let idle = || {
        let next = match run_of_server(directory) {
            Some(id) => format!("The run belongs to a server: POST /api/runs/{id}/resume, or Resume on its page, goes on with it."),
            None => "Name another directory with --output.".to_owned(),
        };
        CliError::usage(format!("no run is active in {}. {next}", directory.display()))
    };
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
