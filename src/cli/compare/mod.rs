//! `docmill compare`: sequential against parallel, or jobs, models and prompts.
//!
//! Each run of a comparison has its own directory below `DIR/compare`, so results in `DIR` are not
//! changed.

mod agreement;
mod answers;
mod labels;
mod sequential;
mod shown;
mod speed;
mod spent;
mod variants;

pub(super) use spent::{Spent, spent_in};

use super::args::{CompareArgs, Progress};
use super::exit::{CliError, Exit};
use super::flags::flags;
use super::run::style;
use super::runtime;
use super::settings;
use super::tables;
use crate::ask::StopKind;
use crate::config::Config;
use crate::engine::Sample;
use crate::model::Money;
use crate::setup::{Assembled, Environment, RunOptions, Server, Settings, assemble};
use crate::store::{Archive, Requests, RunLock, View};
use crate::system::{beside, make_directory};
use serde_json::{Map, Value};
use std::io::Write as _;
use std::path::{Path, PathBuf};

pub(super) fn compare(args: &CompareArgs) -> Result<Exit, CliError> {
    let (_config, settings) = load(args, &[])?;
    let input = &settings.input;
    if input.files_from == "-" || input.paths.iter().chain(&input.rows).any(|given| given == "-") {
        return Err(CliError::usage(
            "standard input can be read only once, but a comparison reads its input several \
            times. Save the input in a file.",
        ));
    }
    let runtime = runtime()?;
    runtime.block_on(async {
        let args = &CompareArgs { what: tables::answered(&args.what, &settings)?, ..args.clone() };
        if args.sequential { Box::pin(sequential::compare(args)).await } else { Box::pin(variants::compare(args)).await }
    })
}

/// Loads the settings of the command, overridden by `further`.
fn load(args: &CompareArgs, further: &[String]) -> Result<(Config, Settings), CliError> {
    let mut layers = args.what.settings.clone();
    layers.set.extend_from_slice(further);
    settings::load(&layers, flags(&args.what))
}

/// Assembles a run with the settings in `further`.
async fn prepare(args: &CompareArgs, further: &[String], server: Server) -> Result<Assembled, CliError> {
    let (config, settings) = load(args, further)?;
    let sample = args.documents.map(|documents| Sample { documents, seed: 0 });
    Ok(assemble(&Environment::of_process(), &config, settings, RunOptions { selection: sample.into(), server, ..RunOptions::default() })
        .await?)
}

/// The directory of comparisons, locked while this value lives.
struct ComparisonDir {
    output: PathBuf,
    directory: PathBuf,
    quiet: bool,
    _lock: RunLock,
}

/// A completed run of a comparison.
struct Measured {
    archive: Archive,
    view: View,
    /// Whether some documents failed.
    unanswered: bool,
}

impl ComparisonDir {
    fn open(output: &Path, quiet: bool) -> Result<Self, CliError> {
        let directory = output.join(spent::DIRECTORY);
        let unusable = |e: std::io::Error| CliError::usage(format!("{}: {e}. Name another directory with --output.", directory.display()));
        make_directory(&directory).map_err(unusable)?;
        let lock = RunLock::acquire(&directory).map_err(|error| CliError::lock(&error))?;
        // Comparisons must not become documents of another run.
        std::fs::write(directory.join(".docmillignore"), "*\n").map_err(unusable)?;
        Ok(Self { output: output.to_owned(), directory, quiet, _lock: lock })
    }

    /// Checks that a run can work in this directory. Call it before showing a price.
    fn check(&self, name: &str) -> Result<(), CliError> {
        let directory = self.directory.join(name);
        let unusable = |why: String| CliError::usage(format!("{}: {why}. Move it away, or name another --output.", directory.display()));
        Archive::open(&directory).map_err(|e| unusable(e.to_string()))?;
        match std::fs::metadata(&directory) {
            Ok(found) if !found.is_dir() => Err(unusable("this is not a directory".to_owned())),
            Ok(_) => tempfile::tempfile_in(&directory).map(drop).map_err(|e| unusable(format!("cannot write to it: {e}"))),
            Err(_) => Ok(()),
        }
    }

    /// Runs to the end in the directory `name`.
    async fn run(&self, name: &str, title: &str, mut run: Assembled) -> Result<Measured, CliError> {
        let directory = self.directory.join(name);
        if let Some(cap) = run.plan.max_cost {
            run.plan.max_cost = Some(cap - self.spent_elsewhere(&directory)?);
        }
        run.plan.output.dir.clone_from(&directory);
        (run.plan.copy, run.plan.database) = (None, None);
        self.say(&format!("compare: {title}"));
        let outcome = Box::pin(run.run(style(Progress::Auto, self.quiet))).await?;
        let sampled = outcome.stop.as_ref().is_some_and(|stop| stop.kind == StopKind::Sampled);
        if let Some(stop) = outcome.stop.filter(|_| !sampled) {
            let message = format!("{title}: {}\nthe comparison is incomplete; answers so far are in {}", stop.message, directory.display());
            return Err(CliError { exit: stop.kind.into(), message });
        }
        let gone = || {
            CliError::internal(format!(
                "{}: the run store disappeared during the comparison. Run the same command again.",
                directory.display()
            ))
        };
        let archive = Archive::open(&directory).map_err(CliError::internal)?.ok_or_else(gone)?;
        let view = archive.view(None, sampled).map_err(CliError::internal)?.ok_or_else(gone)?;
        Ok(Measured { archive, view, unanswered: outcome.unanswered > 0 })
    }

    /// Money spent in the output directory, without the runs in `directory`.
    fn spent_elsewhere(&self, directory: &Path) -> Result<Money, CliError> {
        let inside = spent_in(&self.output).map_err(CliError::usage)?;
        let others = inside.iter().filter(|other| other.directory != directory).map(|other| other.ledger.counted).sum::<Money>();
        let Some(own) = Archive::open(&self.output).map_err(CliError::usage)?.filter(|_| self.output != directory) else {
            return Ok(others);
        };
        Ok(others + own.ledger(Requests::All).map_err(CliError::usage)?.counted)
    }

    /// Writes a file of the comparison atomically.
    fn write(&self, name: &str, content: &[u8]) -> Result<PathBuf, CliError> {
        let path = self.directory.join(name);
        let written =
            beside(&path, ".docmill-").and_then(|mut file| file.write_all(content).and_then(|()| file.persist(&path).map_err(|e| e.error)));
        written.map_err(|e| CliError::internal(format!("{}: {e}", path.display())))?;
        Ok(path)
    }

    /// Stores a result in `compare.json` under `key`, and keeps the other keys.
    fn keep(&self, key: &str, found: &Value) -> Result<PathBuf, CliError> {
        let before = std::fs::read(self.directory.join("compare.json")).unwrap_or_default();
        let mut all: Map<String, Value> = serde_json::from_slice(&before).unwrap_or_default();
        all.insert(key.to_owned(), found.clone());
        let text = serde_json::to_vec_pretty(&all).map_err(CliError::internal)?;
        self.write("compare.json", &text)
    }

    fn say(&self, line: &str) {
        if !self.quiet {
            crate::progress::say(line);
        }
    }
}
