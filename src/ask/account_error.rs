//! Errors in the settings of an account.

/// A setting from which no account can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {message}")]
pub struct AccountError {
    /// The setting to look at.
    pub key: &'static str,
    /// What is wrong, and what to do.
    pub message: String,
}
