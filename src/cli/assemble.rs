//! A run put together of settings, jobs and account. Every command that runs something comes through here.

use super::args::{SettingsArgs, WhatArgs};
use super::existing::{self, Guard, Settled};
use super::exit::CliError;
use super::history::{self, DECIDING, command_line, history};
use super::jobs::load_jobs;
use super::live_settings::Source;
use super::settings::{self, Flag, Settings, SimulatorSettings};
use super::tables;
use crate::ask::Tier;
use crate::ask::{Account, Provider};
use crate::config::Config;
use crate::engine::{JobSet, LiveSettings, Plan, Sample};
use crate::model::{Money, Row};
use crate::progress::{AlertSettings, ReportSettings};
use crate::read::{InputRecord, Roots, Tables};
use crate::simulator::{Scenario, Simulator};
use crate::store::Retry;
use crate::write::CopyTo;
use std::path::Path;
use std::sync::Arc;

/// What a command wants of its run, beside the settings.
#[derive(Debug, Clone, Default)]
pub(super) struct RunOptions {
    /// Which failures of earlier runs are tried again.
    pub retry: Retry,
    /// Whether calls that a dead run has left in doubt are not sent again.
    pub skip_in_doubt: bool,
    /// Only so many documents.
    pub sample: Option<Sample>,
    /// Which arguments its settings come from, if they may change while it is at work.
    pub live: Option<(SettingsArgs, Vec<Flag>)>,
    /// Who answers.
    pub server: Server,
    /// Whether it looks after results that are there, and tables that are taken for documents.
    pub guard: Guard,
}

/// Who answers the calls of a run.
#[derive(Debug, Clone, Default)]
pub(super) enum Server {
    /// The one that the settings name.
    #[default]
    Configured,
    /// Nobody: nothing is sent. No key is needed.
    Nobody,
    /// The built-in one in the place of the other. No key is needed, and none is sent.
    Rehearsal(Box<Scenario>),
}

/// Where no request is made, any key and address will do.
pub(super) const NO_KEY: &str = "none";
pub(super) const NO_ADDRESS: &str = "http://127.0.0.1:9";

/// A run that can begin.
pub(super) struct Assembled {
    pub plan: Plan,
    /// The built-in server, if it is the one that answers.
    pub simulator: Option<Simulator>,
    pub report: ReportSettings,
    pub alerts: Vec<AlertSettings>,
    /// What a person should know before it begins.
    pub doubts: Option<String>,
}

