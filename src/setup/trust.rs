//! Trust in a settings file that docmill found in the working directory.
//!
//! A directory may come from a stranger. Its settings file could send the user's key to another
//! server or run a command. So such settings take effect only after the user has trusted them once.

use super::{Environment, SetupError};
use crate::config::{Config, Origin};
use crate::system::make_directory;
use std::fmt;
use std::path::{Path, PathBuf};
use toml::Value;

/// Directories whose settings files are trusted, separated as in `PATH`.
pub const TRUSTED: &str = "DOCMILL_TRUST";

/// Settings that decide where data and secrets go, or what runs.
const DECIDING: [&str; 16] = [
    "alert",
    "budget.service",
    "budget.token",
    "llm.api_key_command",
    "llm.api_key_env",
    "llm.api_key_file",
    "llm.base_url",
    "llm.ca_file",
    "llm.key_header",
    "output.copy_to",
    "output.postgres",
    "report.events",
    "report.traces",
    "watch.done_dir",
    "watch.failed_dir",
    "watch.on_result",
];

/// Tables of such settings.
const DECIDING_TABLES: [&str; 3] = ["llm.headers.", "llm.query.", "serve."];

/// The settings of a file that need trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untrusted {
    /// The real path of the file.
    file: PathBuf,
    /// Keys with their lines.
    keys: Vec<(String, usize)>,
    /// The values of the keys; `None` for one that may be a secret.
    values: Vec<Option<String>>,
    /// A digest of file name, key and value for each key: another value needs trust again.
    digests: Vec<blake3::Hash>,
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "settings file {} is not trusted: it decides where data and keys go, or what runs", self.what())
    }
}

impl Untrusted {
    /// The settings in force from `file` that need trust; `None` without any.
    pub(super) fn of(config: &Config, file: &Path) -> Option<Self> {
        let name = file.display().to_string();
        let default = Config::from_layers(&[]).ok()?;
        let of_file = |(key, value, origin): (String, Value, Origin)| match origin {
            Origin::File { file, line } if file == name && decides(&key, &value) && default.get(&key) != Some(&value) => {
                Some((key, value, line))
            }
            _ => None,
        };
        let found: Vec<(String, Value, usize)> = config.entries().into_iter().filter_map(of_file).collect();
        if found.is_empty() {
            return None;
        }
        let file = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
        let digest = |(key, value, _): &(String, Value, usize)| {
            blake3::hash(&[file.as_os_str().as_encoded_bytes(), format!("\0{key}\0{value}").as_bytes()].concat())
        };
        let digests = found.iter().map(digest).collect();
        let mut found = found;
        found.sort_by_key(|(.., line)| *line);
        // A header or a parameter may hold a key.
        let shown = |key: &str| DECIDING.contains(&key);
        let values = found.iter().map(|(key, value, _)| shown(key).then(|| value.to_string())).collect();
        let keys = found.into_iter().map(|(key, _, line)| (key, line)).collect();
        Some(Self { file, keys, values, digests })
    }

    /// The file and the settings, for messages.
    pub fn what(&self) -> String {
        let shown = |((key, line), value): (&(String, usize), &Option<String>)| {
            let value = value.as_ref().map_or_else(String::new, |value| format!(" = {value}"));
            format!("{key}{value} in line {line}")
        };
        let keys: Vec<String> = self.keys.iter().zip(&self.values).map(shown).collect();
        format!("{} ({})", self.file.display(), keys.join(", "))
    }

    /// Whether the user has trusted these settings, or the directory of the file.
    pub(super) fn is_trusted(&self, environment: &Environment) -> bool {
        let directories = environment.variables.get(TRUSTED).map(String::as_str).unwrap_or_default();
        let mut directories = std::env::split_paths(directories).filter(|directory| !directory.as_os_str().is_empty());
        let in_one = directories
            .any(|directory| std::fs::canonicalize(environment.path(directory)).is_ok_and(|directory| self.file.starts_with(directory)));
        let is_recorded = |directory: PathBuf| self.digests.iter().all(|digest| directory.join(digest.to_hex().as_str()).is_file());
        in_one || records(environment).is_some_and(is_recorded)
    }

    /// Whether docmill can look up what the user has trusted.
    pub(super) fn can_be_recorded(environment: &Environment) -> bool {
        records(environment).is_some()
    }

    /// Records that the user trusts these settings.
    pub fn trust(&self, environment: &Environment) -> Result<(), SetupError> {
        let directory = records(environment).ok_or_else(|| SetupError::usage("trust needs HOME or XDG_DATA_HOME, which are not set"))?;
        let failed = |error| SetupError::internal(format!("{}: {error}", directory.display()));
        make_directory(&directory).map_err(failed)?;
        let record = |digest: &blake3::Hash| std::fs::write(directory.join(digest.to_hex().as_str()), format!("{}\n", self.file.display()));
        self.digests.iter().try_for_each(record).map_err(failed)
    }
}

