//! Loads settings from files, environment and flags, and checks them.

use super::rules;
use super::trust::{TRUSTED, Untrusted};
use super::{Environment, SetupError};
use crate::ask::{BudgetSettings, LlmSettings};
use crate::config::{Config, Layer, Origin, Problem, Problems};
use crate::job::{AUTO, builtin};
use crate::prepare::{Apart, PrepareSettings};
use crate::progress::{AlertSettings, ReportSettings};
use crate::read::{Archives, Attachments, InputSettings, ReadSettings, text_file};
use crate::remote::{Address, without_queries};
use crate::shards::ShardSettings;
use crate::store::StoreSettings;
use crate::watch::WatchSettings;
use crate::write::OutputSettings;
use serde::Deserialize;
use std::path::PathBuf;

/// A setting with its own argument: key, value, argument.
pub type Flag = (String, String, String);

/// The default settings file.
pub const FILE: &str = "pipeline.toml";

/// The sources of settings beside the environment.
#[derive(Debug, Clone, Default)]
pub struct SettingsSource {
    /// The settings file of `--config`.
    pub file: Option<PathBuf>,
    /// Settings as `KEY=VALUE`.
    pub set: Vec<String>,
    /// Settings with their own arguments.
    pub flags: Vec<Flag>,
}

impl SettingsSource {
    /// The settings file: the one of `--config`, or the default one if it exists.
    pub fn found_file(&self, environment: &Environment) -> Option<PathBuf> {
        let named = self.file.as_ref().map(|file| environment.path(file));
        named.or_else(|| Some(environment.path(FILE)).filter(|file| file.exists()))
    }

    /// Loads and checks all layers, for a command that sends or runs what they say.
    ///
    /// A settings file that the user did not name must be trusted.
    pub fn load(&self, environment: &Environment) -> Result<(Config, Settings), SetupError> {
        let (config, settings) = self.load_to_look(environment)?;
        let found = self.found_file(environment).filter(|_| self.file.is_none());
        match found.and_then(|file| Untrusted::of(&config, &file)).filter(|untrusted| !untrusted.is_trusted(environment)) {
            Some(untrusted) if !Untrusted::can_be_recorded(environment) => Err(SetupError::usage(format!(
                "{untrusted}. HOME and XDG_DATA_HOME are not set, so docmill cannot look up whether you trust it. Set HOME, or {TRUSTED}=DIR, \
                or name the file with --config. Nothing was sent"
            ))),
            Some(untrusted) => Err(SetupError::Untrusted(Box::new(untrusted))),
            None => Ok((config, settings)),
        }
    }

    /// Loads and checks all layers, for a command that only shows settings or reads the run store.
    pub fn load_to_look(&self, environment: &Environment) -> Result<(Config, Settings), SetupError> {
        self.lay(self.found_file(environment), environment)
    }

    /// The settings of the settings file that need trust, whether or not they have it.
    pub fn untrusted(&self, environment: &Environment) -> Result<Option<Untrusted>, SetupError> {
        let (config, _) = self.load_to_look(environment)?;
        Ok(self.found_file(environment).and_then(|file| Untrusted::of(&config, &file)))
    }

    /// Loads and checks all layers except the settings file.
    pub fn load_without_file(&self, environment: &Environment) -> Result<(Config, Settings), SetupError> {
        self.lay(None, environment)
    }

