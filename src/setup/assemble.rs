//! Assembles a plan from settings, jobs and an account.

use super::document_files::document_files;
use super::existing::{self, Results, Settled};
use super::guard::Guard;
use super::history::{self, DECIDING, command_line, history};
use super::jobs::{is_file, load_jobs};
use super::key::{NO_ADDRESS, NO_KEY, stated_key};
use super::live_settings::Source;
use super::local::local_files;
use super::same_name;
use super::secrets::secret_variables;
use super::settings::{Settings, SettingsSource, SimulatorSettings};
use super::{Environment, SetupError, prices, tables};
use crate::ask::{Account, AccountError, LlmSettings, Provider, ServerSetting};
use crate::config::{Config, Origin};
use crate::engine::{JobSet, LiveSettings, Plan, Selection, StopToken};
use crate::model::{AccountLimit, FailureCode, Row};
use crate::progress::{AlertSettings, ReportSettings};
use crate::read::{Attachments, InputEnvironment, InputError, InputRecord, OnEmpty, Roots, Slice, Tables};
use crate::simulator::{AnswerPreview, Scenario, Simulator, is_simulated};
use crate::store::Retry;
use crate::write::{CopyTo, Existing, OutputSettings, PostgresAddress};
use std::path::Path;
use std::sync::Arc;

/// Options of a run beside its settings.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// Failures of earlier runs to retry.
    pub retry: Retry,
    /// Whether to skip calls that a dead run left in doubt.
    pub skip_in_doubt: bool,
    /// The selected documents.
    pub selection: Selection,
    /// A part of the input that was listed before, instead of the whole input.
    pub slice: Option<Slice>,
    /// The source of its settings, if they may change during the run.
    pub live: Option<SettingsSource>,
    /// The server that answers.
    pub server: Server,
    /// How the command protects existing results and asks about tables.
    pub guard: Guard,
    /// Whether the input is lines of standard input that arrive during the run.
    pub is_stream: bool,
}

/// The server that answers the calls of a run.
#[derive(Debug, Clone, Default)]
pub enum Server {
    /// The server of the settings.
    #[default]
    Configured,
    /// No server. Nothing is sent, and no key is needed.
    Offline,
    /// The simulator instead of the server of the settings. No key is needed or sent.
    Rehearsal(Box<Scenario>),
}

/// An assembled run, ready to start.
pub struct Assembled {
    /// The plan of the run.
    pub plan: Plan,
    /// Stops the run, like a signal.
    pub stop: StopToken,
    /// The simulator, if it answers the calls.
    pub simulator: Option<Simulator>,
    /// Settings of progress reports.
    pub report: ReportSettings,
    /// The alert rules.
    pub alerts: Vec<AlertSettings>,
    /// Environment variables with secrets, which commands of alerts do not get.
    pub secrets: Vec<String>,
    /// A warning about prices to show before the run.
    pub doubts: Option<String>,
}

/// The account whose model is the one that the jobs ask.
pub fn account_for(
    settings: &mut LlmSettings,
    jobs: &JobSet,
    resolve: impl FnOnce(&LlmSettings) -> Result<Account, AccountError>,
) -> Result<Account, AccountError> {
    if let Some(own) = jobs.own_model() {
        own.clone_into(&mut settings.model);
    }
    let mut account = resolve(settings)?;
    if jobs.only_embeds() {
        account.model = account.vector_model().to_owned();
    }
    Ok(account)
}

/// The account, if it can answer the calls of the jobs.
fn checked(account: Result<Account, AccountError>, config: &Config, jobs: &JobSet) -> Result<Account, SetupError> {
    let account = account.map_err(|e| SetupError::usage(config.problem(e.key, e.message)))?;
    if jobs.embeds() && !account.embeds() {
        let message = format!("provider {} makes no vectors, which a job with [task.embed] needs", account.provider.as_str());
        return Err(SetupError::usage(config.problem("llm.provider", message)));
    }
    Ok(account)
}

