//! Checks one source of settings against the default table. A source is a file, the environment, or
//! arguments.

use super::{Config, LISTS_OF_TABLES, Origin, Problem, key, leaves};
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

/// Prefix of environment variables: `DOCMILL_LLM__CONCURRENCY` is `llm.concurrency`.
const ENV_PREFIX: &str = "DOCMILL_";
/// Minimum similarity of a suggested key (Jaro-Winkler).
const NEAR: f64 = 0.75;

/// Variables with the prefix that are no settings.
const NO_SETTINGS: [&str; 4] = ["DOCMILL_TRUST", "DOCMILL_SHARD", "DOCMILL_SHARDS", "DOCMILL_BUDGET_TOKEN"];

/// Whether an environment variable changes a setting.
pub fn is_setting(variable: &str) -> bool {
    variable.starts_with(ENV_PREFIX) && !NO_SETTINGS.contains(&variable)
}

/// One source of settings.
#[derive(Debug, Clone)]
pub enum Layer {
    /// A TOML file.
    File {
        /// Its name, for messages.
        name: String,
        /// Its content.
        text: String,
    },
    /// Environment variables. Variables without the prefix `DOCMILL_` are ignored.
    Env(Vec<(String, String)>),
    /// Command line arguments: `key`, `value` and the argument itself.
    Flags(Vec<(String, String, String)>),
}

type Found = Result<(String, Value, Origin), Problem>;

impl Layer {
    /// Every value of this layer, or its problem.
    pub(super) fn values(&self, defaults: &Table) -> Vec<Found> {
        match self {
            Self::File { name, text } => file_values(name, text, defaults),
            Self::Env(variables) => variables
                .iter()
                .filter(|(name, _)| is_setting(name))
                .filter_map(|(name, value)| {
                    let key = name.strip_prefix(ENV_PREFIX)?.replace("__", ".").to_lowercase();
                    Some(text_value(&key, value, Origin::Env(name.clone()), defaults))
                })
                .collect(),
            Self::Flags(flags) => {
                flags.iter().map(|(key, value, flag)| text_value(key, value, Origin::Flag(flag.clone()), defaults)).collect()
            }
        }
    }
}

fn file_values(name: &str, text: &str, defaults: &Table) -> Vec<Found> {
    // Parsed twice: once for values, once for line numbers.
    let (values, places) = match (text.parse::<Table>(), DeTable::parse(text)) {
        (Ok(values), Ok(places)) => (values, places),
        (Err(error), _) | (_, Err(error)) => {
            let line = error.span().map_or(1, |span| line_at(text, span.start));
            let origin = Origin::File { file: name.to_owned(), line };
            return vec![Err(Problem::new(origin, error.message()))];
        }
    };
    let mut lines = Vec::new();
    key_lines("", places.get_ref(), text, &mut lines);
    let empty_tables = lines.iter().filter(|(key, _)| defaults_get(defaults, key).is_none() && !Config::is_open(key));
    let mut found: Vec<Found> = Vec::new();
    for (key, line) in empty_tables {
        // An unknown table is reported once, at its header, and not for each of its keys.
        let parent_known = key.rsplit_once('.').is_none_or(|(parent, _)| defaults_get(defaults, parent).is_some());
        if parent_known {
            let origin = Origin::File { file: name.to_owned(), line: *line };
            found.push(Err(unknown_key(key, origin, defaults)));
        }
    }
    for (key, value) in leaves(&values) {
        let key = present(&key).to_owned();
        let line = lines.iter().find(|(at, _)| *at == key).map_or(1, |(_, line)| *line);
        let origin = Origin::File { file: name.to_owned(), line };
        if let Some(default) = expected(defaults, &key) {
            found.push(typed(&key, value, default, origin));
        } else if defaults_get(defaults, &key).is_some() {
            found.push(Err(Problem::new(origin, format!("{key} takes a table, not {}", article(value.type_str())))));
        }
    }
    found
}

