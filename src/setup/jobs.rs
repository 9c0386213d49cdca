//! Loads the jobs of a run.

use super::SetupError;
use super::rules::METHODS;
use super::settings::{JobSettings, Settings};
use crate::config::Config;
use crate::engine::JobSet;
use crate::job::{AUTO, BUILTIN, Job, JobError, Method, Problem, builtin};
use crate::model::did_you_mean;
use std::path::Path;
use toml::{Table, Value};

/// Loads the jobs of the settings.
pub fn load_jobs(config: &Config, settings: &Settings) -> Result<JobSet, SetupError> {
    // The rules of the settings refuse other names.
    let method = METHODS.into_iter().find(|(name, _)| *name == settings.job.combine).and_then(|(_, method)| method);
    let named = settings.job.r#use.as_str();
    let load = |source: &str, text: &str, params: &Table, method| {
        Job::load(source, text, params, method).map_err(|error| blamed(config, error, (source, text), params, method))
    };
    let jobs = if let Some((_, names)) = AUTO.into_iter().find(|(name, _)| *name == named) {
        // Each job gets only its own parameters: `material`, for example, has no language.
        let load = |name: &str| {
            let text = builtin(name).unwrap_or_default();
            let plain = load(name, text, &Table::new(), None)?;
            let params = settings.job.params.iter().filter(|(key, _)| plain.has_param(key)).map(|(k, v)| (k.clone(), v.clone())).collect();
            load(name, text, &params, method.filter(|_| plain.combines()))
        };
        let jobs = names.into_iter().map(load).collect::<Result<Vec<_>, _>>()?;
        if let Some(key) = settings.job.params.keys().find(|key| !jobs.iter().any(|job| job.has_param(key))) {
            let params: Vec<&str> = jobs.iter().flat_map(Job::params).collect();
            let why = format!("no job of this run has this parameter{}", did_you_mean(key, params));
            return Err(SetupError::usage(config.problem(&format!("job.params.{key}"), why)));
        }
        jobs
    } else {
        let text = builtin(named).map_or_else(|| job_file(config, named), |text| Ok(text.to_owned()))?;
        vec![load(named, &text, &settings.job.params, method)?]
    };
    selected(config, jobs, &settings.job.tasks).map(JobSet::new)
}

/// Whether the settings name a job file, and not a built-in job.
pub(super) fn is_file(settings: &JobSettings) -> bool {
    let named = settings.r#use.as_str();
    builtin(named).is_none() && !AUTO.iter().any(|(name, _)| *name == named)
}

/// The error of a job. Names the setting if the file is correct without it.
fn blamed(config: &Config, error: JobError, (source, text): (&str, &str), params: &Table, method: Option<Method>) -> SetupError {
    let loads = |params: &Table, method| Job::load(source, text, params, method).is_ok();
    if !loads(&Table::new(), None) {
        return SetupError::usage(error);
    }
    let alone = |key: &str, value: &Value| Table::from_iter([(key.to_owned(), value.clone())]);
    let param = params.iter().find(|(key, value)| !loads(&alone(key, value), None)).map(|(key, _)| format!("job.params.{key}"));
    let key = param.or_else(|| method.filter(|_| !loads(&Table::new(), method)).map(|_| "job.combine".to_owned()));
    match key {
        Some(key) => {
            let shown = |problem: &Problem| {
                let own = problem.message.strip_prefix(&format!("{key}: "));
                own.map_or_else(|| format!("{source}: {}", problem.message), ToOwned::to_owned)
            };
            let why: Vec<String> = error.problems.iter().map(shown).collect();
            SetupError::usage(config.problem(&key, why.join("\n")))
        }
        None => SetupError::usage(error),
    }
}

/// The jobs with only these tasks. A job without any of them is left out.
fn selected(config: &Config, jobs: Vec<Job>, wanted: &[String]) -> Result<Vec<Job>, SetupError> {
    if wanted.is_empty() {
        return Ok(jobs);
    }
    let known: Vec<&str> = jobs.iter().flat_map(Job::task_names).collect();
    if let Some(unknown) = wanted.iter().find(|name| !known.contains(&name.as_str())) {
        let field = jobs.iter().find(|job| job.csv_columns().iter().any(|column| column.name == **unknown));
        let field = field.map_or_else(String::new, |job| {
            format!(
                ". {unknown} is a field of an answer that job {} asks for in one call. For fewer fields, copy the job \
                (docmill jobs show {}) and delete the others",
                job.name, job.name
            )
        });
        let near = did_you_mean(unknown, known.iter().copied());
        let message = format!("unknown task \"{unknown}\"; expected one or more of {}{near}{field}", known.join(", "));
        return Err(SetupError::usage(config.problem("job.tasks", message)));
    }
    let has_some = |job: &Job| job.task_names().iter().any(|name| wanted.iter().any(|own| own == name));
    jobs.into_iter().filter(has_some).map(|job| job.select(wanted).map_err(SetupError::usage)).collect()
}

fn job_file(config: &Config, named: &str) -> Result<String, SetupError> {
    crate::read::text_file(Path::new(named)).map_err(|error| {
        let known: Vec<&str> = AUTO.iter().map(|(name, _)| *name).chain(BUILTIN.iter().map(|(name, _)| *name)).collect();
        let near = did_you_mean(named, known.iter().copied());
        SetupError::usage(config.problem(
            "job.use",
            format!("\"{named}\" is neither a built-in job nor a job file: {error}; built in: {}{near}", known.join(", ")),
        ))
    })
}
