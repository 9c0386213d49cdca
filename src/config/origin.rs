//! Origins of values, and problems that name them.

use std::fmt;

/// Origin of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The embedded default.
    Default,
    /// A line of a file, counted from 1.
    File {
        /// The file's name as given.
        file: String,
        /// The line.
        line: usize,
    },
    /// An environment variable.
    Env(String),
    /// A command line argument.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { file, line } => write!(f, "{file}:{line}"),
            Self::Env(name) => write!(f, "environment {name}"),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// A problem in the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    origin: Option<Origin>,
    message: String,
}

impl Problem {
    /// A problem with a known origin.
    pub fn new(origin: Origin, message: impl Into<String>) -> Self {
        Self { origin: Some(origin), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Some(origin) if *origin != Origin::Default => write!(f, "{origin}: {}", self.message),
            _ => f.write_str(&self.message),
        }
    }
}

/// All problems in the settings. Users can correct them together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Problems(Vec<Problem>);

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl Problems {
    /// A problem with a whole file or section.
    pub fn one(place: &str, message: impl fmt::Display) -> Self {
        Self(vec![Problem { origin: None, message: format!("{place}: {message}") }])
    }

    /// The problems one by one.
    pub fn into_list(self) -> Vec<Problem> {
        self.0
    }

    /// Returns an error if there are problems.
    pub fn check(problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self(problems)) }
    }
}
