//! Which shard a process runs.

use std::str::FromStr;

/// The choice of a shard on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardChoice {
    /// The environment of an engine says it.
    Auto,
    /// Shard `number`, counted from 0, of `of`.
    Number {
        /// Counted from 0.
        number: u32,
        /// Number of shards, if the caller names it.
        of: Option<u32>,
    },
}

/// A shard cannot be chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("--shard: {0}")]
pub struct ShardError(String);

/// Variables with the number of a task, and with the first number and the number of tasks if the
/// engine tells them.
const VARIABLES: [(&str, Option<&str>, Option<&str>); 4] = [
    ("DOCMILL_SHARD", None, Some("DOCMILL_SHARDS")),
    // Kubernetes Indexed Job.
    ("JOB_COMPLETION_INDEX", None, None),
    ("SLURM_ARRAY_TASK_ID", Some("SLURM_ARRAY_TASK_MIN"), Some("SLURM_ARRAY_TASK_COUNT")),
    ("AWS_BATCH_JOB_ARRAY_INDEX", None, Some("AWS_BATCH_JOB_ARRAY_SIZE")),
];

impl FromStr for ShardChoice {
    type Err = String;

    /// `auto`, `3/24` or `3`, counted from 0.
    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("unknown shard {text:?}; expected auto, or a number from 0 such as 3/24");
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let (number, of) = text.split_once('/').map_or((text, None), |(number, of)| (number, Some(of)));
        let number: u32 = number.parse().map_err(|_| expected())?;
        let of: Option<u32> = of.map(|of| of.parse().map_err(|_| expected())).transpose()?;
        match of {
            Some(of) if number >= of => {
                Err(format!("shard {number} of {of} does not exist; shards are counted from 0, so the last is {}", of.saturating_sub(1)))
            }
            of => Ok(Self::Number { number, of }),
        }
    }
}

impl ShardChoice {
    /// The number of the shard in a plan of `shards`, from 0.
    pub fn number(self, variables: &[(String, String)], shards: u32) -> Result<u32, ShardError> {
        let (number, of) = match self {
            Self::Number { number, of } => (number, of),
            Self::Auto => found(variables)?,
        };
        if of.is_some_and(|of| of != shards) {
            return Err(ShardError(format!("{} shards were asked for, but the plan has {shards}", of.unwrap_or_default())));
        }
        if number >= shards {
            return Err(ShardError(format!(
                "the plan has {shards} shards, so the last is {}; shard {number} does not exist",
                shards.saturating_sub(1)
            )));
        }
        Ok(number)
    }
}

/// Number of the shard, and of all shards, by the variables of the engine.
fn found(variables: &[(String, String)]) -> Result<(u32, Option<u32>), ShardError> {
    let get = |name: &str| variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    for (name, first, count) in VARIABLES {
        let Some(value) = get(name) else { continue };
        let parsed = |name: &str, value: &str| {
            value.trim().parse::<u32>().map_err(|_| ShardError(format!("the variable {name} is {value:?}; expected a number")))
        };
        let first = first.and_then(|name| Some((name, get(name)?))).map(|(name, value)| parsed(name, value)).transpose()?;
        let count = count.and_then(|name| Some((name, get(name)?))).map(|(name, value)| parsed(name, value)).transpose()?;
        return match parsed(name, value)?.checked_sub(first.unwrap_or(0)) {
            Some(number) => Ok((number, count)),
            None => Err(ShardError(format!("the variable {name} is below the first number of its array"))),
        };
    }
    let names: Vec<&str> = VARIABLES.iter().map(|(name, ..)| *name).collect();
    Err(ShardError(format!("auto needs one of the variables {}. Without them, name a shard such as 3/24", names.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(variables: &[(&str, &str)], shards: u32) -> Result<u32, String> {
        let variables: Vec<_> = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        ShardChoice::Auto.number(&variables, shards).map_err(|e| e.to_string())
    }

    #[test]
    fn each_engine_names_its_shard() {
        assert_eq!(number(&[("JOB_COMPLETION_INDEX", "7")], 24), Ok(7));
        assert_eq!(number(&[("SLURM_ARRAY_TASK_ID", "1"), ("SLURM_ARRAY_TASK_MIN", "1"), ("SLURM_ARRAY_TASK_COUNT", "24")], 24), Ok(0));
        assert_eq!(number(&[("AWS_BATCH_JOB_ARRAY_INDEX", "23"), ("AWS_BATCH_JOB_ARRAY_SIZE", "24")], 24), Ok(23));
        assert_eq!(number(&[("DOCMILL_SHARD", "0"), ("JOB_COMPLETION_INDEX", "7")], 24), Ok(0));
        assert!(number(&[("SLURM_ARRAY_TASK_ID", "0"), ("SLURM_ARRAY_TASK_COUNT", "12")], 24).unwrap_err().contains("12 shards"));
        assert!(number(&[("JOB_COMPLETION_INDEX", "24")], 24).unwrap_err().contains("the last is 23"));
        assert!(number(&[("JOB_COMPLETION_INDEX", "x")], 24).unwrap_err().contains("expected a number"));
        assert!(number(&[], 24).unwrap_err().contains("JOB_COMPLETION_INDEX"));
    }

    #[test]
    fn a_shard_is_a_number_or_auto() {
        assert_eq!("auto".parse(), Ok(ShardChoice::Auto));
        assert_eq!("3/24".parse(), Ok(ShardChoice::Number { number: 3, of: Some(24) }));
        assert_eq!("3".parse(), Ok(ShardChoice::Number { number: 3, of: None }));
        for wrong in ["", "24/24", "-1", "a/b", "1/", "1/0"] {
            assert!(wrong.parse::<ShardChoice>().is_err(), "{wrong}");
        }
    }
}