/// Puts a run together. Nothing is sent and nothing written.
pub(super) async fn assemble(config: &Config, mut settings: Settings, options: RunOptions) -> Result<Assembled, CliError> {
    let jobs = load_jobs(config, &settings)?;
    let provider = Provider::parse(&settings.llm.provider).ok();
    let simulator = match (&options.server, provider) {
        (Server::Rehearsal(scenario), _) => Some(start_simulator((**scenario).clone()).await?),
        (Server::Configured, Some(Provider::Simulated)) => Some(start_simulator(scenario(&settings.simulator)?).await?),
        _ => None,
    };
    let address = simulator.as_ref().map_or_else(|| NO_ADDRESS.to_owned(), Simulator::base_url);
    if let (Server::Rehearsal(_), Some(provider)) = (&options.server, provider) {
        settings.llm.base_url = format!("{address}{}", provider.below_the_host());
        // What was made up is not to be found among what a model has answered.
        settings.report.traces.clear();
    }
    let prices = super::prices::in_force(config, &settings)?;
    let declared_limits = match (&options.server, provider) {
        (Server::Configured | Server::Nobody, Some(Provider::Simulated)) => scenario(&settings.simulator)?.limits(),
        _ => Vec::new(),
    };
    let key = |name: &str| match options.server {
        Server::Configured => key_in_environment(name),
        // What is known of an account is known by its key.
        Server::Nobody => Some(key_in_environment(name).unwrap_or_else(|| NO_KEY.to_owned())),
        Server::Rehearsal(_) => Some(NO_KEY.to_owned()),
    };
    let account = Account::resolve(&settings.llm, prices, Some(&address), key);
    let account = account.map_err(|e| CliError::usage(config.problem(e.key, e.message)))?;
    let used = jobs.row_columns();
    let mut roots = Roots::open(&settings.input, used.clone(), &settings.output.dir).map_err(CliError::usage)?;
    let (tables, table_note) = tables::settle(&roots, settings.input.tables, options.guard)?;
    if tables == Tables::Rows && settings.input.tables != tables {
        settings.input.tables = tables;
        roots = Roots::open(&settings.input, used.clone(), &settings.output.dir).map_err(CliError::usage)?;
    }
    if used.as_ref().is_none_or(|used| !used.is_empty()) && !roots.has_rows() {
        return Err(CliError::usage("a prompt of this job uses columns ({{ row.… }}), and there is no table: name one with --rows"));
    }
    let recipe = recipe(config, &account, &jobs);
    let kept = history(config, used.clone(), &jobs);
    let names: Vec<&str> = jobs.iter().map(|job| job.name.as_str()).collect();
    let open =
        |before: &[InputRecord]| Roots::open_beside(&settings.input, used.clone(), &settings.output.dir, before).map_err(CliError::usage);
    let settled = existing::settle(roots, open, (&settings.output, &names, options.guard), (recipe, &kept))?;
    let Settled { roots, beside, records, added_to, note } = settled;
    let copy = copy_to(config, &settings, &roots)?;
    let doubts = super::prices::doubts(&account.prices, &account.model).filter(|_| account.has_limits());
    let live = options.live.map(|arguments| Arc::new(Source::new(arguments, config, &account, &jobs)) as Arc<dyn LiveSettings>);
    let plan = Plan {
        live,
        report_each: false,
        trace: false,
        recipe,
        beside,
        notes: table_note.into_iter().chain(note).chain(roots.notes()).collect(),
        command: command_line(),
        retry: options.retry,
        max_cost: max_cost(config, &settings, &account, &jobs)?,
        skip_in_doubt: options.skip_in_doubt,
        speed: 1.0,
        sample: options.sample,
        roots,
        keep_columns: keep_columns(config, &settings, &jobs)?,
        settings: history::with_inputs(&kept, &records, tables, added_to),
        jobs,
        read: settings.read,
        prepare: settings.prepare,
        images: account.images(&account.model),
        longest: account.prices.longest(&account.model),
        llm: settings.llm,
        declared_limits,
        more_answers: None,
        account,
        store: settings.store,
        output: settings.output,
        copy,
    };
    Ok(Assembled { plan, simulator, report: settings.report, alerts: settings.alerts, doubts })
}

/// The value of an environment variable that holds an API key. An empty one counts as unset.
pub(super) fn key_in_environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|key| !key.trim().is_empty())
}

/// Where results are copied to, if they are: not to where documents come from.
fn copy_to(config: &Config, settings: &Settings, roots: &Roots) -> Result<Option<CopyTo>, CliError> {
    let wrong = |why: String| CliError::usage(config.problem("output.copy_to", why));
    let copy = CopyTo::open(&settings.output).map_err(wrong)?;
    match copy.as_ref().and_then(|copy| roots.input_around(&copy.address)) {
        Some(input) => Err(wrong(format!("results would become documents of input {input}; choose an address that is not below it"))),
        None => Ok(copy),
    }
}

/// Everything but the documents that decides about a row, as a number.
fn recipe(config: &Config, account: &Account, jobs: &JobSet) -> i64 {
    /// To be raised when rows of the same answers come out differently.
    const ROWS: &str = "docmill rows 1";
    let mut hash = blake3::Hasher::new();
    hash.update(ROWS.as_bytes()).update(account.model.as_bytes());
    for (key, value, _) in config.entries() {
        if DECIDING.iter().any(|prefix| key.starts_with(prefix)) {
            hash.update(format!("\n{key} = {value}").as_bytes());
        }
    }
    for job in jobs.iter() {
        hash.update(&job.digest().0);
    }
    hash.finalize().as_bytes().first_chunk().map_or(0, |first| i64::from_le_bytes(*first))
}

/// Columns that results have as they are must not stand there already.
fn keep_columns(config: &Config, settings: &Settings, jobs: &JobSet) -> Result<Vec<String>, CliError> {
    let keep = &settings.input.keep_columns;
    let taken = |name: &String| {
        Row::FIRST_COLUMNS.iter().chain(&Row::LAST_COLUMNS).any(|other| other == name)
            || jobs.iter().any(|job| job.csv_columns().contains(name))
    };
    let twice = keep.iter().enumerate().find(|(at, name)| keep[..*at].contains(name) || taken(name));
    match twice {
        Some((_, name)) => Err(CliError::usage(config.problem("input.keep_columns", format!("results have a column \"{name}\" already")))),
        None => Ok(keep.clone()),
    }
}

