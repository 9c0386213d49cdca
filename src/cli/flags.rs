//! Arguments that are settings under another name.

use super::args::WhatArgs;
use super::settings;
use crate::setup::Flag;

/// What is asked about which documents, as settings.
pub(super) fn flags(args: &WhatArgs) -> Vec<Flag> {
    let mut flags = Vec::new();
    let mut flag = |key: &str, value: String, name: &str| flags.push((key.to_owned(), value, name.to_owned()));
    if !args.input.is_empty() {
        let paths = toml::Value::Array(args.input.iter().map(|path| toml::Value::String(path.clone())).collect());
        flag("input.paths", paths.to_string(), "argument INPUT");
    }
    let text = |value: &str| toml::Value::String(value.to_owned()).to_string();
    if args.input.is_empty() && (!args.rows.is_empty() || args.files_from.is_some()) {
        flag("input.paths", list(&[]), "--rows or --files-from");
    }
    for (key, value, name) in [
        ("input.files_from", &args.files_from, "--files-from"),
        ("input.text_column", &args.text_column, "--text-column"),
        ("input.id_column", &args.id_column, "--id-column"),
        ("input.tables", &args.tables, "--tables"),
    ] {
        if let Some(value) = value {
            flag(key, text(value), name);
        }
    }
    if let Some(max_usd) = args.max_usd {
        flag("budget.max_usd", toml::Value::Float(max_usd).to_string(), "--max-usd");
    }
    let keep: Vec<String> = args.keep_columns.iter().map(|column| column.trim().to_owned()).collect();
    for (is_given, existing) in [(args.add, "add"), (args.replace, "replace")] {
        if is_given {
            flag("output.existing", text(existing), &format!("--{existing}"));
        }
    }
    for (key, values, name) in [("input.rows", &args.rows, "--rows"), ("input.keep_columns", &keep, "--keep-columns")] {
        if !values.is_empty() {
            flag(key, list(values), name);
        }
    }
    if let Some(job) = &args.job {
        flag("job.use", toml::Value::String(job.clone()).to_string(), "--job");
    }
    if !args.tasks.is_empty() {
        let tasks: Vec<String> = args.tasks.iter().map(|task| task.trim().to_owned()).collect();
        flag("job.tasks", list(&tasks), "--tasks");
    }
    flags.extend(settings::output_flag(args.output.as_deref()));
    flags
}

/// A list of texts as the value of a setting.
pub(super) fn list(values: &[String]) -> String {
    toml::Value::Array(values.iter().cloned().map(toml::Value::String).collect()).to_string()
}
