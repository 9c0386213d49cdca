//! Environment of inputs: variables and time of the process.

use jiff::Zoned;
use std::fmt;

/// Variables and time of the process that opens inputs.
#[derive(Clone, Default)]
pub struct InputEnvironment {
    /// Environment variables: addresses and keys of object storage.
    pub variables: Vec<(String, String)>,
    /// The time from which ages in settings count, and its time zone.
    pub now: Zoned,
}

/// Shows only the number of variables, because they contain keys.
impl fmt::Debug for InputEnvironment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("InputEnvironment").field("variables", &self.variables.len()).field("now", &self.now).finish()
    }
}
