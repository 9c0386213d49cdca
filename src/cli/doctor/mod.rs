//! `docmill doctor`: checks machine, settings, key and provider before a run.

mod machine;
mod output;
mod provider;

use super::args::DoctorArgs;
use super::exit::{CliError, Exit};
use super::print;
use super::runtime;
use super::settings::output_flag;
use crate::model::counted;
use crate::progress::plain;
use crate::setup::{Environment, SettingsSource, SetupError};
use serde::Serialize;
use serde_json::json;

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Ok,
    Warning,
    Problem,
}

/// A line of the report.
#[derive(Debug, Clone, Serialize)]
struct Finding {
    /// What was checked.
    check: &'static str,
    status: Status,
    /// What was found.
    message: String,
    /// What to do; empty if nothing.
    #[serde(skip_serializing_if = "String::is_empty")]
    advice: String,
}

impl Finding {
    fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, status: Status::Ok, message: message.into(), advice: String::new() }
    }

    fn warning(check: &'static str, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, status: Status::Warning, message: message.into(), advice: advice.into() }
    }

    fn problem(check: &'static str, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, status: Status::Problem, message: message.into(), advice: advice.into() }
    }

    fn line(&self) -> String {
        let status = match self.status {
            Status::Ok => "ok",
            Status::Warning => "warning",
            Status::Problem => "PROBLEM",
        };
        let advice = if self.advice.is_empty() { String::new() } else { format!("\n{:23}{}", "", plain(&self.advice)) };
        format!("{status:>8}  {:<13}{}{advice}", self.check, plain(&self.message))
    }
}

pub(super) fn doctor(args: &DoctorArgs) -> Result<Exit, CliError> {
    let runtime = runtime()?;
    let findings = runtime.block_on(findings(args));
    let count = |status| findings.iter().filter(|finding| finding.status == status).count() as u64;
    let (warnings, problems) = (count(Status::Warning), count(Status::Problem));
    if args.json {
        let report = json!({"checks": findings, "warnings": warnings, "problems": problems});
        print(&serde_json::to_string_pretty(&report).map_err(CliError::internal)?)?;
    } else {
        findings.iter().try_for_each(|finding| print(&finding.line()))?;
        print(&format!("{}, {}", counted(problems, "problem"), counted(warnings, "warning")))?;
    }
    Ok(if problems > 0 { Exit::FailedRows } else { Exit::Ok })
}

/// The checks in order. Without valid settings, only the machine is checked.
async fn findings(args: &DoctorArgs) -> Vec<Finding> {
    let environment = Environment::of_process();
    let source = SettingsSource {
        file: args.settings.config.clone(),
        set: args.settings.set.clone(),
        flags: output_flag(args.directory.as_deref().or(args.output.as_deref())),
    };
    let (config, settings) = match source.load_to_look(&environment) {
        Ok(loaded) => loaded,
        Err(error) => {
            let found = Finding::problem("settings", error.to_string(), "Correct the settings, and run docmill doctor again");
            return std::iter::once(found).chain(machine::kernel()).collect();
        }
    };
    let trusted = match source.load(&environment) {
        Err(error @ SetupError::Untrusted(_)) => Err(error.to_string()),
        _ => Ok(()),
    };
    let mut findings = vec![match &trusted {
        Ok(()) => Finding::ok("settings", source.found_file(&environment).map_or("defaults".to_owned(), |file| file.display().to_string())),
        Err(why) => Finding::problem("settings", why.clone(), ""),
    }];
    findings.extend(output::disk(&settings));
    findings.extend(output::store(&settings));
    findings.extend(machine::limits(&settings));
    findings.extend(machine::kernel());
    if trusted.is_ok() {
        findings.extend(provider::checks(&config, &settings, &environment).await);
    } else {
        findings.push(Finding::warning("provider", "not checked, because the settings are not trusted", ""));
    }
    findings
}
