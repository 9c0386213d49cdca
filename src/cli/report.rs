//! `docmill report`: writes an HTML page about a run.

use super::args::ReportArgs;
use super::exit::{CliError, Exit};
use super::print;
use super::settings::archive;
use crate::engine::pictures;
use crate::html_report::{self, FILE_NAME, PageError, Report, Subject, Thumbnails};
use crate::model::command_in;
use crate::prepare::PrepareSettings;
use crate::read::{InputSettings, Roots};
use crate::setup::Environment;
use crate::store::{Archive, RunLock};
use crate::system::beside;
use futures::StreamExt as _;
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
    let roots = local_inputs(&archive, report.run.id, directory)?;
    let thumbnails = roots.map_or(Ok(Thumbnails::default()), |roots| thumbnails(&archive, report.view, &roots, &settings.prepare))?;
    let to = args.to.clone().unwrap_or_else(|| directory.join(FILE_NAME));
    write(&archive, &report, &thumbnails, &to)?;
    print(&format!("{}", to.display()))?;
    Ok(Exit::Ok)
}

/// Makes thumbnails of the images of a run.
fn thumbnails(archive: &Archive, view: (i64, i64), roots: &Roots, settings: &PrepareSettings) -> Result<Thumbnails, CliError> {
    let files = Thumbnails::files(archive, view, roots).map_err(CliError::internal)?;
    let settings = Thumbnails::settings(settings, files.len());
    let mut thumbnails = Thumbnails::default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CliError::internal)?;
    runtime.block_on(pictures(files, settings).for_each(|(index, picture)| {
        thumbnails.add(index, &picture);
        std::future::ready(())
    }));
    Ok(thumbnails)
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

/// The inputs of a run, if all of them exist on this machine.
fn local_inputs(archive: &Archive, run: i64, output: &Path) -> Result<Option<Roots>, CliError> {
    let runs = archive.runs().map_err(CliError::internal)?;
    let Some(run) = runs.iter().find(|other| other.id == run) else { return Ok(None) };
    let Some((input, used)) = super::verify::inputs_of(run) else { return Ok(None) };
    let InputSettings { paths, rows, files_from, .. } = &input;
    let mut given = paths.iter().chain(rows).chain([files_from]);
    let elsewhere = |given: &String| given.contains("://");
    // Thumbnails are not worth requests to a server.
    if paths.is_empty() && files_from.is_empty() || given.any(elsewhere) {
        return Ok(None);
    }
    Ok(Roots::open(&input, &Environment::of_process().of_inputs(), used, output).ok())
}