/// Assembles a run. Sends no request to a model and writes nothing.
pub async fn assemble(
    environment: &Environment,
    config: &Config,
    mut settings: Settings,
    options: RunOptions,
) -> Result<Assembled, SetupError> {
    let jobs = load_jobs(config, &settings)?;
    let provider = Provider::parse(&settings.llm.provider).ok();
    let simulator = match (&options.server, provider) {
        (Server::Rehearsal(scenario), _) => Some(start_simulator((**scenario).clone()).await?),
        (Server::Configured, Some(Provider::Simulated)) => Some(start_simulator(scenario(&settings.simulator)?).await?),
        _ => None,
    };
    let address = simulator.as_ref().map_or_else(|| NO_ADDRESS.to_owned(), Simulator::base_url);
    if let (Server::Rehearsal(_), Some(provider)) = (&options.server, provider) {
        settings.llm.base_url = vec![ServerSetting::at(&format!("{address}{}", provider.below_the_host()))];
        // Simulated answers must not appear among the traces of a model.
        settings.report.traces.clear();
    }
    if provider == Some(Provider::Simulated) {
        settings.llm.base_url.clear();
    }
    let table = prices::in_force(config, &settings)?;
    let (declared_limits, simulated) = simulation(&options.server, provider, &settings)?;
    let key = |name: &str| match options.server {
        Server::Configured => environment.key(name),
        // The key identifies the account whose limits are known.
        Server::Offline => Some(environment.key(name).unwrap_or_else(|| NO_KEY.to_owned())),
        Server::Rehearsal(_) => Some(NO_KEY.to_owned()),
    };
    let stated = match options.server {
        Server::Configured => stated_key(&settings.llm, environment).await?,
        // Only a command that sends reads the file and runs the command.
        _ => settings.llm.key_source().map(|_| NO_KEY.to_owned()),
    };
    let account = account_for(&mut settings.llm, &jobs, |llm| Account::resolve(llm, table, Some(&address), stated, key));
    let mut account = checked(account, config, &jobs)?;
    account.local = local_files(environment, config, &settings, matches!(options.server, Server::Configured))?;
    // From here on, this is the number for all servers together.
    settings.llm.concurrency = settings.llm.places();
    let (used, here) = (jobs.row_columns(), environment.of_inputs());
    let mut roots = open_inputs(config, &settings, &here, used.clone(), options.is_stream)?;
    let (tables, table_note) = tables::settle(&roots, settings.input.tables, options.guard)?;
    if tables == Tables::Rows && settings.input.tables != tables {
        settings.input.tables = tables;
        roots = Roots::open(&settings.input, &here, used.clone(), &settings.output.dir).map_err(SetupError::usage)?;
    }
    check_columns(used.as_deref(), &roots, table_note.as_deref())?;
    let recipe = recipe(config, &settings, &account, &jobs);
    let kept = history(config, used.clone(), &jobs, &settings.input.own_files);
    let names: Vec<&str> = jobs.iter().map(|job| job.name.as_str()).collect();
    let open = |before: &[InputRecord]| {
        Roots::open_beside(&settings.input, &here, used.clone(), &settings.output.dir, before).map_err(SetupError::usage)
    };
    let settled =
        existing::settle(roots, open, &Results { output: &settings.output, jobs: &names, recipe, settings: &kept, guard: options.guard })?;
    let Settled { roots, beside, records, added_to, note } = settled;
    let roots = match options.slice {
        Some(slice) => roots.only(slice),
        None => roots,
    };
    let (replaces, is_file) = (!matches!(options.guard, Guard::Off) && options.selection == Selection::All, is_file(&settings.job));
    let replaced = if replaces { same_name::notes(&settings.output, &jobs, &settings.input.keep_columns, is_file) } else { Vec::new() };
    let (copy, database) = destinations(environment, config, &settings, (&roots, &names), &options.server)?;
    let doubts = prices::price_doubts(&account, environment).filter(|_| account.has_limits());
    let live = options.live.map(|source| Arc::new(Source::new(source, environment, config, &account, &jobs)) as Arc<dyn LiveSettings>);
    let plan = Plan {
        live,
        report_each: false,
        trace: false,
        recipe,
        keeps_rows: !(matches!(options.guard, Guard::Off | Guard::Stream)
            || settings.output.existing == Existing::Replace && options.selection.size().is_some()),
        beside,
        notes: table_note.into_iter().chain(note).chain(replaced).chain(roots.notes()).collect(),
        command: command_line(environment),
        retry: options.retry,
        max_cost_per_day: prices::max_cost_per_day(config, &settings, &account, &jobs)?,
        max_cost: prices::max_cost(config, &settings, &account, &jobs)?,
        skip_in_doubt: options.skip_in_doubt,
        arrivals: None,
        deliver: None,
        journal: false,
        speed: 1.0,
        selection: options.selection,
        on_empty: settings.input.on_empty,
        accepted: accepted(config, &settings)?,
        roots,
        keep_columns: keep_columns(config, &settings, &jobs)?,
        settings: history::with_inputs(&kept, &records, tables, added_to),
        output: OutputSettings { files: document_files(records, &settings.prepare), ..settings.output },
        jobs,
        read: settings.read,
        prepare: settings.prepare,
        images: account.images(&account.model),
        longest: account.prices.longest(&account.model),
        llm: settings.llm,
        settled: Vec::new(),
        declared_limits,
        simulated,
        more_answers: None,
        account,
        store: settings.store,
        copy,
        database,
    };
    let secrets = secret_variables(environment, config);
    Ok(Assembled { plan, stop: StopToken::default(), simulator, report: settings.report, alerts: settings.alerts, secrets, doubts })
}