    fn lay(&self, file: Option<PathBuf>, environment: &Environment) -> Result<(Config, Settings), SetupError> {
        let mut layers = Vec::new();
        if let Some(file) = &file {
            let name = file.display().to_string();
            let text = text_file(file).map_err(|e| SetupError::usage(format!("settings file {name}: {e}")))?;
            layers.push(Layer::File { name, text });
        }
        layers.push(Layer::Env(environment.variables.clone().into_iter().collect()));
        let mut all = self.flags.clone();
        for set in &self.set {
            let (key, value) = set
                .split_once('=')
                .ok_or_else(|| SetupError::usage(format!("--set {set}: expected KEY=VALUE, such as llm.concurrency=200")))?;
            all.push((key.trim().to_owned(), value.to_owned(), "--set".to_owned()));
        }
        layers.push(Layer::Flags(all));
        let (config, problems) = Config::lay(&layers).map_err(SetupError::usage)?;
        let (config, problems) = without_default_paths(config, problems).map_err(SetupError::usage)?;
        let mut settings = Settings::from_config(&config, problems).map_err(SetupError::usage)?;
        settings.locate(environment);
        let own_files = file.into_iter().chain([PathBuf::from(&settings.job.r#use)]);
        settings.input.own_files = own_files.filter(|file| file.is_file()).filter_map(|file| std::fs::canonicalize(file).ok()).collect();
        Ok((config, settings))
    }
}

/// Drops the default of `input.paths` if other settings name the documents.
fn without_default_paths(config: Config, problems: Vec<Problem>) -> Result<(Config, Vec<Problem>), Problems> {
    let names_some = |key: &&str| match config.get(key) {
        Some(toml::Value::Array(names)) => !names.is_empty(),
        other => other.and_then(toml::Value::as_str).is_some_and(|name| !name.is_empty()),
    };
    match ["input.rows", "input.files_from"].into_iter().find(names_some) {
        Some(key) if config.origin("input.paths") == Origin::Default => {
            let none = ("input.paths".to_owned(), "[]".to_owned(), format!("none, because {key} is set"));
            config.with(&Layer::Flags(vec![none])).map(|(config, _)| (config, problems))
        }
        _ => Ok((config, problems)),
    }
}

/// Removes secrets from the text of a setting, for display and history.
///
/// Web addresses may hold secrets in their user and query. Additional headers, query parameters and
/// webhooks may be secrets.
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

/// Removes secrets from the value of a setting, for display and history.
pub fn shown_value(key: &str, value: toml::Value) -> toml::Value {
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

/// The `[job]` section.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobSettings {
    /// A built-in job, the path of a job file, or `auto`.
    pub r#use: String,
    /// Method that combines the answers on a document. If empty, the job's method applies.
    pub combine: String,
    /// The tasks to ask. If empty, all tasks of the job.
    pub tasks: Vec<String>,
    /// Values of the job's parameters.
    pub params: toml::Table,
}

/// The `[simulator]` section.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimulatorSettings {
    /// Minimum response time, in milliseconds.
    pub latency_ms: u64,
    /// Maximum random addition to the response time, in milliseconds.
    pub jitter_ms: u64,
    /// Seed of all random choices.
    pub seed: u64,
    /// Scenario file; empty for none. A scenario file overrides the other keys.
    pub scenario: String,
}

/// All sections, each as the type of its module.
pub struct Settings {
    /// `[input]`.
    pub input: InputSettings,
    /// `[job]`.
    pub job: JobSettings,
    /// `[read]`.
    pub read: ReadSettings,
    /// `[prepare]`.
    pub prepare: PrepareSettings,
    /// `[llm]`.
    pub llm: LlmSettings,
    /// `[budget]`.
    pub budget: BudgetSettings,
    /// `[prices]`.
    pub prices: toml::Table,
    /// `[store]`.
    pub store: StoreSettings,
    /// `[output]`.
    pub output: OutputSettings,
    /// `[report]`.
    pub report: ReportSettings,
    /// `[simulator]`.
    pub simulator: SimulatorSettings,
    /// `[watch]`.
    pub watch: WatchSettings,
    /// `[shards]`.
    pub shards: ShardSettings,
    /// All `[[alert]]` entries.
    pub alerts: Vec<AlertSettings>,
}

impl Settings {
    /// Resolves relative paths in the working directory.
    fn locate(&mut self, environment: &Environment) {
        let locate = |written: &mut String| {
            let is_path = !written.is_empty() && written != "-" && Address::parse(written).is_none();
            if is_path && !environment.directory.as_os_str().is_empty() {
                *written = environment.path(&*written).to_string_lossy().into_owned();
            }
        };
        self.output.dir = environment.path(&self.output.dir);
        let InputSettings { paths, base, rows, files_from, .. } = &mut self.input;
        let files =
            [base, files_from, &mut self.llm.ca_file, &mut self.llm.api_key_file, &mut self.simulator.scenario, &mut self.report.events];
        paths.iter_mut().chain(rows).chain(files).for_each(locate);
        if !AUTO.iter().any(|(name, _)| *name == self.job.r#use) && builtin(&self.job.r#use).is_none() {
            locate(&mut self.job.r#use);
        }
    }

    /// Fills all sections and checks their values.
    ///
    /// `problems` are the problems found so far. The error contains all problems.
    pub fn from_config(config: &Config, mut problems: Vec<Problem>) -> Result<Self, Problems> {
        problems.extend(rules::check(config));
        let is_set = |key: &&&str| match config.get(key) {
            Some(toml::Value::String(text)) => !text.is_empty(),
            Some(toml::Value::Array(words)) => !words.is_empty(),
            _ => false,
        };
        if let [_, second, ..] =
            ["llm.api_key_env", "llm.api_key_file", "llm.api_key_command"].iter().filter(is_set).collect::<Vec<_>>()[..]
        {
            problems.push(config.problem(second, "only one of llm.api_key_env, llm.api_key_file and llm.api_key_command can name the key"));
        }
        let alerts: Vec<AlertSettings> = config.section("alert").unwrap_or_else(|error| {
            problems.extend(error.into_list());
            Vec::new()
        });
        problems.extend(alerts.iter().filter_map(|alert| alert.check().err()).map(|why| config.problem("alert", why)));
        Problems::check(problems)?;
        let input: InputSettings = config.section("input")?;
        let apart = Apart { attachments: input.attachments == Attachments::Read, archives: input.archives == Archives::Read };
        Ok(Self {
            input,
            job: config.section("job")?,
            read: config.section("read")?,
            prepare: PrepareSettings { apart, ..config.section("prepare")? },
            llm: config.section("llm")?,
            budget: config.section("budget")?,
            prices: config.section("prices")?,
            store: config.section("store")?,
            output: config.section("output")?,
            report: config.section("report")?,
            simulator: config.section("simulator")?,
            watch: config.section("watch")?,
            shards: config.section("shards")?,
            alerts,
        })
    }
}
