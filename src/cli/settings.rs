//! From files, environment and flags to checked settings.

use super::args::{SettingsArgs, StoreArgs};
use super::exit::CliError;
use crate::ask::{BudgetSettings, LlmSettings};
use crate::config::{Config, Layer, Problem, Problems};
use crate::prepare::PrepareSettings;
use crate::progress::{AlertSettings, ReportSettings};
use crate::read::{InputSettings, ReadSettings, text_file};
use crate::remote::without_queries;
use crate::store::{Archive, StoreSettings};
use crate::write::OutputSettings;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// A setting by an argument of its own: key, value, argument.
pub(super) type Flag = (String, String, String);

/// The settings file that is read without being named.
pub(super) const FILE: &str = "pipeline.toml";

/// Loads and checks all layers. `flags` are those with names of their own: key, value, flag.
pub(super) fn load(args: &SettingsArgs, flags: Vec<Flag>) -> Result<(Config, Settings), CliError> {
    lay(file(args), args, flags)
}

/// The settings file: the one that is named, or the one that is there.
pub(super) fn file(args: &SettingsArgs) -> Option<PathBuf> {
    args.config.clone().or_else(|| Some(Path::new(FILE).to_owned()).filter(|file| file.exists()))
}

fn lay(file: Option<PathBuf>, args: &SettingsArgs, flags: Vec<Flag>) -> Result<(Config, Settings), CliError> {
    let mut layers = Vec::new();
    if let Some(file) = file {
        let name = file.display().to_string();
        let text = text_file(&file).map_err(|e| CliError::usage(format!("settings file {name}: {e}")))?;
        layers.push(Layer::File { name, text });
    }
    layers.push(Layer::Env(std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect()));
    let mut all = flags;
    for set in &args.set {
        let (key, value) =
            set.split_once('=').ok_or_else(|| CliError::usage(format!("--set {set}: write KEY=VALUE, such as llm.concurrency=200")))?;
        all.push((key.trim().to_owned(), value.to_owned(), "--set".to_owned()));
    }
    layers.push(Layer::Flags(all));
    let (config, problems) = Config::lay(&layers).map_err(CliError::usage)?;
    let settings = Settings::from_config(&config, problems).map_err(CliError::usage)?;
    Ok((config, settings))
}

/// The settings of a command that only has to know the output directory. If it is given, a settings file that somebody is
/// just editing is not in the way.
pub(super) fn load_for_directory(args: &StoreArgs) -> Result<Settings, CliError> {
    let flags = || output_flag(args.output.as_deref());
    let loaded = match load(&args.settings, flags()) {
        Err(broken) if args.output.is_some() => lay(None, &args.settings, flags()).map_err(|_| broken),
        loaded => loaded,
    };
    loaded.map(|(_config, settings)| settings)
}

/// The same, and the store there.
pub(super) fn archive_in(args: &StoreArgs) -> Result<(Settings, Archive), CliError> {
    archive_of(load_for_directory(args)?)
}

/// The settings of a command that looks at a store, and the store.
pub(super) fn archive(args: &StoreArgs) -> Result<(Settings, Archive), CliError> {
    archive_of(load(&args.settings, output_flag(args.output.as_deref()))?.1)
}

fn archive_of(settings: Settings) -> Result<(Settings, Archive), CliError> {
    let directory = &settings.output.dir;
    let archive = Archive::open(directory).map_err(CliError::usage)?;
    let nothing = || {
        let shown = directory.display();
        let compared = super::compare::spent_in(directory).unwrap_or_default();
        let compared = compared.iter().map(|spent| format!("\n  comparison {}: {} requests, {}", spent.name, spent.requests, spent.bill));
        let compared = compared.collect::<String>();
        CliError::usage(format!("there is no run store in {shown}: `docmill run` makes one; --output names another directory{compared}"))
    };
    archive.ok_or_else(nothing).map(|archive| (settings, archive))
}

/// The text of a setting as it may be shown and kept. What the settings say may be secret where there is room for it:
/// in users and queries of web addresses, and in further headers, parameters and webhooks.
pub(super) fn shown(key: &str, text: &str) -> String {
    let further = ["llm.headers.", "llm.query.", "alert.webhook"].iter().any(|table| key.starts_with(table));
    let lower = text.to_ascii_lowercase();
    if further && !text.trim_start_matches('"').starts_with("env:") {
        "***".to_owned()
    } else if lower.contains("http://") || lower.contains("https://") {
        without_queries(text)
    } else {
        text.to_owned()
    }
}

/// The same for any value.
pub(super) fn shown_value(key: &str, value: toml::Value) -> toml::Value {
    match value {
        toml::Value::Array(items) => items.into_iter().map(|item| shown_value(key, item)).collect::<Vec<_>>().into(),
        toml::Value::Table(table) => {
            let shown = table.into_iter().map(|(name, value)| (name.clone(), shown_value(&format!("{key}.{name}"), value)));
            shown.collect::<toml::Table>().into()
        }
        value => {
            let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
            let shown = shown(key, &text);
            if shown == text { value } else { shown.into() }
        }
    }
}

