//! `docmill manifest` and `docmill shards plan`.

use super::super::args::{ManifestArgs, ShardsPlanArgs};
use super::super::exit::{CliError, Exit};
use super::super::flags::flags;
use super::super::next::without_numbers;
use super::super::{print, print_wrapped, runtime, settings};
use super::{failed, open};
use crate::model::counted;
use crate::read::Roots;
use crate::setup::{Environment, RunOptions, Server, assemble};
use crate::shards::{Listed, Manifest, ManifestWriter, ShardPlan, SharedRun};

/// Documents of a shard, if the user does not name the number of shards.
const USUAL: u64 = 500;
/// Documents that may wait for the storage.
const WAITING: usize = 1024;

/// Lists the input once, and freezes the list.
pub(in crate::cli) fn manifest(args: &ManifestArgs) -> Result<Exit, CliError> {
    let environment = Environment::of_process();
    let shared = open(&args.run, &environment)?;
    let (config, settings) = settings::load(&args.what.settings, flags(&args.what))?;
    let runtime = runtime()?;
    runtime.block_on(async {
        shared.check().await.map_err(failed)?;
        let options = RunOptions { server: Server::Offline, ..RunOptions::default() };
        let plan = assemble(&environment, &config, settings, options).await?.plan;
        let next = plan.command.replacen("docmill manifest", "docmill shards plan", 1);
        let manifest = list(&shared, plan.roots).await?;
        print(&format!("manifest    {}, {} MB, in {shared}", counted(manifest.documents, "document"), manifest.bytes.div_ceil(1_000_000)))?;
        print(&format!("      next  {next}"))?;
        Ok(Exit::Ok)
    })
}

/// Walks the inputs on a thread, and writes the manifest meanwhile.
async fn list(shared: &SharedRun, roots: Roots) -> Result<Manifest, CliError> {
    let (found, mut listed) = tokio::sync::mpsc::channel(WAITING);
    let walking = tokio::task::spawn_blocking(move || {
        for (document, _) in roots.walk() {
            let stamp = roots.stamp_of(&document.place);
            if found.blocking_send(Listed::new(document.name, stamp)).is_err() {
                break;
            }
        }
    });
    let mut writer = ManifestWriter::new(shared);
    while let Some(document) = listed.recv().await {
        writer.push(&document).await.map_err(failed)?;
    }
    walking.await.map_err(CliError::internal)?;
    let manifest = writer.finish().await.map_err(|why| CliError::usage(format!("{shared}: {why}. Freeze the input in another place")))?;
    if manifest.documents == 0 {
        return Err(CliError::usage("the input has no documents"));
    }
    Ok(manifest)
}

/// Freezes shards, job and settings.
pub(in crate::cli) fn plan(args: &ShardsPlanArgs) -> Result<Exit, CliError> {
    let environment = Environment::of_process();
    let shared = open(&args.run, &environment)?;
    let (config, settings) = settings::load(&args.what.settings, flags(&args.what))?;
    let runtime = runtime()?;
    runtime.block_on(async {
        let options = RunOptions { server: Server::Offline, ..RunOptions::default() };
        let plan = assemble(&environment, &config, settings, options).await?.plan;
        let manifest = match Manifest::read(&shared).await.map_err(failed)? {
            Some(manifest) => manifest,
            None => {
                shared.check().await.map_err(failed)?;
                list(&shared, plan.roots.clone()).await?
            }
        };
        let wanted = args.shards.unwrap_or_else(|| u32::try_from(manifest.documents.div_ceil(USUAL)).unwrap_or(u32::MAX));
        let shards = ShardPlan::cut(&shared, &manifest, wanted).await.map_err(failed)?;
        let frozen = ShardPlan {
            run: format!("{:016x}", fastrand::u64(..)),
            docmill: env!("CARGO_PKG_VERSION").to_owned(),
            manifest: manifest.digest.clone(),
            recipe: super::run::recipe(&plan),
            jobs: plan.columns(),
            shards,
        };
        let frozen = frozen.record(&shared).await.map_err(|why| CliError::usage(format!("{shared}: {why}")))?;
        let (shards, documents) = (frozen.shards.len() as u64, manifest.documents);
        let largest = frozen.shards.iter().map(|range| range.documents()).max().unwrap_or_default();
        print(&format!("shards      {} of at most {} in {shared}", counted(shards, "shard"), counted(largest, "document")))?;
        if args.shards.is_some_and(|wanted| u64::from(wanted) > shards) {
            print(&format!("      note  a shard has at least one document, so there are only {shards}"))?;
        }
        print_wrapped(&format!("machines    {}", verdict(&plan, documents)), 12)?;
        let run = without_numbers(&plan.command, &["--shards"]).replacen("docmill shards plan", "docmill run", 1);
        print(&format!("      next  {run} --shard 0/{shards} (each shard, on any machine; then docmill merge --run {shared})"))?;
        Ok(Exit::Ok)
    })
}

/// How many machines the run needs, as far as the limits of the account tell.
fn verdict(plan: &crate::engine::Plan, documents: u64) -> String {
    use crate::model::WaitReason;
    /// Calls that one machine sends, with room to spare; measured with small texts.
    const ONE_MACHINE: f64 = 300.0;
    let calls = documents.saturating_mul(plan.jobs.fewest_calls() as u64);
    let stated = plan.llm.limits.of(WaitReason::Requests).map(f64::from);
    let known = plan.declared_limits.iter().find(|limit| limit.meter == WaitReason::Requests).map(|limit| limit.per_minute);
    match stated.or(known) {
        Some(per_minute) => {
            let (per_second, hours) = (per_minute / 60.0, calls as f64 / per_minute / 60.0);
            let machines = (per_second / ONE_MACHINE).ceil().max(1.0);
            let who = if machines <= 1.0 { "one machine is enough".to_owned() } else { format!("about {machines:.0} machines") };
            format!(
                "{who}: {} at {per_second:.1} requests/s take {hours:.1} h, and more machines would share the same limit",
                counted(calls, "call")
            )
        }
        None => format!(
            "{}; the limit of the account is not known (llm.limits.requests_per_minute). One machine sends about {ONE_MACHINE:.0} calls/s, \
                so a hosted provider rarely needs a second",
            counted(calls, "call")
        ),
    }
}