/// The cap on money. It holds only where everything has a price.
pub(super) fn max_cost(config: &Config, settings: &Settings, account: &Account, jobs: &JobSet) -> Result<Option<Money>, CliError> {
    let cap = Some(settings.budget.max_usd).filter(|usd| *usd > 0.0).map(Money::from_usd);
    let limit =
        settings.llm.body.keys().find(|field| ["max_tokens", "max_completion_tokens", "generationConfig"].contains(&field.as_str()));
    if let (Some(field), true) = (limit, cap.is_some()) {
        let message = format!("llm.body.{field} takes the length of answers out of docmill's hands, so no cap on money can be held");
        return Err(CliError::usage(config.problem("budget.max_usd", message)));
    }
    let fallback = Some(&settings.llm.fallback).filter(|model| !model.is_empty());
    let mut models = jobs.iter().flat_map(|job| job.models()).chain([&account.model]).chain(fallback);
    match models.find(|model| account.prices.at_most(model, Tier::Standard, 1, 1).is_none()) {
        Some(model) if cap.is_some() => {
            let message =
                format!("the price of {model} is not known, so no cap on money can be held (`docmill prices` shows what is known)");
            Err(CliError::usage(config.problem("budget.max_usd", message)))
        }
        _ => Ok(cap),
    }
}

/// What the settings say about the built-in server.
fn scenario(settings: &SimulatorSettings) -> Result<Scenario, CliError> {
    if settings.scenario.is_empty() {
        return Ok(Scenario { latency_ms: settings.latency_ms, jitter_ms: settings.jitter_ms, seed: settings.seed, ..Scenario::default() });
    }
    super::simulate::scenario_file(Path::new(&settings.scenario))
}

async fn start_simulator(scenario: Scenario) -> Result<Simulator, CliError> {
    Simulator::start(scenario, 0).await.map_err(|e| CliError::internal(format!("the simulator cannot start: {e}")))
}

/// What is asked about which documents, as settings.
pub(super) fn flags(args: &WhatArgs) -> Vec<Flag> {
    let mut flags = Vec::new();
    let mut flag = |key: &str, value: String, name: &str| flags.push((key.to_owned(), value, name.to_owned()));
    if !args.input.is_empty() {
        let paths = toml::Value::Array(args.input.iter().map(|path| toml::Value::String(path.clone())).collect());
        flag("input.paths", paths.to_string(), "argument INPUT");
    }
    let text = |value: &str| toml::Value::String(value.to_owned()).to_string();
    let list = |values: &[String]| toml::Value::Array(values.iter().cloned().map(toml::Value::String).collect()).to_string();
    if args.input.is_empty() && (!args.rows.is_empty() || args.files_from.is_some()) {
        flag("input.paths", list(&[]), "--rows or --files-from");
    }
    for (key, value, name) in [
        ("input.files_from", &args.files_from, "--files-from"),
        ("input.text_column", &args.text_column, "--text-column"),
        ("input.id_column", &args.id_column, "--id-column"),
        ("input.tables", &args.tables, "--tables"),
    ] {
        if let Some(value) = value {
            flag(key, text(value), name);
        }
    }
    if let Some(max_usd) = args.max_usd {
        flag("budget.max_usd", toml::Value::Float(max_usd).to_string(), "--max-usd");
    }
    let keep: Vec<String> = args.keep_columns.iter().map(|column| column.trim().to_owned()).collect();
    for (is_given, existing) in [(args.add, "add"), (args.replace, "replace")] {
        if is_given {
            flag("output.existing", text(existing), &format!("--{existing}"));
        }
    }
    for (key, values, name) in [("input.rows", &args.rows, "--rows"), ("input.keep_columns", &keep, "--keep-columns")] {
        if !values.is_empty() {
            flag(key, list(values), name);
        }
    }
    if let Some(job) = &args.job {
        flag("job.use", toml::Value::String(job.clone()).to_string(), "--job");
    }
    flags.extend(settings::output_flag(args.output.as_deref()));
    flags
}