/// The limits and the answers of the simulator, if it answers.
fn simulation(
    server: &Server,
    provider: Option<Provider>,
    settings: &Settings,
) -> Result<(Vec<AccountLimit>, Option<Arc<AnswerPreview>>), SetupError> {
    let declared_limits = match (server, provider) {
        (Server::Configured | Server::Offline, Some(Provider::Simulated)) => scenario(&settings.simulator)?.limits(),
        _ => Vec::new(),
    };
    let simulated = match (server, provider) {
        (Server::Rehearsal(_), _) => None,
        (_, Some(Provider::Simulated)) => Some(scenario(&settings.simulator)?),
        // `docmill simulate`, with an unknown scenario.
        _ => is_simulated(&settings.llm.model).then(Scenario::default),
    };
    Ok((declared_limits, simulated.map(|scenario| Arc::new(AnswerPreview::new(&scenario)))))
}

/// Opens the inputs of the settings, or standard input as a stream of lines.
fn open_inputs(
    config: &Config,
    settings: &Settings,
    here: &InputEnvironment,
    used: Option<Vec<String>>,
    is_stream: bool,
) -> Result<Roots, SetupError> {
    if is_stream {
        return Ok(Roots::of_lines(&settings.input, used));
    }
    Roots::open(&settings.input, here, used, &settings.output.dir).map_err(|error| no_input(config, settings, &error))
}

/// Checks that an input is a table if prompts use columns.
fn check_columns(used: Option<&[String]>, roots: &Roots, table_note: Option<&str>) -> Result<(), SetupError> {
    if used.is_some_and(<[String]>::is_empty) || roots.has_rows() {
        return Ok(());
    }
    let why = table_note.unwrap_or("no input is a table. Name one with --rows");
    Err(SetupError::usage(format!("a prompt of this job uses columns ({{{{ row.… }}}}), but {why}")))
}

/// The error for inputs that cannot be opened. The default is the sample of the repository, which a
/// user has not named.
fn no_input(config: &Config, settings: &Settings, error: &InputError) -> SetupError {
    let is_missing = settings.input.paths.iter().any(|path| !Path::new(path).exists());
    if is_missing && config.origin("input.paths") == Origin::Default {
        return SetupError::usage("no input is given. Name files or directories after the command, or set input.paths");
    }
    SetupError::usage(error)
}

/// The destination of a copy of the results. It must not lie within an input.
fn copy_to(environment: &Environment, config: &Config, settings: &Settings, roots: &Roots) -> Result<Option<CopyTo>, SetupError> {
    let wrong = |why: String| SetupError::usage(config.problem("output.copy_to", why));
    let variables: Vec<(String, String)> = environment.variables.clone().into_iter().collect();
    let copy = CopyTo::open(&settings.output, &variables).map_err(wrong)?;
    match copy.as_ref().and_then(|copy| roots.input_around(&copy.address)) {
        Some(input) => Err(wrong(format!("results would become documents of input {input}. Choose an address that is not below it"))),
        None => Ok(copy),
    }
}

/// Where results go beside the output directory. A rehearsal writes to no database.
fn destinations(
    environment: &Environment,
    config: &Config,
    settings: &Settings,
    (roots, jobs): (&Roots, &[&str]),
    server: &Server,
) -> Result<(Option<CopyTo>, Option<PostgresAddress>), SetupError> {
    let database = match server {
        Server::Configured => database(environment, config, settings, jobs)?,
        Server::Offline | Server::Rehearsal(_) => None,
    };
    Ok((copy_to(environment, config, settings, roots)?, database))
}