fn key_lines(prefix: &str, table: &DeTable<'_>, text: &str, out: &mut Vec<(String, usize)>) {
    for (key, value) in table {
        let path = key::below(prefix, key.get_ref());
        out.push((present(&path).to_owned(), line_at(text, key.span().start)));
        if let DeValue::Table(inner) = value.get_ref() {
            key_lines(&path, inner, text, out);
        }
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|b| *b == b'\n').count() + 1
}

/// Parses a value from text, with the type of the default.
fn text_value(key: &str, text: &str, origin: Origin, defaults: &Table) -> Found {
    let key = &key::key(key::parts(key));
    let key = present(key);
    let Some(default) = expected(defaults, key) else {
        if defaults_get(defaults, key).is_some() || Config::is_open(&format!("{key}.x")) {
            let how = format!("{key} is a table: write [{key}] in the settings file, or set its keys one by one, as in {key}.KEY=VALUE");
            return Err(Problem::new(origin, how));
        }
        return Err(unknown_key(key, origin, defaults));
    };
    let as_toml = || format!("v = {text}").parse::<Table>().ok().and_then(|mut t| t.remove("v"));
    let as_text = || Value::String(text.to_owned());
    let as_list = || {
        // A text of JSON or TOML has quotes.
        let whole = as_toml().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_else(|| text.to_owned());
        let parts = whole.split(',').map(str::trim).filter(|part| !part.is_empty());
        Value::Array(parts.map(|part| Value::String(part.to_owned())).collect())
    };
    let value = match default {
        Expected::Servers if text.trim_start().starts_with('[') => as_toml().unwrap_or_else(as_text),
        Expected::Servers if text.split(',').count() > 1 && text.split(',').all(|part| part.trim_start().starts_with("http")) => as_list(),
        Expected::Servers => match as_toml() {
            Some(Value::String(quoted)) => Value::String(quoted),
            _ => as_text(),
        },
        Expected::Like(Value::String(_)) => match as_toml() {
            Some(Value::String(quoted)) => Value::String(quoted),
            _ => as_text(),
        },
        Expected::Like(Value::Array(_)) if COMMANDS.contains(&key) && !text.trim_start().starts_with('[') => as_text(),
        Expected::Like(Value::Array(_)) if !text.trim_start().starts_with('[') => as_list(),
        _ => as_toml().unwrap_or_else(as_text),
    };
    typed(key, value, default, origin)
}

/// Keys of commands: a list of words, or a text with words and quotes, as in a shell.
pub(super) const COMMANDS: [&str; 2] = ["llm.api_key_command", "watch.on_result"];

/// The key of the servers: an address, or a list of addresses and of tables.
pub(super) const SERVERS: &str = "llm.base_url";

/// Keys that were renamed: earlier name, present name.
pub(super) const RENAMED: [(&str, &str); 1] = [("llm.retry.max_systematic", "llm.retry.max_consecutive_failures")];

/// The current name of a key.
fn present(key: &str) -> &str {
    RENAMED.iter().find(|(earlier, _)| *earlier == key).map_or(key, |(_, present)| present)
}

/// The type of a key's value.
#[derive(Clone, Copy)]
enum Expected<'t> {
    /// A value of the same type as this default.
    Like(&'t Value),
    /// A list of tables.
    Tables,
    /// A text, or a list of texts and tables.
    Servers,
    /// Any value, because the user chose the key.
    Any,
}

/// The type of `key`'s value; `None` if the key does not exist.
fn expected<'t>(defaults: &'t Table, key: &str) -> Option<Expected<'t>> {
    if Config::is_open(key) {
        return Some(Expected::Any);
    }
    if LISTS_OF_TABLES.contains(&key) {
        return Some(Expected::Tables);
    }
    if key == SERVERS {
        return Some(Expected::Servers);
    }
    defaults_get(defaults, key).filter(|value| !value.is_table()).map(Expected::Like)
}

fn defaults_get<'t>(defaults: &'t Table, key: &str) -> Option<&'t Value> {
    let mut parts = key.split('.');
    let mut value = defaults.get(parts.next()?)?;
    for part in parts {
        value = value.as_table()?.get(part)?;
    }
    Some(value)
}

