//! Asks how to read tables, for commands that assemble several runs.

use super::args::WhatArgs;
use super::exit::CliError;
use super::prompt;
use crate::read::Roots;
use crate::setup::{Environment, Guard, Settings, settle_tables};

/// Asks how to read tables once, and returns the arguments with the answer.
///
/// Otherwise a command that assembles several runs would ask for each run.
pub(super) fn answered(what: &WhatArgs, settings: &Settings) -> Result<WhatArgs, CliError> {
    // Errors in the inputs are reported when the runs are assembled.
    let Ok(roots) = Roots::open(&settings.input, &Environment::of_process().of_inputs(), Some(Vec::new()), &settings.output.dir) else {
        return Ok(what.clone());
    };
    let (tables, _) = settle_tables(&roots, settings.input.tables, Guard::Ask(prompt))?;
    let answer = Some(tables.as_str().to_owned()).filter(|_| tables != settings.input.tables);
    Ok(WhatArgs { tables: answer.or_else(|| what.tables.clone()), ..what.clone() })
}
