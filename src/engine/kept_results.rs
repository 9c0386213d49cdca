//! Complete results of earlier runs that an incomplete run leaves in place.

use super::meter::Meters;
use super::summary::End;
use super::{Plan, RunError};
use crate::model::{command_in, counted};
use crate::store::Store;
use crate::write::{Published, ResultFiles};

/// Results of a job that the run did not replace, because it stopped early or was a trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptResults {
    /// Name of the job.
    pub job: String,
    /// Path of its first result file.
    pub file: String,
    /// The run that made the results.
    pub run: i64,
    /// Number of their rows.
    pub rows: u64,
    /// Whether the rows of this run are among them.
    pub have_this: bool,
    /// Whether all documents of the input are among them.
    pub have_all: bool,
}

impl KeptResults {
    /// A note that names the results, and how to see the rows of this run.
    pub fn note(&self, plan: &Plan) -> String {
        let Self { job, file, run, rows, .. } = self;
        let export = command_in(&plan.output.dir, "export --partial --to DIR");
        let rows = counted(*rows, "row");
        format!("results of {job} are unchanged: {file} has {rows} of run {run}. `{export}` writes the rows of this run into DIR")
    }
}

/// The results that a run left in place.
pub(super) fn kept_results(end: &End, plan: &Plan, store: &Store, meters: &Meters) -> Result<Vec<KeptResults>, RunError> {
    let mut kept = Vec::new();
    if end.stop.is_none() {
        return Ok(kept);
    }
    for job in plan.jobs.iter() {
        let own = end.results.get(&job.name);
        let is_new = own.is_some_and(|results| !results.files.is_empty());
        let Some(Published { path, run, rows }) = ResultFiles::complete(&plan.output, &job.name).filter(|_| !is_new) else { continue };
        let is_same = store.recipe_of(run)? == Some(plan.recipe) && end.findings.made == 0;
        let have_this = is_same || own.is_none_or(|results| results.totals.tally.rows() == 0);
        let have_all = is_same && meters.documents().is_some_and(|documents| documents <= rows);
        kept.push(KeptResults { job: job.name.clone(), file: path.display().to_string(), run, rows, have_this, have_all });
    }
    Ok(kept)
}
