//! `docmill jobs`.

use super::args::{JobsArgs, JobsCommand};
use super::exit::{CliError, Exit};
use super::{print, print_wrapped};
use crate::job::{BUILTIN, Job, builtin};
use crate::model::{counted, did_you_mean};
use std::io::ErrorKind;
use std::path::Path;

pub(super) fn jobs(args: &JobsArgs) -> Result<Exit, CliError> {
    match &args.command {
        JobsCommand::List => {
            for (name, text) in BUILTIN {
                let job = Job::load(name, text, &toml::Table::new(), None).map_err(CliError::internal)?;
                let calls = job.calls_per_document();
                let line = format!("{name:20} {} ({} each)", job.description, counted(calls as u64, "call"));
                print_wrapped(&line, 21)?;
            }
        }
        JobsCommand::Check { jobs } => {
            let faults: Vec<String> = jobs.iter().filter_map(|job| check(job).err()).map(|error| error.message).collect();
            if !faults.is_empty() {
                return Err(CliError::usage(faults.join("\n")));
            }
        }
        JobsCommand::Show { name } => match builtin(name) {
            Some(text) => print(text.trim_end())?,
            None => {
                let known: Vec<&str> = BUILTIN.iter().map(|(name, _)| *name).collect();
                return Err(CliError::usage(format!(
                    "unknown built-in job \"{name}\"; expected one of {}{}",
                    known.join(", "),
                    did_you_mean(name, known.iter().copied())
                )));
            }
        },
    }
    Ok(Exit::Ok)
}

/// Checks a job, and prints what it asks for.
fn check(name: &str) -> Result<(), CliError> {
    let file = || {
        crate::read::text_file(Path::new(name)).map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                let near = did_you_mean(name, BUILTIN.iter().map(|(name, _)| *name));
                CliError::usage(format!("{name}: neither a job file nor a built-in job: {error}{near}"))
            }
            ErrorKind::InvalidData => CliError::usage(format!("{name}: no job file: {error}")),
            _ => CliError::usage(format!("{name}: {error}")),
        })
    };
    let text = builtin(name).map_or_else(file, |text| Ok(text.to_owned()))?;
    let job = Job::load(name, &text, &toml::Table::new(), None).map_err(CliError::usage)?;
    let columns: Vec<&str> = job.csv_columns().iter().map(|column| column.name.as_str()).collect();
    let calls = counted(job.calls_per_document() as u64, "call");
    print_wrapped(&format!("{name}: ok: job {}, {calls} for each document, columns {}", job.name, columns.join(", ")), 2)?;
    if builtin(name).is_none() && builtin(&job.name).is_some() {
        let own = &job.name;
        print_wrapped(
            &format!(
                "  note: a built-in job is also called {own}. Both write to {own}/ in the output directory. To keep their results apart, change name"
            ),
            2,
        )?;
    }
    Ok(())
}