/// The database of the settings that gets the rows of these jobs; `None` if they name none.
pub fn database(
    environment: &Environment,
    config: &Config,
    settings: &Settings,
    jobs: &[&str],
) -> Result<Option<PostgresAddress>, SetupError> {
    let variable = |name: &str| environment.variables.get(name).cloned();
    PostgresAddress::of(&settings.output, jobs, variable).map_err(|(key, why)| SetupError::usage(config.problem(key, why)))
}

/// A hash of everything that determines a row, except its document.
fn recipe(config: &Config, settings: &Settings, account: &Account, jobs: &JobSet) -> i64 {
    /// Version of rows. Raise it when the same answers result in other rows.
    const ROWS: &str = "docmill rows 1";
    let mut hash = blake3::Hasher::new();
    hash.update(ROWS.as_bytes()).update(account.model.as_bytes());
    for (key, value, _) in config.entries() {
        if DECIDING.iter().any(|prefix| key.starts_with(prefix)) {
            hash.update(format!("\n{key} = {value}").as_bytes());
        }
    }
    // Earlier stores know only the default.
    if settings.input.on_empty == OnEmpty::Skip {
        hash.update(b"\ninput.on_empty = skip");
    }
    // Notes of mails differ.
    if settings.input.attachments == Attachments::Read {
        hash.update(b"\ninput.attachments = read");
    }
    for job in jobs.iter() {
        hash.update(&job.digest().0);
    }
    hash.finalize().as_bytes().first_chunk().map_or(0, |first| i64::from_le_bytes(*first))
}

/// The failure codes of `output.accept_failed`.
fn accepted(config: &Config, settings: &Settings) -> Result<Vec<FailureCode>, SetupError> {
    let codes = settings.output.accept_failed.iter().map(|code| FailureCode::named(code, &[]));
    codes.collect::<Result<_, _>>().map_err(|why| SetupError::usage(config.problem("output.accept_failed", why)))
}

/// Checks that copied columns have unique names among the result columns. Case does not count, because
/// many databases ignore it.
fn keep_columns(config: &Config, settings: &Settings, jobs: &JobSet) -> Result<Vec<String>, SetupError> {
    let keep = &settings.input.keep_columns;
    let taken = |name: &String| {
        let of_jobs = jobs.iter().flat_map(|job| job.csv_columns());
        let mut others =
            Row::first_columns().into_iter().chain(Row::last_columns()).chain(of_jobs.cloned()).map(|other| other.name.to_lowercase());
        others.any(|other| other == name.to_lowercase()) || name.to_lowercase() == Row::EXACT_VALUES
    };
    let twice = keep
        .iter()
        .enumerate()
        .filter(|(at, name)| keep[..*at].iter().any(|other| other.to_lowercase() == name.to_lowercase()) || taken(name));
    let twice: Vec<String> = twice.map(|(_, name)| format!("\"{name}\"")).collect();
    if twice.is_empty() {
        return Ok(keep.clone());
    }
    let why = format!(
        "results already have the columns {} (case does not count). Leave them out here, or rename them in the table",
        twice.join(", ")
    );
    Err(SetupError::usage(config.problem("input.keep_columns", why)))
}

/// The scenario of the simulator, from the settings.
pub(super) fn scenario(settings: &SimulatorSettings) -> Result<Scenario, SetupError> {
    if settings.scenario.is_empty() {
        return Ok(Scenario { latency_ms: settings.latency_ms, jitter_ms: settings.jitter_ms, seed: settings.seed, ..Scenario::default() });
    }
    scenario_file(Path::new(&settings.scenario))
}

/// Reads a scenario file.
pub fn scenario_file(file: &Path) -> Result<Scenario, SetupError> {
    let text = crate::read::text_file(file).map_err(|e| SetupError::usage(format!("scenario file {}: {e}", file.display())))?;
    Scenario::parse(&text).map_err(|e| SetupError::usage(format!("scenario file {}: {e}", file.display())))
}

pub(super) async fn start_simulator(scenario: Scenario) -> Result<Simulator, SetupError> {
    Simulator::start(scenario, 0).await.map_err(|e| SetupError::internal(format!("cannot start the simulator: {e}")))
}
