//! What a client submits.

use super::allowed::check_setting;
use super::problem::Problem;
use super::settings::ServeSettings;
use crate::job::{AUTO, BUILTIN};
use crate::model::{Money, did_you_mean, from_object};
use crate::read::text_file;
use jiff::Timestamp;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use utoipa::ToSchema;

/// A run that a client wants. Its documents are texts, rows, addresses, uploaded files, or several
/// of them. Addresses come first, then rows, texts and files, each in the order of the submission.
/// Groups of files, and files with `input.tables = "rows"`, come in the order of their names.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Submission {
    /// Name of a job: built in, or of a job file of the server. Default: the job of the server's
    /// settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// A job file as text, instead of a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_file: Option<String>,
    /// Texts, each a document.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub texts: Vec<Text>,
    /// Rows of a table, each a document.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub rows: Vec<SubmittedRow>,
    /// Addresses of documents. The server's settings must allow them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// Settings by key, such as `llm.model`. The server allows some of them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, Value>)]
    pub settings: BTreeMap<String, Value>,
    /// Cap on money in US dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_usd: Option<f64>,
    /// Runs with a higher priority go first, from -100 to 100. Default: 0.
    pub priority: i64,
    /// How the provider serves requests. Default: as the server's settings say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lane: Option<Lane>,
    /// When work on the run must have ended, such as `2026-12-01T08:00:00Z`. The run then stops, and
    /// can be resumed. Among runs of equal priority, earlier deadlines go first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub deadline: Option<String>,
    /// Address for a message when the run has ended (Standard Webhooks).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
    /// A name for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// Whether the run waits until a client resumes it, for example after a look at its estimate.
    pub held: bool,
}

/// How the provider serves requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// At once, at the usual price.
    Sync,
    /// When there is capacity, at a lower price. Only some providers have it.
    Flex,
}

impl Lane {
    /// The value of `llm.service_tier`.
    fn tier(self) -> &'static str {
        match self {
            Self::Sync => "",
            Self::Flex => "flex",
        }
    }
}

/// A row of a table, as the client wrote it. Its numbers keep all their digits.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct SubmittedRow(Box<RawValue>);

impl SubmittedRow {
    /// The row on one line.
    pub fn line(&self) -> String {
        // Texts of JSON have no line breaks.
        self.0.get().replace(['\n', '\r'], " ")
    }

    /// Whether it has a column of this name.
    fn has(&self, name: &str) -> bool {
        serde_json::from_str::<BTreeMap<String, &RawValue>>(self.0.get()).is_ok_and(|columns| columns.contains_key(name))
    }
}

impl<'de> Deserialize<'de> for SubmittedRow {
    fn deserialize<D: Deserializer<'de>>(row: D) -> Result<Self, D::Error> {
        let row = Box::<RawValue>::deserialize(row)?;
        // It must be a row that every reader of JSON takes.
        serde_json::from_str::<BTreeMap<String, Value>>(row.get()).map_err(|why| D::Error::custom(format!("a row: {why}")))?;
        Ok(Self(row))
    }
}

/// A text to ask about.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Text {
    /// Without a name.
    Plain(String),
    /// With a name.
    Named {
        /// Name of the document, such as `letters/7.txt`.
        name: String,
        /// The text.
        text: String,
    },
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(text: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, or an object with `name` and `text`")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text::Plain(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Text, A::Error> {
                let NamedText { name, text } = NamedText::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Text::Named { name, text })
            }
        }
        text.deserialize_any(Either)
    }
}

/// A text with a name, as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NamedText {
    name: String,
    text: String,
}

/// The setting that makes rows of tables documents, and settings that name columns of tables.
const TABLES: &str = "input.tables";
const COLUMNS: [&str; 3] = ["input.id_column", "input.keep_columns", "input.text_column"];

/// The setting that a lane changes.
const TIER: &str = "llm.service_tier";

/// Priorities from `-PRIORITIES` to `PRIORITIES`.
const PRIORITIES: i64 = 100;
/// Maximum length of a label in bytes.
const LABEL: usize = 200;

