//! `docmill export --format postgres`: writes missing rows to the database of the settings.

use super::super::args::ExportArgs;
use super::super::exit::{CliError, Exit};
use super::super::print;
use super::super::settings::{load, output_flag};
use super::Source;
use crate::engine::{RunError, fill_database};
use crate::model::{JobColumns, counted};
use crate::setup::{Environment, database};
use crate::store::View;

/// Makes the table of each view equal to its rows.
pub(super) fn to_database(source: &Source, views: &[(String, View)], args: &ExportArgs) -> Result<Exit, CliError> {
    // Only trusted settings may name a database.
    let (config, settings) = load(&args.store.settings, output_flag(args.store.output.as_deref()))?;
    let jobs: Vec<&str> = views.iter().map(|(job, _)| job.as_str()).collect();
    let Some(address) = database(&Environment::of_process(), &config, &settings, &jobs)? else {
        return Err(CliError::usage("--format postgres needs output.postgres, such as --set output.postgres=env:DATABASE_URL"));
    };
    let identity = source.archive.identity().map_err(CliError::internal)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(CliError::internal)?;
    for (job, view) in views {
        if !args.yes {
            source.check_table(job, view)?;
        }
        let columns = JobColumns::of(&view.jobs, job);
        let filled = runtime.block_on(fill_database(address.clone(), columns, identity.clone(), source.rows(view)?, view.run));
        let filled = filled.map_err(|error| match error {
            RunError::Database(error) if !error.is_permanent => CliError { exit: Exit::StoppedEarly, message: error.to_string() },
            RunError::Database(error) => CliError::usage(error),
            other => CliError::internal(other),
        })?;
        let partial = if view.complete { "" } else { " (incomplete run)" };
        let missing =
            if filled.missing == 0 { "all there before".to_owned() } else { format!("{} written", counted(filled.missing, "row")) };
        print(&format!("{job}: {} of run {}{partial} in {address}, {missing}", counted(filled.rows, "row"), view.run))?;
    }
    Ok(Exit::Ok)
}