/// `--output` as a setting.
pub(super) fn output_flag(output: Option<&str>) -> Vec<Flag> {
    let flag = |dir: &str| ("output.dir".to_owned(), toml::Value::String(dir.to_owned()).to_string(), "--output".to_owned());
    output.map(flag).into_iter().collect()
}

/// `[job]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JobSettings {
    pub r#use: String,
    pub combine: String,
    pub params: toml::Table,
}

/// `[simulator]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SimulatorSettings {
    pub latency_ms: u64,
    pub jitter_ms: u64,
    pub seed: u64,
    pub scenario: String,
}

/// All sections, each in the form that its module takes.
pub(super) struct Settings {
    pub input: InputSettings,
    pub job: JobSettings,
    pub read: ReadSettings,
    pub prepare: PrepareSettings,
    pub llm: LlmSettings,
    pub budget: BudgetSettings,
    pub prices: toml::Table,
    pub store: StoreSettings,
    pub output: OutputSettings,
    pub report: ReportSettings,
    pub simulator: SimulatorSettings,
    pub alerts: Vec<AlertSettings>,
}

impl Settings {
    /// Fills all sections and checks what their types cannot. `problems` are those found so far: all are told at once.
    pub fn from_config(config: &Config, mut problems: Vec<Problem>) -> Result<Self, Problems> {
        let at_least_one = [
            "read.concurrency",
            "read.queue",
            "read.max_file_mb",
            "read.memory_mb",
            "prepare.queue",
            "prepare.memory_mb",
            "prepare.document_s",
            "prepare.document_mb",
            "prepare.image.max_pixels_mp",
            "llm.concurrency",
            "llm.timeout_s",
            "llm.limits.burst_s",
            "llm.retry.max_attempts",
            "store.queue",
            "store.group",
            "report.interval_s",
        ];
        let integer = |key: &str| config.get(key).and_then(toml::Value::as_integer);
        for (key, value, _) in config.entries() {
            if value.as_integer().is_some_and(|n| n < 0) && !Config::is_open(&key) {
                problems.push(config.problem(&key, "must not be negative"));
            }
        }
        let zero = at_least_one.iter().filter(|key| integer(key) == Some(0));
        problems.extend(zero.map(|key| config.problem(key, "must be at least 1")));
        if !integer("prepare.image.jpeg_quality").is_some_and(|q| (1..=100).contains(&q)) {
            problems.push(config.problem("prepare.image.jpeg_quality", "must be from 1 to 100"));
        }
        if integer("llm.concurrency").is_some_and(|n| n > 100_000) {
            problems.push(config.problem("llm.concurrency", "must be at most 100000"));
        }
        if !config.get("budget.max_usd").and_then(toml::Value::as_float).is_some_and(|usd| (0.0..=1e6).contains(&usd)) {
            problems.push(config.problem("budget.max_usd", "must be an amount of US dollars from 0 to 1000000"));
        }
        for (key, choices) in [
            ("llm.limits.slow_start", ["auto", "on", "off"]),
            ("prepare.pdf.mode", ["auto", "text", "pages"]),
            ("output.existing", ["ask", "add", "replace"]),
            ("input.tables", ["ask", "document", "rows"]),
        ] {
            let value = config.get(key).and_then(toml::Value::as_str).unwrap_or_default();
            if !choices.contains(&value) {
                problems.push(config.problem(key, format!("there is no \"{value}\"; there are: {}", choices.join(", "))));
            }
        }
        if config.get("output.formats").and_then(toml::Value::as_array).is_some_and(Vec::is_empty) {
            problems.push(config.problem("output.formats", "must name at least one of csv, jsonl, json"));
        }
        if config.get("output.dir").and_then(toml::Value::as_str) == Some("") {
            problems.push(config.problem("output.dir", "must not be empty; the current directory is \".\""));
        }
        for format in config.get("output.formats").and_then(toml::Value::as_array).into_iter().flatten().filter_map(toml::Value::as_str) {
            if !["csv", "jsonl", "json"].contains(&format) {
                problems.push(config.problem("output.formats", format!("there is no format \"{format}\"; there are: csv, jsonl, json")));
            }
        }
        let alerts: Vec<AlertSettings> = config.section("alert").unwrap_or_else(|error| {
            problems.push(config.problem("alert", error));
            Vec::new()
        });
        problems.extend(alerts.iter().filter_map(|alert| alert.check().err()).map(|why| config.problem("alert", why)));
        Problems::check(problems)?;
        Ok(Self {
            input: config.section("input")?,
            job: config.section("job")?,
            read: config.section("read")?,
            prepare: config.section("prepare")?,
            llm: config.section("llm")?,
            budget: config.section("budget")?,
            prices: config.section("prices")?,
            store: config.section("store")?,
            output: config.section("output")?,
            report: config.section("report")?,
            simulator: config.section("simulator")?,
            alerts,
        })
    }
}
