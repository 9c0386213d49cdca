//! Documents without a complete answer, with advice.

use super::advice::{advice_of, repeat};
use crate::model::FailureCode;
use crate::store::{Archive, StoreError};
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Number of example documents per failure code.
const EXAMPLES: u32 = 3;

/// Documents with a failure code.
#[derive(Debug, Serialize)]
pub struct Failures {
    /// The code.
    pub code: String,
    /// Number of documents.
    pub documents: u64,
    /// What to do.
    pub advice: &'static str,
    /// The command that asks again, if that may help.
    pub command: Option<String>,
    /// The first documents: name and message.
    pub examples: Vec<(String, String)>,
}

impl Failures {
    /// Adds advice and examples to the counts of a listing under a recipe. The most frequent code comes
    /// first.
    ///
    /// `command` is the command line of the run.
    pub fn gather(
        archive: &Archive,
        (listing, recipe): (i64, i64),
        command: &str,
        codes: &BTreeMap<FailureCode, u64>,
    ) -> Result<Vec<Self>, StoreError> {
        let with_examples = |(code, documents): (&FailureCode, &u64)| {
            let examples = archive.failure_examples(listing, recipe, code.as_str(), EXAMPLES)?;
            Ok(Self {
                code: code.to_string(),
                documents: *documents,
                advice: advice_of(command, *code),
                command: repeat(command, *code),
                examples,
            })
        };
        let mut failures = codes.iter().map(with_examples).collect::<Result<Vec<_>, StoreError>>()?;
        failures.sort_by_key(|failure| Reverse(failure.documents));
        Ok(failures)
    }
}
