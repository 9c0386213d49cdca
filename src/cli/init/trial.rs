//! Three documents on the simulator, to see what comes out.

use crate::ask::StopKind;
use crate::cli::exit::CliError;
use crate::cli::runtime;
use crate::engine::Selection;
use crate::progress::Style;
use crate::setup::{Environment, FILE, Flag, Guard, RunOptions, SettingsSource, assemble};
use crate::store::{Archive, StoreError};
use serde_json::Value;
use std::path::Path;

/// Number of documents.
const DOCUMENTS: u64 = 3;
/// Maximum width of a shown value.
const WIDTH: usize = 72;

/// A document and its row.
pub(super) type Row = (String, Value);

/// Runs the settings file of the working directory on a few documents. The simulator answers, and
/// the results are discarded.
pub(super) fn rows() -> Result<Vec<Row>, CliError> {
    let scratch = tempfile::tempdir().map_err(|error| CliError::usage(format!("cannot create a temporary directory: {error}")))?;
    let flag = |key: &str, value: String| -> Flag { (key.to_owned(), value, "docmill init".to_owned()) };
    let text = |value: &Path| toml::Value::String(value.to_string_lossy().into_owned()).to_string();
    let flags = vec![
        flag("llm.provider", "simulated".to_owned()),
        flag("llm.model", "\"\"".to_owned()),
        flag("llm.base_url", "\"\"".to_owned()),
        flag("output.dir", text(scratch.path())),
        flag("output.formats", "[\"jsonl\"]".to_owned()),
    ];
    let source = SettingsSource { file: Some(FILE.into()), set: Vec::new(), flags };
    // The environment may name places for real results, caps and alerts.
    let environment = Environment::of_process().without_settings();
    let (config, settings) = source.load(&environment)?;
    let options = RunOptions { selection: Selection::First(DOCUMENTS), guard: Guard::Ask(crate::cli::prompt), ..RunOptions::default() };
    let runtime = runtime()?;
    let outcome = runtime.block_on(async { assemble(&environment, &config, settings, options).await?.run(Style::Quiet).await });
    runtime.shutdown_background();
    if let Some(stop) = outcome?.stop.filter(|stop| stop.kind != StopKind::Sampled) {
        return Err(CliError { exit: stop.kind.into(), message: stop.message });
    }
    read(scratch.path()).map_err(CliError::internal)
}

fn read(directory: &Path) -> Result<Vec<Row>, StoreError> {
    let mut rows = Vec::new();
    if let Some(archive) = Archive::open(directory)?
        && let Some(view) = archive.view(None, true)?
    {
        archive.rows(&view)?.read_from(0, true, |row| -> Result<(), StoreError> {
            rows.push((row.document.to_owned(), serde_json::from_str(row.text).unwrap_or_default()));
            Ok(())
        })?;
    }
    Ok(rows)
}

/// The rows for people: each answer on a line.
pub(super) fn shown(rows: &[Row]) -> String {
    let mut lines = vec!["\nThe first documents, with invented answers. Nothing was sent to a provider:".to_owned()];
    for (document, row) in rows {
        lines.push(format!("\n  {document}"));
        let answers = row["answers"].as_object().into_iter().flatten().chain(row["result"].as_object().into_iter().flatten());
        let answers: Vec<(&String, &Value)> = answers.collect();
        let width = answers.iter().map(|(field, _)| field.chars().count()).max().unwrap_or(0);
        for (field, value) in answers {
            let value = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned).replace('\n', " ");
            let short: String = value.chars().take(WIDTH).collect();
            let more = if short.len() < value.len() { " ..." } else { "" };
            lines.push(format!("    {field:width$}  {short}{more}"));
        }
        if let Some(code) = row["failure"]["code"].as_str() {
            lines.push(format!("    failed  {code}: {}", row["failure"]["message"].as_str().unwrap_or_default()));
        }
    }
    lines.push(String::new());
    lines.join("\n")
}
