//! Tables among the inputs of commands that put several runs together.

use super::args::WhatArgs;
use super::exit::CliError;
use super::prompt;
use crate::read::Roots;
use crate::setup::{Guard, Settings, settle_tables};

/// The arguments of a command that puts several runs together, which would ask each time, with what
/// is answered to the question.
pub(super) fn answered(what: &WhatArgs, settings: &Settings) -> Result<WhatArgs, CliError> {
    // Mistakes in the inputs are reported where the runs are put together.
    let Ok(roots) = Roots::open(&settings.input, Some(Vec::new()), &settings.output.dir) else { return Ok(what.clone()) };
    let (tables, _) = settle_tables(&roots, settings.input.tables, Guard::Ask(prompt))?;
    let answer = Some(tables.as_str().to_owned()).filter(|_| tables != settings.input.tables);
    Ok(WhatArgs { tables: answer.or_else(|| what.tables.clone()), ..what.clone() })
}
