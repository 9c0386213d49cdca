//! Questions to the user before anything is sent or replaced.

use super::SetupError;

/// Asks the user a question and returns the answer in lower case. If the user cannot be asked,
/// fails with the message `otherwise`.
pub type Ask = fn(question: &str, otherwise: &str) -> Result<String, SetupError>;

/// How a command protects existing results.
#[derive(Debug, Clone, Copy, Default)]
pub enum Guard {
    /// It writes no results, so it does not check them.
    #[default]
    Off,
    /// It only reports the question that a run would ask.
    Tell,
    /// It asks the user.
    Ask(Ask),
    /// Its documents are not known beforehand, so it replaces no results of other settings.
    Stream,
}
