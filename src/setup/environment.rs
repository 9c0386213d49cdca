//! What a plan takes from the process around it.

use jiff::Zoned;
use std::collections::BTreeMap;
use std::fmt;

/// Variables, arguments and time.
#[derive(Clone)]
pub struct Environment {
    /// Environment variables. Those that are not Unicode are left out.
    pub variables: BTreeMap<String, String>,
    /// The command line without the name of the program, for the history.
    pub arguments: Vec<String>,
    /// When the plan is made.
    pub now: Zoned,
}

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        let variables = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let arguments = std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned());
        Self { variables: variables.collect(), arguments: arguments.collect(), now: Zoned::now() }
    }

    /// The value of a variable that holds an API key. An empty one counts as unset.
    pub fn key(&self, name: &str) -> Option<String> {
        self.variables.get(name).filter(|key| !key.trim().is_empty()).cloned()
    }
}

/// Variables hold keys, so only their number is shown.
impl fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Environment").field("variables", &self.variables.len()).field("now", &self.now).finish_non_exhaustive()
    }
}
