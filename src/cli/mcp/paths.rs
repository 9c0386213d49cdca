//! The places that a client may name.

use crate::cli::exit::CliError;
use crate::job::{AUTO, builtin};
use crate::remote::Address;
use crate::setup::Settings;
use std::path::{Path, PathBuf};

/// The working directory, and what `--allow` adds.
#[derive(Debug)]
pub(super) struct Paths {
    directories: Vec<PathBuf>,
    /// Beginnings of addresses.
    addresses: Vec<String>,
}

impl Paths {
    pub fn new(allowed: &[String]) -> Result<Self, CliError> {
        let (addresses, directories): (Vec<&String>, Vec<&String>) = allowed.iter().partition(|allowed| Address::parse(allowed).is_some());
        let real = |path: &str| {
            std::fs::canonicalize(path).map_err(|error| CliError::usage(format!("--allow {path}: cannot use this directory: {error}")))
        };
        let directories = directories.into_iter().map(|path| real(path)).chain([real(".")]).collect::<Result<_, _>>()?;
        let addresses = addresses.into_iter().map(|address| address.trim_end_matches('/').to_owned()).collect();
        Ok(Self { directories, addresses })
    }

    /// Checks all places that a run with these settings reads or writes.
    pub fn check(&self, settings: &Settings) -> Result<(), String> {
        let input = &settings.input;
        if !input.files_from.is_empty() {
            return Err("input.files_from: a list may name any file, so docmill mcp does not take one. Name the documents".to_owned());
        }
        if input.follow_links == crate::read::FollowLinks::All {
            return Err("input.follow_links: docmill mcp follows only links inside of an input directory. Remove the setting".to_owned());
        }
        let job = &settings.job.r#use;
        let is_file = builtin(job).is_none() && !AUTO.iter().any(|(name, _)| name == job);
        let given = input.paths.iter().chain(&input.rows).chain(is_file.then_some(job));
        given.map(String::as_str).try_for_each(|place| self.admit(place))?;
        self.real(&settings.output.dir).map(drop)
    }

    fn admit(&self, place: &str) -> Result<(), String> {
        if place == "-" {
            return Err("-: docmill mcp cannot read documents from stdin. Name files or directories".to_owned());
        }
        if Address::parse(place).is_some() {
            let is_below =
                |allowed: &String| place == allowed || place.strip_prefix(allowed.as_str()).is_some_and(|rest| rest.starts_with('/'));
            // Readers of addresses take these for `..` and `/`.
            let is_plain = !place.contains(['\\', '\t', '\n', '\r']) && !place.to_ascii_lowercase().contains("%2e");
            let is_allowed = is_plain && !place.split('/').any(|part| part == "..") && self.addresses.iter().any(is_below);
            return if is_allowed { Ok(()) } else { Err(self.refused(place)) };
        }
        // The name of a sheet follows the name of a workbook.
        let file = if Path::new(place).exists() { place } else { place.rsplit_once('#').map_or(place, |(file, _)| file) };
        self.real(Path::new(file)).map(drop)
    }

    /// The real path of a place that exists or may be created. Refuses all others.
    pub fn real(&self, path: &Path) -> Result<PathBuf, String> {
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        let whole = std::path::absolute(path).map_err(failed)?;
        if whole.components().any(|part| part == std::path::Component::ParentDir) && !whole.exists() {
            return Err(self.refused(&path.display().to_string()));
        }
        let there = whole.ancestors().find(|ancestor| ancestor.symlink_metadata().is_ok()).unwrap_or(Path::new("/"));
        let real = std::fs::canonicalize(there).map_err(failed)?;
        let real = whole.strip_prefix(there).map_or(real.clone(), |rest| if rest.as_os_str().is_empty() { real } else { real.join(rest) });
        if self.directories.iter().any(|allowed| real.starts_with(allowed)) {
            return Ok(real);
        }
        Err(self.refused(&path.display().to_string()))
    }

    fn refused(&self, place: &str) -> String {
        format!(
            "{place}: not in the working directory of docmill mcp ({}), nor in a place that it allows. Ask the person to start docmill mcp \
            with --allow",
            self.directories.last().map(|directory| directory.display().to_string()).unwrap_or_default()
        )
    }
}
