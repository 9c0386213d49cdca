//! Environment variables with secrets, which programs that docmill starts do not get.

use super::Environment;
use crate::ask::Provider;
use crate::config::Config;
use toml::Value;

/// Beginnings of variables of object storage, and what those with secrets contain.
const STORAGE: [&str; 3] = ["AWS_", "AZURE_", "GOOGLE_"];
const SECRET: [&str; 5] = ["KEY", "SECRET", "TOKEN", "PASSWORD", "SAS"];
/// Variables with the headers of a collector of traces, which may hold a token.
const COLLECTOR: [&str; 2] = ["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"];

/// The names of all variables that docmill may read secrets from.
///
/// These are the keys of all providers, the variables that the settings name, and the credentials
/// of object storage.
pub(super) fn secret_variables(environment: &Environment, config: &Config) -> Vec<String> {
    let mut names: Vec<String> = Provider::key_variables().chain(COLLECTOR).map(ToOwned::to_owned).collect();
    for (key, value, _) in config.entries() {
        if key == "llm.api_key_env" {
            names.extend(value.as_str().map(ToOwned::to_owned));
        }
        named_in(&value, &mut names);
    }
    let of_storage = |name: &&String| STORAGE.iter().any(|start| name.starts_with(start)) && SECRET.iter().any(|word| name.contains(word));
    names.extend(environment.variables.keys().filter(of_storage).cloned());
    names.retain(|name| !name.is_empty());
    names
}

/// Adds the variables that `env:NAME` names anywhere in a value.
fn named_in(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::String(text) => names.extend(text.strip_prefix("env:").map(ToOwned::to_owned)),
        Value::Array(items) => items.iter().for_each(|item| named_in(item, names)),
        Value::Table(table) => table.values().for_each(|item| named_in(item, names)),
        _ => {}
    }
}
