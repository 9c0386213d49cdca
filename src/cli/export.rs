//! `docmill export`: writes result files from the run store.

mod database;

use super::args::{ExportArgs, ExportFormat};
use super::exit::{CliError, Exit};
use super::settings::archive_with_origins;
use super::start_run::run_failed;
use super::{agreed, print, print_wrapped};
use crate::config::{Config, Origin};
use crate::engine::{Results, RowStream, RunError};
use crate::model::{JobColumns, counted};
use crate::prepare::PrepareSettings;
use crate::read::{real_path, versions};
use crate::setup::{added_to, document_files, records};
use crate::store::{Archive, FILE_NAME, RunLock, RunRecord, View, ViewReader};
use crate::write::{DocumentFiles, FileForm, Format, OutputFile, OutputSettings, ResultFiles};
use std::collections::BTreeSet;
use std::io::{self, IsTerminal as _};
use std::path::Path;

pub(super) fn export(args: &ExportArgs) -> Result<Exit, CliError> {
    let (config, settings, archive) = archive_with_origins(&args.store)?;
    let mut output = settings.output;
    let formats: Vec<Format> = args.format.iter().filter_map(|format| format.of_file()).collect();
    let (of_files, of_database) = (args.format.is_empty() || !formats.is_empty(), args.format.contains(&ExportFormat::Postgres));
    if !formats.is_empty() {
        (output.formats, output.only_formats) = (formats, true);
    }
    let runs = archive.runs().map_err(CliError::internal)?;
    let jobs = match &args.job {
        Some(job) => BTreeSet::from([job.clone()]),
        None => runs.iter().flat_map(|run| &run.jobs).map(|job| job.name.clone()).collect(),
    };
    let mut views = Vec::new();
    for job in jobs {
        let view = archive.view(Some(&job), args.partial).map_err(CliError::internal)?;
        let view = view.ok_or_else(|| CliError::usage(format!("no run in {} has the job {job}", archive.path().display())))?;
        views.push((job, view));
    }
    if of_database && (args.to.is_some() || of_files) {
        return Err(CliError::usage("--format postgres takes no --to and no other format"));
    }
    let source = Source { archive, runs, prepare: settings.prepare, config };
    match args.to.as_deref() {
        _ if of_database => {
            let _lock = RunLock::acquire(&output.dir).map_err(|error| CliError::lock(&error))?;
            database::to_database(&source, &views, args)
        }
        Some("-") => to_stdout(&source, &views, &output),
        Some(directory) => {
            check_outside(directory.as_ref(), &output.dir)?;
            output.dir = directory.into();
            to_files(&source, &views, &output, None)
        }
        None => {
            let _lock = RunLock::acquire(&output.dir).map_err(|error| CliError::lock(&error))?;
            to_files(&source, &views, &output, Some(args.yes))
        }
    }
}

/// The run store from which results are made.
struct Source {
    archive: Archive,
    runs: Vec<RunRecord>,
    /// How pictures are made.
    prepare: PrepareSettings,
    /// Where settings come from.
    config: Config,
}

impl Source {
    /// The rows of a view.
    ///
    /// An incomplete run with `--add` also has the rows of the results that it adds to.
    fn rows(&self, view: &View) -> Result<ViewReader, CliError> {
        let run = |id: i64| self.runs.iter().find(|run| run.id == id);
        let added = run(view.run).filter(|_| !view.complete).and_then(|own| Some((own, run(added_to(own)?)?)));
        let rows = match added {
            Some((own, there)) => {
                let versions = versions(&records(there), &records(own));
                self.archive.rows_beside(view, there.listing.unwrap_or(there.id), &versions)
            }
            None => self.archive.rows(view),
        };
        rows.map_err(CliError::internal)
    }

    /// The files of the documents in a view.
    fn files(&self, view: &View) -> DocumentFiles {
        let inputs = self.runs.iter().find(|run| run.id == view.run).map(records).unwrap_or_default();
        document_files(inputs, &self.prepare)
    }

    /// Asks before an incomplete run replaces the rows of a complete one in a table.
    fn check_table(&self, job: &str, view: &View) -> Result<(), CliError> {
        let whole = self.archive.view(Some(job), false).map_err(CliError::internal)?.filter(|whole| whole.complete && !view.complete);
        let Some(whole) = whole else { return Ok(()) };
        let what = format!("run {} of {job} is incomplete, and its rows would replace those of run {}", view.run, whole.run);
        let otherwise = format!("{what}. Leave --partial out, or replace them with --yes.");
        if agreed(&format!("{what}. Replace them?"), &otherwise)? {
            return Ok(());
        }
        Err(CliError::usage(format!("cancelled; the table of {job} is unchanged")))
    }

