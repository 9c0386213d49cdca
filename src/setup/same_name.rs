//! Notes on results that another job of the same name has made.

use super::history::{job_digest, kept};
use crate::engine::JobSet;
use crate::job::{Job, builtin};
use crate::model::counted;
use crate::store::Archive;
use crate::write::{OutputSettings, ResultFiles};

/// What a run over these jobs would replace: results of another job of the same name, whose columns
/// differ or which is built in.
///
/// `is_file` tells that the job comes from a file. An unreadable store has no notes, because the run
/// itself reports it.
pub(super) fn notes(output: &OutputSettings, jobs: &JobSet, keep_columns: &[String], is_file: bool) -> Vec<String> {
    let Ok(Some(archive)) = Archive::open(&output.dir) else { return Vec::new() };
    jobs.iter().filter_map(|job| note(&archive, output, job, keep_columns, is_file)).collect()
}

fn note(archive: &Archive, output: &OutputSettings, job: &Job, keep_columns: &[String], is_file: bool) -> Option<String> {
    let name = &job.name;
    let view = archive.view(Some(name), false).ok()?.filter(|view| view.complete && ResultFiles::exist(output, name))?;
    let run = archive.runs().ok()?.into_iter().find(|run| run.id == view.run)?;
    let before = job_digest(&kept(&run.settings), name)?;
    if job.digest().to_string().starts_with(&before) {
        return None;
    }
    let now = |column: &str| keep_columns.iter().any(|kept| kept == column) || job.csv_columns().iter().any(|own| own.name == column);
    let columns = view.jobs.iter().filter(|other| other.name == *name).flat_map(|other| &other.columns);
    let lost: Vec<&str> = columns.map(|column| column.name.as_str()).filter(|column| !now(column)).collect();
    if lost.is_empty() && !(is_file && builtin(name).is_some()) {
        return None;
    }
    let columns = if lost.is_empty() { String::new() } else { format!(" and drops {}", shown(&lost)) };
    let file = output.dir.join(name).display().to_string();
    Some(format!(
        "another job called {name} made the results in {file} (run {}). This run replaces them{columns}. To keep them, give \
            the job another name, or choose another --output",
        view.run
    ))
}

/// The number of columns, and the first of them.
fn shown(columns: &[&str]) -> String {
    const NAMED: usize = 4;
    let more = if columns.len() > NAMED { ", ..." } else { "" };
    let first = columns.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    format!("{} ({first}{more})", counted(columns.len() as u64, "column"))
}
