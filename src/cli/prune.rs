//! `docmill prune`.

use super::args::PruneArgs;
use super::exit::{Exit, Stop};
use super::settings::archive;
use super::{agreed, print};
use crate::store::{Excess, RunLock};

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
    let question = "These answers would have to be paid again. Drop them?";
    if !args.yes && !agreed(question, "nobody can be asked here: --yes drops it")? {
        print("nothing was dropped")?;
        return Ok(Exit::Ok);
    }
    archive.prune().map_err(Stop::internal)?;
    print("dropped")?;
    Ok(Exit::Ok)
}
