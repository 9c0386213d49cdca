//! What the user wants: from arguments, or from questions on the terminal.

use crate::ask::Provider;
use crate::cli::args::InitArgs;
use crate::cli::exit::CliError;
use crate::job::{BUILTIN, builtin};
use crate::progress::say;
use crate::remote::Address;
use crate::setup::Environment;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Component, Path, PathBuf};

/// The job file.
pub(super) const JOB: &str = "job.toml";
/// The question of a job without another one.
const USUAL: &str = "Summarise the document in two sentences, in its own language.";

/// Longer usual answers have a line of their own.
const LONG: usize = 30;

/// The answers of the user.
#[derive(Debug)]
pub(super) struct Answers {
    /// The documents, as a path of the new settings file.
    pub documents: String,
    /// Files of docmill below the documents, as patterns to exclude.
    pub exclude: Vec<String>,
    pub provider: Provider,
    /// Model and address of a compatible server.
    pub model: Option<String>,
    pub base_url: Option<String>,
    pub job: JobChoice,
}

/// What to ask about each document.
#[derive(Debug)]
pub(super) enum JobChoice {
    /// A question in the user's words.
    Ask(String),
    /// A job that exists: built in, or a file.
    Use(String),
}

impl Answers {
    /// Takes the arguments, and asks for what is missing.
    pub fn gather(args: &InitArgs, directory: &Path) -> Result<Self, CliError> {
        check_terminal(args)?;
        let documents = match &args.documents {
            Some(documents) => found(documents).map_err(CliError::usage)?,
            None => ask("1/3  Which documents? A directory, a file, or a table (CSV, Parquet) with a row for each", ".", found)?,
        };
        let provider = match &args.provider {
            Some(name) => Provider::parse(name).map_err(|why| CliError::usage(format!("--provider: {why}")))?,
            None => ask(&providers(), "1", provider)?,
        };
        let (mut model, mut base_url) = (args.model.clone(), args.base_url.clone());
        if provider.needs_address() {
            let filled = |text: &str| if text.is_empty() { Err("expected a value".to_owned()) } else { Ok(text.to_owned()) };
            let address = |text: &str| {
                let begins = ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme));
                if begins { Ok(text.to_owned()) } else { Err(format!("{text}: expected an address such as http://localhost:8000/v1")) }
            };
            if let Some(given) = &base_url {
                address(given).map_err(|why| CliError::usage(format!("--base-url {why}")))?;
            }
            if base_url.is_none() {
                base_url = Some(ask("     Address of the server", "http://localhost:8000/v1", address)?);
            }
            if model.is_none() {
                model = Some(ask("     Model", "", filled)?);
            }
        }
        let job = match (&args.ask, &args.job) {
            (Some(ask), _) if ask.trim().is_empty() => return Err(CliError::usage("--ask: the question is empty")),
            (Some(ask), _) => JobChoice::Ask(ask.clone()),
            (None, Some(job)) => used(job, directory).map_err(CliError::usage)?,
            (None, None) => {
                let names: Vec<&str> = BUILTIN.iter().map(|(name, _)| *name).collect();
                let question = format!(
                    "3/3  What should the model answer about each document? In your words, or a built-in job:\n     {}",
                    names.join(", ")
                );
                let choice = |text: &str| {
                    Ok(if builtin(text).is_some() { JobChoice::Use(text.to_owned()) } else { JobChoice::Ask(text.to_owned()) })
                };
                ask(&question, USUAL, choice)?
            }
        };
        let (documents, exclude) = placed(&documents, directory).map_err(CliError::usage)?;
        Ok(Self { documents, exclude, provider, model, base_url, job })
    }

    pub fn is_simulated(&self) -> bool {
        self.provider == Provider::Simulated
    }

    /// The variable for the key, if it is not set.
    pub fn missing_key(&self) -> Option<&'static str> {
        self.provider.key_variable().filter(|variable| !has_key(variable) && !self.provider.needs_address())
    }
}

/// Refuses missing arguments if there is no terminal for questions.
fn check_terminal(args: &InitArgs) -> Result<(), CliError> {
    if std::io::stdin().is_terminal() {
        return Ok(());
    }
    let is_compatible = args.provider.as_deref().and_then(|name| Provider::parse(name).ok()).is_some_and(Provider::needs_address);
    let missing: Vec<&str> = [
        (args.documents.is_none(), "--documents PATH"),
        (args.provider.is_none(), "--provider NAME"),
        (is_compatible && args.base_url.is_none(), "--base-url URL"),
        (is_compatible && args.model.is_none(), "--model NAME"),
        (args.ask.is_none() && args.job.is_none(), "--ask TEXT (or --job NAME)"),
    ]
    .into_iter()
    .filter_map(|(is_missing, flag)| is_missing.then_some(flag))
    .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(CliError::usage(format!("stdin is not a terminal, so docmill init cannot ask. Pass {}", missing.join(", "))))
}