impl Submission {
    /// Parses a submission.
    pub fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        from_object(bytes).map_err(|error| Problem::bad_request(format!("the submission is not valid: {error}")))
    }

    /// Checks everything that needs only the settings of the server.
    pub fn check(&self, serve: &ServeSettings) -> Result<(), Problem> {
        if self.job.is_some() && self.job_file.is_some() {
            return Err(Problem::invalid("job and job_file: only one of them can be given"));
        }
        if !(-PRIORITIES..=PRIORITIES).contains(&self.priority) {
            return Err(Problem::invalid(format!("priority: expected a number from -{PRIORITIES} to {PRIORITIES}, not {}", self.priority)));
        }
        if self.label.len() > LABEL {
            return Err(Problem::invalid(format!("label: longer than {LABEL} bytes")));
        }
        if self.label.chars().any(|c| c.is_control() || is_bidi_control(c)) {
            return Err(Problem::invalid("label: contains control characters, or characters that change the direction of text"));
        }
        check_cap(self.max_usd)?;
        if self.lane.is_some() && self.settings.contains_key(TIER) {
            return Err(Problem::invalid(format!("lane and {TIER}: only one of them can be given")));
        }
        if self.deadline()?.is_some_and(|deadline| deadline <= Timestamp::now()) {
            return Err(Problem::invalid("deadline: this time has passed"));
        }
        for address in &self.addresses {
            if !serve.urls.iter().any(|allowed| is_below(address, allowed)) {
                let why = format!("addresses: this server does not read {address}. The setting serve.urls lists what it reads");
                return Err(Problem::forbidden(why));
            }
        }
        self.settings.keys().try_for_each(|key| check_setting(key, serve))
    }

    /// The text of the named job, if it is a job file of the server.
    ///
    /// `default` is the job of the server's settings.
    pub fn job_of_server(&self, serve: &ServeSettings, default: &str) -> Result<Option<String>, Problem> {
        let Some(name) = self.job.as_deref().filter(|name| *name != default) else { return Ok(None) };
        let known: Vec<&str> = AUTO.iter().map(|(name, _)| *name).chain(BUILTIN.iter().map(|(name, _)| *name)).collect();
        if known.contains(&name) {
            return Ok(None);
        }
        let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') && !name.is_empty();
        let file = Path::new(&serve.jobs).join(format!("{name}.toml"));
        if is_name && !serve.jobs.is_empty() && file.is_file() {
            return text_file(&file).map(Some).map_err(|error| Problem::internal(format!("job {name}: {error}")));
        }
        let hint = did_you_mean(name, known.iter().copied());
        Err(Problem::invalid(format!("job: unknown job \"{name}\"{hint}; built in: {}", known.join(", "))))
    }

    /// Checks that some row has each column that the settings name. For rows without tables beside them.
    pub fn check_columns(&self) -> Result<(), Problem> {
        for (key, named) in COLUMNS.iter().filter_map(|key| Some((key, self.settings.get(*key)?))) {
            let names = named.as_array().map_or(std::slice::from_ref(named), Vec::as_slice).iter().filter_map(Value::as_str);
            let mut names = names.filter(|name| !name.is_empty());
            if let Some(missing) = names.find(|name| !self.rows.iter().any(|row| row.has(name))) {
                return Err(Problem::invalid(format!("settings: {key}: no row has the column \"{missing}\"")));
            }
        }
        Ok(())
    }

    /// The settings as arguments of a command line.
    pub fn flags(&self) -> Result<Vec<(String, String, String)>, Problem> {
        let mut flags = Vec::new();
        for (key, value) in &self.settings {
            let value = toml::Value::try_from(value)
                .map_err(|_| Problem::invalid(format!("settings: {key} cannot be null. Leave it out for its default")))?;
            flags.push((key.clone(), value.to_string(), "the submission".to_owned()));
        }
        // The server cannot ask. A client that names columns wants rows.
        let names_columns = COLUMNS.iter().any(|key| self.settings.contains_key(*key));
        if names_columns && !self.settings.contains_key(TABLES) {
            flags.push((TABLES.to_owned(), "\"rows\"".to_owned(), "the columns in the submission".to_owned()));
        }
        flags.extend(self.lane.map(|lane| (TIER.to_owned(), format!("\"{}\"", lane.tier()), "the lane of the submission".to_owned())));
        Ok(flags)
    }

    /// When work on the run must have ended.
    pub fn deadline(&self) -> Result<Option<Timestamp>, Problem> {
        let parse = |text: &String| {
            text.parse::<Timestamp>().map_err(|error| {
                Problem::invalid(format!("deadline: invalid time \"{text}\": {error}. Expected one such as 2026-12-01T08:00:00Z"))
            })
        };
        self.deadline.as_ref().map(parse).transpose()
    }

    /// The cap on money.
    pub fn cap(&self) -> Option<Money> {
        self.max_usd.map(Money::from_usd)
    }

    /// The submission without its documents, for the queue.
    pub fn without_documents(&self) -> Self {
        Self { texts: Vec::new(), rows: Vec::new(), ..self.clone() }
    }
}

