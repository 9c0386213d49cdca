//! Commands of shared runs: manifest, plan of shards, shards, merge, status.

mod keeper;
mod merge;
mod part;
mod plan;
mod run;
mod status;

pub(super) use merge::merge;
pub(super) use plan::{manifest, plan};
pub(super) use run::run;
pub(super) use status::status;

use super::exit::CliError;
use crate::setup::Environment;
use crate::shards::{Manifest, ShardPlan, SharedRun, unseal};
use crate::store::{RunLock, absorb};
use std::fmt::Display;
use std::path::Path;

/// Shards that are looked at concurrently.
const LOOKS: usize = 32;

/// Opens the storage of a run.
fn open(place: &str, environment: &Environment) -> Result<SharedRun, CliError> {
    let variables: Vec<(String, String)> = environment.variables.clone().into_iter().collect();
    SharedRun::open(place, &variables).map_err(|error| CliError::usage(format!("--run {error}")))
}

/// The manifest and the plan of a shared run.
async fn planned(shared: &SharedRun) -> Result<(Manifest, ShardPlan), CliError> {
    let nothing = |what: &str, command: &str| {
        CliError::usage(format!(
            "{shared} has no {what}. Make it with `docmill {command} INPUT --run {shared}`, with the job and settings of the run"
        ))
    };
    let manifest = Manifest::read(shared).await.map_err(failed)?.ok_or_else(|| nothing("manifest", "manifest"))?;
    let plan = ShardPlan::read(shared).await.map_err(failed)?.ok_or_else(|| nothing("plan of shards", "shards plan"))?;
    if plan.manifest != manifest.digest {
        return Err(CliError::usage(format!("{shared}: the plan belongs to another manifest. Plan in another place")));
    }
    shared.planned();
    Ok((manifest, plan))
}

/// Takes the answers of a segment over into the store in `own`. Returns their number; `None` if the
/// segment is damaged.
async fn take_segment(shared: &SharedRun, key: &str, own: &Path, lock: &RunLock) -> Result<Option<u64>, CliError> {
    let segment = own.join("segment-of-other.db");
    shared.download(key, &segment).await.map_err(failed)?;
    let taken = tokio::task::block_in_place(|| {
        if !unseal(&segment).map_err(CliError::internal)? {
            return Ok(None);
        }
        absorb(own, &segment, lock).map(Some).map_err(CliError::internal)
    });
    std::fs::remove_file(&segment).map_err(CliError::internal)?;
    taken
}

/// The storage failed. Another attempt may succeed.
fn failed(error: impl Display) -> CliError {
    CliError::internal(error)
}
