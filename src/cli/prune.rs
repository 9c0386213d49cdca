//! `docmill prune`.

use super::args::PruneArgs;
use super::exit::{Exit, Stop};
use super::print;
use super::settings::archive;
use crate::store::{Excess, RunLock};
use std::io::{IsTerminal as _, Write as _};

pub(super) fn prune(args: &PruneArgs) -> Result<Exit, Stop> {
    let (settings, archive) = archive(&args.store)?;
    let _lock = RunLock::acquire(&settings.output.dir).map_err(Stop::usage)?;
    let excess = archive.excess().map_err(Stop::internal)?;
    if excess == Excess::default() {
        print("nothing to drop: everything in the store is part of results")?;
        return Ok(Exit::Ok);
    }
    let Excess { documents, answers, paid, rows } = excess;
    print(&format!(
        "to drop: {documents} documents that are in no result any more, with {answers} answers that cost {paid}, and {rows} rows of the past"
    ))?;
    if !args.yes && !agreed()? {
        print("nothing was dropped")?;
        return Ok(Exit::Ok);
    }
    archive.prune().map_err(Stop::internal)?;
    print("dropped")?;
    Ok(Exit::Ok)
}

/// Asks. Where nobody can answer, nothing is dropped.
fn agreed() -> Result<bool, Stop> {
    if !std::io::stdin().is_terminal() {
        return Err(Stop::usage("nobody can be asked here: --yes drops it"));
    }
    let mut stdout = std::io::stdout().lock();
    write!(stdout, "These answers would have to be paid again. Drop them? [y/N] ").and_then(|()| stdout.flush()).map_err(Stop::internal)?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(Stop::internal)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