/// The directory of the records of trust: one file for each trusted setting.
fn records(environment: &Environment) -> Option<PathBuf> {
    let variable = |name| environment.variables.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let data = variable("XDG_DATA_HOME").or_else(|| Some(variable("HOME")?.join(".local/share")))?;
    Some(data.join("docmill/trusted"))
}

fn decides(key: &str, value: &Value) -> bool {
    DECIDING.contains(&key) || DECIDING_TABLES.iter().any(|table| key.starts_with(table)) || has_variable(value)
}

/// Whether a value names an environment variable.
fn has_variable(value: &Value) -> bool {
    match value {
        Value::String(text) => text.starts_with("env:"),
        Value::Array(items) => items.iter().any(has_variable),
        Value::Table(table) => table.values().any(has_variable),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Layer;

    fn untrusted(directory: &Path, text: &str, flags: &[(&str, &str)]) -> Option<Untrusted> {
        let file = directory.join("pipeline.toml");
        std::fs::write(&file, text).unwrap();
        let flags = flags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned(), "--set".to_owned())).collect();
        let layers = [Layer::File { name: file.display().to_string(), text: text.to_owned() }, Layer::Flags(flags)];
        Untrusted::of(&Config::from_layers(&layers).unwrap(), &file)
    }

    #[test]
    fn settings_that_send_data_or_run_commands_need_trust() {
        let dir = tempfile::tempdir().unwrap();
        let keys = |text: &str| untrusted(dir.path(), text, &[]).map(|found| found.keys);
        for text in ["", "[llm]\nconcurrency = 4\nmodel = \"m\"", crate::config::DEFAULT, "[llm]\nbase_url = \"\""] {
            assert_eq!(keys(text), None, "{text}");
        }
        for (text, key) in [
            ("[llm]\nbase_url = \"http://h\"", "llm.base_url"),
            ("[llm.headers]\nX = \"y\"", "llm.headers.X"),
            ("[llm.query]\nx = \"y\"", "llm.query.x"),
            ("[llm]\nca_file = \"c\"", "llm.ca_file"),
            ("[llm]\napi_key_env = \"AWS_SECRET_ACCESS_KEY\"", "llm.api_key_env"),
            ("[llm]\napi_key_file = \"k\"", "llm.api_key_file"),
            ("[llm]\napi_key_command = \"pass show k\"", "llm.api_key_command"),
            ("[output]\ncopy_to = \"s3://b\"", "output.copy_to"),
            ("[output]\npostgres = \"postgres://h/d\"", "output.postgres"),
            ("[report]\ntraces = \"http://h\"", "report.traces"),
            ("[watch]\non_result = [\"true\"]", "watch.on_result"),
            ("[watch]\ndone_dir = \"d\"", "watch.done_dir"),
            ("[llm.body]\nuser = \"env:HOME\"", "llm.body.user"),
        ] {
            assert_eq!(keys(text), Some(vec![(key.to_owned(), 2)]), "{text}");
        }
        let alert = "[[alert]]\nwhen = \"cost > 1\"\nrun = [\"true\"]";
        assert_eq!(keys(alert).unwrap()[0].0, "alert");
        // A setting of the file that an argument overrides has no effect.
        let url = "[llm]\nbase_url = \"http://h\"";
        assert_eq!(untrusted(dir.path(), url, &[("llm.base_url", "http://mine")]), None);
    }

    #[test]
    fn trust_lasts_until_a_deciding_setting_changes() {
        let dir = tempfile::tempdir().unwrap();
        let variables = [("XDG_DATA_HOME".to_owned(), dir.path().join("data").display().to_string())];
        let mut environment = Environment { variables: variables.into(), ..Environment::of_process() };
        let first = untrusted(dir.path(), "[llm]\nbase_url = \"http://h\"", &[]).unwrap();
        assert!(!first.is_trusted(&environment));
        first.trust(&environment).unwrap();
        assert!(first.is_trusted(&environment));
        let tuned = untrusted(dir.path(), "[llm]\nconcurrency = 9\nbase_url = \"http://h\"", &[]).unwrap();
        assert!(tuned.is_trusted(&environment));
        let both = "[llm]\nbase_url = \"http://h\"\nca_file = \"c\"";
        let more = untrusted(dir.path(), both, &[]).unwrap();
        assert!(!more.is_trusted(&environment));
        more.trust(&environment).unwrap();
        // An argument overrides one of the trusted settings.
        assert!(untrusted(dir.path(), both, &[("llm.base_url", "http://mine")]).unwrap().is_trusted(&environment));
        let other = untrusted(dir.path(), "[llm]\nbase_url = \"http://i\"", &[]).unwrap();
        assert!(!other.is_trusted(&environment));
        for (directories, trusted) in [("/nowhere", false), (":", false), (dir.path().to_str().unwrap(), true)] {
            environment.variables.insert(TRUSTED.to_owned(), directories.to_owned());
            assert_eq!(other.is_trusted(&environment), trusted, "{directories}");
        }
    }
}