fn typed(key: &str, value: Value, expected: Expected<'_>, origin: Origin) -> Found {
    let value = match (expected, value) {
        (Expected::Any, value) => value,
        (Expected::Tables, Value::Array(items)) if items.iter().all(Value::is_table) => Value::Array(items),
        (Expected::Tables, _) => return Err(Problem::new(origin, format!("{key} takes a list of tables, each under [[{key}]]"))),
        (Expected::Servers, Value::String(url)) => Value::String(url),
        (Expected::Servers, Value::Array(items)) if items.iter().all(|item| item.is_str() || item.is_table()) => Value::Array(items),
        (Expected::Servers, _) => {
            return Err(Problem::new(
                origin,
                format!("{key} takes an address, or a list of addresses and of {{ url = ..., weight = ... }}"),
            ));
        }
        // Users write five dollars as 5, not as 5.0.
        (Expected::Like(Value::Float(_)), Value::Integer(n)) => Value::Float(n as f64),
        (Expected::Like(Value::Array(_)), Value::String(text)) if COMMANDS.contains(&key) => {
            let words =
                shell_words::split(&text).map_err(|_| Problem::new(origin.clone(), format!("{key}: a quotation mark is missing")))?;
            Value::Array(words.into_iter().map(Value::String).collect())
        }
        (Expected::Like(Value::Array(_)), Value::Array(items)) => {
            if !items.iter().all(Value::is_str) {
                return Err(Problem::new(origin, format!("{key} takes a list of strings")));
            }
            Value::Array(items)
        }
        (Expected::Like(default), value) if default.same_type(&value) => value,
        (Expected::Like(default), value) => {
            let (wanted, got) = (default.type_str(), value.type_str());
            return Err(Problem::new(origin, format!("{key} takes {}, not {}", article(wanted), article(got))));
        }
    };
    Ok((key.to_owned(), value, origin))
}

fn article(type_name: &str) -> String {
    let vowel = type_name.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {type_name}", if vowel { "an" } else { "a" })
}

fn unknown_key(key: &str, origin: Origin, defaults: &Table) -> Problem {
    let name = key.rsplit('.').next().unwrap_or_default().to_lowercase().replace(['-', '_'], "");
    if matches!(&*name, "key" | "apikey" | "apitoken") {
        let message = format!(
            "unknown key {key}: settings cannot hold keys. Set the environment variable of the provider, such as OPENAI_API_KEY, or name \
                another variable in llm.api_key_env (docmill help settings)"
        );
        return Problem::new(origin, message);
    }
    let known = leaves(defaults);
    let key_in_lower_case = key.to_lowercase();
    if !key.contains('.') {
        let tables =
            known.iter().filter_map(|(k, _)| k.split_once('.')).map(|(table, _)| (strsim::jaro_winkler(table, &key_in_lower_case), table));
        if let Some((_, table)) = tables.filter(|(likeness, _)| *likeness > NEAR).max_by(|(a, _), (b, _)| a.total_cmp(b)) {
            return Problem::new(
                origin,
                format!("unknown key {key}; did you mean the table [{table}]? (docmill config show lists all keys)"),
            );
        }
    }
    let last = |k: &str| k.rsplit('.').next().unwrap_or_default().to_lowercase();
    let likeness = |k: &str| {
        let whole = strsim::jaro_winkler(k, &key_in_lower_case);
        let name = strsim::jaro_winkler(&last(k), &last(key));
        // Besides typing errors, users often put a correct name into the wrong table.
        whole.max(name * 0.98)
    };
    // Of equal ones, the first.
    let nearest = known.iter().rev().map(|(k, _)| (likeness(k), k)).max_by(|(a, _), (b, _)| a.total_cmp(b));
    let hint = nearest.filter(|(likeness, _)| *likeness > NEAR).map_or_else(String::new, |(_, k)| format!("; did you mean {k}?"));
    Problem::new(origin, format!("unknown key {key}{hint} (docmill config show lists all keys)"))
}
