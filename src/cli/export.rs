//! `docmill export`.

use super::args::{ExportArgs, ExportFormat};
use super::exit::{Exit, Stop};
use super::print;
use super::settings::archive;
use crate::engine::{Results, RunError};
use crate::model::Row;
use crate::store::{Archive, JobColumns, RunLock, View};
use crate::write::{Format, OutputSettings, RowFile};
use std::collections::BTreeSet;
use std::io::{self, BufWriter, Write as _};

pub(super) fn export(args: &ExportArgs) -> Result<Exit, Stop> {
    let (settings, archive) = archive(&args.store)?;
    let mut output = settings.output;
    if !args.format.is_empty() {
        output.formats = args.format.iter().map(|format| Format::from(*format)).collect();
    }
    let jobs = match &args.job {
        Some(job) => BTreeSet::from([job.clone()]),
        None => archive.runs().map_err(Stop::internal)?.into_iter().flat_map(|run| run.jobs).map(|job| job.name).collect(),
    };
    let mut views = Vec::new();
    for job in jobs {
        let view = archive.view(Some(&job), args.partial).map_err(Stop::internal)?;
        let view = view.ok_or_else(|| Stop::usage(format!("no run in {} has the job {job}", archive.path().display())))?;
        views.push((job, view));
    }
    match args.to.as_deref() {
        Some("-") => to_stdout(&archive, &views, &output),
        Some(directory) => {
            output.dir = directory.into();
            to_files(&archive, &views, &output, false)
        }
        None => {
            let _lock = RunLock::acquire(&output.dir).map_err(Stop::usage)?;
            to_files(&archive, &views, &output, true)
        }
    }
}

fn to_files(archive: &Archive, views: &[(String, View)], output: &OutputSettings, own: bool) -> Result<Exit, Stop> {
    for (job, view) in views {
        let columns: Vec<JobColumns> = view.jobs.iter().filter(|j| j.name == *job).cloned().collect();
        let mut results = Results::new(columns, output.clone());
        let rows = archive.rows(view).map_err(Stop::internal)?;
        rows.read_from(0, true, |row| if row.job == job { results.push(row) } else { Ok(()) }).map_err(failed)?;
        let results = results.publish(true).map_err(failed)?;
        let Some(made) = results.get(job) else { continue };
        if own {
            archive.published_by(view.run, &made.files).map_err(Stop::internal)?;
        }
        let partial = if view.complete { "" } else { " (that run did not get to its end)" };
        print(&format!("{job}: {} rows of run {}{partial}", made.totals.tally.rows(), view.run))?;
        for file in &made.files {
            print(&format!("  {}", output.dir.join(&file.path).display()))?;
        }
    }
    Ok(Exit::Ok)
}

fn to_stdout(archive: &Archive, views: &[(String, View)], output: &OutputSettings) -> Result<Exit, Stop> {
    let ([(job, view)], [format]) = (views, output.formats.as_slice()) else {
        return Err(Stop::usage("--to - takes one job and one format: say which with --job and --format"));
    };
    let columns = view.jobs.iter().find(|j| j.name == *job).map_or(&[][..], |job| &job.columns);
    let stdout = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let write = || -> Result<(), RunError> {
        let stream = |e| RunError::Output { directory: "stdout".into(), source: e };
        let mut file = RowFile::begin(*format, stdout, columns, output.csv_bom).map_err(stream)?;
        archive.rows(view)?.read_from(0, true, |row| {
            if row.job != job {
                return Ok(());
            }
            let parsed = Row::read(row.position, row.document, row.text).map_err(|e| RunError::Internal(e.to_string()))?;
            file.push(&parsed, &Row::line(row.position, row.document, row.text)).map_err(stream)
        })?;
        file.finish().and_then(|mut stdout| stdout.flush()).map_err(stream)
    };
    match write() {
        // A reader that went away, such as `head`, has what it wanted.
        Err(RunError::Output { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Ok),
        done => done.map(|()| Exit::Ok).map_err(failed),
    }
}

fn failed(error: RunError) -> Stop {
    Stop::internal(error)
}

impl From<ExportFormat> for Format {
    fn from(format: ExportFormat) -> Self {
        match format {
            ExportFormat::Csv => Self::Csv,
            ExportFormat::Jsonl => Self::Jsonl,
            ExportFormat::Json => Self::Json,
        }
    }
}
