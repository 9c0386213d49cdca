//! `docmill prune`: drops answers that no result uses.

use super::args::PruneArgs;
use super::exit::{CliError, Exit};
use super::settings::archive;
use super::{agreed, print};
use crate::store::{Excess, Group, RunLock};

pub(super) fn prune(args: &PruneArgs) -> Result<Exit, CliError> {
    let (settings, archive) = archive(&args.store)?;
    let _lock = RunLock::acquire(&settings.output.dir).map_err(|error| CliError::lock(&error))?;
    let Excess { obsolete, elsewhere, rows } = archive.excess(args.all).map_err(CliError::internal)?;
    let group = |Group { documents, answers, paid }: Group| format!("{documents} documents {{}}, with {answers} answers that cost {paid}");
    let nothing = obsolete.documents == 0 && rows == 0 && !(args.all && elsewhere.documents > 0);
    if nothing {
        print("nothing to drop: results or the next run use everything in the store")?;
    } else {
        let what = group(obsolete).replace("{}", "that no result contains any more (edited, renamed or deleted since)");
        print(&format!("to drop: {what}, and {rows} rows of earlier settings or jobs"))?;
    }
    if elsewhere.documents > 0 {
        let what = group(elsewhere).replace("{}", "that were not part of the last run, because it had other inputs");
        let (head, next) = if args.all { ("to drop, too", "") } else { ("kept", "; --all drops them, too") };
        print(&format!("{head}: {what}{next}"))?;
    }
    if nothing {
        return Ok(Exit::Ok);
    }
    let question = "A later run would pay for these answers again. Drop them?";
    if !args.yes && !agreed(question, "stdin is not a terminal; pass --yes to drop them")? {
        print("nothing was dropped")?;
        return Ok(Exit::Ok);
    }
    archive.prune(args.all).map_err(CliError::internal)?;
    print("dropped")?;
    Ok(Exit::Ok)
}
