//! `docmill jobs`.

use super::args::{JobsArgs, JobsCommand};
use super::exit::{CliError, Exit};
use super::print;
use crate::job::{BUILTIN, Job, builtin};

pub(super) fn jobs(args: &JobsArgs) -> Result<Exit, CliError> {
    match &args.command {
        JobsCommand::List => {
            for (name, text) in BUILTIN {
                let job = Job::load(name, text, &toml::Table::new(), None).map_err(CliError::internal)?;
                let calls = job.calls_per_document();
                print(&format!("{name:20} {} ({calls} call{} each)", job.description, if calls == 1 { "" } else { "s" }))?;
            }
        }
        JobsCommand::Show { name } => match builtin(name) {
            Some(text) => print(text.trim_end())?,
            None => {
                let known: Vec<&str> = BUILTIN.iter().map(|(name, _)| *name).collect();
                return Err(CliError::usage(format!("unknown built-in job \"{name}\"; expected one of {}", known.join(", "))));
            }
        },
    }
    Ok(Exit::Ok)
}
