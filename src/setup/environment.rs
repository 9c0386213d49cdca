//! The process environment of a plan.

use crate::config::is_setting;
use crate::read::InputEnvironment;
use jiff::Zoned;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// The parts of the process environment that a plan uses.
#[derive(Clone)]
pub struct Environment {
    /// Environment variables that are valid Unicode.
    pub variables: BTreeMap<String, String>,
    /// The command line without the name of the program, for the history.
    pub arguments: Vec<String>,
    /// Absolute directory of relative paths in settings. If it is empty, paths stay as written,
    /// relative to the directory of the process.
    pub directory: PathBuf,
    /// The time at which the plan is made.
    pub now: Zoned,
}

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        let variables = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let arguments = std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned());
        Self { variables: variables.collect(), arguments: arguments.collect(), directory: PathBuf::new(), now: Zoned::now() }
    }

    /// The same environment without variables that change settings.
    #[must_use]
    pub fn without_settings(mut self) -> Self {
        self.variables.retain(|name, _| !is_setting(name));
        self
    }

    /// A path of the settings, resolved in the working directory.
    pub fn path(&self, written: impl AsRef<Path>) -> PathBuf {
        self.directory.join(written)
    }

    /// The part of the environment that inputs use.
    pub fn of_inputs(&self) -> InputEnvironment {
        InputEnvironment { variables: self.variables.clone().into_iter().collect(), now: self.now.clone() }
    }

    /// The API key in a variable. An empty value counts as unset.
    pub fn key(&self, name: &str) -> Option<String> {
        self.variables.get(name).filter(|key| !key.trim().is_empty()).cloned()
    }
}

/// Shows only the number of variables, because they contain keys.
impl fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Environment").field("variables", &self.variables.len()).field("now", &self.now).finish_non_exhaustive()
    }
}
