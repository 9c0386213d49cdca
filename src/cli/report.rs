//! `docmill report`: writes an HTML page about a run.

use super::args::ReportArgs;
use super::exit::{CliError, Exit};
use super::print;
use super::runtime;
use super::settings::archive;
use crate::html_report::{self, FILE_NAME, PageError, Report, Subject, Thumbnails};
use crate::model::command_in;
use crate::prepare::PrepareSettings;
use crate::setup::{Environment, local_inputs, thumbnails};
use crate::store::{Archive, RunLock};
use crate::system::beside;
use serde_json::Value;
use std::io::{BufWriter, Write as _};
use std::path::Path;

pub(super) fn report(args: &ReportArgs) -> Result<Exit, CliError> {
    let (settings, archive) = archive(&args.store)?;
    let directory = &settings.output.dir;
    let comparison = comparison(directory)?;
    let subject = Subject {
        directory: directory.display().to_string(),
        run: args.run,
        at_work: RunLock::holder(directory).is_some(),
        comparison: comparison.as_ref(),
    };
    let report = Report::gather(&archive, &subject).map_err(CliError::internal)?.ok_or_else(|| {
        let store = archive.path().display();
        CliError::usage(args.run.map_or_else(
            || format!("{store} contains no run yet. Start one with `{}`", command_in(directory, "run")),
            |run| format!("{store} contains no run {run}. List all runs with `{}`", command_in(directory, "runs")),
        ))
    })?;
    if args.json {
        print(&serde_json::to_string_pretty(&report).map_err(CliError::internal)?)?;
        return Ok(Exit::Ok);
    }
    let thumbnails = made(&archive, &report, directory, &settings.prepare)?;
    let to = args.to.clone().unwrap_or_else(|| directory.join(FILE_NAME));
    write(&archive, &report, &thumbnails, &to)?;
    print(&format!("{}", to.display()))?;
    Ok(Exit::Ok)
}

/// Makes thumbnails of the images of a run.
fn made(archive: &Archive, report: &Report, directory: &Path, settings: &PrepareSettings) -> Result<Thumbnails, CliError> {
    let runs = archive.runs().map_err(CliError::internal)?;
    let run = runs.iter().find(|run| run.id == report.run.id);
    let roots = run.and_then(|run| local_inputs(run, &Environment::of_process(), directory));
    let Some(roots) = roots else { return Ok(Thumbnails::default()) };
    let runtime = runtime()?;
    runtime.block_on(thumbnails(archive, report.view, &roots, settings)).map_err(CliError::internal)
}

/// Writes the page atomically.
fn write(archive: &Archive, report: &Report, thumbnails: &Thumbnails, to: &Path) -> Result<(), CliError> {
    let failed = |error: PageError| match error {
        PageError::Io(error) => CliError::usage(format!("report {}: {error}. Name another file with --to.", to.display())),
        other => CliError::internal(format!("report {}: {other}", to.display())),
    };
    let write = || -> Result<(), PageError> {
        let mut file = BufWriter::with_capacity(1 << 16, beside(to, ".docmill-report-")?);
        html_report::write(archive, report, thumbnails, &mut file)?;
        file.flush()?;
        let file = file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        file.persist(to).map_err(|e| e.error)?;
        Ok(())
    };
    write().map_err(failed)
}

/// The results of `docmill compare`, if there are any.
fn comparison(directory: &Path) -> Result<Option<Value>, CliError> {
    let path = directory.join("compare").join("compare.json");
    match std::fs::read(&path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(CliError::usage(format!("{}: {error}", path.display()))),
    }
}
