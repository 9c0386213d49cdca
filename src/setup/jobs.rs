//! Loads the jobs of a run.

use super::SetupError;
use super::settings::Settings;
use crate::config::Config;
use crate::engine::JobSet;
use crate::job::{AUTO, BUILTIN, Job, Method, builtin};
use std::path::Path;

/// Loads the jobs of the settings.
pub fn load_jobs(config: &Config, settings: &Settings) -> Result<JobSet, SetupError> {
    let method = match settings.job.combine.as_str() {
        "" => None,
        "none" => Some(Method::None),
        "model" => Some(Method::Model),
        "vote" => Some(Method::Vote),
        "weighted" => Some(Method::Weighted),
        other => {
            let message = format!("unknown method \"{other}\"; expected model, vote, weighted or none");
            return Err(SetupError::usage(config.problem("job.combine", message)));
        }
    };
    let named = settings.job.r#use.as_str();
    if named == "auto" {
        // Each job gets only its own parameters: `material`, for example, has no language.
        let load = |name: &str| {
            let text = builtin(name).unwrap_or_default();
            let plain = Job::load(name, text, &toml::Table::new(), None).map_err(SetupError::usage)?;
            let params = settings.job.params.iter().filter(|(key, _)| plain.has_param(key)).map(|(k, v)| (k.clone(), v.clone())).collect();
            Job::load(name, text, &params, method.filter(|_| plain.combines())).map_err(SetupError::usage)
        };
        let jobs = AUTO.into_iter().map(load).collect::<Result<Vec<_>, _>>()?;
        if let Some(key) = settings.job.params.keys().find(|key| !jobs.iter().any(|job| job.has_param(key))) {
            return Err(SetupError::usage(config.problem(&format!("job.params.{key}"), "no job of this run has this parameter")));
        }
        return Ok(JobSet::new(jobs));
    }
    let (source, text) = match builtin(named) {
        Some(text) => (named.to_owned(), text.to_owned()),
        None => (named.to_owned(), job_file(config, named)?),
    };
    let job = Job::load(&source, &text, &settings.job.params, method).map_err(SetupError::usage)?;
    Ok(JobSet::new(vec![job]))
}

fn job_file(config: &Config, named: &str) -> Result<String, SetupError> {
    crate::read::text_file(Path::new(named)).map_err(|error| {
        let nearest =
            BUILTIN.iter().map(|(name, _)| *name).max_by(|a, b| strsim::jaro_winkler(a, named).total_cmp(&strsim::jaro_winkler(b, named)));
        let near = nearest
            .filter(|name| strsim::jaro_winkler(name, named) > 0.7)
            .map_or_else(String::new, |name| format!(" (did you mean {name}?)"));
        let known: Vec<&str> = BUILTIN.iter().map(|(name, _)| *name).collect();
        SetupError::usage(config.problem(
            "job.use",
            format!("\"{named}\" is neither a built-in job{near} nor a job file: {error}; built in: auto, {}", known.join(", ")),
        ))
    })
}
