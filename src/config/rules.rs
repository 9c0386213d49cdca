//! Rules for values of settings beside their type.

use crate::model::{did_you_mean, unknown_name};
use serde_json::{Value as Json, json};
use toml::Value;

/// What a value must obey beside its type.
///
/// A message completes the sentence that begins with the key.
#[derive(Debug, Clone, PartialEq)]
pub enum Rule {
    /// A text: one of these.
    OneOf(Vec<&'static str>),
    /// A list: at least one text, and each is one of these.
    EachOneOf(Vec<&'static str>),
    /// A whole number, from one to the other.
    Whole(i64, i64),
    /// A number of US dollars, up to this one.
    Dollars(f64),
    /// An address, or a list with at least one.
    Addresses,
    /// A secret or a list of them, each by one of these prefixes and a name. A text may be empty.
    Reference(&'static [&'static str]),
    /// The name of an environment variable with a key. A text may be empty.
    Variable,
    /// Where a key is: a file, or a command with its arguments. Both may be empty.
    PlaceOfKey,
    /// A directory of this machine. The advice says what to do about object storage.
    Directory(&'static str),
}

impl Rule {
    /// Checks a value that has the right type.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        match (self, value) {
            (Self::OneOf(known), Value::String(text)) if !known.contains(&text.as_str()) => {
                // An empty text stands for a default, and a tab cannot be shown.
                let names: Vec<&str> = known.iter().copied().filter(|name| !name.trim().is_empty()).collect();
                let near = did_you_mean(text, names.iter().copied());
                let is_word = |name: &str| name.contains(char::is_alphanumeric);
                let shown: Vec<String> =
                    names.iter().map(|name| if is_word(name) { (*name).to_owned() } else { format!("\"{name}\"") }).collect();
                Err(format!("unknown value \"{text}\"; expected one of {}{near}", shown.join(", ")))
            }
            (Self::EachOneOf(known), Value::Array(items)) => {
                if items.is_empty() {
                    return Err(format!("must name at least one of {}", known.join(", ")));
                }
                let unknown = items.iter().filter_map(Value::as_str).find(|item| !known.contains(item));
                unknown.map_or(Ok(()), |item| Err(unknown_name("unknown value", item, known)))
            }
            (Self::Whole(0, _), Value::Integer(n)) if *n < 0 => Err("must not be negative".to_owned()),
            (Self::Whole(low, _), Value::Integer(n)) if n < low => Err(format!("must be at least {low}")),
            (Self::Whole(_, high), Value::Integer(n)) if n > high => Err(format!("must be at most {high}")),
            (Self::Dollars(most), Value::Float(usd)) if !(0.0..=*most).contains(usd) => {
                Err(format!("must be an amount of US dollars from 0 to {most}"))
            }
            (Self::Addresses, Value::Array(items)) if items.is_empty() => {
                Err("an empty list names no server; \"\" stands for the address of the provider".to_owned())
            }
            (Self::Reference(known), Value::String(text)) if !text.is_empty() && !Self::refers(known, text) => Err(Self::no_secrets(known)),
            (Self::Reference(known), Value::Array(items))
                if items.iter().filter_map(Value::as_str).any(|item| !Self::refers(known, item)) =>
            {
                Err(Self::no_secrets(known))
            }
            // Messages must not show a key that somebody wrote here.
            (Self::Variable, Value::String(text)) if !text.is_empty() && !is_variable(text) => {
                Err("takes the name of an environment variable, such as OPENAI_API_KEY; settings cannot hold keys".to_owned())
            }
            (Self::PlaceOfKey, Value::String(text)) if is_key(text) => {
                Err("takes the name of a file with the key; settings cannot hold keys".to_owned())
            }
            (Self::PlaceOfKey, Value::Array(words)) if words.first().and_then(Value::as_str).is_some_and(is_key) => {
                Err("takes a command that prints the key; settings cannot hold keys".to_owned())
            }
            (Self::Directory(_), Value::String(text)) if text.is_empty() => {
                Err("must not be empty; the current directory is \".\"".to_owned())
            }
            (Self::Directory(advice), Value::String(text)) if text.contains("://") => {
                Err(format!("must be a directory of this machine; {advice}"))
            }
            _ => Ok(()),
        }
    }

    /// Whether a text names a place of a secret.
    fn refers(known: &[&str], text: &str) -> bool {
        let is_name = |prefix: &str, name: &str| !name.is_empty() && (prefix != "env:" || is_variable(name));
        known.iter().any(|prefix| text.strip_prefix(prefix).is_some_and(|name| is_name(prefix, name)))
    }

    /// The message must not show the value, which may be a secret.
    fn no_secrets(known: &[&str]) -> String {
        let forms: Vec<String> =
            known.iter().map(|prefix| format!("\"{prefix}{}\"", if *prefix == "file:" { "PATH" } else { "VARIABLE" })).collect();
        format!("settings cannot hold secrets. Write {}", forms.join(" or "))
    }

    /// The keywords of JSON Schema that say the same.
    pub(super) fn keywords(&self) -> Json {
        match self {
            Self::OneOf(known) => json!({"enum": known}),
            Self::EachOneOf(known) => json!({"minItems": 1, "items": {"enum": known}}),
            Self::Whole(low, i64::MAX) => json!({"minimum": low}),
            Self::Whole(low, high) => json!({"minimum": low, "maximum": high}),
            Self::Dollars(most) => json!({"minimum": 0, "maximum": most}),
            Self::Addresses => json!({"minItems": 1}),
            // The first pattern is for a text, the second one for the items of a list.
            Self::Reference(known) => {
                let pattern = format!("^({}).+$", known.join("|"));
                json!({"pattern": format!("^$|{pattern}"), "items": {"type": "string", "pattern": pattern}})
            }
            Self::Variable => json!({"pattern": "^([A-Za-z_][A-Za-z0-9_]*)?$"}),
            Self::PlaceOfKey => json!({}),
            Self::Directory(_) => json!({"minLength": 1, "not": {"pattern": "://"}}),
        }
    }
}

/// Whether a text can be the name of an environment variable, and is no key.
fn is_variable(text: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.chars().all(is_name) && !text.starts_with(|c: char| c.is_ascii_digit()) && !is_key(text)
}

/// Whether a text looks like a key: many letters and digits without a word between them, or a known start.
fn is_key(text: &str) -> bool {
    const SHORTEST: usize = 16;
    let is_random = |part: &str| {
        part.len() >= SHORTEST && part.contains(|c: char| c.is_ascii_digit()) && part.contains(|c: char| c.is_ascii_lowercase())
    };
    let is_word = |c: char| c.is_ascii_alphanumeric();
    let is_path = text.contains(['/', '\\', '.']);
    !is_path && (["sk-", "sk_", "gsk_", "AIza"].iter().any(|start| text.starts_with(start)) || text.split(|c| !is_word(c)).any(is_random))
}
