//! Records settings and command of a run, and compares two runs.

use super::Environment;
use super::settings;
use super::tables::quoted;
use super::trust::TRUSTED;
use crate::config::Config;
use crate::engine::{JobSet, LIVE_CHANGES};
use crate::read::{InputRecord, Tables};
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// The key of the columns that prompts use. They determine the content of a table row.
pub const USED_COLUMNS: &str = "used_columns";

/// The key of the inputs of the results.
pub const ROOTS: &str = "input.roots";
/// The key of the files that are no documents, because the run uses them.
pub(super) const OWN_FILES: &str = "input.own_files";
/// The key of the run to which documents were added.
pub const ADDED_TO: &str = "input.added_to";

/// Prefixes of settings that determine a row. The model and the job determine it too.
pub(super) const DECIDING: [&str; 9] = [
    "input.keep_columns",
    "prepare.image.",
    "prepare.text.",
    "prepare.pdf.",
    "prepare.document_",
    "read.max_file_mb",
    "llm.provider",
    "llm.effort",
    "llm.body",
];
const MODEL: &str = "llm.model";
/// Prefix of the keys of jobs. Their values are digests.
const JOB: &str = "the job file of ";

/// The command line, quoted so that it can be run again.
pub(super) fn command_line(environment: &Environment) -> String {
    let shown = |arg: &str| {
        let setting = arg.strip_prefix("--set=").unwrap_or(arg).split_once('=').filter(|(key, _)| !key.contains("://"));
        let (key, value) = setting.unwrap_or(("", arg));
        format!("{}{}", arg.strip_suffix(value).unwrap_or_default(), settings::shown(key.trim(), value))
    };
    // Settings may also come from the environment.
    let settings =
        environment.variables.iter().filter(|(name, _)| name.starts_with("DOCMILL_") && *name != TRUSTED).map(|(name, value)| {
            let key = name.trim_start_matches("DOCMILL_").replace("__", ".").to_lowercase();
            format!("{name}={}", quoted(&settings::shown(&key, value)))
        });
    let arguments = environment.arguments.iter().map(|argument| quoted(&shown(argument)));
    settings.chain(["docmill".to_owned()]).chain(arguments).collect::<Vec<_>>().join(" ")
}

/// The settings in force and the jobs, for the run's history.
pub(super) fn history(config: &Config, used_columns: Option<Vec<String>>, jobs: &JobSet, own_files: &[PathBuf]) -> String {
    let entries = config.entries().into_iter().map(|(key, value, _)| {
        let value = serde_json::to_value(settings::shown_value(&key, value)).unwrap_or_default();
        (key, value)
    });
    let mut entries: Map<String, Value> = entries.collect();
    if used_columns.as_ref().is_none_or(|used| !used.is_empty()) {
        entries.insert(format!("input.{USED_COLUMNS}"), used_columns.into());
    }
    if !own_files.is_empty() {
        entries.insert(OWN_FILES.to_owned(), json!(own_files));
    }
    entries.extend(jobs.iter().map(|job| (format!("{JOB}{}", job.name), job.digest().to_string()[..12].into())));
    Value::Object(entries).to_string()
}

/// Adds the inputs of the results to the history.
pub(super) fn with_inputs(history: &str, records: &[InputRecord], tables: Tables, added_to: Option<i64>) -> String {
    let mut entries = kept(history);
    // The user's answer may have changed how docmill reads tables.
    entries.insert("input.tables".to_owned(), tables.as_str().into());
    entries.insert(ROOTS.to_owned(), serde_json::to_value(records).unwrap_or_default());
    entries.extend(added_to.map(|run| (ADDED_TO.to_owned(), run.into())));
    Value::Object(entries).to_string()
}

/// Settings that differ between two runs, with old and new values.
///
/// Inputs and changes during a run are not compared.
pub fn changes(before: &str, now: &str) -> Map<String, Value> {
    let (before, now) = (at_start(before), at_start(now));
    let mut keys: Vec<&String> = now.keys().chain(before.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    let changed = keys
        .into_iter()
        .filter(|key| ![LIVE_CHANGES, ROOTS, OWN_FILES, ADDED_TO].contains(&key.as_str()) && now.get(*key) != before.get(*key));
    // A job that only one of the two runs had does not count as edited.
    let changed = changed.filter(|key| !key.starts_with(JOB) || (before.contains_key(*key) && now.contains_key(*key)));
    changed.map(|key| (key.clone(), json!([before.get(key), now.get(key)]))).collect()
}

/// The settings with which a run began. Changes during a run are undone, newest first.
fn at_start(settings: &str) -> Map<String, Value> {
    let mut settings = kept(settings);
    let changes = settings.get(LIVE_CHANGES).and_then(Value::as_array).cloned().unwrap_or_default();
    for change in changes.iter().rev() {
        if let Some(setting) = change["key"].as_str().and_then(|key| settings.get_mut(key)) {
            *setting = change["from"].clone();
        }
    }
    settings
}

/// Whether a change of this key makes rows outdated.
pub fn decides(key: &str) -> bool {
    key == MODEL || key == "input.on_empty" || key.starts_with(JOB) || DECIDING.iter().any(|prefix| key.starts_with(prefix))
}

/// The beginning of the digest of a job, from the settings of a run.
pub(super) fn job_digest(settings: &Map<String, Value>, job: &str) -> Option<String> {
    settings.get(&format!("{JOB}{job}")).and_then(Value::as_str).map(ToOwned::to_owned)
}

/// Parses the settings of a run from the history.
pub fn kept(settings: &str) -> Map<String, Value> {
    serde_json::from_str(settings).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_during_a_run_are_no_differences_between_runs() {
        let changed = |from: u64, to: u64| {
            let changes = json!([{"at_s": 1.0, "key": "llm.concurrency", "from": from, "to": 30}, {"at_s": 2.0, "key": "llm.concurrency", "from": 30, "to": to}]);
            json!({"llm.concurrency": to, LIVE_CHANGES: changes}).to_string()
        };
        let plain = json!({"llm.concurrency": 8}).to_string();
        assert_eq!(changes(&plain, &changed(8, 64)), Map::new());
        assert_eq!(changes(&changed(8, 64), &plain), Map::new());
        assert_eq!(Value::from(changes(&plain, &changed(16, 64))), json!({"llm.concurrency": [8, 16]}));
    }
}