    /// Asks before `rows` rows replace a larger number of existing rows.
    fn check(&self, (job, view): (&str, &View), rows: u64, output: &OutputSettings) -> Result<(), CliError> {
        let whole = self.archive.view(Some(job), false).map_err(CliError::internal)?.filter(|whole| whole.complete && !view.complete);
        let Some(whole) = whole.filter(|_| ResultFiles::exist(output, job)) else { return Ok(()) };
        let kept = self.archive.kept(&whole, std::iter::empty(), |_, _, _| false).map_err(CliError::internal)?;
        let there = kept.get(job).map_or(0, |kept| kept.rows);
        let there_are = counted(there, "row");
        let what = format!("the results of {job} have {there_are} of run {}, but the incomplete run {} has {rows}", whole.run, view.run);
        let otherwise = format!("{what}. Write them elsewhere with --to DIR, or replace the results with --yes.");
        if rows >= there || agreed(&format!("{what}. Replace the results?"), &otherwise)? {
            return Ok(());
        }
        Err(CliError::usage(format!("cancelled; the results of {job} are unchanged")))
    }
}

/// Refuses a directory inside the output directory, where each directory belongs to a job.
fn check_outside(to: &Path, output: &Path) -> Result<(), CliError> {
    let is_inside = real_path(output).zip(real_path(to)).is_some_and(|(output, to)| to.starts_with(output));
    let (directory, output) = (to.display(), output.display());
    let advice = "Name a directory outside it. Without --to, the results there are updated.";
    if is_inside {
        return Err(CliError::usage(format!("--to {directory} is in the output directory {output}. {advice}")));
    }
    let there = Path::new(to);
    if there.exists() && !there.is_dir() {
        return Err(CliError::usage(format!("--to {directory} is a file. Name a directory; each job gets one in it")));
    }
    if there.join(FILE_NAME).exists() {
        return Err(CliError::usage(format!("--to {directory} is the output directory of other runs. Name another directory")));
    }
    Ok(())
}

/// Writes result files.
///
/// With `in_place` they replace the results of the run store. Its value says whether they may have
/// fewer rows.
fn to_files(source: &Source, views: &[(String, View)], output: &OutputSettings, in_place: Option<bool>) -> Result<Exit, CliError> {
    let archive = &source.archive;
    for (job, view) in views {
        let columns: Vec<JobColumns> = view.jobs.iter().filter(|j| j.name == *job).cloned().collect();
        let output = OutputSettings { files: source.files(view), ..output.clone() };
        let output = output.with_csv_of(job, |key| source.config.origin(&format!("output.{key}")) != Origin::Default);
        let mut results = Results::new(columns, output.clone());
        let rows = source.rows(view)?;
        rows.read_from(0, true, |row| if row.job == job { results.push(row) } else { Ok(()) }).map_err(failed)?;
        if in_place == Some(false) {
            source.check((job, view), results.totals().map(|totals| totals.tally.rows()).sum(), &output)?;
        }
        let results = results.publish(true).map_err(failed)?;
        let Some(made) = results.get(job) else { continue };
        if in_place.is_some() {
            let published = if output.only_formats { Archive::published_by } else { Archive::all_published_by };
            published(archive, view.run, &made.files).map_err(CliError::internal)?;
        }
        let newest = archive.view(Some(job), true).map_err(CliError::internal)?.filter(|newest| view.complete && newest.run > view.run);
        let partial = match newest {
            _ if !view.complete => " (incomplete run)".to_owned(),
            Some(newest) => format!(" (run {} is newer and incomplete; --partial writes its rows)", newest.run),
            None => String::new(),
        };
        print(&format!("{job}: {} of run {}{partial}", counted(made.totals.tally.rows(), "row"), view.run))?;
        for file in &made.files {
            print(&format!("  {}", output.dir.join(&file.path).display()))?;
        }
        made.notes.iter().try_for_each(|note| print_wrapped(&format!("  note: {note}"), 8))?;
    }
    Ok(Exit::Ok)
}

fn to_stdout(source: &Source, views: &[(String, View)], output: &OutputSettings) -> Result<Exit, CliError> {
    let ([(job, view)], [format]) = (views, output.formats.as_slice()) else {
        return Err(CliError::usage("--to - takes one job and one format. Set --job and --format."));
    };
    if !format.is_text() && io::stdout().is_terminal() {
        return Err(CliError::usage("--to - writes bytes that a terminal cannot show. Send them to a program or a file."));
    }
    let stdout = OutputFile::stream(Box::new(io::stdout()));
    let form = FileForm { csv: output.csv(), files: source.files(view) };
    let stream = RowStream { name: "stdout", file: stdout, format: *format, form };
    match stream.write(&source.rows(view)?, &view.jobs, job) {
        // A reader that closes the pipe, such as `head`, needs no more rows.
        Err(RunError::Output { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Ok),
        done => done.map(|()| Exit::Ok).map_err(failed),
    }
}

fn failed(error: RunError) -> CliError {
    run_failed(error)
}

impl ExportFormat {
    /// The format of a file; `None` for a database.
    fn of_file(self) -> Option<Format> {
        match self {
            Self::Csv => Some(Format::Csv),
            Self::Jsonl => Some(Format::Jsonl),
            Self::Json => Some(Format::Json),
            Self::Parquet => Some(Format::Parquet),
            Self::Arrow => Some(Format::Arrow),
            Self::Xlsx => Some(Format::Xlsx),
            Self::Postgres => None,
        }
    }
}
