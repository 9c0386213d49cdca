//! `docmill init`: writes settings and a job file, and tries them on three documents.

mod answers;
mod files;
mod trial;

use super::args::InitArgs;
use super::exit::{CliError, Exit};
use super::print;
use crate::setup::{Environment, FILE, SettingsSource};
use crate::system::make_directory;
use answers::{Answers, JOB};
use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

pub(super) fn init(args: &InitArgs) -> Result<Exit, CliError> {
    let directory = args.directory.as_deref().unwrap_or(Path::new("."));
    let is_free = |name: &str| if directory.join(name).exists() { Err(exists(&directory.join(name))) } else { Ok(()) };
    is_free(FILE)?;
    if args.job.is_none() {
        is_free(JOB)?;
    }
    let answers = Answers::gather(args, directory)?;
    let failed = |error| CliError::usage(format!("{}: cannot use this directory: {error}", directory.display()));
    make_directory(directory).map_err(failed)?;
    std::env::set_current_dir(directory).map_err(failed)?;
    let mut written = Vec::new();
    for (name, text) in files::files(&answers)? {
        // The schemas are docmill's own.
        let may_exist = name.starts_with(files::SCHEMAS);
        write_new(Path::new(name), &text, may_exist)?;
        written.push(name);
    }
    trust_own_file();
    print(&format!("wrote {}", written.join(", ")))?;
    let rows = trial::rows().map_err(|stop| {
        let advice = "The files are written. Correct them, then try again with";
        let command = "docmill run --limit 3 --set llm.provider=simulated --output trial";
        CliError { exit: stop.exit, message: format!("the trial on three documents: {}. {advice} `{command}`", stop.message) }
    })?;
    print(&trial::shown(&rows))?;
    print(&next(&answers, args.directory.as_deref()))?;
    Ok(Exit::Ok)
}

fn exists(file: &Path) -> CliError {
    CliError::usage(format!(
        "{}: the file exists, and docmill init overwrites nothing. Name another directory: docmill init DIR",
        file.display()
    ))
}

/// Writes a file that must not exist, unless it may be replaced.
fn write_new(path: &Path, text: &str, may_exist: bool) -> Result<(), CliError> {
    let write = || {
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            make_directory(parent)?;
        }
        let mut options = File::options();
        let options = if may_exist { options.write(true).create(true).truncate(true) } else { options.write(true).create_new(true) };
        options.open(path)?.write_all(text.as_bytes())
    };
    write().map_err(|error: std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists => exists(path),
        _ => CliError::usage(format!("{}: cannot write the file: {error}", path.display())),
    })
}

/// Records that the user trusts the address that they have just given.
///
/// If that fails, the next run asks.
fn trust_own_file() {
    let environment = Environment::of_process();
    let source = SettingsSource { file: Some(FILE.into()), ..SettingsSource::default() };
    if let Ok(Some(untrusted)) = source.untrusted(&environment) {
        let _asked_later = untrusted.trust(&environment);
    }
}

/// The commands that come next, each with what it does.
fn next(answers: &Answers, directory: Option<&Path>) -> String {
    let mut commands = Vec::new();
    if let Some(directory) = directory {
        commands.push((format!("cd {}", shell_words::quote(&directory.to_string_lossy())), String::new()));
    }
    if let Some(variable) = answers.missing_key() {
        commands.push((format!("export {variable}=..."), "the key of the provider".to_owned()));
    }
    let mut command = |command: &str, what: &str| commands.push((command.to_owned(), what.to_owned()));
    if answers.is_simulated() {
        command("docmill run", "all documents, with invented answers");
        command("docmill help settings", "explains llm.provider, to ask a real model");
    } else {
        command("docmill plan", "predicts calls, cost and time, and sends nothing");
        command("docmill run --limit 3", "asks about three documents");
        command("docmill run", "asks about all; answers are kept and paid once");
    }
    let width = commands.iter().map(|(command, _)| command.chars().count()).max().unwrap_or(0);
    let lines = commands.iter().map(|(command, what)| format!("  {command:width$}  {what}").trim_end().to_owned());
    format!("Next:\n{}", lines.collect::<Vec<_>>().join("\n"))
}