/// Asks until `read` accepts the answer. An empty answer stands for `usual`.
fn ask<T>(question: &str, usual: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<T, CliError> {
    say("");
    say(question);
    let is_long = usual.len() > LONG;
    if is_long {
        say(&format!("     Enter alone: {usual}"));
    }
    let shown = if usual.is_empty() || is_long { "     > ".to_owned() } else { format!("     [{usual}] > ") };
    loop {
        let mut stderr = std::io::stderr().lock();
        // Without stderr, the user sees no question, but may know it.
        let _closed = stderr.write_all(shown.as_bytes()).and_then(|()| stderr.flush());
        drop(stderr);
        let mut line = String::new();
        if std::io::stdin().read_line(&mut line).map_err(CliError::internal)? == 0 {
            return Err(CliError::usage("the input ended before the last answer. Nothing was written"));
        }
        let answer = if line.trim().is_empty() { usual } else { line.trim() };
        match read(answer) {
            Ok(answer) => return Ok(answer),
            Err(why) => say(&format!("     {why}")),
        }
    }
}

/// The question about the provider.
fn providers() -> String {
    let line = |(n, name): (usize, &str)| {
        let provider = Provider::parse(name).unwrap_or(Provider::Simulated);
        let what = match provider.key_variable() {
            _ if provider == Provider::Simulated => "no key, no network, invented answers".to_owned(),
            _ if provider.needs_address() => "vLLM, llama.cpp, Ollama, LM Studio ...".to_owned(),
            Some(variable) if has_key(variable) => format!("the key in {variable} is used"),
            Some(variable) => format!("needs a key in {variable}"),
            None => String::new(),
        };
        format!("\n       {}  {name:18} {what}", n + 1)
    };
    format!("2/3  Which provider? A number or a name{}", Provider::names().enumerate().map(line).collect::<String>())
}

fn has_key(variable: &str) -> bool {
    Environment::of_process().key(variable).is_some()
}

/// A provider by its name or its number in the question.
fn provider(text: &str) -> Result<Provider, String> {
    let numbered = text.parse::<usize>().ok().and_then(|n| Provider::names().nth(n.checked_sub(1)?));
    Provider::parse(numbered.unwrap_or(text))
}

/// Documents that exist, or are in object storage or on the web.
fn found(text: &str) -> Result<String, String> {
    let is_there = Address::parse(text).is_some() || (text != "-" && Path::new(text).exists());
    if is_there { Ok(text.to_owned()) } else { Err(format!("{text}: no such file or directory")) }
}

/// A job for the settings in `directory`: built in, `auto`, or a file.
fn used(job: &str, directory: &Path) -> Result<JobChoice, String> {
    if builtin(job).is_some() || crate::job::AUTO.iter().any(|(name, _)| *name == job) {
        return Ok(JobChoice::Use(job.to_owned()));
    }
    if !Path::new(job).is_file() {
        return Err(format!("--job {job}: neither a job file nor a built-in job (docmill jobs list)"));
    }
    Ok(JobChoice::Use(placed(job, directory)?.0))
}

/// A path of the user as seen from `directory`, and the patterns for docmill's files below it.
fn placed(given: &str, directory: &Path) -> Result<(String, Vec<String>), String> {
    if Address::parse(given).is_some() {
        return Ok((given.to_owned(), Vec::new()));
    }
    let (path, home) = (whole(Path::new(given)), whole(directory));
    let (path, home) = path.and_then(|path| Ok((path, home?))).map_err(|error| format!("{given}: {error}"))?;
    let exclude = home.strip_prefix(&path).ok().map(|below| {
        let pattern = |name: &str| below.join(name).to_string_lossy().into_owned();
        vec![pattern(crate::setup::FILE), pattern(JOB)]
    });
    let seen = match path.strip_prefix(&home) {
        Ok(below) if below.as_os_str().is_empty() => Path::new(".").to_owned(),
        Ok(below) => below.to_owned(),
        Err(_) if directory == Path::new(".") => given.into(),
        Err(_) => path,
    };
    Ok((seen.to_string_lossy().into_owned(), exclude.unwrap_or_default()))
}

/// The absolute path, without `.` and `..`.
fn whole(path: &Path) -> std::io::Result<PathBuf> {
    let mut whole = PathBuf::new();
    for part in std::path::absolute(path)?.components() {
        if part == Component::ParentDir {
            // The parent of a link is that of its target.
            whole = if whole.is_symlink() { whole.canonicalize()? } else { whole };
            whole.pop();
        } else {
            whole.push(part);
        }
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn paths_lose_their_detours() {
        assert_eq!(whole(Path::new("/nowhere/edge/../first/./notes")).unwrap(), Path::new("/nowhere/first/notes"));
        let (notes, exclude) = placed("/nowhere/edge/../first/notes", Path::new("/nowhere/other/../mine")).unwrap();
        assert_eq!((notes.as_str(), exclude.len()), ("/nowhere/first/notes", 0));
        assert_eq!(placed("/nowhere/edge/../mine/notes", Path::new("/nowhere/mine")).unwrap().0, "notes");
    }

    #[cfg(unix)]
    #[test]
    fn the_parent_of_a_link_is_that_of_its_target() {
        let place = tempfile::tempdir().unwrap();
        let real = place.path().canonicalize().unwrap();
        std::fs::create_dir_all(real.join("far/away")).unwrap();
        std::os::unix::fs::symlink(real.join("far/away"), real.join("link")).unwrap();
        assert_eq!(whole(&real.join("link/../notes")).unwrap(), real.join("far/notes"));
    }
}