/// Whether a character changes the direction of the text around it.
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Checks a cap on money in US dollars.
pub fn check_cap(usd: Option<f64>) -> Result<Option<Money>, Problem> {
    if usd.is_some_and(|usd| !usd.is_finite() || usd <= 0.0) {
        return Err(Problem::invalid("max_usd: expected a positive amount of US dollars"));
    }
    Ok(usd.map(Money::from_usd))
}

/// Whether an address lies below another one. The allowed address ends at a border of the path, so
/// that `https://a.example` does not allow `https://a.example.net`.
fn is_below(address: &str, allowed: &str) -> bool {
    let Some(rest) = address.strip_prefix(allowed) else { return false };
    let is_border = allowed.ends_with('/') || rest.is_empty() || rest.starts_with(['/', '?']);
    let leaves = rest.split(['/', '\\']).any(|part| matches!(part.to_ascii_lowercase().as_str(), ".." | "%2e%2e" | ".%2e" | "%2e."));
    // After a bare host, `@` and `:` would name another one.
    is_border && !leaves
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn server() -> ServeSettings {
        let default = Config::from_layers(&[]).unwrap().section::<ServeSettings>("serve").unwrap();
        ServeSettings { urls: vec!["https://files.example".into(), "s3://bucket/in/".into()], ..default }
    }

    #[test]
    fn only_addresses_below_an_allowed_one_are_read() {
        let check = |address: &str| Submission { addresses: vec![address.to_owned()], ..Submission::default() }.check(&server());
        for allowed in ["https://files.example/a.txt", "https://files.example", "s3://bucket/in/x/y", "https://files.example?x=1"] {
            assert!(check(allowed).is_ok(), "{allowed}");
        }
        for refused in [
            "https://files.example.net/a",
            "https://files.example@evil.net/",
            "https://files.example:81/",
            "http://files.example/a",
            "s3://bucket/input",
            "s3://bucket/in/../secret",
            "s3://bucket/in/%2E%2e/secret",
            "/etc/passwd",
            "file:///etc/passwd",
        ] {
            assert_eq!(check(refused).unwrap_err().status, 403, "{refused}");
        }
    }

    #[test]
    fn clients_change_only_allowed_settings() {
        let with = |key: &str| Submission { settings: BTreeMap::from([(key.to_owned(), Value::from(1))]), ..Submission::default() };
        for allowed in ["llm.concurrency", "prepare.image.max_edge", "job.params.language"] {
            assert!(with(allowed).check(&server()).is_ok(), "{allowed}");
        }
        for refused in [
            "llm.base_url",
            "llm.api_key_command",
            "output.dir",
            "input.paths",
            "alert",
            "serve.keys",
            "simulator.scenario",
            "prepare.document_mb",
        ] {
            assert_eq!(with(refused).check(&server()).unwrap_err().status, 403, "{refused}");
        }
        let own = ServeSettings { settings: vec!["llm.timeout_s".into()], ..server() };
        assert!(with("llm.timeout_s").check(&own).is_ok());
    }

    #[test]
    fn a_label_cannot_change_the_direction_of_text() {
        let check = |label: &str| Submission { label: label.to_owned(), ..Submission::default() }.check(&server());
        assert!(check("été, 夏, קיץ").is_ok());
        for wrong in ["a\u{202e}b", "a\u{2066}b", "a\nb"] {
            assert_eq!(check(wrong).unwrap_err().status, 422, "{wrong:?}");
        }
    }

    #[test]
    fn jobs_are_named_and_never_paths() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("mine.toml"), "name = \"mine\"").unwrap();
        std::fs::write(dir.path().join("secret.toml"), "x").unwrap();
        let jobs = dir.path().join("jobs");
        std::fs::create_dir(&jobs).unwrap();
        std::fs::rename(dir.path().join("mine.toml"), jobs.join("mine.toml")).unwrap();
        let server = ServeSettings { jobs: jobs.display().to_string(), ..server() };
        let job = |name: &str| Submission { job: Some(name.to_owned()), ..Submission::default() }.job_of_server(&server, "text");
        assert_eq!(job("mine").unwrap().as_deref(), Some("name = \"mine\""));
        assert_eq!(job("material").unwrap(), None);
        for wrong in ["../secret", "secret", "/etc/passwd", "", "mine.toml"] {
            assert_eq!(job(wrong).unwrap_err().status, 422, "{wrong}");
        }
    }
}
