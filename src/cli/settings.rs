//! Loads the settings of a command and opens the run store.

use super::agreed;
use super::args::{SettingsArgs, StoreArgs};
use super::compare::spent_in;
use super::exit::CliError;
use crate::config::Config;
use crate::model::command_in;
use crate::setup::{Environment, Flag, Settings, SettingsSource, SetupError};
use crate::store::Archive;
use crate::system::set_permission_mask;
use crate::write::FileMode;
use std::path::Path;

/// The sources of a command's settings.
pub(super) fn source(args: &SettingsArgs, flags: Vec<Flag>) -> SettingsSource {
    SettingsSource { file: args.config.clone(), set: args.set.clone(), flags }
}

/// Gives new files the permissions of the settings. Without settings, they are private.
fn permit(loaded: (Config, Settings)) -> (Config, Settings) {
    if loaded.1.output.mode == FileMode::Umask {
        set_permission_mask(*super::USERS_MASK);
    }
    loaded
}

/// Loads and checks all layers of settings, for a command that sends or runs what they say.
///
/// Asks on a terminal whether the settings file is trusted, if it needs trust.
pub(super) fn load(args: &SettingsArgs, flags: Vec<Flag>) -> Result<(Config, Settings), CliError> {
    let (source, environment) = (source(args, flags), Environment::of_process());
    match source.load(&environment) {
        Err(SetupError::Untrusted(untrusted)) => {
            let otherwise = SetupError::Untrusted(untrusted.clone()).to_string();
            if !agreed(&format!("{untrusted}. Trust it?"), &otherwise)? {
                return Err(CliError::usage(otherwise));
            }
            untrusted.trust(&environment)?;
            Ok(permit(source.load(&environment)?))
        }
        loaded => Ok(permit(loaded?)),
    }
}

/// Loads and checks all layers of settings, for a command that only shows them.
pub(super) fn load_to_look(args: &SettingsArgs, flags: Vec<Flag>) -> Result<(Config, Settings), CliError> {
    Ok(permit(source(args, flags).load_to_look(&Environment::of_process())?))
}

/// Loads the settings of a command that needs only the output directory.
///
/// If `--output` is given, an invalid settings file is ignored. A user may be editing it.
pub(super) fn load_for_directory(args: &StoreArgs) -> Result<Settings, CliError> {
    let (source, environment) = (source(&args.settings, output_flag(args.output.as_deref())), Environment::of_process());
    let loaded = match source.load_to_look(&environment) {
        Err(broken) if args.output.is_some() => source.load_without_file(&environment).map_err(|_| broken),
        loaded => loaded,
    };
    Ok(permit(loaded?).1)
}

/// Loads settings like [`load_for_directory`] and opens the run store.
pub(super) fn archive_in(args: &StoreArgs) -> Result<(Settings, Archive), CliError> {
    archive_of(load_for_directory(args)?)
}

/// Loads all settings and opens the run store.
pub(super) fn archive(args: &StoreArgs) -> Result<(Settings, Archive), CliError> {
    archive_with_origins(args).map(|(_, settings, archive)| (settings, archive))
}

/// Like [`archive`], with the origins of the settings.
pub(super) fn archive_with_origins(args: &StoreArgs) -> Result<(Config, Settings, Archive), CliError> {
    let (config, settings) = load_to_look(&args.settings, output_flag(args.output.as_deref()))?;
    archive_of(settings).map(|(settings, archive)| (config, settings, archive))
}

/// Loads settings like [`archive_in`]. `None` instead of a store if the directory contains only
/// comparisons.
pub(super) fn archive_or_comparisons(args: &StoreArgs) -> Result<(Settings, Option<Archive>), CliError> {
    let settings = load_for_directory(args)?;
    let directory = &settings.output.dir;
    if Archive::open(directory).map_err(CliError::usage)?.is_none() && !spent_in(directory).map_err(CliError::internal)?.is_empty() {
        return Ok((settings, None));
    }
    archive_of(settings).map(|(settings, archive)| (settings, Some(archive)))
}

fn archive_of(settings: Settings) -> Result<(Settings, Archive), CliError> {
    let directory = &settings.output.dir;
    let archive = Archive::open(directory).map_err(CliError::usage)?;
    let nothing = || {
        let shown = directory.display();
        if is_merged(directory) {
            return CliError::usage(format!(
                "{shown}: these are merged results of shards, which have no run store. docmill status --run RUN shows the shared run; to get \
                other formats, merge again with --set output.formats"
            ));
        }
        let compares = spent_in(directory).is_ok_and(|compared| !compared.is_empty());
        let compared = if compares { ", but comparisons (docmill runs shows their cost)" } else { "" };
        CliError::usage(format!(
            "no run store in {shown}{compared}. Create one with `{}`, or name another directory with --output",
            command_in(directory, "run")
        ))
    };
    archive.ok_or_else(nothing).map(|archive| (settings, archive))
}

/// Whether a directory has results of `docmill merge`. Their summaries count shards.
pub(super) fn is_merged(directory: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(directory) else { return false };
    let summary = |job: &Path| serde_json::from_slice::<serde_json::Value>(&std::fs::read(job.join("summary.json")).ok()?).ok();
    entries.flatten().filter_map(|job| summary(&job.path())).any(|summary| summary["shards"].is_u64())
}

/// `--output` as a setting.
pub(super) fn output_flag(output: Option<&str>) -> Vec<Flag> {
    let flag = |dir: &str| ("output.dir".to_owned(), toml::Value::String(dir.to_owned()).to_string(), "--output".to_owned());
    output.map(flag).into_iter().collect()
}
